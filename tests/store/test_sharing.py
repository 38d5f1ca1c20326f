"""SQLiteStore among processes: who owns a session, who writes at once, who forks and who dies."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from decimal import Decimal

import pytest
from span_records import SECOND, SESSION, llm, python, root

from agentops_otel.conventions import names
from agentops_otel.store import SessionQuery, StoreError, owners
from agentops_otel.store.sqlite import SQLiteStore

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
ENDED = {
    names.END_STATE: names.SUCCESS,
    names.END_STATE_REASON: "all done",
    names.TAGS: ["nightly", "refund"],
}


def open_root(store, **attributes):
    owner = owners.Owner.claim(store.owners)
    return root({names.OWNER: owner.name, **attributes}, end=None)


def test_an_open_session_of_this_process_runs(store):
    store.insert([open_root(store, **{names.TAGS: ["a"]}), llm(0.5)])
    row = store.session(SESSION)
    assert (row.is_running, row.end_time, row.end_state_reason, row.tags) == (True, None, None, ["a"])
    assert row.llm_calls == 1


WRITER = """
import sys, time
from span_records import *
from agentops_otel.store import SQLiteStore, Owner
store = SQLiteStore(sys.argv[1])
store.insert([root({names.OWNER: Owner.claim(store.owners).name}, end=None), llm(0.5, span_id="1" * 16)])
print("written", flush=True)
for number in range(2, 10_000):
    store.insert([llm(0.5, span_id=f"{number:016x}")])
    print(number, flush=True)
sys.stdin.read()
"""


def test_a_killed_process_leaves_an_indeterminate_session_and_every_span_it_was_told_is_kept(store):
    process = python(WRITER, store.path)
    with process:
        assert process.stdout.readline() == "written\n"
        assert store.session(SESSION).is_running
        told = [process.stdout.readline() for _ in range(50)][-1]
        process.send_signal(signal.SIGKILL)
        told = (process.stdout.read().split() or [told])[-1]
    row = store.session(SESSION)
    assert (row.is_running, row.end_state, row.end_state_reason) == (
        False,
        "Indeterminate",
        "process ended without a word",
    )
    assert row.end_time is None
    assert row.llm_calls >= int(told)
    assert row.cost == row.llm_calls * Decimal("0.5")


def test_a_late_end_wins_over_a_dead_owner(store):
    with python(WRITER, store.path) as process:
        process.stdout.readline()
        process.kill()
    assert store.session(SESSION).end_state_reason == "process ended without a word"
    store.insert([root(ENDED, end=5)])
    assert store.session(SESSION).end_state == "Success"


def test_an_end_written_between_the_look_at_the_records_and_at_the_owner(store, monkeypatch):
    store.insert([root({names.OWNER: "any"}, end=None)])

    def ends_and_dies(*_, **__):
        monkeypatch.undo()
        store.insert([root(ENDED, end=5)])
        return False

    monkeypatch.setattr(owners, "is_alive", ends_and_dies)
    assert store.session(SESSION).end_state == "Success"


@pytest.mark.parametrize(("seconds", "runs"), [(10, True), (3700, False)])
def test_an_owner_on_another_host_is_given_an_hour(store, seconds, runs):
    start = root({names.OWNER: f"{'0' * 12}.1.{'0' * 16}"}, end=None)
    start.start_time = time.time_ns() - seconds * SECOND
    store.insert([start])
    assert store.session(SESSION).is_running is runs


MANY = """
import sys
from span_records import *
from agentops_otel.store.sqlite import SQLiteStore
sys.stdin.readline()
store = SQLiteStore(sys.argv[1])
first = int(sys.argv[2])
for number in range(100):
    store.insert([llm(0.5, span_id=f"{first + number * 2 + i:016x}") for i in range(2)])
    if number % 10 == 0:
        store.sessions()
