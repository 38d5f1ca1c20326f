"""Two sessions beside each other: steps are aligned, and what differs is said."""

from __future__ import annotations

import pytest
from span_records import failed, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server import comparison
from agentops_otel.server.comparison import CHANGED, ONLY_FIRST, ONLY_SECOND, SAME


def session(*steps):
    """A session of these tools, each one second after the other; `!` fails it, `=` gives it an argument."""
    records = [root(end=60)]
    for number, step in enumerate(steps):
        name, _, argument = step.rstrip("!").partition("=")
        told = {names.TOOL_CALL_ARGUMENTS: argument} if argument else {}
        made = tool(name, told, start=number + 1, end=number + 1.5)
        records.append(failed(made) if step.endswith("!") else made)
    return records


def compared(first, second):
    return [(step.state, step.node.name, *step.changes) for step in comparison.steps(session(*first), session(*second))]


TABLE = [
    ("", "", []),
    ("ab", "ab", [(SAME, "a"), (SAME, "b")]),
    ("", "a", [(ONLY_SECOND, "a")]),
    ("ab", "", [(ONLY_FIRST, "a"), (ONLY_FIRST, "b")]),
    ("abc", "axc", [(SAME, "a"), (ONLY_FIRST, "b"), (ONLY_SECOND, "x"), (SAME, "c")]),
    ("abab", "ab", [(SAME, "a"), (SAME, "b"), (ONLY_FIRST, "a"), (ONLY_FIRST, "b")]),
    (["a=1"], ["a=2"], [(CHANGED, "a", "input")]),
    (["a=1"], ["a=1"], [(SAME, "a")]),
    (["a"], ["a!"], [(CHANGED, "a", "outcome")]),
    (["a=1!"], ["a=2"], [(CHANGED, "a", "input", "outcome")]),
]


@pytest.mark.parametrize(("first", "second", "expected"), TABLE)
def test_steps_are_aligned(first, second, expected):
    assert compared(first, second) == expected


def test_the_same_step_elsewhere_is_another():
    deep = [root(), span("work", span_id="b" * 16), tool("look", parent_id="b" * 16)]
    flat = [root(), span("work", span_id="b" * 16), tool("look")]
    states = [(step.state, step.node.name) for step in comparison.steps(deep, flat)]
    assert states == [(SAME, "work"), (ONLY_FIRST, "look"), (ONLY_SECOND, "look")]


def test_sessions_without_spans():
    assert list(comparison.steps([], [])) == []


def test_many_alike_steps_are_still_aligned():
    first, second = session(*["a"] * 300), session(*["a"] * 301)
    assert sum(step.state == SAME for step in comparison.steps(first, second)) == 300


def told(cost="0.5", tokens=None, duration=1.0):
    counts = dict.fromkeys(("llm_calls", "tool_calls", "actions", "errors", "unpriced_calls"), 1)
    return {"duration": duration, "cost": cost, "tokens": tokens or {}, **counts}


def test_figures_and_their_difference():
    found = comparison.figures(told(), told("0.25", {"input_tokens": 7}, 3.0))
    assert found["cost"] == {"first": "0.5", "second": "0.25", "difference": "-0.25"}
    assert found["input_tokens"] == {"first": 0, "second": 7, "difference": 7}
    assert found["duration"]["difference"] == 2.0
    assert found["errors"]["difference"] == 0


@pytest.mark.parametrize(("first", "second"), [(None, "0.1"), ("0.1", None), (None, None)])
def test_what_is_unknown_has_no_difference(first, second):
    assert comparison.figures(told(first), told(second))["cost"]["difference"] is None
    assert comparison.figures(told(duration=None), told())["duration"]["difference"] is None


def test_model_calls_are_compared_by_what_was_said():
    asked = {names.INPUT_MESSAGES: "[1]", names.OUTPUT_MESSAGES: "[2]"}
    first, second = [root(), llm(attributes=asked)], [root(), llm(attributes=asked | {names.OUTPUT_MESSAGES: "[3]"})]
    (step,) = comparison.steps(first, second)
    assert (step.state, step.changes) == (CHANGED, ("output",))
