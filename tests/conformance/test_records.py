"""Records as they come back, and the rows of sessions that are made of them."""

from __future__ import annotations

import math
import time
from decimal import Decimal

import pytest
from hypothesis import strategies as st
from span_records import BEGIN, SECOND, SESSION, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store import SessionQuery, base, owners
from agentops_otel.store.summary import DIED

ENDED = {
    names.END_STATE: names.SUCCESS,
    names.END_STATE_REASON: "all done",
    names.TAGS: ["nightly", "refund"],
}


def test_records_come_in_the_order_of_their_start(store):
    store.insert([span("late", start=3, end=4), span("early", start=1, end=9), root(start=0, end=None)])
    assert [record.name for record in store.spans(SESSION)] == ["session", "early", "late"]


@pytest.mark.parametrize("end_first", [False, True], ids=["start, end", "end, start"])
def test_an_end_replaces_its_start_and_never_the_other_way(store, end_first):
    start, end = root(end=None), root(ENDED, end=5)
    for record in (end, start) if end_first else (start, end):
        store.insert([record])
    assert store.spans(SESSION) == [end]
    assert store.session(SESSION).end_state == "Success"


def test_the_first_start_stays(store):
    first, second = root({names.TAGS: ["first"]}, end=None), root({names.TAGS: ["second"]}, start=1, end=None)
    store.insert([first])
    store.insert([second])
    assert store.spans(SESSION) == [first]


@pytest.mark.parametrize("is_lately", [True, False], ids=["lately", "too long ago"])
def test_a_session_is_running_as_long_as_it_is_heard_of(store, is_lately):
    heard = time.time_ns() - owners.LEASE + (30 if is_lately else -5) * SECOND
    store.insert([root({names.TAGS: ["first"]}, end=None)])
    for time_of in (heard - 30 * SECOND, heard):
        store.insert([root({names.TAGS: ["later"], names.SESSION_HEARD: time_of}, end=None)])
    row = store.session(SESSION)
    assert (row.start_time, row.last_time, row.tags) == (BEGIN, heard, ["later"])
    assert (row.is_running, row.end_state_reason) == ((True, None) if is_lately else (False, DIED))
    assert store.sessions() == [row]
    for is_running in (True, False):
        assert store.sessions(SessionQuery(is_running=is_running)) == ([row] if is_running is is_lately else [])
    assert [record.start_time for record in store.spans(SESSION)] == [BEGIN]
    store.insert([root(ENDED, end=5)])
    row = store.session(SESSION)
    assert (row.end_state, row.last_time, row.is_running) == ("Success", BEGIN + 5 * SECOND, False)


def test_start_and_end_in_one_batch(store):
    store.insert([root(end=None), root(ENDED, end=5)])
    assert [record.end_time for record in store.spans(SESSION)] == [BEGIN + 5 * SECOND]


class Broken:
    def __str__(self):
        raise RuntimeError("no")


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_COUNTED = [value for name, value in vars(names).items() if isinstance(value, str) and name.isupper() and "." in value]


@pytest.mark.parametrize("cost", ["abc", math.nan, math.inf, True, [1], "1e999999", "1e-999999", {}], ids=repr)
def test_a_price_that_is_no_number_is_an_unknown_price(store, cost):
    store.insert([llm(cost), llm(0.5)])
    row = store.session(SESSION)
    assert (row.cost, row.unpriced_calls, row.llm_calls) == (Decimal("0.5"), 1, 2)


@pytest.mark.parametrize("tokens", ["abc", math.nan, -1, 2**70, [1]], ids=repr)
def test_tokens_that_are_no_number_are_not_counted(store, tokens):
    store.insert([llm(0.5, tokens=(tokens, 7)), llm(0.5, tokens=(3, 4))])
    row = store.session(SESSION)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], row.llm_calls) == (3, 11, 2)


