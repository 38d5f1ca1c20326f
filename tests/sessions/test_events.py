"""Events: the classes that programs record by hand, and the spans that they become."""

from __future__ import annotations

import json
import uuid
from dataclasses import MISSING, fields
from datetime import datetime, timedelta, timezone

import pytest

from agentops_otel.accounting.record import ERROR, UNSET
from agentops_otel.conventions import names
from agentops_otel.conventions.messages import read_messages
from agentops_otel.sessions.events import (
    ActionEvent,
    EndState,
    ErrorEvent,
    Event,
    EventType,
    LLMEvent,
    ToolEvent,
    timestamp,
    write,
)

BASE = ["event_type", "params", "returns", "init_timestamp", "end_timestamp", "agent_id", "id", "session_id"]
CLASSES = {
    ActionEvent: ("actions", ["action_type", "logs", "screenshot"]),
    LLMEvent: (
        "llms",
        ["thread_id", "prompt", "prompt_tokens", "completion", "completion_tokens", "cost", "model"],
    ),
    ToolEvent: ("tools", ["name", "logs"]),
    ErrorEvent: ("errors", ["trigger_event", "exception", "error_type", "code", "details", "logs"]),
}


class Broken:
    def __str__(self):
        raise RuntimeError("broken")

    __repr__ = __str__

    def __bool__(self):
        raise RuntimeError("ambiguous")


def told(event, *leave_out):
    """The attributes of an event's span, without its id and those told to leave out."""
    return {
        name: value
        for name, value in write(event).attributes.items()
        if name not in {names.EVENT_ID, names.SPAN_KIND, names.OPERATION_NAME, *leave_out}
    }


# --- The classes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
def test_fields_and_their_order(kind):
    event_type, own = CLASSES[kind]
    order = [field.name for field in fields(kind)]
    assert order[: len(BASE + own)] == BASE + own
    defaults = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    assert defaults.pop("event_type") == event_type
    assert set(defaults.values()) == {None}
    assert set(order) - set(defaults) - {"event_type"} == {"init_timestamp", "id"}


