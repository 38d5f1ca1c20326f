"""smolagents: agents and tools; clients tell of the model calls, smolagents only of a model that no client tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Media,
    Message,
    Part,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN = ("sanitize_inputs_outputs", "instance", "*")
_ROLES = {"tool-call": "assistant", "tool-response": "tool"}


def _text(value: Any) -> str:
    """A final answer as text: it may be any value that a tool or a program has made."""
    return value if isinstance(value, str) else repr(value) if isinstance(value, (int, float)) else type(value).__name__


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    parts: list[Part] = []
    for item in listed(content):
        text = read_text(item, "text")
        if text is not None:
            parts.append(Text(text))
        elif "image" in str(read(item, "type")):
            parts.append(Media("image", uri=read_text(item, "image_url.url")))
    return parts


def _messages(told: Any) -> list[Message]:
    found = []
    for item in listed(told):
        role = str(read(item, "role.value") or read(item, "role"))
        found.append(Message(_ROLES.get(role, role), _parts(read(item, "content"))))
    return found


def _arguments(told: Arguments) -> Any:
    """What a tool was called with; by place, as programs of agents do, it takes its inputs in their order."""
    by_place = listed(told.get("*"))
    if len(by_place) == 1 and isinstance(by_place[0], dict) and not told.keys() - set(_OWN):
        return by_place[0]
    inputs = list(read(told["instance"], "inputs", {}))
    return {**dict(zip(inputs, by_place, strict=False)), **{name: told[name] for name in told if name not in _OWN}}


def _final(state: Any, item: Any, keep: bool) -> Any:
    """What a stream of steps ends with."""
    return item if keep and type(item).__name__ == "FinalAnswerStep" else state


def _said(answer: Any) -> Sequence[Message]:
    return [Message("assistant", [Text(_text(read(answer, "output", answer)))], None, "stop")]


AGENT = Operation(
    name=names.INVOKE_AGENT,
    request=lambda told: Request(agent_name=read_text(told["instance"], "name") or type(told["instance"]).__name__),
    response=lambda _: Response(),
    fold=_final,
    content=lambda told: Content([Message("user", [Text(str(told.get("task")))])]),
    output=_said,
    kind=names.KIND_AGENT,
    span_kind=SpanKind.INTERNAL,
)
TOOL = Operation(
    name=names.EXECUTE_TOOL,
    request=lambda told: Request(
        tool_name=read_text(told["instance"], "name"),
        tool_type="function",
        tool_description=read_text(told["instance"], "description"),
    ),
    response=lambda _: Response(),
    content=lambda told: Content(arguments=_arguments(told)),
    output=ToolResult,
    kind=names.KIND_TOOL,
    span_kind=SpanKind.INTERNAL,
)


def _usage(answer: Any) -> Usage | None:
    used = read(answer, "token_usage")
    return None if used is None else Usage(read(used, "input_tokens"), read(used, "output_tokens"))


def _gathered(state: Any, chunk: Any, keep: bool) -> Any:
    """The pieces of an answer, of which each may tell of tokens that it adds."""
    state = state or {"content": "", "token_usage": None}
    used = read(chunk, "token_usage")
    if used is not None:
        before = state["token_usage"] or {"input_tokens": 0, "output_tokens": 0}
        state["token_usage"] = {name: before[name] + (read(used, name) or 0) for name in before}
    if keep:
        state["content"] += read_text(chunk, "content") or ""
    return state


def _answer(answer: Any) -> Sequence[Message]:
    parts = _parts(read(answer, "content"))
    for call in listed(read(answer, "tool_calls")):
        parts.append(
            ToolCall(str(read(call, "function.name")), read_text(call, "id"), read(call, "function.arguments"))
        )
    return [Message("assistant", parts, None, "stop")] if parts else []


CHAT = Operation(
    name=names.CHAT,
    request=lambda told: Request(model=read_text(told["instance"], "model_id")),
    response=lambda answer: Response(usage=_usage(answer)),
    fold=_gathered,
    content=lambda told: Content(
        _messages(told.get("messages")),
        tools=[Tool(str(read(tool, "name"))) for tool in listed(told.get("tools_to_call_from"))],
    ),
    output=_answer,
    echo=lambda _: True,
)


class SmolagentsInstrumentor(Instrumentor):
    """smolagents: structure; the clients below tell of the model calls."""

    library = "smolagents"
    requires = ">=1.26,<2"
    told_by = (frozenset({"smolagents"}),)
    targets: ClassVar = {"smolagents.agents:MultiStepAgent.run": AGENT, "smolagents.tools:Tool.__call__": TOOL}
    made: ClassVar = {"smolagents.models:Model": {"generate": CHAT, "generate_stream": CHAT}}

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The run, of whom its instance tells."""
        assert operation is not None  # noqa: S101 - every target has one
        return Sent(operation, {**arguments, "instance": instance}, Server(""), self.library)
