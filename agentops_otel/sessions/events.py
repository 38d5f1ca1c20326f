"""ActionEvent, LLMEvent, ToolEvent, ErrorEvent: what a program records by hand, each as one span."""

from __future__ import annotations

import sys
import traceback
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, ClassVar

from agentops_otel.conventions import names, plain
from agentops_otel.conventions.attributes import write_request, write_response
from agentops_otel.conventions.messages import write_content, write_messages
from agentops_otel.conventions.model import Content, Message, Request, Response, Text, Usage
from agentops_otel.conventions.model import Part as MessagePart

Params = Mapping[str, Any] | None


class EventType(Enum):
    """The kinds of events, with the words that the original gave them."""

    LLM = "llms"
    ACTION = "actions"
    API = "apis"
    TOOL = "tools"
    ERROR = "errors"


class EndState(Enum):
    """How a session ended. Everywhere an end state is wanted, its name in any case will do, and `Fail` too."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    FAIL = "Failure"  # noqa: PIE796 - the original's name of it
    INDETERMINATE = "Indeterminate"


class TraceState(Enum):
    """The same, under the names that go with `end_trace`."""

    SUCCESS = "Success"
    ERROR = "Failure"
    UNSET = "Indeterminate"


def timestamp() -> str:
    """Now, as events carry it: ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat()


@dataclass
class Event:
    """What all events have. Times are ISO 8601; an event without an end ends when it is recorded.

    One without a beginning begins when it is made.
    """

    event_type: str
    params: Any = None
    returns: Any = None
    init_timestamp: str = field(default_factory=str)
    end_timestamp: str | None = None
    agent_id: Any = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    session_id: Any = None
    fault: ClassVar[BaseException | None] = None
    """What went wrong in us while it was made, if anything did."""

    def __post_init__(self) -> None:
        try:
            self._complete()
        except Exception as error:  # counted when it is recorded
            self.fault = error  # type: ignore[misc] # of this one event

    def _complete(self) -> None:
        """Fill in what was not told."""
        self.init_timestamp = self.init_timestamp or timestamp()


@dataclass
class ActionEvent(Event):
    """Something that the agent did."""

    event_type: str = EventType.ACTION.value
    action_type: str | None = None
    logs: Any = None
    screenshot: str | None = None


@dataclass
class LLMEvent(Event):
    """A call to a model that no instrumentor saw. Messages may be a str or a list of `{"role", "content"}`."""

    event_type: str = EventType.LLM.value
    thread_id: Any = None
    prompt: Any = None
    prompt_tokens: int | None = None
    completion: Any = None
    completion_tokens: int | None = None
    cost: float | None = None
    model: str | None = None


@dataclass
class ToolEvent(Event):
    """A tool that was run."""

    event_type: str = EventType.TOOL.value
    name: str | None = None
    logs: Any = None


@dataclass
class ErrorEvent(Event):
    """Something that went wrong, with the event that it went wrong in, if there is one."""

    event_type: str = EventType.ERROR.value
    trigger_event: Event | None = None
    exception: BaseException | None = None
    error_type: str | None = None
    code: str | None = None
    details: Any = None
    logs: str | None = None
    message: Any = None
    """The same as `details`, as some examples call it."""

    def _complete(self) -> None:
        super()._complete()
        if self.message is not None and self.details is None:
            self.details = plain.described(self.message)
        if isinstance(self.exception, BaseException) and self.error_type is None:
            self.error_type = type(self.exception).__name__
        if self.exception is not None and self.details is None:
            self.details = plain.described(self.exception)
        if self.logs is None:
            error = self.exception if self.exception is not None else sys.exc_info()[1]
            if isinstance(error, BaseException):
                self.logs = "".join(traceback.format_exception(error))

    @property
    def timestamp(self) -> str:
        """When it happened."""
        return self.init_timestamp


@dataclass(slots=True)
class Written:
    """An event as the span that it becomes. Times are nanoseconds since the epoch."""

    name: str
    attributes: dict[str, Any]
    start_time: int
    end_time: int
    error: str | None = None


def write(event: Event) -> Written:
    """The span of an event.

    Raises:
        TypeError: it is no event.
    """
    if not isinstance(event, Event):
        raise TypeError(f"record() takes an ActionEvent, LLMEvent, ToolEvent or ErrorEvent, not {type(event).__name__}")
    if event.end_timestamp is None:
        event.end_timestamp = timestamp()
    attributes = _shared(event)
    kind = getattr(event.event_type, "value", event.event_type)
    error = None
    if isinstance(event, ErrorEvent):
        name, error = _error(event, attributes)
    elif isinstance(event, LLMEvent):
        name = _llm(event, attributes)
    elif isinstance(event, ToolEvent):
        name = _tool(event, attributes)
    else:
        name = _action(event, attributes)
    if attributes[names.SPAN_KIND] == names.KIND_ACTION and isinstance(kind, str) and kind in _KINDS:
        attributes[names.SPAN_KIND] = _KINDS[kind]  # the original counts by this word, whatever the class
    start = _nanoseconds(event.init_timestamp)
    end = _nanoseconds(event.end_timestamp)
    return Written(name, attributes, min(start, end), end, error)


