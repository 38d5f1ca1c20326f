"""Faults 13 to 17: every way in which a process ends, clocks that jump, ends that come twice or too late."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from programs import start, stored

from agentops_otel.store import open_store

EVENTS = 3

SESSIONS = f"""
import agentops_otel as agentops
sessions = [agentops.init(tags=["auto"]), *(agentops.start_session(tags=["explicit"]) for _ in range(2))]
for session in sessions:
    for number in range({EVENTS}):
        session.record(agentops.ActionEvent(action_type=f"event {{number}}"))
print(time.time_ns(), flush=True)
"""
"""One session that began by itself and two at once by hand, each with what has ended in it."""

KEPT = """
from agentops_otel.client import default
while default.pipeline.delivery.counts().waiting or not default.pipeline.delivery.delivered:
    time.sleep(0.01)
"""
"""A process that ends without a word ends once its thread has written: what is in the queue (0.1 s) ends with it."""

WORDLESS = "process ended without a word"
UNSAID = "process exited (code {}) without end_session"

DEATHS = {
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", "Indeterminate", WORDLESS),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)", "Indeterminate", "Signal SIGTERM"),
    "SIGINT": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(20)", "Indeterminate", "Signal SIGINT"),
    "os._exit": ("os._exit(4)", "Indeterminate", WORDLESS),
    "abort": ("os.abort()", "Indeterminate", WORDLESS),
    "uncaught exception": ("raise ValueError('bad')", "Failure", "ValueError: bad"),
    "sys.exit(0)": ("sys.exit(0)", "Indeterminate", UNSAID.format(0)),
    "sys.exit(7)": ("sys.exit(7)", "Indeterminate", UNSAID.format(7)),
    "falls off the end": ("pass", "Indeterminate", UNSAID.format(0)),
    "exception in a thread": (
        "thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()",
        "Indeterminate",
        UNSAID.format(0),
    ),
    "SystemExit in a thread": (
        "thread = threading.Thread(target=lambda: sys.exit(3)); thread.start(); thread.join()",
        "Indeterminate",
        UNSAID.format(0),
    ),
}
"""How it dies -> end state and reason of what was open."""

BEGIN = """
import os, resource, signal, sys, threading, time
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def plain_code(death: str) -> int:
    """How the same program ends without us."""
    done = subprocess.run([sys.executable, "-c", BEGIN + death], capture_output=True, check=False, timeout=30)
    return done.returncode


@pytest.mark.parametrize(("death", "state", "reason"), DEATHS.values(), ids=DEATHS.keys())
def test_13_whatever_kills_it_each_session_is_kept_and_ends_truthfully(tmp_path, death, state, reason):
    process = start(BEGIN + SESSIONS + (KEPT if reason == WORDLESS else "") + death, tmp_path)
    out, err = process.communicate(timeout=120)
    begun = time.monotonic()
    assert process.returncode == plain_code(death), err
    found = stored(tmp_path)
    assert time.monotonic() - begun < 5
    assert sorted(row.tags for row, _ in found) == [["auto"], ["explicit"], ["explicit"]]
    for row, spans in found:
        assert (row.is_running, row.end_state, row.end_state_reason) == (False, state, reason)
        assert row.actions == EVENTS == len(spans) - 1
        # No end is made up for who left none: the last thing that is known of it is.
        assert (row.end_time is None) == (reason == WORDLESS)
        assert (row.end_time or row.last_time) >= max(span.end_time for span in spans if not span.is_session)
        assert row.last_time <= int(out) + 30 * 10**9


def test_15_a_long_silence_and_a_jump_of_the_clock_end_nothing(tmp_path, monkeypatch):
    """Whether a process lives is asked of its lock, whatever the clock of the one who asks says."""
    process = start(BEGIN + SESSIONS + KEPT + "print(flush=True); time.sleep(100)", tmp_path)
    try:
        assert process.stdout.readline()
        assert process.stdout.readline() == "\n"
        for hours in (0, 1, -1, 24):
            now = time.time() + hours * 3600
            monkeypatch.setattr("time.time", lambda now=now: now)
            monkeypatch.setattr("time.time_ns", lambda now=now: int(now * 10**9))
            found = stored(tmp_path)
            monkeypatch.undo()
            assert len(found) == 3
            assert all(row.is_running and row.end_state_reason is None for row, _ in found), hours
    finally:
        process.kill()
        process.communicate()
    assert not any(row.is_running for row, _ in stored(tmp_path))


