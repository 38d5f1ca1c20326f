"""Celery as its recipe in docs/workers.md says: each job is part of the session that asked for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from programs import stored

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "workers.md"


def _recipe(name):
    """The block of this file in the page."""
    return re.search(rf'```python title="{name}"\n(.*?)```', PAGE.read_text(), re.DOTALL)[1]


@pytest.fixture
def env(tmp_path):
    told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
    return told | {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "PYTHONPATH": str(tmp_path), "AGENTOPS_STRICT": "1"}


def _joined(tmp_path):
    """The session of the program that asked, and the names of what happened in it."""
    found = {
        record.name: (row, records) for row, records in stored(tmp_path) for record in records if record.is_session
    }
    (row, records) = found["ask"]
    return row, sorted(record.name for record in records if not record.is_session)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_celery(tmp_path, env, pool):
    (tmp_path / "tasks.py").write_text(_recipe("tasks.py"))
    (tmp_path / "ask.py").write_text(_recipe("ask.py"))
    (tmp_path / "queue").mkdir()
    env["CELERY_BROKER"] = "filesystem://"
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tasks",
        "worker",
        f"--pool={pool}",
        "--concurrency=2",
        "-l",
        "ERROR",
    ]
    worker = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        done = subprocess.run(
            [sys.executable, "ask.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
    finally:
        worker.terminate()
        out, _ = worker.communicate(timeout=60)
    row, names = _joined(tmp_path)
    assert (row.end_state, names) == ("Success", ["action squared", "action squared"]), out