_KINDS = {
    EventType.LLM.value: names.KIND_LLM,
    EventType.TOOL.value: names.KIND_TOOL,
}


def _shared(event: Event) -> dict[str, Any]:
    attributes: dict[str, Any] = {names.EVENT_ID: plain.described(event.id)}
    for name, value in ((names.EVENT_PARAMS, event.params), (names.EVENT_RETURNS, event.returns)):
        if value is not None:
            attributes[name] = plain.to_json(value)
    if event.agent_id is not None:
        attributes[names.EVENT_AGENT_ID] = plain.described(event.agent_id)
    return attributes


def _action(event: Event, attributes: dict[str, Any]) -> str:
    attributes[names.SPAN_KIND] = names.KIND_ACTION
    action = getattr(event, "action_type", None)
    _put(attributes, names.ACTION_TYPE, action)
    _put(attributes, names.EVENT_LOGS, getattr(event, "logs", None))
    _put(attributes, names.EVENT_SCREENSHOT, getattr(event, "screenshot", None))
    return f"action {_told(action)}".rstrip()


def _tool(event: ToolEvent, attributes: dict[str, Any]) -> str:
    attributes[names.SPAN_KIND] = names.KIND_TOOL
    attributes[names.OPERATION_NAME] = names.EXECUTE_TOOL
    name = _told(event.name) or "tool"
    attributes[names.TOOL_NAME] = name
    for old, new in (
        (names.EVENT_PARAMS, names.TOOL_CALL_ARGUMENTS),
        (names.EVENT_RETURNS, names.TOOL_CALL_RESULT),
    ):
        if old in attributes:
            attributes[new] = attributes.pop(old)
    _put(attributes, names.EVENT_LOGS, event.logs)
    return f"{names.EXECUTE_TOOL} {name}"


def _llm(event: LLMEvent, attributes: dict[str, Any]) -> str:
    attributes[names.SPAN_KIND] = names.KIND_LLM
    attributes[names.OPERATION_NAME] = names.CHAT
    _put(attributes, names.EVENT_THREAD_ID, event.thread_id)
    told = write_response(
        Response(usage=Usage(event.prompt_tokens, event.completion_tokens, cost=_decimal(event.cost)))
    )
    attributes |= write_request(Request(model=event.model)) | told
    if not told and names.REQUEST_MODEL in attributes:
        attributes[names.USAGE_MISSING] = True
    if event.prompt is not None:
        attributes |= write_content(Content(_messages(event.prompt, "user")))
    if event.completion is not None:
        attributes[names.OUTPUT_MESSAGES] = write_messages(_messages(event.completion, "assistant"), answered=True)
    model = attributes.get(names.REQUEST_MODEL)
    return f"{names.CHAT} {model}" if model else names.CHAT


def _decimal(cost: Any) -> Decimal | None:
    try:
        return None if cost is None else Decimal(plain.described(cost))
    except InvalidOperation:
        return None


def _messages(told: Any, role: str) -> list[Message]:
    items: Sequence[Any] = told if isinstance(told, (list, tuple)) else [told]
    messages = []
    for item in items:
        said = item.get("content") if isinstance(item, Mapping) else None
        content = item if said is None else said
        who = plain.described(item.get("role", role)) if isinstance(item, Mapping) else role
        part: MessagePart = Text(content if isinstance(content, str) else plain.to_json(content))
        messages.append(Message(who, [part], finish_reason="stop"))
    return messages


def _error(event: ErrorEvent, attributes: dict[str, Any]) -> tuple[str, str]:
    attributes[names.SPAN_KIND] = names.KIND_ERROR
    kind = _told(event.error_type) or names.ERROR_TYPE_OTHER
    attributes[names.ERROR_TYPE] = kind
    if isinstance(event.exception, BaseException):
        attributes[names.EXCEPTION_TYPE] = plain.error_type(event.exception)
    _put(attributes, names.EVENT_CODE, event.code)
    _put(attributes, names.EVENT_DETAILS, event.details)
    _put(attributes, names.EVENT_LOGS, event.logs)
    if isinstance(event.trigger_event, Event):
        attributes[names.EVENT_TRIGGER_ID] = plain.described(event.trigger_event.id)
        attributes[names.EVENT_TRIGGER_TYPE] = plain.described(event.trigger_event.event_type)
    return f"error {kind}", _told(event.details) or kind


def _told(value: Any) -> str:
    return "" if value is None else plain.described(value)


def _put(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        attributes[name] = plain.told(value)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(2262, 1, 1, tzinfo=timezone.utc)
"""Nanoseconds since the epoch stay below 2**63 until then."""


def _nanoseconds(moment: Any) -> int:
    """An ISO 8601 time in nanoseconds since the epoch; now, where it is none that a span can carry."""
    now = datetime.now(timezone.utc)
    try:
        found = datetime.fromisoformat(plain.described(moment).replace("Z", "+00:00"))
        found = found.replace(tzinfo=timezone.utc) if found.tzinfo is None else found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        found = now
    since = (found if _EPOCH <= found < _LATEST else now) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000