@pytest.mark.parametrize("kind", CLASSES)
def test_positions(kind):
    given_ = ["x", {"p": 1}, "r", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00", "agent", "id", "session"]
    event = kind(*given_)
    assert [getattr(event, name) for name in BASE] == given_


@pytest.mark.parametrize("kind", CLASSES)
def test_each_has_an_id_and_a_beginning_of_its_own(kind):
    one, two = kind(), kind()
    assert isinstance(one.id, uuid.UUID)
    assert one.id != two.id
    begun = datetime.fromisoformat(one.init_timestamp)
    assert abs(datetime.now(timezone.utc) - begun) < timedelta(seconds=30)
    assert one.end_timestamp is None


def test_words():
    assert {kind.name: kind.value for kind in EventType} == {
        "LLM": "llms",
        "ACTION": "actions",
        "API": "apis",
        "TOOL": "tools",
        "ERROR": "errors",
    }
    assert {EndState[name].value for name in ("SUCCESS", "FAIL", "INDETERMINATE")} == {
        "Success",
        "Failure",
        "Indeterminate",
    }
    assert timestamp().endswith("+00:00")


# --- What they become ------------------------------------------------------------------------------------

WRITTEN = [
    (ActionEvent(), "action", names.KIND_ACTION, {}),
    (
        ActionEvent(action_type="plan", params={"n": 1}, returns=["a"], agent_id="agent-7"),
        "action plan",
        names.KIND_ACTION,
        {
            names.ACTION_TYPE: "plan",
            names.EVENT_PARAMS: '{"n":1}',
            names.EVENT_RETURNS: '["a"]',
            names.EVENT_AGENT_ID: "agent-7",
        },
    ),
    (
        ActionEvent(logs="done", screenshot="https://example.com/a.png", returns="text"),
        "action",
        names.KIND_ACTION,
        {
            names.EVENT_LOGS: "done",
            names.EVENT_SCREENSHOT: "https://example.com/a.png",
            names.EVENT_RETURNS: '"text"',
        },
    ),
    (ActionEvent(logs=["a", "b"]), "action", names.KIND_ACTION, {names.EVENT_LOGS: '["a","b"]'}),
    (ActionEvent("llms", action_type="ask"), "action ask", names.KIND_LLM, {names.ACTION_TYPE: "ask"}),
    (ActionEvent("tools"), "action", names.KIND_TOOL, {}),
    (ActionEvent(EventType.TOOL), "action", names.KIND_TOOL, {}),
    (ActionEvent("apis"), "action", names.KIND_ACTION, {}),
    (ActionEvent("x"), "action", names.KIND_ACTION, {}),
    (Event("actions", params=0), "action", names.KIND_ACTION, {names.EVENT_PARAMS: "0"}),
    (ToolEvent(), "execute_tool tool", names.KIND_TOOL, {names.TOOL_NAME: "tool"}),
    (
        ToolEvent(name="search", params={"q": "x"}, returns={"hits": []}, logs={"ok": True}),
        "execute_tool search",
        names.KIND_TOOL,
        {
            names.TOOL_NAME: "search",
            names.TOOL_CALL_ARGUMENTS: '{"q":"x"}',
            names.TOOL_CALL_RESULT: '{"hits":[]}',
            names.EVENT_LOGS: '{"ok":true}',
        },
    ),
    (LLMEvent(), "chat", names.KIND_LLM, {}),
    (
        LLMEvent(model="gpt-4o", prompt_tokens=20, completion_tokens=10, thread_id="t"),
        "chat gpt-4o",
        names.KIND_LLM,
        {
            names.REQUEST_MODEL: "gpt-4o",
            names.INPUT_TOKENS: 20,
            names.OUTPUT_TOKENS: 10,
            names.EVENT_THREAD_ID: "t",
        },
    ),
    (
        LLMEvent(model="gpt-4o", cost=0.5),
        "chat gpt-4o",
        names.KIND_LLM,
        {names.REQUEST_MODEL: "gpt-4o", names.PROVIDER_COST: "0.5"},
    ),
    (LLMEvent(cost=0), "chat", names.KIND_LLM, {names.PROVIDER_COST: "0"}),
    (
        LLMEvent(model="gpt-4o"),
        "chat gpt-4o",
        names.KIND_LLM,
        {names.REQUEST_MODEL: "gpt-4o", names.USAGE_MISSING: True},
    ),
    (ErrorEvent(), "error _OTHER", names.KIND_ERROR, {names.ERROR_TYPE: "_OTHER"}),
    (
        ErrorEvent(error_type="Timeout", code="408", details="too slow", logs="trace"),
        "error Timeout",
        names.KIND_ERROR,
        {
            names.ERROR_TYPE: "Timeout",
            names.EVENT_CODE: "408",
            names.EVENT_DETAILS: "too slow",
            names.EVENT_LOGS: "trace",
        },
    ),
    (
        ErrorEvent(details={"status": 500}, code=500),
        "error _OTHER",
        names.KIND_ERROR,
        {names.ERROR_TYPE: "_OTHER", names.EVENT_DETAILS: '{"status":500}', names.EVENT_CODE: "500"},
    ),
]


@pytest.mark.parametrize(
    ("event", "name", "kind", "attributes"),
    WRITTEN,
    ids=[f"{n}-{type(e).__name__}" for n, (e, *_) in enumerate(WRITTEN)],
)
def test_written(event, name, kind, attributes):
    written = write(event)
    assert written.name == name
    assert written.attributes[names.SPAN_KIND] == kind
    assert written.attributes[names.EVENT_ID] == str(event.id)
    assert told(event) == attributes


OPERATIONS = [(LLMEvent(), names.CHAT), (ToolEvent(), names.EXECUTE_TOOL), (ActionEvent(), None), (ErrorEvent(), None)]


@pytest.mark.parametrize(("event", "operation"), OPERATIONS)
def test_operations(event, operation):
    assert write(event).attributes.get(names.OPERATION_NAME) == operation


@pytest.mark.parametrize("thing", [None, {}, "actions", object(), ActionEvent])
def test_no_event(thing):
    with pytest.raises(TypeError, match=r"record\(\) takes an ActionEvent"):
        write(thing)


MESSAGES = [
    ("hi", [("user", "hi")]),
    (["hi", "there"], [("user", "hi"), ("user", "there")]),
    ({"role": "system", "content": "be kind"}, [("system", "be kind")]),
    ([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}], [("user", "hi"), ("assistant", "ho")]),
    ({"content": "no role"}, [("user", "no role")]),
    ([{"role": "user", "content": [{"type": "text"}]}], [("user", '[{"type":"text"}]')]),
    ([{"role": "assistant", "content": None, "tool_calls": []}], [("assistant", '{"role":"assistant","content":null,"tool_calls":[]}')]),
    ({"answer": 42}, [("user", '{"answer":42}')]),
    (42, [("user", "42")]),
    ([], []),
    ("", [("user", "")]),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "expected"), MESSAGES)
