"""Two sessions beside each other: exact deltas, and the first step at which they part."""

from __future__ import annotations

import json

import pytest
from recorded_sessions import Run, assistant, calls, says

from agentops_otel.conventions.names import SYSTEM_INSTRUCTIONS
from agentops_otel.server.page.sides import sides
from agentops_otel.store.sqlite import SQLiteStore

NOW = 1_795_000_000 * 10**9


def run(number, *steps, end=10, state="Success", cost=0.1):
    """A session of model calls (asked, answered) and of tools (name)."""
    made = Run(number, NOW + number)
    made.root(end, state)
    for at, step in enumerate(steps):
        if isinstance(step, str):
            made.span(step, at, at + 1, {"agentops.span.kind": "tool", "gen_ai.tool.name": step})
        else:
            asked, answered = step
            made.llm(at, at + 1, "gpt-4o", (100, 0, 10), cost, [says("user", asked)], [says("assistant", *answered)])
    return made


@pytest.fixture
def compared(tmp_path):
    store = SQLiteStore(tmp_path / "sessions.db")

    def compare(one, other):
        for made in (one, other):
            store.insert(made.records)
        found = [(store.session(made.session), store.spans(made.session)) for made in (one, other)]
        return json.loads(sides(*found))

    yield compare
    store.close()


HELLO = ("hello", ["hi"])


@pytest.mark.parametrize(
    ("one", "other", "parting", "differs"),
    [
        ([HELLO, "look"], [HELLO, "look"], None, []),
        ([HELLO, "look"], [HELLO, "find"], 1, ["step"]),
        ([HELLO, "look"], [HELLO], 1, ["step"]),
        ([], [HELLO], 0, ["step"]),
        ([], [], None, []),
        ([HELLO], [("hello", ["good day"])], 0, ["answered"]),
        ([HELLO], [("good day", ["hi"])], 0, ["said"]),
        ([("hello", [calls("look", "call_1", a=1)])], [("hello", [calls("look", "call_2", a=1)])], None, []),
        ([("hello", [calls("look", "call_1", a=1)])], [("hello", [calls("look", "call_2", a=2)])], 0, ["answered"]),
    ],
)
def test_they_part_where_a_step_differs(compared, one, other, parting, differs):
    told = compared(run(1, *one), run(2, *other))
    assert (told["parting"], told["differs"]) == (parting, differs)


def test_what_a_tool_gave_can_be_what_differs(compared):
    one, other = assistant(1, NOW), assistant(2, NOW)
    for record in other.records:
        if record.name == "find_order":
            record.attributes = {**record.attributes, "gen_ai.tool.call.result": '{"state": "here"}'}
    told = compared(one, other)
    assert (told["parting"], told["differs"]) == (1, ["results"])


def test_other_instructions_are_another_question(compared):
    one, other = assistant(1, NOW), assistant(2, NOW)
    for record in other.records:
        if SYSTEM_INSTRUCTIONS in record.attributes:
            record.attributes = {**record.attributes, SYSTEM_INSTRUCTIONS: '[{"type": "text", "content": "Be brief."}]'}
    told = compared(one, other)
    assert (told["parting"], told["differs"]) == (1, ["said"])


def test_deltas_are_exact_and_unknown_where_a_side_is(compared):
    told = compared(run(1, HELLO, cost=0.1), run(2, HELLO, HELLO, HELLO, cost=0.1, end=12.5))
    deltas = told["deltas"]
    assert (deltas["cost"], deltas["duration"], deltas["input_tokens"], deltas["llm_calls"]) == ("0.2", 2.5, 200, 2)
    assert compared(run(3, HELLO, HELLO, cost=0.1), run(4, HELLO, cost=0.1))["deltas"]["cost"] == "-0.1"
    assert compared(run(5, HELLO, cost=None), run(6, HELLO))["deltas"]["cost"] is None
    assert compared(run(7, HELLO, end=None), run(8, HELLO))["a"]["cost"] == "0.1"


def test_only_the_steps_around_the_parting_are_told(compared):
    told = compared(run(1, *["look"] * 40), run(2, *["look"] * 30, "find", *["look"] * 9))
    assert (told["parting"], told["from"], told["totals"]) == (30, 28, [40, 40])
    assert [len(side) for side in told["steps"]] == [12, 12]
    assert told["steps"][1][2]["span"]["name"] == "find"


async def test_two_sessions_are_compared_over_http(asked, store):
    for made in (run(1, HELLO), run(2, HELLO)):
        store.insert(made.records)
    one, other = (f"00000000-0000-0000-0000-{number:012x}" for number in (1, 2))
    told = (await asked(f"/v2/compare?a={one}&b={other}")).json()
    assert (told["a"]["id"], told["b"]["id"], told["parting"]) == (one, other, None)
    for query, status in (("", 400), (f"a={one}", 400), (f"a={one}&b=none", 404), (f"a={one}&b={other}&c=1", 400)):
        assert (await asked(f"/v2/compare?{query}")).status_code == status, query