print("done")
"""


def test_processes_that_begin_one_file_at_once_lose_nothing(store, query):
    processes = [python(MANY, store.path, 1 + number * 1000) for number in range(4)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            assert process.stdout.read() == "done\n"
        assert process.returncode == 0
    row = store.session(SESSION)
    assert (row.llm_calls, row.cost) == (800, Decimal(400))
    assert len(store.spans(SESSION)) == 800
    assert query("PRAGMA integrity_check") == [("ok",)]


def test_threads_share_a_store(store):
    def write(first):
        for number in range(30):
            store.insert([llm(0.5, span_id=f"{first + number:016x}")])
            store.sessions(SessionQuery(limit=1))

    threads = [threading.Thread(target=write, args=(number * 100 + 1,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.session(SESSION).llm_calls == 120


@pytest.mark.parametrize("busy_seconds", [5.0, 0.0], ids=["SQLite waits", "we wait"])
def test_a_write_waits_for_the_writer_before_it(store, monkeypatch, busy_seconds):
    monkeypatch.setattr("agentops_otel.store.connection.BUSY_SECONDS", busy_seconds)
    store.insert([root(end=None)])
    other = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.1, other.execute, ("COMMIT",))
    timer.start()
    store.insert([llm()])
    timer.join()
    other.close()
    assert store.session(SESSION).llm_calls == 1


def test_a_file_that_stays_locked_is_an_error_that_says_so(store, monkeypatch):
    monkeypatch.setattr("agentops_otel.store.connection.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("agentops_otel.store.connection.PATIENCE_SECONDS", 0.1)
    store.insert([root(ENDED)])
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    store.sessions()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds it"):
        store.insert([llm()])
    assert store.session(SESSION).end_state == "Success", "readers do not wait for writers"
    other.execute("ROLLBACK")
    other.close()
    store.insert([llm()])


@pytest.mark.parametrize("store", ["later"], indirect=True)
def test_reading_does_not_fail_where_the_roll_up_cannot_be_kept(store, monkeypatch, query):
    monkeypatch.setattr("agentops_otel.store.connection.BUSY_SECONDS", 0.05)
    store.insert([root(ENDED), llm(0.5)])
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.session(SESSION).llm_calls == 1
    other.execute("ROLLBACK")
    other.close()
    assert query("SELECT counted FROM sessions") == [(0,)]


def test_a_roll_up_is_not_kept_for_records_that_came_meanwhile(store, monkeypatch):
    store.insert([root(ENDED), llm(0.5)])
    keep = store._keep

    def late(made):
        with contextlib.closing(SQLiteStore(store.path)) as other:
            other.insert([llm(0.5)])
        keep(made)

    monkeypatch.setattr(store, "_keep", late)
    assert store.session(SESSION).llm_calls == 1
    monkeypatch.undo()
    assert store.session(SESSION).llm_calls == 2


@forks
def test_a_forked_child_writes_beside_its_parent(store):
    store.insert([root(end=None)])
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            store.insert([llm(0.5, span_id="1" * 16)])
            os.write(to_parent, b"x")
            os.read(from_parent, 1)
            # The parent has closed the file: whoever shared its connection now writes into nothing.
            store.insert([llm(0.5, span_id="2" * 16)])
            os._exit(0)
        finally:
            os._exit(1)
    assert os.read(from_child, 1) == b"x"
    store.insert([llm(0.5, span_id="3" * 16)])
    store.close()
    os.write(to_child, b"x")
    assert os.waitpid(child, 0)[1] == 0
    assert store.session(SESSION).llm_calls == 3


@forks
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_another_thread_writes(store):
    store.insert([root(end=None)])
    ended = threading.Event()

    def write():
        number = 0
        while not ended.is_set():
            number += 1
            store.insert([llm(0.5, span_id=f"{number:016x}")])

    thread = threading.Thread(target=write)
    thread.start()
    children = []
    for number in range(5):
        child = os.fork()
        if child == 0:
            try:
                store.insert([llm(0.5, span_id=f"{number + 1:08x}{0:08x}")])
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    states = [os.waitpid(child, 0)[1] for child in children]
    ended.set()
    thread.join()
    assert states == [0] * 5
    found = {record.span_id for record in store.spans(SESSION)}
    assert {f"{number + 1:08x}{0:08x}" for number in range(5)} <= found
