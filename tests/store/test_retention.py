"""What leaves a store: by hand, by age, by size; and never a session that runs."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter

import pytest
from span_records import SECOND, SESSION, llm, root, span

from agentops_otel.conventions import names
from agentops_otel.receivers import StoreReceiver
from agentops_otel.store import FiguresQuery, Retention, SessionQuery, StoreError, owners
from agentops_otel.store.sqlite import SQLiteStore

DAY = 86_400


def old(number, days, **fields):
    """The root of a session that ended so many days ago."""
    record = root({names.END_STATE: names.SUCCESS, "fill": "x" * 3000, **fields}, trace=f"{number + 1:032x}")
    record.start_time = record.end_time = time.time_ns() - days * DAY * SECOND
    return record


@pytest.mark.parametrize(
    ("age", "size", "keeping"),
    [
        (None, None, Retention(None, 8 * 1024**3)),
        ("90d", "2GB", Retention(90 * DAY, 2 * 1024**3)),
        ("12 h", "500 MiB", Retention(12 * 3600, 500 * 1024**2)),
        ("0", "0", Retention(None, None)),
        ("never", "", Retention(None, None)),
        ("2w", "1000", Retention(14 * DAY, 1000)),
    ],
    ids=str,
)
def test_settings(monkeypatch, age, size, keeping):
    for name, value in (("AGENTOPS_STORE_MAX_AGE", age), ("AGENTOPS_STORE_MAX_SIZE", size)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert Retention.told() == keeping


@pytest.mark.parametrize("told", ["soon", "-1d", "1.5d", "9x", "d"])
def test_a_setting_that_cannot_be_read_deletes_nothing(store, monkeypatch, told):
    monkeypatch.setenv("AGENTOPS_STORE_MAX_AGE", told)
    store.insert([old(1, 1000)])
    with pytest.raises(StoreError, match=r"AGENTOPS_STORE_MAX_AGE .*90d"):
        store.prune()
    assert len(store.sessions()) == 1


def test_nothing_is_too_old_unless_that_is_said(store):
    store.insert([old(1, 5000)])
    assert store.prune() == 0


def test_sessions_leave_by_their_age(store):
    store.insert([old(number, days) for number, days in enumerate([1, 5, 10, 20])])
    late = span("late", trace=f"{3:032x}")
    late.start_time = late.end_time = time.time_ns()
    store.insert([late])
    assert store.prune(max_age=7 * DAY) == 1
    assert len(store.sessions()) == 3, "a sign of life counts"
    assert sum(each.sessions for each in store.figures(FiguresQuery())) == 3


def test_the_oldest_leave_by_size(store, query):
    for number in range(300):
        store.insert([old(number, 300 - number)])
    before = query("SELECT count(*) FROM spans")[0][0]
    assert len(store.sessions(SessionQuery(limit=1000))) == 300, "and their roll-ups, which take room, too, are made"
    assert store.prune(max_bytes=700_000) > 0
    left = store.sessions(SessionQuery(limit=1000))
    assert 0 < len(left) < before
    assert min(row.start_time for row in left) > time.time_ns() - 299 * DAY * SECOND
    assert store.prune(max_bytes=700_000) == 0
    store.close()
    assert store.path.stat().st_size < 1_200_000


def test_what_runs_is_never_deleted(store):
    owner = owners.Owner.claim(store.owners).name
    start = root({names.OWNER: owner}, end=None)
    start.start_time = time.time_ns() - 100 * DAY * SECOND
    store.insert([start, *(old(number, 50) for number in range(60))])
    assert store.prune(max_age=DAY) == 60
    assert [row.is_running for row in store.sessions()] == [True]
    assert store.prune(max_bytes=1) == 0


def test_a_killed_session_is_deleted_by_its_age(store):
    start = root({names.OWNER: "f" * 12 + ".1." + "0" * 16}, end=None)
    start.start_time = time.time_ns() - 100 * DAY * SECOND
    store.insert([start])
    assert store.prune(max_age=DAY) == 1


def test_deleting_takes_all_of_a_session(store, query):
    store.insert([root(end=9), llm(0.1, resource={"only": "here"}), span(trace="2" * 32, resource={"b": 1})])
    assert (store.delete(SESSION), store.delete(SESSION), store.delete("nothing")) == (True, False, False)
    tables = ("spans", "sessions", "facets", "usage", "resources")
    counts = {table: query(f"SELECT count(*) FROM {table}")[0][0] for table in tables}
    assert counts == {"spans": 1, "sessions": 1, "facets": 0, "usage": 0, "resources": 1}


def test_a_file_without_the_index_of_resources_gets_it(store, query):
    store.insert([root()])
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        connection.execute("DROP INDEX spans_of_resource")
    assert store.delete(SESSION)
    assert query("SELECT count(*) FROM sqlite_master WHERE name = 'spans_of_resource'") == [(1,)]
    assert query("SELECT count(*) FROM resources") == [(0,)]


def test_deleting_where_there_is_no_store(tmp_path):
    store = SQLiteStore(tmp_path / "none.db")
    assert (store.delete(SESSION), store.prune(max_age=1)) == (False, 0)
    assert not store.path.exists()


def test_a_piece_of_it_is_no_more_than_that(store):
    store.insert([old(number, 50) for number in range(100)])
    assert 0 < store.prune(max_age=DAY, most=1) < 50
    while store.prune(max_age=DAY, most=20):
        pass
    assert store.sessions() == []


@pytest.mark.parametrize("store", ["later"], indirect=True)
def test_where_nothing_has_to_go_nothing_is_worked_out(store, query):
    """A program that writes to a store must not have to add up all that others wrote."""
    store.insert([old(number, 5) for number in range(60)])
    assert store.prune(max_age=10 * DAY, max_bytes=10**9) == 0
    assert query("SELECT count(*) FROM sessions WHERE counted > 0") == [(0,)]


class Faults:
    def __init__(self):
        self.counts = Counter()

    def note(self, where, error):
        raise error


def test_a_program_keeps_its_own_store_within_its_limits(store, monkeypatch):
    """Without any server: when it begins to write, and now and then."""
    store.insert([old(number, 50) for number in range(45)])
    monkeypatch.setenv("AGENTOPS_STORE_MAX_AGE", "10d")
    left = []
    for number in range(4):
        receiver = StoreReceiver(SQLiteStore(store.path), Faults())  # each a program of its own
        for _ in range(3):
            assert receiver.deliver([old(100 + number, 0)])
        receiver.close()
        left.append(len(store.sessions(SessionQuery(limit=1000))))
    assert left == [26, 7, 3, 4], "twenty at a time"


def test_a_limit_that_cannot_be_read_loses_no_span(store, monkeypatch):
    monkeypatch.setenv("AGENTOPS_STORE_MAX_AGE", "soon")
    receiver = StoreReceiver(store, faults := Faults())
    assert receiver.deliver([old(1, 50)])
    assert (len(store.sessions()), faults.counts["store.prune"]) == (1, 1)
