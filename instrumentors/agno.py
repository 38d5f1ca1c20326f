"""Agno: agents, teams, workflows with their steps, and tools; clients tell of the model calls.

Agno's own word counts only for a model that no client tells of.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Message, Part, Request, Response, Text, ToolCall, ToolResult, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentops_otel.engine import Call

_ENDS = ("RunCompleted", "RunError", "RunCancelled", "RunPaused", "WorkflowCompleted", "WorkflowError")
_CONTENT = {names.INVOKE_WORKFLOW: "TeamRunContent"}
_PROVIDERS = {
    "AwsBedrock": "aws.bedrock",
    "Azure": "azure.ai.openai",
    "Google": "gcp.gemini",
    "Mistral": "mistral_ai",
    "xAI": "x_ai",
}


def _messages(told: Any) -> list[Message]:
    """Messages as they are given to an agent or a model: a text, an object with a role, or several."""
    found = []
    for item in listed(told) or ([] if told is None else [told]):
        text = item if isinstance(item, str) else read_text(item, "content")
        role = read_text(item, "role") or "user"
        call_id = read_text(item, "tool_call_id")
        parts: list[Part] = [ToolResult(text, call_id)] if call_id else [Text(text)] if text else []
        found.append(Message(role, [*parts, *_calls(read(item, "tool_calls"))]))
    return found


def _calls(told: Any) -> list[Part]:
    return [
        ToolCall(str(read(call, "function.name")), read_text(call, "id"), read(call, "function.arguments"))
        for call in listed(told)
        if read(call, "function.name")
    ]


def _said(answer: Any) -> Sequence[Message]:
    content = read(answer, "content")
    return [] if content is None else [Message("assistant", [Text(str(content))], None, "stop")]


def _follow(call: Call) -> Callable[[Any, Any, bool], Any]:
    """Fold the events of a run, and end it with the one that ends it: readers within Agno do not always read on."""
    content = _CONTENT.get(call.operation.name, "RunContent")

    def fold(state: Any, event: Any, keep: bool) -> Any:
        kind = str(read(event, "event", ""))
        if kind.endswith(_ENDS) or read(event, "status") is not None:
            ended = state if read(event, "content") is None and state is not None else event
            call.finish(ended)
            return ended
        if keep and kind == content and isinstance(read(event, "content"), str):
            state = Shape(content="") if state is None else state
            state["content"] += event.content
        return state

    return fold


def _ended(answer: Any) -> Response:
    status = str(read(answer, "status.value") or read(answer, "event") or "")
    failed = status == "ERROR" or status.endswith("Error")
    return Response(
        conversation_id=read_text(answer, "session_id"),
        error=(read_text(answer, "error_type") or "error") if failed else None,
    )


def _run(name: str, kind: str, subject: str, **reading: Any) -> Operation:
    return Operation(
        **{
            "name": name,
            "kind": kind,
            "span_kind": SpanKind.INTERNAL,
            "request": lambda told: Request(**dict[str, Any]({subject: read_text(told["instance"], "name")})),
            "response": _ended,
            "follow": _follow,
            "content": lambda told: Content(_messages(told.get("input"))),
            "output": _said,
            **reading,
        }
    )


AGENT = _run(names.INVOKE_AGENT, names.KIND_AGENT, "agent_name")
TEAM = _run(names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name")
STEP = _run(names.TASK, names.KIND_TASK, "name", content=None, output=None)
TOOL = _run(
    names.EXECUTE_TOOL,
    names.KIND_TOOL,
    "tool_name",
    request=lambda told: Request(
        tool_name=read_text(told["instance"], "function.name"),
        tool_type="function",
        tool_description=read_text(told["instance"], "function.description"),
        tool_call_id=read_text(told["instance"], "call_id"),
    ),
    response=lambda answer: Response(error=names.TOOL_ERROR if read(answer, "status") == "failure" else None),
    content=lambda told: Content(arguments=read(told["instance"], "arguments")),
    output=lambda answer: ToolResult(read(answer, "result", read(answer, "error"))),
)


def _used(answer: Any) -> Response:
    usage = read(answer, "response_usage")
    counts = {name: read(usage, name) for name in ("input_tokens", "output_tokens")}
    parts = {
        name: read(usage, name) or None for name in ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    }
    # Counts that nobody told are zeros.
    return Response(finish_reasons=["stop"], usage=Usage(**counts, **parts) if any(counts.values()) else None)


def _piece(state: Any, chunk: Any, keep: bool) -> Any:
    state = Shape(content=None, tool_calls=[], response_usage=None) if state is None else state
    state["response_usage"] = read(chunk, "response_usage") or state["response_usage"]
    if keep:
        content = read(chunk, "content")
        state["content"] = state["content"] if content is None else (state["content"] or "") + str(content)
        state["tool_calls"] += listed(read(chunk, "tool_calls"))
    return state


CHAT = Operation(
    name=names.CHAT,
    request=lambda told: Request(model=read_text(told["instance"], "id")),
    response=_used,
    fold=_piece,
    content=lambda told: Content(_messages(told.get("messages"))),
    output=lambda answer: [
        Message(
            "assistant",
            [*itertools.chain(*(item.parts for item in _said(answer))), *_calls(read(answer, "tool_calls"))],
            None,
            "stop",
        )
    ],
    echo=lambda _: True,
)
_ASKING = ("invoke", "ainvoke", "invoke_stream", "ainvoke_stream")
_MODEL = "agno.models.base:Model"


class AgnoInstrumentor(Instrumentor):
    """agno: structure; the clients below tell of the model calls."""

    library = "agno"
    requires = ">=3.1,<4"
    told_by = (frozenset({"agno"}),)
    targets: ClassVar = {
        **{
            f"agno.{place}.{name}": operation
            for place, operation in (("agent:Agent", AGENT), ("team:Team", TEAM), ("workflow:Workflow", TEAM))
            for name in ("run", "arun", "continue_run", "acontinue_run")
        },
        **{f"agno.workflow:Step.{name}": STEP for name in ("execute", "aexecute", "execute_stream", "aexecute_stream")},
        "agno.tools.function:FunctionCall.execute": TOOL,
        "agno.tools.function:FunctionCall.aexecute": TOOL,
        **{f"{_MODEL}.{name}": None for name in ("response", "aresponse", "response_stream", "aresponse_stream")},
    }

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [AGENT, TEAM, STEP, TOOL, CHAT]

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The run; None where a model is about to be asked, whose class is then known."""
        if operation is None:
            for kind in type(instance).__mro__:
                if kind.__module__ != _MODEL.partition(":")[0]:
                    self._made.prepare(kind, dict.fromkeys(_ASKING, CHAT))
            return None
        provider = str(read(instance, "provider", "")) if operation is CHAT else ""
        server = Server(_PROVIDERS.get(provider, provider.lower()))
        whose = None if operation in {TOOL, CHAT} else instance
        return Sent(operation, {**arguments, "instance": instance}, server, self.library, whose=whose)