def test_messages(prompt, expected):
    attributes = write(LLMEvent(prompt=prompt, completion="done")).attributes
    sent = read_messages(attributes, names.INPUT_MESSAGES)
    assert [(message.role, message.parts[0].content) for message in sent] == expected
    (answer,) = json.loads(attributes[names.OUTPUT_MESSAGES])
    assert answer == {"role": "assistant", "parts": [{"type": "text", "content": "done"}], "finish_reason": "stop"}


def test_nothing_said():
    assert not {names.INPUT_MESSAGES, names.OUTPUT_MESSAGES} & set(write(LLMEvent()).attributes)


# --- Errors ----------------------------------------------------------------------------------------------


def test_an_error_tells_of_its_exception():
    try:
        raise KeyError("missing")
    except KeyError as error:
        event = ErrorEvent(exception=error)
    assert (event.error_type, event.details) == ("KeyError", "'missing'")
    assert event.logs.startswith("Traceback")
    assert event.logs.rstrip().endswith("KeyError: 'missing'")
    assert event.timestamp == event.init_timestamp
    written = write(event)
    assert (written.name, written.error) == ("error KeyError", "'missing'")


def test_what_is_told_comes_before_the_exception():
    event = ErrorEvent(exception=ValueError("x"), error_type="Odd", details="told", logs="")
    assert (event.error_type, event.details, event.logs) == ("Odd", "told", "")


def test_an_error_recorded_where_it_is_caught_has_its_traceback():
    try:
        raise ValueError("caught")
    except ValueError:
        event = ErrorEvent(error_type="Odd")
    assert "ValueError: caught" in event.logs
    assert ErrorEvent(error_type="Odd").logs is None


@pytest.mark.parametrize("what", ["boom", 5, Broken(), ValueError], ids=["str", "int", "broken", "class"])
def test_what_is_no_exception_is_told_as_details(what):
    event = ErrorEvent(exception=what)
    assert (event.error_type, event.logs) == (None, None)
    assert write(event).error == ("<Broken>" if isinstance(what, Broken) else str(what))


TRIGGERS = [
    (ActionEvent(action_type="click"), "actions"),
    (ToolEvent(name="x"), "tools"),
    (LLMEvent(), "llms"),
    (ErrorEvent(), "errors"),
]


@pytest.mark.parametrize(("trigger", "kind"), TRIGGERS)
def test_an_error_knows_what_it_went_wrong_in(trigger, kind):
    assert told(ErrorEvent(trigger_event=trigger), names.ERROR_TYPE) == {
        names.EVENT_TRIGGER_ID: str(trigger.id),
        names.EVENT_TRIGGER_TYPE: kind,
    }


@pytest.mark.parametrize("trigger", [None, "click", 5])
def test_an_error_without_a_trigger(trigger):
    assert told(ErrorEvent(trigger_event=trigger)) == {names.ERROR_TYPE: "_OTHER"}


ERRORS = [
    (ActionEvent(), None),
    (ErrorEvent(), "_OTHER"),
    (ErrorEvent(error_type="Odd"), "Odd"),
    (ErrorEvent(details=""), "_OTHER"),
    (ErrorEvent(details="told"), "told"),
    (ErrorEvent(message="as some call it"), "as some call it"),
    (ErrorEvent(exception=ValueError()), "ValueError"),
]


@pytest.mark.parametrize(("event", "message"), ERRORS)
def test_only_errors_are_errors(event, message):
    assert write(event).error == message


def test_recorded_in_a_session(watched):
    error = ErrorEvent(error_type="Odd", details="it broke")
    for event in (ActionEvent(action_type="plan"), ToolEvent(name="x"), LLMEvent(model="gpt-4o"), error):
        watched.session.record(event)
        assert event.session_id == watched.session.session_id
    assert [(span.name, span.status, span.status_message) for span in watched.spans] == [
        ("action plan", UNSET, None),
        ("execute_tool x", UNSET, None),
        ("chat gpt-4o", UNSET, None),
        ("error Odd", ERROR, "it broke"),
    ]
    assert {span.parent_id for span in watched.spans} == {watched.spans[0].parent_id}
