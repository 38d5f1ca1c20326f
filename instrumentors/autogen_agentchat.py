"""AutoGen: agents, teams and tools; clients tell of the model calls, AutoGen only of those of a client unknown here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Message,
    Part,
    Reasoning,
    Request,
    Response,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROLES = {"SystemMessage": "system", "AssistantMessage": "assistant", "FunctionExecutionResultMessage": "tool"}
_LIBRARYS_OWN = "autogen_core."


def _parts(content: Any) -> list[Part]:
    """The parts of a message: a text, pieces, tools that are asked for, or their results."""
    if isinstance(content, str):
        return [Text(content)]
    parts: list[Part] = []
    for item in listed(content):
        if isinstance(item, str):
            parts.append(Text(item))
        elif read(item, "arguments") is not None:
            parts.append(ToolCall(str(read(item, "name")), read_text(item, "id"), read(item, "arguments")))
        elif read(item, "call_id") is not None:
            parts.append(ToolResult(read(item, "content"), read_text(item, "call_id")))
    return parts


def _messages(told: Any) -> list[Message]:
    """Messages to an agent or to a model; a text is one of the user's."""
    if isinstance(told, str):
        return [Message("user", [Text(told)])]
    items = listed(told) or ([told] if told is not None else [])
    return [
        Message(_ROLES.get(str(read(item, "type")), "user"), _parts(read(item, "content")), read_text(item, "source"))
        for item in items
    ]


def _said(message: Any) -> list[Message]:
    """What an agent, or a team by its last message, answered."""
    parts = _parts(read(message, "content"))
    return [Message("assistant", parts, read_text(message, "source"), "stop")] if parts else []


def _final(result: Any) -> Any:
    return next(iter(listed(read(result, "messages"))[-1:]), None)


def _last(*kept: str) -> Callable[[Any, Any, bool], Any]:
    """A fold that keeps what a stream of events ends with: the item that has one of these fields."""

    def fold(state: Any, item: Any, keep: bool) -> Any:
        del keep
        return item if any(read(item, name) is not None for name in kept) else state

    return fold


def _run(name: str, kind: str, **reading: Any) -> Operation:
    return Operation(name=name, response=lambda _: Response(), kind=kind, span_kind=SpanKind.INTERNAL, **reading)


AGENT = _run(
    names.INVOKE_AGENT,
    names.KIND_AGENT,
    request=lambda told: Request(agent_name=read_text(told["instance"], "name")),
    fold=_last("chat_message", "messages"),
    content=lambda told: Content(_messages(told.get("messages", told.get("task")))),
    output=lambda answer: _said(
        read(answer, "chat_message") or next(iter(listed(read(answer, "messages"))[-1:]), None)
    ),
)
TEAM = _run(
    names.INVOKE_WORKFLOW,
    names.KIND_WORKFLOW,
    request=lambda told: Request(workflow_name=read_text(told["instance"], "name")),
    fold=_last("messages"),
    content=lambda told: Content(_messages(told.get("task"))),
    output=lambda answer: _said(_final(answer)),
)
TOOL = _run(
    names.EXECUTE_TOOL,
    names.KIND_TOOL,
    request=lambda told: Request(
        tool_name=read_text(told["instance"], "name"),
        tool_type="function",
        tool_description=read_text(told["instance"], "description"),
        tool_call_id=told.get("call_id"),
    ),
    fold=lambda _, item, keep: item if keep else None,
    content=lambda told: Content(arguments=told.get("args")),
    output=ToolResult,
)

HANDOFF = _run(
    names.HANDOFF,
    names.KIND_OPERATION,
    request=lambda told: Request(name=told["target"], tool_call_id=told.get("call_id")),
)


def _answered(answer: Any) -> Response:
    usage = read(answer, "usage")
    reason = read_text(answer, "finish_reason")
    return Response(
        finish_reasons=[reason] if reason else None,
        # Clients that are told no counts print zeros.
        usage=Usage(read(usage, "prompt_tokens"), read(usage, "completion_tokens"))
        if read(usage, "prompt_tokens") or read(usage, "completion_tokens")
        else None,
    )


def _answer(answer: Any) -> Sequence[Message]:
    thought = read_text(answer, "thought")
    parts: list[Part] = [Reasoning(thought)] if thought else []
    parts += _parts(read(answer, "content"))
    return [Message("assistant", parts, None, read_text(answer, "finish_reason") or "stop")]


CHAT = Operation(
    name=names.CHAT,
    request=lambda _: Request(),
    response=_answered,
    fold=_last("finish_reason"),
    content=lambda told: Content(_messages(told.get("messages"))),
    output=_answer,
    echo=lambda answer: read(answer, "cached") is not True,
)

_MADE_WITH_A_MODEL = (
    "agents:AssistantAgent",
    "agents:CodeExecutorAgent",
    "agents:SocietyOfMindAgent",
    "teams:MagenticOneGroupChat",
    "teams:SelectorGroupChat",
)
_AGENTS = "autogen_agentchat.agents:BaseChatAgent"


class AutoGenInstrumentor(Instrumentor):
    """autogen-agentchat: structure; AutoGen's own spans tell less of the same, and are left out of sessions."""

    library = "autogen_agentchat"
    distribution = "autogen-agentchat"
    requires = ">=0.7,<0.8"
    told_by = (
        frozenset({"autogen", "core"}),
        frozenset({"autogen SingleThreadedAgentRuntime"}),
        frozenset({"autogen Worker Runtime"}),
        frozenset({"autogen", "agentchat"}),
    )
    targets: ClassVar = {
        f"{_AGENTS}.run": AGENT,
        f"{_AGENTS}.run_stream": AGENT,
        f"{_AGENTS}.on_messages_stream": AGENT,
        "autogen_agentchat.teams:BaseGroupChat.run_stream": TEAM,
        "autogen_core.tools:BaseTool.run_json": TOOL,
        "autogen_core.tools:BaseStreamTool.run_json_stream": TOOL,
        **{f"autogen_agentchat.{name}.__init__": None for name in _MADE_WITH_A_MODEL},
    }
    made: ClassVar = {_AGENTS: {"on_messages_stream": AGENT}}

    def __init__(self) -> None:
        super().__init__()
        self._handoffs: dict[str, str] = {}

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [AGENT, TEAM, TOOL, HANDOFF, CHAT]

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The run; None where an agent or a team is made, whose model's client is then known."""
        if operation is None:
            self._follow(type(arguments.get("model_client")))
            self._handoffs.update(_targets(arguments.get("handoffs")))
            return None
        told = {**arguments, "instance": instance}
        target = self._handoffs.get(str(read(instance, "name"))) if operation is TOOL else None
        if target is not None:
            return Sent(HANDOFF, {**told, "target": target}, Server(""), self.library)
        return Sent(operation, told, Server(""), self.library, whose=instance if operation is AGENT else None)

    def _follow(self, client: type) -> None:
        """Have the calls of a model's client seen, of whatever class it is."""
        for kind in client.__mro__:
            if not kind.__module__.startswith(_LIBRARYS_OWN):
                self._made.prepare(kind, {"create": CHAT, "create_stream": CHAT})


def _targets(handoffs: Any) -> dict[str, str]:
    """The agents that a model may hand over to, by the tools that it does so with."""
    found = {}
    for item in listed(handoffs):
        target = item if isinstance(item, str) else read_text(item, "target")
        found[read_text(item, "name") or f"transfer_to_{target}".lower()] = target or ""
    return found
