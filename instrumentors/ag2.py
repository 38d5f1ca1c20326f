"""AG2: turns of agents, agents as tools, and tools; clients tell of the model calls.

AG2's own word counts only for a model that no client tells of.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Message, Part, Request, Response, Text, ToolCall, ToolResult, Usage
from agentops_otel.engine import Instrumentor, Operation, listed, parsed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agentops_otel.engine import Recorder

_AGENT = "__ag2_agent__"
"""Under which a turn's dependencies have the agent, and its model's configuration."""
_CONFIG = "__ag2_model_config__"
_EVERY_OTHER_TURN = "ag2.agent:AgentRun.__init__"


def _dependency(told: Any, name: str) -> Any:
    found = read(told.get("context"), "dependencies")
    return found.get(name) if isinstance(found, dict) else None


def _model(told: Any) -> str | None:
    with contextlib.suppress(NotImplementedError):  # so AG2 says that a configuration has none
        return read_text(_dependency(told, _CONFIG), "model")
    return None


def _arguments(call: Any) -> Any:
    told = read_text(call, "arguments") or "{}"
    with contextlib.suppress(ValueError):
        return parsed(told)
    return told


def _result(event: Any) -> Any:
    """What a tool answered: a text, data, or several of them."""
    parts = [read(part, "content", read(part, "data")) for part in listed(read(event, "result.parts"))]
    return parts[0] if len(parts) == 1 else parts


def _asked(event: Any) -> list[Part]:
    return [Text(text) for part in listed(read(event, "parts")) if (text := read_text(part, "content"))]


def _answered(event: Any) -> list[Part]:
    text = read_text(event, "message.content")
    calls = listed(read(event, "tool_calls.calls"))
    return [
        *([Text(text)] if text else []),
        *(ToolCall(str(read(call, "name")), read_text(call, "id"), _arguments(call)) for call in calls),
    ]


def _message(event: Any) -> Message | None:
    """An event of a conversation as a message; None for one that says nothing in it."""
    results = [ToolResult(_result(item), read_text(item, "parent_id")) for item in listed(read(event, "results"))]
    for role, parts in (("user", _asked(event)), ("assistant", _answered(event)), ("tool", results)):
        if parts:
            return Message(role, parts)
    return None


def _messages(events: Sequence[Any]) -> list[Message]:
    return [message for message in map(_message, events) if message is not None]


def _said(answer: Any) -> list[Message]:
    parts = _answered(answer)
    return [Message("assistant", parts, None, read_text(answer, "finish_reason") or "stop")] if parts else []


def _count(answer: Any, name: str) -> int | None:
    told = read(answer, f"usage.{name}")
    return int(told) if told else None


def _used(answer: Any) -> Response:
    reason = read_text(answer, "finish_reason")
    return Response(
        id=read_text(answer, "response_id"),
        model=read_text(answer, "model"),
        finish_reasons=[reason] if reason else None,
        usage=Usage(
            _count(answer, "prompt_tokens"),
            _count(answer, "completion_tokens"),
            _count(answer, "cache_read_input_tokens"),
            _count(answer, "cache_creation_input_tokens"),
            reasoning_tokens=_count(answer, "thinking_tokens"),
        )
        if read(answer, "usage")
        else None,
    )


def _system(told: Any) -> list[Part]:
    return [Text(text) for text in listed(read(told.get("context"), "prompt")) if isinstance(text, str)]


AGENT = Operation(
    name=names.INVOKE_AGENT,
    kind=names.KIND_AGENT,
    span_kind=SpanKind.INTERNAL,
    request=lambda told: Request(agent_name=read_text(_dependency(told, _AGENT), "name")),
    response=lambda _: Response(),
    content=lambda told: Content(_messages([told.get("event")]), _system(told)),
    output=_said,
)
TOOL = Operation(
    name=names.EXECUTE_TOOL,
    kind=names.KIND_TOOL,
    span_kind=SpanKind.INTERNAL,
    request=lambda told: Request(
        tool_name=read_text(told["event"], "name"), tool_type="function", tool_call_id=read_text(told["event"], "id")
    ),
    response=lambda answer: Response(error=names.TOOL_ERROR if read(answer, "error") is not None else None),
    content=lambda told: Content(arguments=_arguments(told["event"])),
    output=lambda answer: ToolResult(_result(answer)),
)
CHAT = Operation(
    name=names.CHAT,
    request=lambda told: Request(model=_model(told)),
    response=_used,
    content=lambda told: Content(_messages(listed(told.get("events"))), _system(told)),
    output=_said,
    echo=lambda _: True,
)


class _Middleware:
    """What AG2 asks of a middleware: each of these has what comes next, and goes on with it."""

    def __init__(self, run: Callable[..., Any], *seen: Operation) -> None:
        self._run, self._seen = run, seen

    def __call__(self, event: Any, context: Any) -> _Middleware:
        """AG2 makes one for each turn; this has nothing that it keeps."""
        del event, context
        return self

    def _told(self, operation: Operation, go_on: Callable[..., Any], **told: Any) -> Any:
        return self._run(operation, go_on, told) if operation in self._seen else go_on(*told.values())

    async def on_turn(self, call_next: Callable[..., Awaitable[Any]], event: Any, context: Any) -> Any:
        return await self._told(AGENT, call_next, event=event, context=context)

    async def on_llm_call(self, call_next: Callable[..., Awaitable[Any]], events: Any, context: Any) -> Any:
        return await self._told(CHAT, call_next, events=events, context=context)

    async def on_tool_execution(self, call_next: Callable[..., Awaitable[Any]], event: Any, context: Any) -> Any:
        return await self._told(TOOL, call_next, event=event, context=context)

    async def on_human_input(self, call_next: Callable[..., Awaitable[Any]], event: Any, context: Any) -> Any:
        return await call_next(event, context)


class AG2Instrumentor(Instrumentor):
    """ag2: structure, by a middleware around each turn and one around each call in it."""

    library = "ag2"
    requires = ">=1.2,<2"
    # Spans of its own middleware for OpenTelemetry, where a program has given it to an agent.
    told_by = (frozenset({"ag2"}),)
    targets: ClassVar = {"ag2.agent:AgentReply.ask": None}

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [AGENT, TOOL, CHAT]

    def instrument(self, recorder: Recorder) -> None:
        """Give each turn the middleware from now on; a second time only changes the recorder."""
        self.recorder = recorder
        if not self._wrapped:
            for target in (_EVERY_OTHER_TURN, *self.targets):
                self._try(target, lambda _: self._joined)

    def _joined(self, wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.recorder is not None:
            # The first is around all that the turn was given, the last next to what it calls: a middleware may ask
            # again, or answer by itself.
            given = kwargs.get("middleware", ())
            around, within = _Middleware(self._run, AGENT), _Middleware(self._run, CHAT, TOOL)
            kwargs = {**kwargs, "middleware": itertools.chain((around,), given, (within,))}
        return wrapped(*args, **kwargs)

    def _run(self, operation: Operation, go_on: Callable[..., Any], told: dict[str, Any]) -> Any:
        return self._wrapper(operation, tuple(told))(go_on, None, tuple(told.values()), {})
