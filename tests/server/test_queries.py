"""What is asked of a store: rows and exports as plain JSON."""

from __future__ import annotations

import json

import pytest
from dirty_equals import IsPartialDict
from span_records import SESSION, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server.queries import export, session_json, timestamp

ENDED = {
    names.END_STATE: names.FAILURE,
    names.END_STATE_REASON: "no luck",
    names.TAGS: ["a"],
    names.VIDEO_URL: "v://1",
}
TOKENS = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "reasoning_tokens": 0,
}


def said(role, *parts, **fields):
    return json.dumps([{"role": role, "parts": list(parts), **fields}])


def text(content):
    return {"type": "text", "content": content}


def test_a_session_as_json(store):
    store.insert(of_project("p", root(ENDED, end=2.5), llm(0.0000195), llm(None), tool()))
    assert session_json(store.session(SESSION)) == {
        "id": SESSION,
        "project_id": "p",
        "name": None,
        "host": None,
        "init_timestamp": "2023-11-14T22:13:20.000+00:00",
        "end_timestamp": "2023-11-14T22:13:22.500+00:00",
        "end_state": "Failure",
        "end_state_reason": "no luck",
        "is_running": False,
        "tags": ["a"],
        "video": "v://1",
        "cost": "0.0000195",
        "unpriced_calls": 1,
        "duration": 2.5,
        "llm_calls": 2,
        "tool_calls": 1,
        "actions": 0,
        "errors": 0,
        "tokens": TOKENS | {"input_tokens": 200, "output_tokens": 40},
        "models": ["gpt-4o"],
    }


def test_a_cost_that_nobody_knows_is_null_and_no_calls_cost_nothing(store):
    store.insert([llm(None), root(ENDED, trace="1" * 32)])
    assert {row.session_id[0]: session_json(row)["cost"] for row in store.sessions()} == {
        "0": None,
        "1": "0.00",
    }


def test_durations(store):
    store.insert([llm(start=1, end=3.5)])
    assert session_json(store.session(SESSION))["duration"] == 2.5, "to the last sign of life"
    row = store.session(SESSION)
    row.is_running = True
    assert session_json(row)["duration"] is None


@pytest.mark.parametrize("time", [-1, 0, 2**63, 10**30])
def test_no_time_is_too_odd_for_a_timestamp(time):
    assert timestamp(time).endswith("+00:00")
    assert timestamp(None) is None


def test_the_classic_sections(exported):
    whole = exported(
        *of_project(
            "p",
            root(ENDED, end=4, resource={"host.name": "h"}),
            llm(0.5, tokens=(100, 20), attributes={names.CACHE_READ_TOKENS: 60}),
            llm(None, model="odd"),
            failed(tool()),
            span("think", {names.SPAN_KIND: names.KIND_ACTION}),
        )
    )
    assert whole["session"] == {
        "id": SESSION,
        "project_id": "p",
        "project_id_secondary": None,
        "init_timestamp": "2023-11-14T22:13:20.000+00:00",
        "end_timestamp": "2023-11-14T22:13:24.000+00:00",
        "tags": ["a"],
        "end_state": "Failure",
        "end_state_reason": "no luck",
        "video": "v://1",
        "host_env": {"host.name": "h", names.PROJECT_ID: "p"},
    }
    tokens = TOKENS | {"input_tokens": 100, "output_tokens": 20}
    assert whole["statistics"] == {
        "session_id": SESSION,
        "events": 5,
        "llm_calls": 2,
        "tool_calls": 1,
        "actions": 1,
        "errors": 1,
        "duration": 4.0,
        "cost": "0.5",
        "unpriced_calls": 1,
        "prompt_tokens": 200,
        "completion_tokens": 40,
        "tokens": TOKENS | {"input_tokens": 200, "output_tokens": 40, "cache_read_tokens": 60},
        "by_model": {
            "gpt-4o": {"calls": 1, "cost": "0.5", "tokens": tokens | {"cache_read_tokens": 60}},
            "odd": {"calls": 1, "cost": None, "tokens": tokens},
        },
    }
    assert {name: len(whole[name]) for name in ("llms", "tools", "actions", "errors")} == {
        "llms": 2,
        "tools": 1,
        "actions": 1,
        "errors": 1,
    }


