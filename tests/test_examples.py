"""The examples, run as their readers run them, against a provider on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.store import open_store

EXAMPLES = Path(__file__).parent.parent / "examples"
OURS = ("AGENTOPS_", "OTEL_", "OPENAI_", "ANTHROPIC_")


@pytest.fixture
def play(tmp_path):
    """Runs one example to its end: (what it printed, the row and the spans of its session, the requests)."""

    def run(name, *answers):
        store = tmp_path / "sessions.db"
        environment = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        with Provider(answers) as provider:
            environment |= {
                "AGENTOPS_STORE": str(store),
                "ANTHROPIC_API_KEY": "none",
                "ANTHROPIC_BASE_URL": provider.anthropic_url,
                "NO_PROXY": "127.0.0.1",
                "OPENAI_API_KEY": "none",
                "OPENAI_BASE_URL": provider.openai_url,
            }
            done = subprocess.run(
                [sys.executable, EXAMPLES / name],
                env=environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        assert [line for line in done.stderr.splitlines() if line.startswith("Session Stats - Duration:")]
        assert provider.unanswered == []
        assert len(provider.requests) == len(answers)
        with closing(open_store(store)) as kept:
            (row,) = kept.sessions()
            spans = kept.spans(row.session_id)
        assert row.end_state == "Success"
        assert not row.is_running
        assert len([span for span in spans if span.is_session]) == 1
        return done.stdout, row, spans

    return run


def test_quickstart(play):
    usage = bodies.chat_usage(1000, 100)
    printed, row, spans = play("quickstart.py", Answer.json(bodies.chat("The Nile, says Egypt.", usage=usage)))
    # 1000 tokens at 0.15 and 100 at 0.60 USD for a million
    assert printed == "The Nile, says Egypt.\nThat was 0.00021 USD.\n"
    assert list(row.tags) == ["quickstart"]
    assert (row.llm_calls, row.tool_calls, row.errors) == (1, 0, 0)
    assert row.tokens["input_tokens"] == 1000
    assert row.tokens["output_tokens"] == 100
    assert len(spans) == 2


def test_anthropic_stream(play):
    usage = bodies.message_usage(20, 17, cache_read=1000)
    poem = bodies.message("It counts to zero,\nbows.", usage=usage)
    printed, row, _ = play("anthropic_stream.py", Answer.sse(streams.message_events(poem)))
    assert printed.startswith("It counts to zero,\nbows.\n")
    assert "LLM calls: 1" in printed
    assert row.llm_calls == 1
    assert row.tokens["input_tokens"] == 1020
    assert row.tokens["cache_read_tokens"] == 1000
    assert row.end_state_reason == "The haiku is written."


def test_tools_and_errors(play):
    printed, row, spans = play(
        "tools_and_errors.py",
        Answer.json(bodies.chat(tools=[("population", {"city": "Porto"})])),
        Answer.json(bodies.chat("231,800 people live in Porto.")),
        bodies.openai_error(404),
    )
    assert printed == "231,800 people live in Porto.\n"
    assert (row.llm_calls, row.tool_calls) == (3, 1)
    assert row.errors >= 1
    assert [span.name for span in spans if span.status == "error"]


def test_examples_are_short():
    for example in EXAMPLES.glob("*.py"):
        assert len(example.read_text().splitlines()) <= 40, example.name
