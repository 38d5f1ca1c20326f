"""The program of the suite, run once against an endpoint: what it sent, and what it was told of its session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.server.otlp_json import records_of

PROGRAM = Path(__file__).parent / "program.py"
ARRIVAL_SECONDS = "60"
"""What a receiver may take for one request: some load what they need with the first."""


def answers():
    """What the models say in `program.py`."""
    plan = bodies.chat("At high tide.", usage=bodies.chat_usage(118, 19, cached_tokens=64))
    again = bodies.chat("Row.", usage=bodies.chat_usage(171, 46))
    log = bodies.message("We rowed.", usage=bodies.message_usage(87, 31, cache_read=1104, cache_5m=20))
    return {
        "/v1/chat/completions": [
            Answer.json(plan),
            Answer.sse(streams.chat_chunks(again)),
            bodies.openai_error(429),
        ],
        "/v1/messages": [Answer.sse(streams.message_events(log))],
        "/v1/embeddings": [Answer.json(bodies.embeddings(prompt_tokens=41))],
    }


def play(endpoint, protocol, work, **settings):
    """Run the program once against this endpoint; what it sent, and what it was told of its session."""
    told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
    told |= {
        "AGENTOPS_STORE": str(Path(work) / "program.db"),
        "AGENTOPS_STRICT": "1",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": ARRIVAL_SECONDS,
        "OTEL_SERVICE_NAME": "harbour",
        **settings,
    }
    with Provider(answers()) as provider:
        command = [sys.executable, PROGRAM, endpoint, provider.openai_url, provider.anthropic_url]
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["arrived"], done.stderr
    return SimpleNamespace(
        trace_id=said["session"].replace("-", ""),
        session=said["session"],
        records=records_of(said["sent"]),
        cost=Decimal(said["cost"]),
        figures=said["figures"],
    )