def test_an_unknown_session(store):
    with pytest.raises(KeyError, match="nothing"):
        export(store, "nothing")


def test_an_llm_call(exported):
    record = llm(
        0.000195,
        tokens=(7, 3),
        attributes={
            names.SYSTEM_INSTRUCTIONS: json.dumps([text("be good")]),
            names.INPUT_MESSAGES: said("user", text("hi")),
            names.OUTPUT_MESSAGES: said("assistant", text("yo"), finish_reason="stop"),
            names.EVENT_THREAD_ID: "t1",
        },
        span_id="1" * 16,
    )
    assert exported(record)["llms"] == [
        {
            "id": "1" * 16,
            "session_id": SESSION,
            "agent_id": None,
            "thread_id": "t1",
            "prompt": {
                "type": "chatml",
                "messages": [{"role": "system", "content": "be good"}, {"role": "user", "content": "hi"}],
            },
            "completion": {
                "type": "chatml",
                "messages": [{"role": "assistant", "content": "yo", "finish_reason": "stop"}],
            },
            "model": "gpt-4o",
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "cost": "0.000195",
            "promptarmor_flag": None,
            "params": None,
            "returns": None,
            "init_timestamp": "2023-11-14T22:13:20.000+00:00",
            "end_timestamp": "2023-11-14T22:13:21.000+00:00",
        }
    ]


def test_a_call_that_two_spans_tell_of_is_listed_once_where_it_was_made(exported):
    outer = llm(9.0, model="outer", span_id="1" * 16, start=0, end=3)
    inner = llm(0.5, model="inner", parent_id="1" * 16, start=1, end=2)
    whole = exported(outer, inner)
    assert [call["model"] for call in whole["llms"]] == ["inner"]
    assert whole["statistics"]["cost"] == "0.5"


def test_a_background_response_has_the_usage_that_its_fetch_brought(exported):
    asked = span(
        "chat",
        {
            names.OPERATION_NAME: names.CHAT,
            names.REQUEST_MODEL: "o3",
            names.RESPONSE_ID: "r1",
            names.RESPONSE_STATUS: "queued",
        },
        end=1,
    )
    fetched = span(
        "fetch",
        {
            names.OPERATION_NAME: names.FETCH_RESPONSE,
            names.RESPONSE_ID: "r1",
            names.FETCHED + names.INPUT_TOKENS: 11,
            names.FETCHED + names.OUTPUT_TOKENS: 5,
            names.COST: 0.25,
            names.OUTPUT_MESSAGES: said("assistant", text("done")),
        },
        start=2,
        end=3,
    )
    whole = exported(asked, fetched)
    assert whole["llms"] == [IsPartialDict(prompt_tokens=11, completion_tokens=5, cost="0.25")]
    assert whole["llms"][0]["completion"]["messages"] == [{"role": "assistant", "content": "done"}]
    assert whole["statistics"] == IsPartialDict(prompt_tokens=11, completion_tokens=5, cost="0.25", llm_calls=1)


def test_tools_and_actions(exported):
    told = {
        names.EVENT_ID: "e1",
        names.EVENT_AGENT_ID: "agent-7",
        names.TOOL_CALL_ARGUMENTS: '{"q": NaN}',
        names.TOOL_CALL_RESULT: "no json",
        names.EVENT_LOGS: '["line"]',
    }
    action = {
        names.SPAN_KIND: names.KIND_ACTION,
        names.ACTION_TYPE: "click",
        names.EVENT_PARAMS: '{"x": [1]}',
        names.EVENT_RETURNS: "null",
        names.EVENT_SCREENSHOT: "http://s",
        names.EVENT_LOGS: "123",
    }
    whole = exported(tool("search", told), span("act", action, span_id="2" * 16, start=1, end=2))
    assert whole["tools"] == [
        {
            "id": "e1",
            "session_id": SESSION,
            "agent_id": "agent-7",
            "name": "search",
            "logs": ["line"],
            "params": {"q": "NaN"},
            "returns": "no json",
            "init_timestamp": "2023-11-14T22:13:20.000+00:00",
            "end_timestamp": "2023-11-14T22:13:21.000+00:00",
        }
    ]
    assert whole["actions"] == [
        {
            "id": "2" * 16,
            "session_id": SESSION,
            "agent_id": None,
            "action_type": "click",
            "logs": "123",
            "screenshot": "http://s",
            "params": {"x": [1]},
            "returns": None,
            "init_timestamp": "2023-11-14T22:13:21.000+00:00",
            "end_timestamp": "2023-11-14T22:13:22.000+00:00",
        }
    ]


