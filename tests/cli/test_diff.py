"""`agentops-otel sessions diff`: two sessions beside each other, for people and for programs."""

from __future__ import annotations

import json

import pytest
from span_records import ROOT_ID, SESSION, failed, llm, root, tool

OTHER, THIRD = "1" * 32, "2" * 32
EVIL = "\x1b]0;owned\x07look\u202e"


@pytest.fixture
def filled(store):
    store.insert([root(end=4.25), llm(0.00123, tokens=(12_400, 950), start=1), failed(tool(start=2))])
    store.insert(
        [
            root(trace=OTHER, start=10, end=12),
            llm(0.00023, tokens=(2_400, 950), trace=OTHER, start=10.5),
            tool(trace=OTHER, start=11),
            tool(EVIL, trace=OTHER, parent_id=ROOT_ID, start=11.5),
        ]
    )
    store.insert([root(trace=THIRD, start=20, end=None), llm(None, trace=THIRD, start=21, end=22)])
    return store


@pytest.fixture(params=["store", "server"])
def told(request, filled):
    return request.getfixturevalue({"store": "run", "server": "run_on_server"}[request.param])


def test_figures_and_steps_that_differ(told):
    lines = told("diff", SESSION[:8], "1111").splitlines()
    rows = {line[:18].strip(): line[18:].split() for line in lines[:12]}
    assert rows["FIGURE"] == ["0af76519", "11111111", "DIFFERENCE"]
    assert rows["duration"] == ["4.2s", "2.0s", "-2.2s"]
    assert rows["cost"] == ["$0.0012", "$0.00023", "-$0.0010"]
    assert rows["input tokens"] == ["12,400", "2,400", "-10,000"]
    assert rows["tool calls"] == ["1", "2", "+1"]
    assert rows["LLM calls"] == ["1", "1", "same"]
    assert lines[12:] == [
        "",
        "1 of 3 steps the same. What differs:",
        "~  2  tool search  changed: outcome",
        "+  3  tool look    only in the second",
    ]


def test_what_is_unknown_has_no_difference(told):
    rows = {line[:18].strip(): line[18:].split() for line in told("diff", "1111", "2222").splitlines()}
    assert rows["cost"] == ["$0.00023", "?", "?"]
    assert rows["unpriced calls"] == ["0", "1", "+1"]


def test_a_session_and_itself(told):
    assert told("diff", "1111", "1111").splitlines()[-1] == "Nothing differs in 3 steps"


def test_sessions_without_steps(store, run):
    store.insert([root(trace=OTHER)])
    assert run("diff", "@last", "@last").splitlines()[-1] == "Neither has a step"


def test_it_is_told_to_programs(told):
    found = json.loads(told("diff", SESSION, "1111", "--json"))
    assert (found["first"], found["steps_in_all"], found["same_steps"]) == (SESSION, 3, 1)
    assert found["figures"]["cost"] == {"first": "0.00123", "second": "0.00023", "difference": "-0.001"}
    assert [step["number"] for step in found["different_steps"]] == [2, 3]
    assert found["different_steps_left_out"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["@last"], 2, "Missing argument 'OTHER'"),
        (["@last", "nobody"], 3, "is called 'nobody'"),
        (["nobody", "@last"], 3, "is called 'nobody'"),
        (["", "@last"], 3, "no session"),
    ],
)
def test_what_is_wrong_is_told(filled, run, arguments, code, said):
    assert said in run("diff", *arguments, code=code)
