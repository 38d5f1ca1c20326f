"""The demo, run as a command: its steps, its tree, its session in the store."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing

import pytest

from agentops_otel.store import open_store

OURS = ("AGENTOPS_", "OTEL_", "OPENAI_", "ANTHROPIC_")


def demo(*arguments, before="", **environment):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    program = f"import sys\n{before}\nfrom agentops_otel.cli.demo import demo\ndemo()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=clean | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_it_shows_its_session(tmp_path):
    store = tmp_path / "demo.db"
    done = demo("--store", store, PYTHONIOENCODING="utf-8")
    assert done.returncode == 0, done.stderr
    steps = [line for line in done.stdout.splitlines() if line.startswith("→ ")]
    assert len(steps) == 7
    assert [line for line in done.stderr.splitlines() if line.startswith("Session Stats - Duration:")]
    with closing(open_store(store)) as kept:
        (row,) = kept.sessions()
        spans = kept.spans(row.session_id)
    assert row.session_id in done.stdout
    assert row.end_state == "Success"
    assert (row.llm_calls, row.tool_calls) == (5, 1)
    assert row.errors == 1
    assert row.cost is not None
    assert row.tokens["cache_read_tokens"] == 1104
    assert len(spans) == 8
    assert done.stdout.count("gpt-4o-mini") > 2


def test_it_asks_no_proxy(tmp_path):
    nowhere = "http://127.0.0.1:9"
    done = demo("--store", tmp_path / "demo.db", HTTP_PROXY=nowhere, http_proxy=nowhere)
    assert done.returncode == 0, done.stderr


def test_it_prints_where_only_ascii_is_understood(tmp_path):
    done = demo("--store", tmp_path / "demo.db", PYTHONIOENCODING="ascii:backslashreplace")
    assert done.returncode == 0, done.stderr
    assert "\n-> asking gpt-4o-mini" in done.stdout


@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_it_says_what_to_install(library):
    done = demo(before=f"sys.modules[{library!r}] = None")
    assert done.returncode == 1
    assert f"{library} is missing: pip install openai anthropic" in done.stderr
    assert "Traceback" not in done.stderr
