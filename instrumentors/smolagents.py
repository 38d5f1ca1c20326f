"""smolagents: agents and tools; clients tell of the model calls, smolagents only of a model that no client tells of."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar

from opentelemetry import trace
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

_OWN = ("sanitize_inputs_outputs", "instance", "call", "*")
_LIMIT = 1_000
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


def _said(answer: Any) -> list[Message]:
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
        tool_call_id=told.get("call"),
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


def _answer(answer: Any) -> list[Message]:
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


class Asked:
    """The tools that models have asked for and that have not run yet, by the agent's span."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, list[Any]] = OrderedDict()

    def note(self, calls: Any) -> None:
        """A model of the current agent asks for these."""
        self._waiting[_agent()] = listed(calls)
        while len(self._waiting) > _LIMIT:
            self._waiting.popitem(last=False)

    def take(self, told: Arguments) -> str | None:
        """The id of the call that this run answers; equal calls are answered in their order."""
        waiting, name, arguments = self._waiting.get(_agent(), []), read(told["instance"], "name"), _arguments(told)
        for call in list(waiting):
            if read(call, "function.name") == name and _is_same(read(call, "function.arguments"), arguments):
                waiting.remove(call)
                return read_text(call, "id")
        return None


def _agent() -> int:
    return trace.get_current_span().get_span_context().span_id


def _is_same(one: Any, other: Any) -> bool:
    try:
        return bool((one or {}) == other)
    except Exception:  # values of the program's own, which may not want to be compared
        return False


class SmolagentsInstrumentor(Instrumentor):
    """smolagents: structure; the clients below tell of the model calls."""

    library = "smolagents"
    requires = ">=1.26,<2"
    told_by = (frozenset({"smolagents"}),)
    targets: ClassVar = {
        "smolagents.agents:MultiStepAgent.run": AGENT,
        "smolagents.agents:ToolCallingAgent.process_tool_calls": None,
        "smolagents.tools:Tool.__call__": TOOL,
    }
    made: ClassVar = {"smolagents.models:Model": {"generate": CHAT, "generate_stream": CHAT}}

    def __init__(self) -> None:
        super().__init__()
        self._calls = Asked()

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The run, of whom its instance tells; None for a step of an agent that only says which tools are to run."""
        if operation is None:
            self._calls.note(read(arguments.get("chat_message"), "tool_calls"))
            return None
        told = {**arguments, "instance": instance}
        if operation is TOOL and self.recorder is not None:
            told["call"] = self.recorder.guarded("call", lambda: None, self._calls.take, told)
        return Sent(operation, told, Server(""), self.library)
