"""Spans of OpenAI's Agents SDK: what each of them is shown as, and how it is read."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Message, Part, Request, Response, Text, ToolCall, ToolResult, Usage
from agentops_otel.engine import Operation, listed, read, read_text


def _field(name: str, value: Any) -> dict[str, Any]:
    return {name: value}


def _operation(name: str, kind: str, subject: str, field: str = "name", **reading: Any) -> Operation:
    return Operation(
        **{
            "name": name,
            "request": lambda told: Request(**_field(subject, read_text(told["data"], field))),
            "response": lambda span: Response(error=read_text(span, "error.message")),
            "kind": kind,
            "span_kind": SpanKind.INTERNAL,
            **reading,
        }
    )


def _used(span: Any) -> ToolResult:
    # A tool's span begins before the SDK has put its arguments there.
    return ToolResult(read(span, "span_data.output"), arguments=_parsed(read(span, "span_data.input")))


def _parsed(told: Any) -> Any:
    try:
        return json.loads(told)
    except (ValueError, TypeError, RecursionError):
        return told


def _checked(span: Any) -> Response:
    return Response(more={names.GUARDRAIL_TRIGGERED: read(span, "span_data.triggered") is True})


def _usage(told: Any) -> Usage | None:
    if read(told, "input_tokens") is None and read(told, "output_tokens") is None:
        return None
    return Usage(
        input_tokens=read(told, "input_tokens"),
        output_tokens=read(told, "output_tokens"),
        cache_read_tokens=read(told, "input_tokens_details.cached_tokens"),
        reasoning_tokens=read(told, "output_tokens_details.reasoning_tokens"),
    )


def _answered(span: Any) -> Response:
    data = read(span, "span_data")
    told = read(data, "response")
    return Response(
        id=read_text(told, "id"),
        model=read_text(told, "model") or read_text(data, "model"),
        usage=_usage(read(told, "usage") or read(data, "usage")),
        service_tier=read_text(told, "service_tier"),
        openai=told is not None,
        error=read_text(span, "error.message"),
    )


def calls(data: Any) -> list[ToolCall]:
    """The tools that a model asks for, in either API's shape."""
    found = [
        ToolCall(str(read(item, "name")), read_text(item, "call_id"), read(item, "arguments"))
        for item in listed(read(data, "response.output"))
        if read(item, "type") == "function_call"
    ]
    for message in listed(read(data, "output")):
        found += [
            ToolCall(str(read(item, "function.name")), read_text(item, "id"), read(item, "function.arguments"))
            for item in listed(read(message, "tool_calls"))
        ]
    return found


def _said(span: Any) -> list[Message]:
    data = read(span, "span_data")
    texts = [read_text(item, "content") for item in listed(read(data, "output"))]
    texts.append(read_text(data, "response.output_text"))
    parts: list[Part] = [*(Text(text) for text in texts if text), *calls(data)]
    return [Message("assistant", parts, None, "stop")] if parts else []


MODEL = Operation(
    name=names.CHAT,
    request=lambda told: Request(model=read_text(told["data"], "model")),
    response=_answered,
    output=_said,
)
WORKFLOW = Operation(
    name=names.INVOKE_WORKFLOW,
    request=lambda told: Request(workflow_name=told["data"].name, conversation_id=read_text(told["data"], "group_id")),
    response=lambda _: Response(),
    kind=names.KIND_WORKFLOW,
    span_kind=SpanKind.INTERNAL,
)
OPERATIONS = {
    "agent": _operation(names.INVOKE_AGENT, names.KIND_AGENT, "agent_name"),
    "function": _operation(names.EXECUTE_TOOL, names.KIND_TOOL, "tool_name", output=_used),
    "handoff": _operation(names.HANDOFF, names.KIND_OPERATION, "name", "to_agent"),
    "guardrail": _operation(names.GUARDRAIL, names.KIND_GUARDRAIL, "name", response=_checked),
    "custom": _operation(names.TASK, names.KIND_TASK, "name"),
    "generation": MODEL,
    "response": MODEL,
}
"""What a span of the SDK's is shown as; of others what is below them is shown, and they are not."""