def test_a_row_says_what_root_and_records_say(store):
    store.insert(
        of_project(
            "p1",
            root({**ENDED, names.VIDEO_URL: "https://v/1"}, end=7, resource={"host.name": "h"}),
            llm(0.01, tokens=(100, 20), attributes={names.CACHE_READ_TOKENS: 60}),
            llm(None, model="odd"),
            failed(tool()),
            span(attributes={names.SPAN_KIND: names.KIND_ACTION}),
        )
    )
    assert store.session(SESSION) == base.SessionRow(
        session_id=SESSION,
        project_id="p1",
        start_time=BEGIN,
        end_time=BEGIN + 7 * SECOND,
        end_state="Success",
        end_state_reason="all done",
        is_running=False,
        tags=["nightly", "refund"],
        video="https://v/1",
        cost=Decimal("0.01"),
        unpriced_calls=1,
        llm_calls=2,
        tool_calls=1,
        actions=1,
        errors=1,
        tokens={
            "input_tokens": 200,
            "output_tokens": 40,
            "cache_read_tokens": 60,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
        },
        models=["gpt-4o", "odd"],
        resource={names.PROJECT_ID: "p1", "host.name": "h"},
        last_time=BEGIN + 7 * SECOND,
    )


def test_late_spans_change_the_totals_of_an_ended_session(store):
    store.insert([root({**ENDED, names.LLM_CALLS: 1, names.COST: 0.5}), llm(0.5)])
    assert store.session(SESSION).llm_calls == 1
    store.insert([llm(0.25, start=90, end=91)])
    row = store.session(SESSION)
    assert (row.llm_calls, row.cost, row.end_state) == (2, Decimal("0.75"), "Success")
    assert row.end_time == BEGIN + SECOND
    assert row.last_time == BEGIN + 91 * SECOND


def test_a_session_without_a_root(store):
    store.insert([llm(0.5, start=4, end=5), llm(0.5, start=2, end=3)])
    row = store.session(SESSION)
    assert (row.end_state, row.end_state_reason, row.is_running) == (
        "Indeterminate",
        "no end was received",
        False,
    )
    assert (row.start_time, row.end_time, row.llm_calls) == (BEGIN + 2 * SECOND, None, 2)


def test_an_ended_session_that_says_nothing_is_indeterminate(store):
    store.insert([root()])
    row = store.session(SESSION)
    assert (row.end_state, row.end_state_reason, row.is_running) == ("Indeterminate", None, False)


def test_a_clock_that_runs_behind_does_not_move_the_beginning(store):
    store.insert([root(ENDED, start=5, end=9), llm(start=1, end=2, resource={names.PROJECT_ID: "theirs"})])
    row = store.session(SESSION)
    assert (row.start_time, row.end_time, row.project_id) == (
        BEGIN + 5 * SECOND,
        BEGIN + 9 * SECOND,
        "default",
    )


def test_the_default_project_and_no_tags(store):
    store.insert([root()])
    row = store.session(SESSION)
    assert (row.project_id, row.tags, row.video) == ("default", [], None)


def test_spans_of_no_session_are_grouped_by_trace(store):
    record = span()
    record.attributes = {}
    store.insert([record])
    assert [row.session_id for row in store.sessions()] == [SESSION]


def test_sessions_newest_first_and_no_more_than_asked(store):
    for number in range(5):
        store.insert([root(ENDED, trace=f"{number:032x}", start=number, end=number + 1)])
    assert [row.start_time for row in store.sessions(SessionQuery(limit=2))] == [BEGIN + 4 * SECOND, BEGIN + 3 * SECOND]
    assert len(store.sessions()) == 5


def test_find(store):
    ids = ["aaaa1111-0000-0000-0000-000000000000", "aaaa2222-0000-0000-0000-000000000000", "run-1", "run-10"]
    for number, session_id in enumerate(ids):
        store.insert([root({names.SESSION_ID: session_id}, trace=f"{number:032x}", start=number, end=9)])
    assert store.find("aaaa") == [ids[1], ids[0]]
    assert store.find("AAAA1111-00") == [ids[0]]
    assert store.find(ids[0].replace("-", "")) == [ids[0]]
    assert store.find("run-1") == ["run-1"], "a whole id is found alone"
    assert store.find("@last") == ["run-10"]
    assert store.find("@last~2") == [ids[1]]
    assert store.find("@last~4") == store.find("bbbb") == store.find("") == store.find("%") == store.find("-") == []
