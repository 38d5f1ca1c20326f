"""Faults 18 to 21: forks of every kind, servers with several workers, and two processes in one session."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from collector import Collector
from programs import start, stored

MANY = bool(os.environ.get("FAULTS_ALL"))

FORKS = """
import os, sys, time
import agentops_otel as agentops
from agentops_otel.client import default
def wait():
    "Until all that was made has arrived, or is on disk."
    while True:
        counts = default.pipeline.delivery.counts()
        if not default.pipeline.processor.waiting and counts.made == counts.delivered + counts.waiting:
            return
        time.sleep(0.01)
agentops.init(endpoint={endpoint!r}, tags=["parent"])
def events(count):
    for _ in range(count):
        agentops.record(agentops.ActionEvent(action_type="event"))
events(5)
for _ in range(3):
    pid = os.fork()
    if not pid:
        events(5)
        {leave}
    assert os.waitpid(pid, 0)[1] == 0
events(5)
agentops.end_session("Success")
"""


@pytest.mark.parametrize("to", ["store", "endpoint"])
@pytest.mark.parametrize("leave", ["sys.exit()", "agentops.flush(10); os._exit(0)", "wait(); os._exit(0)"])
def test_18_what_forked_children_do_is_kept_once_and_the_owner_ends_the_session(tmp_path, leave, to):
    """One that leaves by os._exit has no end of its own: what its thread has written by then, after 0.1 s, is there."""
    with Collector() as collector:
        process = start(FORKS.format(leave=leave, endpoint=collector.url if to == "endpoint" else None), tmp_path)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        if to == "store":
            ((row, spans),) = stored(tmp_path)
            assert (row.end_state, row.actions) == ("Success", 25)
            assert len({span.span_id for span in spans}) == 26
            assert sum(span.is_session for span in spans) == 1
        else:
            forward(tmp_path)  # what was on the disk of a child that left at once
            assert len(collector.ids) == 26
            # By id, for a child may leave between an answer and the note that it has come.
            names = {span.span_id: span.name for span in collector.spans}
            assert Counter(names.values()) == {"action event": 25, "session": 1}
            assert len({span.trace_id for span in collector.spans}) == 1


FORKS_UNDER_LOAD, BUSY_THREADS = (200, 8) if MANY else (25, 8)


def test_19_forks_under_busy_threads_hang_nobody(tmp_path):
    """Each child makes an event and ends as a program does; one that hung would be killed by its alarm."""
    process = start(
        f"""
import itertools, os, signal, sys, threading
import agentops_otel as agentops
session = agentops.init()
made, stop = itertools.count(), threading.Event()
totals = []
def busy():
    count = 0
    while not stop.is_set():
        session.record(agentops.ActionEvent(action_type="busy"))
        count += 1
        stop.wait(0.002)
    totals.append(count)
threads = [threading.Thread(target=busy) for _ in range({BUSY_THREADS})]
[thread.start() for thread in threads]
ends = []
for _ in range({FORKS_UNDER_LOAD}):
    pid = os.fork()
    if not pid:
        signal.alarm(60)
        session.record(agentops.ActionEvent(action_type="child"))
        sys.exit(0)
    ends.append(os.waitpid(pid, 0)[1])
stop.set()
[thread.join() for thread in threads]
agentops.end_session("Success")
agentops.flush(60)
print(sum(totals), [end for end in ends if end], flush=True)
""",
        tmp_path,
        PYTHONWARNINGS="ignore",
    )
    out, err = process.communicate(timeout=540)
    assert process.returncode == 0, err
    busy, _, hung = out.strip().partition(" ")
    assert hung == "[]"
    ((row, spans),) = stored(tmp_path)
    assert Counter(span.name for span in spans) == {
        "action busy": int(busy),
        "action child": FORKS_UNDER_LOAD,
        "session": 1,
    }
    assert row.end_state == "Success"


APPLICATION = """
import agentops_otel as agentops
agentops.init(endpoint={endpoint!r}, auto_start_session=False, log_summary=False)

