"""Whole programs as a user starts them, and what they leave in the store."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from agentops_otel.store import open_store


def start(program: str, tmp_path: Path, provider: Any = None, **env: str) -> subprocess.Popen[str]:
    """The program, running; its store is `sessions.db` in `tmp_path`, warnings are errors, so are our own faults."""
    told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
    told |= {
        "AGENTOPS_STORE": str(tmp_path / "sessions.db"),
        "AGENTOPS_STRICT": "1",
        "OPENAI_API_KEY": "sk-x",
        "ANTHROPIC_API_KEY": "x",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    if provider is not None:
        told |= {"OPENAI_BASE_URL": provider.openai_url, "ANTHROPIC_BASE_URL": provider.anthropic_url}
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(program))
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(file)],
        env=told | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(program: str, tmp_path: Path, provider: Any = None, *, code: int = 0, **env: str) -> tuple[str, str]:
    """What the program printed to stdout and stderr; it must end with this code."""
    process = start(program, tmp_path, provider, **env)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def stored(tmp_path: Path) -> list[tuple[Any, list[Any]]]:
    """(session, records) of everything in the store, newest session first."""
    store = open_store(tmp_path / "sessions.db")
    try:
        return [(row, store.spans(row.session_id)) for row in store.sessions()]
    finally:
        store.close()
