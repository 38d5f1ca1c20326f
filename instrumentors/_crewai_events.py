"""CrewAI's events: what each beginning is shown as, and how its end is read."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Documents,
    Message,
    Part,
    Request,
    Response,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from agentops_otel.engine import Arguments, Operation, listed, read, read_text


def _failed(event: Any) -> Response:
    return Response(error=event.type if event.type.endswith(("_failed", "_error")) else None)


def _operation(name: str, kind: str, subject: str, path: str, **reading: Any) -> Operation:
    def request(told: Arguments) -> Request:
        asked = Request()
        setattr(asked, subject, read_text(told["event"], path))
        return asked

    settings = {"request": request, "response": _failed, "span_kind": SpanKind.INTERNAL, **reading}
    return Operation(name=name, kind=kind, **settings)


def _texts(told: Any) -> list[Part]:
    return [Text(told)] if isinstance(told, str) and told else []


def _answered(event: Any) -> list[Message]:
    for path in ("output.raw", "result.raw", "output", "result"):
        told = read_text(event, path)
        if told:
            return [Message("assistant", _texts(told), None, "stop")]
    return []


def _agent(told: Arguments) -> Request:
    event = told["event"]
    agent_id = read(event, "agent.id") or read(event, "agent_info.id")
    named = read_text(event, "agent.role") or read_text(event, "agent_info.role")
    return Request(agent_name=named, agent_id=None if agent_id is None else str(agent_id))


def _messages(told: Any) -> list[Message]:
    """Those of a list, or a text, as CrewAI writes them."""
    if isinstance(told, str):
        return [Message("user", _texts(told))]
    return [
        Message(read_text(item, "role") or "user", [*_texts(read(item, "content")), *calls(read(item, "tool_calls"))])
        for item in listed(told)
    ]


def calls(told: Any) -> list[ToolCall]:
    """The tools that a model asks for."""
    found = [(read_text(item, "function.name"), item) for item in listed(told)]
    return [ToolCall(name, read_text(item, "id"), read(item, "function.arguments")) for name, item in found if name]


def _asked(told: Arguments) -> Request:
    event = told["event"]
    same = ("model", "temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty")
    return Request(
        **{name: read(event, name) for name in same},
        stream=read(event, "stream") is True,
        stop_sequences=listed(read(event, "stop_sequences")) or None,
    )


def _called(event: Any) -> Response:
    told = read(event, "usage")
    usage = None
    if read(told, "prompt_tokens") is not None or read(told, "completion_tokens") is not None:
        usage = Usage(
            input_tokens=read(told, "prompt_tokens"),
            output_tokens=read(told, "completion_tokens"),
            cache_read_tokens=read(told, "cached_prompt_tokens"),
            reasoning_tokens=read(told, "reasoning_tokens"),
        )
    reason = read_text(event, "finish_reason")
    return Response(
        id=read_text(event, "response_id"),
        model=read_text(event, "model"),
        finish_reasons=[reason] if reason else None,
        usage=usage,
        error=_failed(event).error,
    )


def _said(event: Any) -> list[Message]:
    told = read(event, "response")
    parts: list[Part] = [*_texts(told), *calls(told)]
    return [Message("assistant", parts, None, read_text(event, "finish_reason") or "stop")] if parts else []


MODEL = Operation(
    name=names.CHAT,
    request=_asked,
    response=_called,
    content=lambda told: Content(_messages(read(told["event"], "messages"))),
    output=_said,
)
_AGENT = Operation(
    name=names.INVOKE_AGENT,
    request=_agent,
    response=_failed,
    content=lambda told: Content(_messages(read(told["event"], "task_prompt") or read(told["event"], "messages"))),
    output=_answered,
    kind=names.KIND_AGENT,
    span_kind=SpanKind.INTERNAL,
)
_TOOL = Operation(
    name=names.EXECUTE_TOOL,
    request=lambda told: Request(
        tool_name=read_text(told["event"], "tool_name"), tool_type="function", tool_call_id=told.get("call_id")
    ),
    response=lambda event: Response(error=_failed(event).error or ("tool_error" if read(event, "failure") else None)),
    content=lambda told: Content(arguments=read(told["event"], "tool_args")),
    output=lambda event: ToolResult(read(event, "output")),
    kind=names.KIND_TOOL,
    span_kind=SpanKind.INTERNAL,
)
_FLOW = _operation(names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name", "flow_name", output=_answered)
OPERATIONS = {
    "crew_kickoff_started": _operation(
        names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name", "crew_name", output=_answered
    ),
    "flow_started": _FLOW,
    "method_execution_started": _operation(names.TASK, names.KIND_TASK, "name", "method_name"),
    "task_started": _operation(names.TASK, names.KIND_TASK, "name", "task_name"),
    "agent_execution_started": _AGENT,
    "lite_agent_execution_started": _AGENT,
    "tool_usage_started": _TOOL,
    "llm_call_started": MODEL,
    "llm_guardrail_started": _operation(
        names.GUARDRAIL,
        names.KIND_GUARDRAIL,
        "name",
        "guardrail",
        response=lambda event: Response(more={names.GUARDRAIL_TRIGGERED: read(event, "success") is False}),
    ),
    "knowledge_search_query_started": _operation(
        names.RETRIEVAL, names.KIND_OPERATION, "data_source_id", "", output=lambda _: Documents()
    ),
}
"""What a beginning is shown as."""
