"""Searches for traces: which of them a question finds, in what order, and what each project sees."""

from __future__ import annotations

import pytest
from span_records import BEGIN, SECOND, python, span
from stored import ONE, fill_traces, of_service

from agentops_otel.store import SQLiteStore, traces
from agentops_otel.store.traces import Operation, TraceQuery


@pytest.fixture
def filled(store):
    return fill_traces(store, end=None)


def test_operations_of_a_service_that_only_old_sessions_had(store):
    store.insert([span("old", trace=ONE, **of_service("gone"))])
    store.insert([span("new", trace=f"{number:032x}", start=10, **of_service("here")) for number in range(2, 1100)])
    assert store.operations("gone") == [Operation("old", "internal")]
    assert store.operations("here") == [Operation("new", "internal")]


def test_a_search_stops_when_it_has_found_enough(filled):
    """No sorting and no reading of all sessions: the plan walks the index of the newest and stops."""
    plan = []

    class Explained(SQLiteStore):
        def _fetch(self, query, *values):
            plan.extend(row[3] for row in super()._fetch(f"EXPLAIN QUERY PLAN {query}", *values))
            return super()._fetch(query, *values)

    Explained(filled.path).traces(TraceQuery(service="shop", tags={"error": "true"}))
    assert any("sessions_by_time" in step for step in plan)
    assert not [step for step in plan if "ORDER BY" in step]
    assert not [step for step in plan if step.startswith("SCAN spans")]


def test_a_store_that_is_not_there_has_no_traces(tmp_path):
    store = SQLiteStore(tmp_path / "none.db")
    assert (store.services(), store.operations("a"), store.traces(TraceQuery()), store.trace(ONE)) == ([], [], [], [])
    assert store.dependencies(0, 1) == []
    assert not store.path.exists()


def test_other_processes_are_seen(store):
    code = (
        "import sys\nfrom span_records import root\nfrom agentops_otel.store import SQLiteStore\n"
        "SQLiteStore(sys.argv[1]).insert([root()])"
    )
    assert store.services() == []
    with python(code, store.path) as process:
        assert process.wait() == 0
    assert store.services() == ["unknown_service"]


def test_a_search_looks_at_the_newest_spans_and_says_so(store, monkeypatch):
    """However many there are in the time that is asked for."""
    monkeypatch.setattr(traces, "_SPANS_OF_A_SEARCH", 10)
    monkeypatch.setattr(traces, "_SESSIONS_OF_A_PIECE", 2)
    for number in range(1, 11):
        told = {"rare": number == 1, "often": True}
        store.insert(
            [
                span(f"step {number}", told, trace=f"{number:032x}", start=number, resource={"service.name": "s"})
                for _ in range(3)
            ]
        )

    def found(**tags):
        return store.traces(TraceQuery(tags=tags, limit=100))

    often, rare = found(often="true"), found(rare="true")
    assert (often, often.is_cut) == ([f"{number:032x}" for number in (10, 9, 8, 7)], True)
    assert (rare, rare.is_cut) == ([], True)
    first = store.traces(TraceQuery(tags={"often": "true"}, limit=2))
    assert (first, first.is_cut) == ([f"{number:032x}" for number in (10, 9)], False)
    earlier = store.traces(TraceQuery(tags={"rare": "true"}, until=BEGIN + 3 * SECOND, limit=100))
    assert (earlier, earlier.is_cut) == ([f"{1:032x}"], False)
    assert {operation.name for operation in store.operations("s")} == {"step 9", "step 10"}


def test_what_calls_what_is_read_from_the_newest_spans(store, monkeypatch):
    monkeypatch.setattr(traces, "_SPANS_OF_A_SEARCH", 4)
    monkeypatch.setattr(traces, "_SESSIONS_OF_A_PIECE", 1)
    for number in range(1, 6):
        below = {"trace": f"{number:032x}", "start": number}
        store.insert([span("a", span_id="1" * 16, parent_id=None, resource={"service.name": "one"}, **below)])
        store.insert([span("b", span_id="2" * 16, parent_id="1" * 16, resource={"service.name": "two"}, **below)])
    (link,) = store.dependencies(0, BEGIN + 100 * SECOND)
    assert (link.parent, link.child, link.calls) == ("one", "two", 2)


def test_a_span_that_has_not_ended_is_found(store):
    store.insert([span("wait", trace="3" * 32, start=200, end=None)])
    assert store.traces(TraceQuery(longest=SECOND // 2)) == ["3" * 32]
    assert [operation.name for operation in store.operations("unknown_service")] == ["wait"]