@agentops.session(name="request")
def answer():
    agentops.record(agentops.ActionEvent(action_type="work"))
    return b"done"

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [answer()]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        body = answer()
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": body}})
"""
SERVERS = {
    "gunicorn": [
        "gunicorn",
        "--preload",
        "--workers",
        "3",
        "--threads",
        "4",
        "--no-control-socket",
        "--bind",
        "127.0.0.1:0",
        "app:wsgi",
    ],
    "uvicorn": ["uvicorn", "--workers", "3", "--lifespan", "off", "--port", "0", "app:asgi"],
}
REQUESTS = 300 if MANY else 60


class Server:
    """A web server with workers, in a directory of its own, and in a group of its own, so that all can be killed."""

    def __init__(self, tmp_path, command, endpoint):
        (tmp_path / "app.py").write_text(APPLICATION.format(endpoint=endpoint))
        env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
        env |= {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "AGENTOPS_STRICT": "1", "PYTHONUNBUFFERED": "1"}
        self.log = tmp_path / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=tmp_path, env=env, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while (found := re.search(r"127\.0\.0\.1:([1-9]\d+)", self.log.read_text())) is None:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        self.port = int(found[1])

    def ask(self, times):
        def get(_):
            deadline = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=30) as answer:
                        return answer.read()
                except OSError:  # workers are still starting
                    assert time.monotonic() < deadline, self.log.read_text()
                    time.sleep(0.1)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(get, range(times))) == [b"done"] * times

    def end(self, number):
        if number == signal.SIGKILL:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(30)


def forward(tmp_path):
    """Send what waits."""
    command = [sys.executable, "-m", "agentops_otel", "forward", "--store", str(tmp_path / "sessions.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def wait_for(spool, spans):
    """Until so many wait there: a queue is empty after 0.1 s, on a machine that has nothing else to do."""
    deadline = time.monotonic() + 60
    found = None
    while found != spans:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
        with contextlib.closing(sqlite3.connect(spool, timeout=30)) as connection:
            found = connection.execute("SELECT sum(spans) FROM batches").fetchone()[0]


def roots(collector):
    return len({(span.trace_id, span.span_id) for span in collector.stored if span.name == "request"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS.keys())
def test_20_no_request_of_a_server_with_workers_is_lost(tmp_path, command, number):
    """Stopped in good order, or killed while the endpoint is away and its spans wait on the disk."""
    with Collector() as collector:
        if number == signal.SIGKILL:
            collector.stop()
        server = Server(tmp_path, command, collector.url)
        try:
            server.ask(REQUESTS)
            if number == signal.SIGKILL:
                wait_for(tmp_path / "spool.db", 2 * REQUESTS)
        finally:
            server.end(number)
        if number == signal.SIGKILL:
            collector.start()
        forward(tmp_path)
        assert roots(collector) == REQUESTS, server.log.read_text()
        assert len(collector.spans) == len(collector.ids) == 2 * REQUESTS
        assert "Traceback" not in server.log.read_text()


SHARED = """
import os, signal, subprocess, sys, time
import agentops_otel as agentops
from agentops_otel.client import default
session = agentops.init({settings})
for number in range(3):
    session.record(agentops.ActionEvent(action_type="of the {who}"))
agentops.flush(10)
{then}
"""


def share(who, then, settings=""):
    return SHARED.format(who=who, then=then, settings=settings)


def test_21_a_guest_that_is_killed_leaves_the_session_to_its_owner(tmp_path):
    guest = share("guest", "os.kill(os.getpid(), signal.SIGKILL)")
    owner = share(
        "owner",
        f"assert subprocess.run([sys.executable, '-c', {guest!r}]).returncode == -9\n"
        "session.record(agentops.ActionEvent(action_type='of the survivor'))\nsession.end_session('Success', 'went on')",
    )
    process = start(owner, tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    ((row, spans),) = stored(tmp_path)
    assert (row.end_state, row.end_state_reason, row.is_running) == ("Success", "went on", False)
    assert Counter(span.name for span in spans) == {
        "action of the owner": 3,
        "action of the guest": 3,
        "action of the survivor": 1,
        "session": 1,
    }


def test_21_an_owner_that_is_killed_leaves_its_session_to_a_guest(tmp_path):
    """The guest goes on and says how it ended: with `for_all`, that holds."""
    guest = share(
        "guest",
        "print('here', flush=True); sys.stdin.readline()\n"
        "session.record(agentops.ActionEvent(action_type='of the survivor'))\n"
        "session.end_session('Failure', 'its owner died', for_all=True); agentops.flush(10)",
    )
    owner = share(
        "owner",
        f"guest = subprocess.Popen([sys.executable, '-c', {guest!r}], stdin=int(sys.argv[1]), stdout=subprocess.PIPE)\n"
        "assert guest.stdout.readline(), 'the guest ended'\n"
        "print('both', flush=True); time.sleep(60)",
    ).replace("int(sys.argv[1])", "int(os.environ['GUESTS_INPUT'])")
    read, write = os.pipe()
    os.set_inheritable(read, True)
    file = tmp_path / "owner.py"
    file.write_text(owner)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
    env |= {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "AGENTOPS_STRICT": "1", "GUESTS_INPUT": str(read)}
    process = subprocess.Popen([sys.executable, str(file)], env=env, stdout=subprocess.PIPE, text=True, pass_fds=[read])
    os.close(read)
    try:
        assert process.stdout.readline() == "both\n"
        ((row, _),) = stored(tmp_path)
        assert row.is_running
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        ((row, _),) = stored(tmp_path)
        assert not row.is_running
        os.write(write, b"\n")
        deadline = time.monotonic() + 30
        while row.end_state != "Failure":
            assert time.monotonic() < deadline, row
            time.sleep(0.1)
            ((row, spans),) = stored(tmp_path)
    finally:
        process.kill()
        process.communicate()
        os.close(write)
    assert (row.end_state_reason, row.actions) == ("its owner died", 7)
    assert sum(span.is_session for span in spans) == 1
