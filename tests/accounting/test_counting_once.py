"""Tally: what is seen more than once and counts once; records in any order, and in any number."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from functools import partial

import pytest
from span_records import ROOT_ID, failed, llm, root, span, tool

from agentops_otel.accounting.tally import Tally
from agentops_otel.conventions import names


def errors_of(*records):
    return Tally.of(records).errors


def totals(*records):
    """What a session root would carry, without what is zero."""
    return {name: value for name, value in Tally.of(records).totals().items() if value}


def agent(**fields):
    return span("agent", {names.SPAN_KIND: names.KIND_AGENT}, **fields)


def error(**fields):
    return span("error", {names.SPAN_KIND: names.KIND_ERROR}, **fields)


def failing(make):
    return lambda **fields: failed(make(**fields))


# --- What counts once ------------------------------------------------------------------------------------


def chain(*makers):
    """Spans below each other, the first one outermost."""
    made = []
    for depth, make in enumerate(makers):
        parent = made[-1].span_id if made else ROOT_ID
        made.append(make(parent_id=parent, start=depth, end=100 - depth))
    return made


CALL, OTHER = partial(llm, 0.5), partial(llm, 9.0)
ONCE = {
    "alone": ([CALL], 1),
    "a framework over a client": ([OTHER, CALL], 1),
    "through a span between": ([OTHER, agent, CALL], 1),
    "through many": ([OTHER, agent, agent, agent, CALL], 1),
    "three over each other": ([OTHER, OTHER, CALL], 1),
    "below a tool": ([OTHER, tool, CALL], 1),
    "below the session's own": ([agent, CALL], 1),
}


@pytest.mark.parametrize(("makers", "calls"), ONCE.values(), ids=ONCE)
def test_calls_within_calls_count_once(makers, calls):
    records = [root(start=-1, end=101), *chain(*makers)]
    tally = Tally.of(records)
    assert tally.llm_calls == calls
    assert tally.cost == Decimal("0.5")


def test_two_calls_below_one_framework_span_are_two():
    outer = llm(9.0, span_id="f" * 16, end=10)
    inner = [llm(0.5, parent_id="f" * 16, start=number, end=number + 1) for number in (1, 3)]
    assert totals(outer, *inner)[names.LLM_CALLS] == 2
    assert totals(outer, *inner)[names.COST] == 1.0


def test_calls_beside_each_other_are_two():
    assert Tally.of([llm(), llm()]).llm_calls == 2


def test_spans_that_take_no_time_at_all():
    records = [make(start=5, end=5) for make in (CALL, agent, OTHER)]
    inner, middle, outer = records
    middle.parent_id, inner.parent_id = outer.span_id, middle.span_id
    for order in itertools.permutations(records):
        assert Tally.of(order).cost == Decimal("0.5")


ERRORS = {
    "where it arose": ([failing(tool)], 1),
    "on its way up": ([failing(agent), failing(agent), failing(tool)], 1),
    "caught in between": ([failing(agent), agent, failing(tool)], 2),
    "caught above": ([agent, failing(agent), failing(CALL)], 1),
    "none": ([agent, tool], 0),
}


@pytest.mark.parametrize(("makers", "errors"), ERRORS.values(), ids=ERRORS)
def test_errors_count_once_on_their_way_up(makers, errors):
    assert errors_of(root(start=-1, end=101), *chain(*makers)) == errors


def test_a_failed_session_is_no_error_of_its_own():
    assert errors_of(failed(root(end=9)), failed(tool(end=5))) == 1


def test_two_errors_below_one_span_are_two():
    outer = failed(agent(span_id="f" * 16, end=10))
    assert errors_of(outer, failed(tool(parent_id="f" * 16)), failed(tool(parent_id="f" * 16))) == 2


def test_recorded_errors_count_each():
    outer = failed(agent(span_id="f" * 16, end=10))
    events = [failed(error(parent_id="f" * 16)), error(parent_id="f" * 16)]
    assert errors_of(outer, *events) == 2


# --- Background responses --------------------------------------------------------------------------------


def created(status="queued", model="o3", **fields):
    told = {names.OPERATION_NAME: names.CHAT, names.RESPONSE_ID: "resp_1", names.RESPONSE_STATUS: status}
    return span("chat", {**told, names.REQUEST_MODEL: model, names.USAGE_MISSING: True}, **fields)


def fetched(tokens=(11, 5), cost=0.25, model="o3", response_id="resp_1", **fields):
    told = {names.OPERATION_NAME: names.FETCH_RESPONSE, names.RESPONSE_ID: response_id, names.RESPONSE_MODEL: model}
    if tokens:
        told |= {names.FETCHED + names.INPUT_TOKENS: tokens[0], names.FETCHED + names.OUTPUT_TOKENS: tokens[1]}
    return span("fetch_response", {**told, **({names.COST: cost} if tokens and cost is not None else {})}, **fields)


FOUND = {names.LLM_CALLS: 1, names.TOTAL_INPUT_TOKENS: 11, names.TOTAL_OUTPUT_TOKENS: 5, names.COST: 0.25}
PENDING = {names.LLM_CALLS: 1, names.COST_UNPRICED_CALLS: 1}
BACKGROUND = {
    "not fetched": ([created()], PENDING),
    "fetched": ([created(end=1), fetched(start=5, end=6)], FOUND),
    "fetched under another name": ([created(end=1), fetched(model="o3-2025", start=5, end=6)], FOUND),
    "fetched too early": ([created(end=1), fetched(tokens=None, start=2, end=3)], PENDING),
    "fetched until it was there": (
        [created(end=1), fetched(tokens=None, start=2, end=3), fetched(start=5, end=6)],
        FOUND,
    ),
    "fetched again": ([created(end=1), fetched(start=5, end=6), fetched(start=7, end=8)], FOUND),
    "in progress": ([created("in_progress", end=1), fetched(start=5, end=6)], FOUND),
    "fetched without a price": (
        [created(end=1), fetched(cost=None, start=5, end=6)],
        {**PENDING, names.TOTAL_INPUT_TOKENS: 11, names.TOTAL_OUTPUT_TOKENS: 5},
    ),
    "somebody else's": ([created(end=1), fetched(response_id="resp_2", start=5, end=6)], PENDING),
    "created elsewhere": ([fetched(start=5, end=6)], {}),
}


@pytest.mark.parametrize(("records", "expected"), BACKGROUND.values(), ids=BACKGROUND)
def test_a_background_response_counts_once(records, expected):
    found = totals(*records)
    assert found == expected
    by_model = Tally.of(records).by_model
    parts = by_model.values()
    assert all(part.calls == 1 for part in parts)
    assert len(by_model) == found.get(names.LLM_CALLS, 0)
    assert sum(part.unpriced_calls for part in parts) == found.get(names.COST_UNPRICED_CALLS, 0)


def test_a_response_that_was_answered_at_once_has_its_usage_already():
    asked = llm(0.5, end=1, attributes={names.RESPONSE_ID: "resp_1"})
    assert totals(asked, fetched(start=5, end=6)) == totals(asked)


# --- Order and size --------------------------------------------------------------------------------------


def a_busy_session():
    """A bit of everything, some of it at the same instant."""
    outer = llm(9.0, model="outer", span_id="e1" * 8, start=1, end=9)
    return [
        root(start=0, end=20),
        outer,
        agent(span_id="e2" * 8, parent_id=outer.span_id, start=1, end=9),
        llm(0.125, model="inner", parent_id="e2" * 8, start=1, end=9),
        failed(agent(span_id="e3" * 8, start=10, end=12)),
        failed(tool(parent_id="e3" * 8, start=10, end=12)),
        created(start=13, end=14),
        fetched(start=15, end=16),
        llm(None, start=17, end=18),
        root(start=0, end=None),
    ]


def test_the_order_of_records_does_not_matter():
    records = a_busy_session()
    expected = Tally.of(records)
    assert (expected.llm_calls, expected.tool_calls, expected.errors) == (3, 1, 1)
    assert expected.cost == Decimal("0.375")
    shuffle = random.Random(7)
    for _ in range(500):
        shuffle.shuffle(records)
        assert Tally.of(records) == expected


def test_parents_in_a_circle_are_counted_like_any_others():
    one, two = llm(0.5, span_id="1" * 16, parent_id="2" * 16), llm(0.25, span_id="2" * 16, parent_id="1" * 16)
    assert Tally.of([one, two]).llm_calls == Tally.of([two, one]).llm_calls == 1


def test_a_long_session_keeps_nothing_of_what_has_ended():
    tally = Tally()
    for number in range(5000):
        outer = failed(agent(span_id=f"{number:016x}", end=9))
        tally.add(failed(llm(parent_id=f"{number + 10**6:016x}")))
        tally.add(failed(llm(9.0, span_id=f"{number + 10**6:016x}", parent_id=outer.span_id, end=8)))
        tally.add(outer)
        tally.add(created())
        tally.add(fetched())
    assert tally.llm_calls == 10_000
    assert tally.errors == 5000
    assert tally._called_below == tally._failed_below == {ROOT_ID}
    assert not tally._awaited
