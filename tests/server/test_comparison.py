"""Two sessions beside each other: steps are aligned, and what differs is said."""

from __future__ import annotations

import json

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
    ("ababc", "abc", [(SAME, "a"), (SAME, "b"), (ONLY_FIRST, "a"), (ONLY_FIRST, "b"), (SAME, "c")]),
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


def answer(call_id, place="Faro"):
    part = {"type": "tool_call", "id": call_id, "name": "look", "arguments": {"place": place}}
    return {names.OUTPUT_MESSAGES: json.dumps([{"role": "assistant", "parts": [part]}])}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (answer("call_1"), answer("call_2"), ()),
        (answer("call_1"), answer("call_1", "Tavira"), ("output",)),
        ({names.SYSTEM_INSTRUCTIONS: "Be brief."}, {names.SYSTEM_INSTRUCTIONS: "Be kind."}, ("input",)),
        ({names.INPUT_MESSAGES: '[{"a":1}]'}, {names.INPUT_MESSAGES: '[{"a": 1}]'}, ()),
        ({names.INPUT_MESSAGES: "[{"}, {names.INPUT_MESSAGES: "[["}, ("input",)),
        ({names.INPUT_MESSAGES: "[1e999]"}, {names.INPUT_MESSAGES: "[-1e999]"}, ("input",)),
        ({names.TOOL_CALL_RESULT: True}, {names.TOOL_CALL_RESULT: "true"}, ()),
        ({names.TOOL_CALL_RESULT: '{"id": 1}'}, {names.TOOL_CALL_RESULT: '{"id": 2}'}, ("output",)),
        ({names.TOOL_CALL_RESULT: "1"}, {}, ("output",)),
    ],
)
def test_what_is_told_is_compared_and_not_how_it_is_written(first, second, expected):
    (step,) = comparison.steps(*([root(), llm(attributes=told)] for told in (first, second)))
    assert step.changes == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("", "", (None, [])),
        ("ab", "ab", (None, [])),
        ("", "a", (0, [])),
        ("ab", "a", (1, [])),
        ("axbc", "aybc", (1, [])),
        ("ababc", "abc", (2, [])),
        ("aB", "ab", (1, ["case"])),
        ("aBc", "abd", (1, ["case"])),
    ],
)
def test_they_part_at_the_first_step_that_differs(first, second, expected):
    assert comparison.parting(first, second, str.lower, lambda *both: ["case"] * (len(set(both)) - 1)) == expected
