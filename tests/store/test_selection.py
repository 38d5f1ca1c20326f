"""Sessions as they are asked for: every filter, every order, page by page."""

from __future__ import annotations

import os
import signal
import sqlite3
from decimal import Decimal

import pytest
from span_records import BEGIN, ROOT_ID, SECOND, llm, of_project, python, root, span
from stored import fill_list, numbers, of

from agentops_otel.conventions import names
from agentops_otel.store import SessionQuery, owners


@pytest.fixture
def filled(store):
    return fill_list(store)


def test_running_sessions_are_asked_of_their_processes(filled):
    owner = owners.Owner.claim(filled.owners).name
    start = root({names.OWNER: owner, names.TAGS: ["all"]}, end=None, start=200, trace="e" * 32)
    dead = root({names.OWNER: owner[:-1] + ("0" if owner[-1] != "0" else "1")}, end=None, start=210, trace="d" * 32)
    filled.insert([start, dead])
    assert [row.start_time for row in filled.sessions(SessionQuery(is_running=True))] == [BEGIN + 200 * SECOND]
    assert len(filled.sessions(SessionQuery(is_running=False, limit=3))) == 3
    assert len(filled.sessions(SessionQuery(is_running=False))) == 9


PARENT = """
import sys
from span_records import *
from agentops_otel.store import SQLiteStore, Owner
store = SQLiteStore(sys.argv[1])
store.insert([root({names.OWNER: Owner.claim(store.owners).name, names.TAGS: ["killed"]}, end=None), llm(0.5)])
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_session_is_listed_as_what_it_is(store):
    with python(PARENT, store.path) as process:
        assert process.stdout.readline() == "written\n"
        assert [row.is_running for row in store.sessions(SessionQuery(is_running=True))] == [True]
        process.send_signal(signal.SIGKILL)
    assert store.sessions(SessionQuery(is_running=True)) == []
    (row,) = store.sessions(SessionQuery(end_state="Indeterminate", tags=("killed",)))
    assert (row.end_state_reason, row.cost) == ("process ended without a word", Decimal("0.5"))


def test_another_projects_session_is_not_there(filled):
    (mine, *_) = filled.sessions(SessionQuery(project="p"))
    for project, is_there in (("p", True), (None, True), ("q", False)):
        assert (filled.session(mine.session_id, project) is not None) is is_there
        assert bool(filled.spans(mine.session_id, project)) is is_there
        assert bool(filled.find(mine.session_id, project)) is is_there
    assert filled.find("@last", "p") == [mine.session_id]
    assert not filled.delete(mine.session_id, "q")
    assert filled.session(mine.session_id) is not None


def test_changes_are_told_once_each_in_their_order(filled):
    begun = filled.change()
    assert filled.changes(begun) == []
    filled.insert(of_project("p", llm(1.0, **of(2), start=20), llm(1.0, **of(3), start=30)))
    filled.insert(of_project("p", llm(1.0, **of(2), start=21)))
    gone = filled.sessions(SessionQuery(descending=False, limit=1))[0].session_id
    assert filled.delete(gone)
    told = filled.changes(begun)
    assert [change.row and numbers([change.row])[0] for change in told] == [3, 2, None]
    assert told[-1].session_id == gone
    assert [change.number for change in told] == sorted({change.number for change in told})
    assert filled.changes(told[0].number)[0].session_id == told[1].session_id
    assert [len(filled.changes(0, limit)) for limit in (1, 3, 100)] == [1, 3, 8]
    assert [change.row is None for change in filled.changes(begun, project="q")] == []


def test_what_changed_at_once_is_told_at_once(store):
    store.insert([span(**of(number)) for number in range(1, 6)])
    assert len(store.changes(0, limit=2)) == 5


def test_a_duplicate_is_no_change(store):
    store.insert([root(span_id=ROOT_ID)])
    seen = store.changes(0)[-1].number
    store.insert([root(span_id=ROOT_ID)])
    assert store.changes(seen) == []


@pytest.mark.parametrize(
    ("asked", "asks"),
    [
        ({}, False),
        ({"project": "p"}, False),
        ({"since": 1, "until": 2}, False),
        ({"is_running": False}, False),
        ({"is_running": True}, True),
        ({"end_state": "Success"}, True),
        ({"tags": ("a",)}, True),
        ({"model": "m"}, True),
        ({"provider": "x"}, True),
        ({"error_type": "E"}, True),
        ({"min_cost": Decimal(1)}, True),
        ({"max_cost": Decimal(1)}, True),
        ({"min_duration": 1.0}, True),
        ({"max_duration": 1.0}, True),
        ({"sort": "cost"}, True),
    ],
    ids=str,
)
def test_a_list_by_time_works_out_its_own_page_and_no_more(store, asked, asks):
    store.insert([root(start=number, **of(number)) for number in range(1, 81)])
    found = store.sessions(SessionQuery(limit=5, **asked))
    assert len(found) <= 5
    connection = sqlite3.connect(store.path)
    (made,) = connection.execute("SELECT count(*) FROM sessions WHERE counted > 0").fetchone()
    connection.close()
    assert (made == 80) is asks
