"""AutoGen as AG2 kept it until its 1.0: chats, the replies of agents in them, and tools.

Clients tell of the model calls; those of a client that the program registered itself are told of here, unless that
asks a library that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors._openai_chat import content, loaded, message_of, output, request, response
from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Message, Request, Response, Text, ToolResult
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence


def _message(told: Any, role: str) -> Message:
    """A message between agents: a text, or a dict as OpenAI's chat has it."""
    return Message(role, [Text(told)]) if isinstance(told, str) else message_of({"role": role, **told})


def _said(told: Any) -> Sequence[Message]:
    if not isinstance(told, (str, dict)) or not told:
        return []
    message = _message(told, "assistant")
    message.finish_reason = "stop"
    return [message]


def _parties(told: Arguments) -> str:
    """The two that talk, a chat has no other name."""
    return ", ".join(name for one in ("instance", "recipient") if (name := read_text(told.get(one), "name")))


def _run(name: str, kind: str, **reading: Any) -> Operation:
    return Operation(**{"name": name, "kind": kind, "span_kind": SpanKind.INTERNAL, "response": _nothing, **reading})


def _nothing(_: Any) -> Response:
    return Response()


CHAT_OF_AGENTS = _run(
    names.INVOKE_WORKFLOW,
    names.KIND_WORKFLOW,
    request=lambda told: Request(workflow_name=_parties(told)),
    content=lambda told: Content(
        [_message(told["message"], "user")] if isinstance(told.get("message"), (str, dict)) else []
    ),
    output=lambda answer: _said(read_text(answer, "summary")),
)
REPLY = _run(
    names.INVOKE_AGENT,
    names.KIND_AGENT,
    request=lambda told: Request(agent_name=read_text(told["instance"], "name")),
    content=lambda told: Content([message_of(item) for item in listed(told.get("messages"))]),
    output=_said,
)
TOOL = _run(
    names.EXECUTE_TOOL,
    names.KIND_TOOL,
    request=lambda told: Request(
        tool_name=read_text(told.get("func_call"), "name"), tool_type="function", tool_call_id=told.get("call_id")
    ),
    response=lambda answer: Response(error=None if listed(answer)[:1] == [True] else names.TOOL_ERROR),
    content=lambda told: Content(arguments=loaded(read(told.get("func_call"), "arguments"))),
    output=lambda answer: ToolResult(read(listed(answer)[-1], "content")),
)
CHAT = Operation(
    name=names.CHAT,
    request=lambda told: request(_params(told)),
    response=response,
    content=lambda told: content(_params(told)),
    output=output,
    echo=lambda _: True,
)


def _params(told: Arguments) -> dict[str, Any]:
    params = told.get("params")
    return dict(params) if isinstance(params, dict) else {}


class AutoGenClassicInstrumentor(Instrumentor):
    """ag2 before 1.0, and autogen: structure; the model calls of clients that the program registered itself."""

    library = "autogen"
    distribution = "ag2"
    requires = ">=0.14,<1"
    # Spans of its own, where a program has put them on an agent.
    told_by = (frozenset({"ag2"}),)
    targets: ClassVar = {
        "autogen:ConversableAgent.initiate_chat": CHAT_OF_AGENTS,
        "autogen:ConversableAgent.a_initiate_chat": CHAT_OF_AGENTS,
        "autogen:ConversableAgent.generate_reply": REPLY,
        "autogen:ConversableAgent.a_generate_reply": REPLY,
        "autogen:ConversableAgent.execute_function": TOOL,
        "autogen:ConversableAgent.a_execute_function": TOOL,
        "autogen:ConversableAgent.register_model_client": None,
    }

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [CHAT_OF_AGENTS, REPLY, TOOL, CHAT]

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The run; None where a client is registered, whose calls are then seen."""
        if operation is None:
            kind = arguments.get("model_client_cls")
            if isinstance(kind, type):
                self._made.prepare(kind, {"create": CHAT})
            return None
        return Sent(operation, {**arguments, "instance": instance}, Server(""), self.library)
