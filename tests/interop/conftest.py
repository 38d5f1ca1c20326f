"""The interop suite: collected where scripts/interop has made its tools, which says where in INTEROP_FOLDER."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from interop.tools import TOOLS

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.server.otlp_json import records_of

FOLDER = os.environ.get("INTEROP_FOLDER")
HERE = Path(__file__).parent
collect_ignore_glob = [] if FOLDER else ["test_*.py"]
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
        command = [sys.executable, HERE / "program.py", endpoint, provider.openai_url, provider.anthropic_url]
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


@pytest.fixture(scope="session")
def work():
    """A directory for what tools write; some of their paths have to be short."""
    with tempfile.TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def start(work):
    """`start(Tool)`: a tool, running until all tests are done; the test is skipped where it could not be had."""
    kept = {}
    with contextlib.ExitStack() as running:

        def started(made, *more):
            asked = made, *more
            if asked not in kept:
                place = work / f"{made.name}-{len(kept)}"
                place.mkdir(exist_ok=True)
                found = made(Path(FOLDER) / made.name, place, *more)
                if why := found.why_missing():
                    pytest.skip(f"{found.name}: {why}")
                kept[asked] = running.enter_context(found.started())
            return kept[asked]

        yield started


@pytest.fixture(scope="session")
def tool(request, start):
    """The tool of that name, running."""
    return start(TOOLS[request.param])


@pytest.fixture(scope="session")
def played(work):
    """`played(tool, protocol)`: a session that has been sent to this tool once, however often it is asked for."""
    kept = {}

    def play_once(tool, protocol):
        key = tool, protocol
        if key not in kept:
            kept[key] = play(tool.endpoint(protocol), protocol, tool.work, **tool.settings())
        return kept[key]

    return play_once
