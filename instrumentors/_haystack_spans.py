"""Haystack's spans: what each of them is shown as, and how it is read."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Documents,
    Message,
    Part,
    Reasoning,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from agentops_otel.engine import Arguments, Operation, listed, read, read_text

COMPONENT = "haystack.component.run"
# What agents answer, and no other component.
_AGENTS = {"last_message", "messages"}


def _structure(name: str, kind: str, subject: str, **reading: Any) -> Operation:
    return Operation(
        **{
            "name": name,
            "kind": kind,
            "span_kind": SpanKind.INTERNAL,
            "request": lambda told: Request(**dict[str, Any]({subject: told["name"]})),
            "response": lambda _: Response(),
            **reading,
        }
    )


def _messages(told: Any) -> list[Message]:
    """Chat messages, or a text, as they go into a model or an agent and come out of it."""
    return [
        Message(str(read(item, "role.value", "user")), _parts(item), None, read_text(item, "meta.finish_reason"))
        for item in ([told] if isinstance(told, str) else listed(told))
    ]


def _parts(message: Any) -> list[Part]:
    text = message if isinstance(message, str) else read_text(message, "text")
    thought = read_text(message, "reasoning.reasoning_text")
    parts: list[Part] = [Reasoning(thought)] if thought else []
    parts += [Text(text)] if text else []
    parts += [
        ToolCall(str(read(call, "tool_name")), read_text(call, "id"), read(call, "arguments"))
        for call in listed(read(message, "tool_calls"))
    ]
    parts += [
        ToolResult(read(result, "result"), read_text(result, "origin.id"))
        for result in listed(read(message, "tool_call_results"))
    ]
    return parts


def _values(told: Any) -> str | None:
    """What goes into a pipeline and comes out of it, a line for each text, number or message, by component and name."""
    lines = []
    for component, given in (told or {}).items():
        for name, value in (given if isinstance(given, dict) else {"": given}).items():
            place = f"{component}.{name}" if name else component
            items = [value] if isinstance(value, (str, int, float)) else [read_text(it, "text") for it in listed(value)]
            lines += [f"{place}: {item}" for item in items if item is not None]
    return "\n".join(lines) or None


def _given(told: Arguments) -> Content:
    return Content(_messages(_values(told["tags"].get("haystack.pipeline.input_data"))))


def _came(told: Any) -> list[Message]:
    said = _values(told.get("output_data"))
    return [Message("assistant", [Text(said)], None, "stop")] if said else []


def _documents(told: Any) -> Documents:
    found = listed(read(told.get("output"), "documents"))
    return Documents([(read_text(item, "id"), read(item, "score")) for item in found])


WORKFLOW = _structure(names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name", content=_given, output=_came)
TASK = _structure(names.TASK, names.KIND_TASK, "name")
AGENT = _structure(
    names.INVOKE_AGENT,
    names.KIND_AGENT,
    "agent_name",
    content=lambda told: Content(_messages(read(told.get("input"), "messages"))),
    output=lambda told: _messages([said] if (said := read(told.get("output"), "last_message")) is not None else []),
)
TOOL = _structure(
    names.EXECUTE_TOOL,
    names.KIND_TOOL,
    "tool_name",
    request=lambda told: Request(
        tool_name=told["name"],
        tool_type="function",
        tool_description=told["tags"].get("haystack.tool.description"),
    ),
    response=lambda told: Response(
        error=names.TOOL_ERROR if told.get("error") is True else None,
        more={names.TOOL_CALL_ID: told["id"]} if told.get("id") else None,
    ),
    content=lambda told: Content(arguments=told.get("input")),
    output=lambda told: ToolResult(told.get("output")),
)
RETRIEVAL = _structure(
    names.RETRIEVAL,
    names.KIND_OPERATION,
    "data_source_id",
    content=lambda told: Content(query=read_text(told.get("input"), "query")),
    output=_documents,
)


def _meta(told: Any) -> Any:
    """What the answer of a model tells of the call: Haystack knows neither model nor usage before."""
    output = told.get("output")
    return read(output, "meta") or next((read(reply, "meta") for reply in listed(read(output, "replies"))), None)


def _model(told: Arguments) -> Request:
    chosen = read(told.get("input"), "generation_kwargs")
    model = read_text(_meta(told), "model")
    return Request(model=model, temperature=read(chosen, "temperature"), max_tokens=read(chosen, "max_tokens"))


def _answered(told: Any) -> Response:
    meta = _meta(told)
    usage = read(meta, "usage")
    used = Usage(
        read(usage, "prompt_tokens", read(usage, "input_tokens")),
        read(usage, "completion_tokens", read(usage, "output_tokens")),
        cache_read_tokens=read(usage, "prompt_tokens_details.cached_tokens") or None,
        reasoning_tokens=read(usage, "completion_tokens_details.reasoning_tokens") or None,
    )
    reason = read_text(meta, "finish_reason")
    return Response(
        model=read_text(meta, "model"),
        finish_reasons=[reason] if reason else None,
        usage=None if used.input_tokens is None and used.output_tokens is None else used,
    )


CHAT = Operation(
    name=names.CHAT,
    request=_model,
    response=_answered,
    content=lambda told: Content(
        _messages(read(told.get("input"), "messages") or read(told.get("input"), "prompt")),
        tools=[
            Tool(str(read(tool, "name"))) for tool in listed(read(told.get("input"), "tools")) if read(tool, "name")
        ],
    ),
    output=lambda told: _messages(read(told.get("output"), "replies")),
)
EMBEDDINGS = Operation(name=names.EMBEDDINGS, request=_model, response=_answered)
MODELS = (CHAT, EMBEDDINGS)
_SPANS: dict[str, tuple[Operation, str]] = {
    "haystack.pipeline.run": (WORKFLOW, "haystack.pipeline.metadata"),
    "haystack.agent.run": (AGENT, ""),
    "haystack.agent.step.tool": (TOOL, "haystack.tool.name"),
    "haystack.agent.step.llm": (CHAT, ""),
    "haystack.chat_generator.run": (CHAT, ""),
}


def is_known(name: Any) -> bool:
    """Whether a span of this name is more than a step on Haystack's way."""
    return name in _SPANS or name == COMPONENT


def kind(name: str, tags: Arguments) -> tuple[Operation | None, str | None]:
    """What a span of this name is shown as, and after what it is named."""
    if name != COMPONENT:
        operation, tag = _SPANS[name]
        told = tags.get(tag)
        return operation, read_text(told, "name") if operation is WORKFLOW else told
    called, kind, output = (tags.get(f"haystack.component.{tag}") for tag in ("name", "type", "output_spec"))
    output, kind = output or {}, str(kind)
    if output.keys() >= _AGENTS:
        return AGENT, called
    if "replies" in output:
        return CHAT, called
    if kind.endswith("Embedder"):
        return EMBEDDINGS, called
    return (RETRIEVAL, kind) if "Retriever" in kind and "documents" in output else (TASK, called)
