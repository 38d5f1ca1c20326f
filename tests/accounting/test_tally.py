"""Tally: what counts, and what it adds up to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from span_records import BEGIN, SECOND, failed, llm, root, span, tool

from agentops_otel.accounting.record import ERROR
from agentops_otel.accounting.tally import Tally, cost_of, price_text
from agentops_otel.conventions import names


def kind(of, **fields):
    return span(of, {names.SPAN_KIND: of}, **fields)


def operation(of, **fields):
    return span(of, {names.OPERATION_NAME: of}, **fields)


def counts(*records):
    """(LLM calls, tool calls, actions, errors)."""
    tally = Tally.of(records)
    return tally.llm_calls, tally.tool_calls, tally.actions, tally.errors


def totals(*records):
    """What a session root would carry, without what is zero."""
    return {name: value for name, value in Tally.of(records).totals().items() if value}


@pytest.mark.parametrize(
    ("inner", "outer", "count"),
    [
        ("search", "search", 1),  # whoever asked for it, and whoever ran it
        ("search", "plan", 2),
    ],
)
def test_a_tool_s_run_that_is_told_twice_counts_once(inner, outer, count):
    above = tool(outer, start=0, end=2)
    below = tool(inner, start=0.5, end=1, parent_id=above.span_id)
    assert counts(above, below) == (0, count, 0, 0)
    assert counts(below, above, tool(inner, start=3, end=4)) == (0, count + 1, 0, 0)


# --- What counts as what ---------------------------------------------------------------------------------

KINDS = [
    (llm(), (1, 0, 0, 0)),
    (kind(names.KIND_LLM), (1, 0, 0, 0)),
    (operation(names.CHAT), (1, 0, 0, 0)),
    (operation(names.TEXT_COMPLETION), (1, 0, 0, 0)),
    (operation(names.GENERATE_CONTENT), (1, 0, 0, 0)),
    (operation(names.EMBEDDINGS), (1, 0, 0, 0)),
    (tool(), (0, 1, 0, 0)),
    (operation(names.EXECUTE_TOOL), (0, 1, 0, 0)),
    (kind(names.KIND_ACTION), (0, 0, 1, 0)),
    (kind(names.KIND_OPERATION), (0, 0, 1, 0)),
    (kind(names.KIND_TASK), (0, 0, 1, 0)),
    (kind(names.KIND_ERROR), (0, 0, 0, 1)),
    (failed(span()), (0, 0, 0, 1)),
    (failed(tool()), (0, 1, 0, 1)),
    (failed(llm()), (1, 0, 0, 1)),
    (span(), (0, 0, 0, 0)),
    (root(), (0, 0, 0, 0)),
    (failed(root()), (0, 0, 0, 0)),
    (kind(names.KIND_AGENT), (0, 0, 0, 0)),
    (kind(names.KIND_WORKFLOW), (0, 0, 0, 0)),
    (kind(names.KIND_GUARDRAIL), (0, 0, 0, 0)),
    (operation(names.INVOKE_AGENT), (0, 0, 0, 0)),
    (operation(names.FETCH_RESPONSE), (0, 0, 0, 0)),
    (operation("retrieval"), (0, 0, 0, 0)),
    (span("x", {names.SPAN_KIND: names.KIND_LLM, names.OPERATION_NAME: names.INVOKE_AGENT}), (0, 0, 0, 0)),
    (llm(end=None), (0, 0, 0, 0)),
    (span("x", {names.OPERATION_NAME: ["chat"], names.SPAN_KIND: ["llm"]}), (0, 0, 0, 0)),
]


@pytest.mark.parametrize(("record", "expected"), KINDS, ids=[f"{n}-{r.name}" for n, (r, _) in enumerate(KINDS)])
def test_each_kind(record, expected):
    assert counts(record) == expected


def test_all_of_them_together():
    everything = [record for record, _ in KINDS]
    assert counts(*everything) == tuple(sum(column) for column in zip(*(told for _, told in KINDS), strict=True))


def test_a_session_without_anything():
    assert Tally().totals() == {
        names.LLM_CALLS: 0,
        names.TOOL_CALLS: 0,
        names.ACTIONS: 0,
        names.ERRORS: 0,
        names.COST_UNPRICED_CALLS: 0,
        names.TOTAL_INPUT_TOKENS: 0,
        names.TOTAL_OUTPUT_TOKENS: 0,
        names.TOTAL_CACHE_READ_TOKENS: 0,
        names.TOTAL_CACHE_WRITE_TOKENS: 0,
        names.TOTAL_REASONING_TOKENS: 0,
        names.COST: 0.0,
    }


def test_totals():
    parts = {names.CACHE_READ_TOKENS: 5, names.CACHE_WRITE_TOKENS: 7, names.REASONING_TOKENS: 9}
    assert totals(root(), llm(0.25, attributes=parts), llm(0.5), llm(None), tool(), failed(kind("action"))) == {
        names.LLM_CALLS: 3,
        names.TOOL_CALLS: 1,
        names.ACTIONS: 1,
        names.ERRORS: 1,
        names.COST_UNPRICED_CALLS: 1,
        names.TOTAL_INPUT_TOKENS: 300,
        names.TOTAL_OUTPUT_TOKENS: 60,
        names.TOTAL_CACHE_READ_TOKENS: 5,
        names.TOTAL_CACHE_WRITE_TOKENS: 7,
        names.TOTAL_REASONING_TOKENS: 9,
        names.COST: 0.75,
    }


def test_models_are_told_apart():
    tally = Tally.of([llm(0.25), llm(0.5, model="o3"), llm(None, model="o3"), kind(names.KIND_LLM)])
    found = {model: (part.calls, part.cost, part.unpriced_calls) for model, part in tally.by_model.items()}
    assert found == {"gpt-4o": (1, Decimal("0.25"), 0), "o3": (2, Decimal("0.5"), 1), "unknown": (1, None, 0)}
    assert tally.by_model["o3"].tokens["input_tokens"] == 200


def test_the_span_of_time():
    tally = Tally.of([llm(start=3, end=5), root(start=1, end=9), tool(start=0.5, end=1)])
    assert (tally.start_time, tally.end_time) == (BEGIN + SECOND // 2, BEGIN + 9 * SECOND)
    begun = Tally.of([root(start=1, end=None)])
    assert (begun.start_time, begun.end_time) == (BEGIN + SECOND, None)


@pytest.mark.parametrize(
    ("seconds", "share", "expected"),
    [
        ([], 50, None),
        ([3], 99, 3),
        ([4, 1, 3, 2], 50, 2),
        ([4, 1, 3, 2], 75, 3),
        ([1, 2, 3, 4], 100, 4),
        ([1, 2], 0, 1),
    ],
)
def test_latency(seconds, share, expected):
    assert Tally.of([llm(start=0, end=end) for end in seconds]).latency(share) == expected


# --- What is billed --------------------------------------------------------------------------------------

REFUSED = {names.OPERATION_NAME: names.CHAT, names.REQUEST_MODEL: "gpt-4o"}
BILLED = {
    "a price": (llm(0.5), Decimal("0.5"), 0),
    "nothing to pay": (llm(0.0), Decimal(0), 0),
    "no price": (llm(None), None, 1),
    "refused": (failed(span("chat", REFUSED)), Decimal(0), 0),
    "broken off, something was answered": (failed(span("chat", {**REFUSED, names.USAGE_MISSING: True})), None, 1),
    "broken off, usage is known": (failed(llm(None)), None, 1),
    "left early": (span("chat", {**REFUSED, names.STREAM_OUTCOME: "abandoned", names.USAGE_MISSING: True}), None, 1),
    "answered without usage": (span("chat", REFUSED), None, 1),
    "recorded by hand, no model": (kind(names.KIND_LLM), Decimal(0), 0),
    "recorded by hand, with a cost": (span("x", {names.SPAN_KIND: names.KIND_LLM, names.COST: 0.5}), Decimal("0.5"), 0),
    "a tool that costs": (tool(attributes={names.COST: 0.125}), Decimal("0.125"), 0),
}


@pytest.mark.parametrize(("record", "cost", "unpriced"), BILLED.values(), ids=BILLED)
def test_billed(record, cost, unpriced):
    tally = Tally.of([record])
    assert (tally.cost, tally.total.unpriced_calls) == (cost, unpriced)
    assert (names.COST in tally.totals()) is (cost is not None)


def test_a_cost_in_part_is_told_with_what_is_missing():
    tally = Tally.of([llm(0.5), llm(None), llm(0.25), llm(None)])
    assert (tally.cost, tally.total.unpriced_calls) == (Decimal("0.75"), 2)


def test_sums_are_exact():
    assert Tally.of([llm(0.1) for _ in range(10)]).cost == 1
    assert Tally.of([llm(0.1), llm(0.2)]).totals()[names.COST] == 0.3


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        (None, None),
        (0.1, Decimal("0.1")),
        (1, Decimal(1)),
        ("0.30", Decimal("0.30")),
        (1e-7, Decimal("0.0000001")),
        ("many", None),
        (float("nan"), None),
        (float("inf"), None),
        ([1], None),
    ],
)
def test_cost_of(told, cost):
    assert cost_of({} if told is None else {names.COST: told}) == cost


def test_figures_of_others_that_are_no_figures():
    odd = {names.INPUT_TOKENS: "n/a", names.OUTPUT_TOKENS: -5, names.CACHE_READ_TOKENS: float("nan"), names.COST: "n/a"}
    assert totals(llm(None, attributes=odd), llm(0.5)) == {
        names.LLM_CALLS: 2,
        names.COST_UNPRICED_CALLS: 1,
        names.TOTAL_INPUT_TOKENS: 100,
        names.TOTAL_OUTPUT_TOKENS: 20,
        names.COST: 0.5,
    }


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "nan"),
        (Decimal(0), "0.00"),
        (Decimal("0.000"), "0.00"),
        (Decimal("0.000195"), "0.000195"),
        (Decimal("0.50"), "0.5"),
        (Decimal(10), "10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-9"), "0.000000001"),
        (Decimal("12.3400"), "12.34"),
    ],
)
def test_price_text(cost, text):
    assert price_text(cost) == text


def failing(kind="openai.BadRequestError", **fields):
    return span("chat", {names.OPERATION_NAME: names.CHAT, names.ERROR_TYPE: kind}, status=ERROR, **fields)


def told_of(kind=None, **fields):
    told = {names.SPAN_KIND: names.KIND_ERROR, **({} if kind is None else {names.EXCEPTION_TYPE: kind})}
    return span("error", told, status=ERROR, **fields)


@pytest.mark.parametrize(
    ("records", "errors"),
    [
        ([failing(), told_of("openai.BadRequestError")], 1),
        ([failing(), told_of("openai.BadRequestError"), told_of("openai.BadRequestError")], 2),
        ([failing(), failing(), told_of("openai.BadRequestError")], 2),
        ([failing(), told_of("KeyError")], 2),
        ([failing(), told_of()], 2),
        ([told_of("KeyError")], 1),
    ],
    ids=["the same", "another of the kind", "one of two", "another kind", "no exception", "nobody reported it"],
)
def test_an_event_of_an_exception_that_a_span_reported_is_no_second_error(records, errors):
    for order in (records, records[::-1]):
        assert Tally.of(order).errors == errors


def test_a_child_that_ends_after_its_parent_is_still_within_it():
    outer = llm(span_id="1" * 16, start=0, end=1)
    inner = llm(span_id="2" * 16, parent_id="1" * 16, start=0.5, end=2)
    assert Tally.of([outer, inner]).llm_calls == 1
    broken = failing(span_id="3" * 16, parent_id="1" * 16, end=3)
    around = failing(span_id="1" * 16, end=1)
    assert Tally.of([around, broken]).errors == 1