@pytest.mark.parametrize("hours", [1, -1])
def test_15_a_jump_of_the_programs_own_clock_loses_nothing(tmp_path, hours):
    process = start(
        f"""
import datetime, time
jump, told, told_ns = [0], time.time, time.time_ns
time.time = lambda: told() + jump[0]
time.time_ns = lambda: told_ns() + jump[0] * 10**9
class Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=jump[0])
datetime.datetime = Jumping
import agentops_otel as agentops
session = agentops.init()
session.record(agentops.ActionEvent("before"))
jump[0] = {hours} * 3600
session.record(agentops.ActionEvent("after"))
assert session.get_analytics()["Duration"] != "unknown"
agentops.end_session("Success")
""",
        tmp_path,
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    ((row, spans),) = stored(tmp_path)
    assert (row.end_state, row.is_running, row.actions, len(spans)) == ("Success", False, 2, 3)
    assert "Traceback" not in err


def test_16_ends_that_come_twice_elsewhere_or_too_late(tmp_path):
    """From another thread, twice, from handlers at exit that were there before us and after, and after shutdown."""
    process = start(
        """
import atexit, sys, threading
sessions = {}
def late():
    sessions["at exit"].record(agentops.ActionEvent("late"))
    sessions["at exit"].end_session("Success", "late")
    sessions["twice"].end_session("Failure")
    agentops.end_session("Failure")
    agentops.record(agentops.ActionEvent("nowhere"))
atexit.register(late)
import agentops_otel as agentops
agentops.init(auto_start_session=False)
for name in ("twice", "thread", "many threads", "at exit", "at exit, after us", "shut down"):
    sessions[name] = agentops.start_session(tags=[name])
atexit.register(lambda: sessions["at exit, after us"].end_session("Success"))
assert sessions["twice"].end_session("Success") == "0.00"
assert sessions["twice"].end_session("Failure") is None
thread = threading.Thread(target=sessions["thread"].end_session, args=("Success",)); thread.start(); thread.join()
threads = [threading.Thread(target=sessions["many threads"].end_session, args=("Success",)) for _ in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
assert agentops.flush(10)
from agentops_otel.client import default
built, ground = default.pipeline, default._ground
default.shut_down()
sessions["shut down"].record(agentops.ActionEvent("afterwards"))
sessions["shut down"].end_session("Success")
""",
        tmp_path,
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    found = {row.tags[0]: (row, spans) for row, spans in stored(tmp_path)}
    roots = {name: [span for span in spans if span.is_session] for name, (_, spans) in found.items()}
    assert {name: len(told) for name, told in roots.items()} == dict.fromkeys(found, 1)
    for name in ("twice", "thread", "many threads"):
        assert found[name][0].end_state == "Success", name
    assert not any(row.is_running for row, _ in found.values())
    assert set(found) == {"twice", "thread", "many threads", "at exit", "at exit, after us", "shut down"}


def test_17_hooks_and_handlers_of_the_programs_run_once_and_in_their_order(tmp_path):
    process = start(
        """
import atexit, signal, sys, threading, time
said = []
sys.excepthook = lambda *told: said.append(f"excepthook {told[0].__name__}")
threading.excepthook = lambda told: said.append(f"thread {told.exc_type.__name__}")
signal.signal(signal.SIGTERM, lambda *_: said.append("SIGTERM"))
signal.signal(signal.SIGINT, lambda *_: said.append("SIGINT"))
signal.signal(signal.SIGUSR1, lambda *_: said.append("SIGUSR1"))
atexit.register(lambda: print(said, flush=True))
import agentops_otel as agentops
agentops.init()
thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.raise_signal(number)
raise KeyError("mine")
""",
        tmp_path,
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    expected = ["thread ZeroDivisionError", "SIGTERM", "SIGINT", "SIGUSR1", "excepthook KeyError"]
    assert out == f"{expected}\n"
    ((row, _),) = stored(tmp_path)
    assert (row.end_state, row.end_state_reason) == ("Failure", "KeyError: 'mine'")


@pytest.mark.parametrize("later", ["mine", "chained"])
def test_17_a_handler_that_is_set_after_us_is_the_programs(tmp_path, later):
    """One that calls what was there before lets the signal kill, as the default would; one that does not, does not."""
    chained = "before(number, frame)" if later == "chained" else "sys.exit(9)"
    process = start(
        f"""
import signal, sys, time
import agentops_otel as agentops
agentops.init()
before = signal.getsignal(signal.SIGTERM)
def mine(number, frame):
    print("mine", flush=True)
    {chained}
signal.signal(signal.SIGTERM, mine)
signal.raise_signal(signal.SIGTERM)
time.sleep(20)
""",
        tmp_path,
    )
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (-signal.SIGTERM if later == "chained" else 9, "mine\n"), err
    ((row, _),) = stored(tmp_path)
    assert row.end_state_reason == ("Signal SIGTERM" if later == "chained" else UNSAID.format(9))


def test_17_all_is_put_back(tmp_path):
    process = start(
        """
import signal, sys, threading
def there():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] + [
        sys.excepthook, threading.excepthook, sys.unraisablehook, sys.exit, threading.Thread.start]
before = there()
import agentops_otel as agentops
from agentops_otel.client import default
agentops.init()
assert there() != before
agentops.end_session("Success")
default.shut_down()
assert there() == before, (before, there())
""",
        tmp_path,
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def test_the_store_of_the_dead_can_be_written_at_once(tmp_path):
    """Nobody waits for a lock that a killed process held."""
    for _ in range(3):
        process = start(BEGIN + SESSIONS + KEPT + "os.kill(os.getpid(), signal.SIGKILL)", tmp_path)
        process.communicate(timeout=120)
    begun = time.monotonic()
    store = open_store(tmp_path / "sessions.db")
    try:
        assert len(list(store.sessions())) == 9
        store.delete(next(iter(store.sessions())).session_id)
    finally:
        store.close()
    assert time.monotonic() - begun < 5