def test_the_agent_is_the_nearest_one_above(exported):
    agents = [
        span("outer", {names.SPAN_KIND: names.KIND_AGENT}, span_id="1" * 16, end=9),
        span(
            "inner",
            {names.SPAN_KIND: names.KIND_AGENT, names.AGENT_ID: "a2"},
            parent_id="1" * 16,
            span_id="2" * 16,
        ),
        span("between", parent_id="2" * 16, span_id="3" * 16),
    ]
    whole = exported(
        *agents,
        tool("deep", parent_id="3" * 16),
        tool("flat", parent_id="1" * 16),
        tool("none", parent_id="9" * 16),
    )
    assert {made["name"]: made["agent_id"] for made in whole["tools"]} == {
        "deep": "a2",
        "flat": "1" * 16,
        "none": None,
    }


def test_parents_in_a_circle_end(exported):
    whole = exported(tool("a", span_id="1" * 16, parent_id="2" * 16), tool("b", span_id="2" * 16, parent_id="1" * 16))
    assert len(whole["tools"]) == 2


def test_an_error_is_listed_once_where_it_arose(exported):
    outer = failed(span("agent", {names.SPAN_KIND: names.KIND_AGENT}, span_id="1" * 16, end=3))
    inner = failed(llm(span_id="2" * 16, parent_id="1" * 16, start=1, end=2), "slow down", "RateLimitError")
    whole = exported(outer, inner)
    assert whole["errors"] == [
        {
            "id": "2" * 16,
            "session_id": SESSION,
            "trigger_event_id": "2" * 16,
            "trigger_event_type": "llms",
            "error_type": "RateLimitError",
            "code": None,
            "details": "slow down",
            "logs": "Traceback",
            "timestamp": "2023-11-14T22:13:22.000+00:00",
        }
    ]


def test_an_error_that_was_recorded_by_hand(exported):
    told = {
        names.SPAN_KIND: names.KIND_ERROR,
        names.EVENT_ID: "e9",
        names.EVENT_TRIGGER_ID: "e1",
        names.EVENT_TRIGGER_TYPE: "tools",
        names.ERROR_TYPE: "Late",
        names.EVENT_CODE: "504",
        names.EVENT_DETAILS: '{"after": 30}',
        names.EVENT_LOGS: "line 1",
    }
    assert exported(span("error Late", told))["errors"] == [
        {
            "id": "e9",
            "session_id": SESSION,
            "trigger_event_id": "e1",
            "trigger_event_type": "tools",
            "error_type": "Late",
            "code": "504",
            "details": {"after": 30},
            "logs": "line 1",
            "timestamp": "2023-11-14T22:13:21.000+00:00",
        }
    ]


def test_an_exception_of_an_odd_form(exported):
    record = failed(tool())
    record.events = [{"name": "exception", "timestamp": "yesterday"}]
    (error,) = exported(record)["errors"]
    assert (error["timestamp"], error["logs"]) == ("2023-11-14T22:13:21.000+00:00", None)


def test_a_running_session_can_be_exported(exported):
    whole = exported(root(end=None), tool(end=None), tool("done"))
    assert [made["name"] for made in whole["tools"]] == ["done"]
    assert whole["session"]["end_timestamp"] is None
