"""The Responses shape of OpenAI: items in, items out, and a stream of events that ends with the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors._openai_chat import joined, loaded, parts_of
from agentops_otel_instrumentors._provider_cost import cost

from agentops_otel.conventions.model import (
    Content,
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
from agentops_otel.engine import Arguments, Shape, fields, listed, read

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMATS = {"json_object": "json", "json_schema": "json", "text": "text"}
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})


def request(arguments: Arguments) -> Request:
    """A response that is asked for."""
    conversation = arguments.get("conversation")
    return Request(
        model=arguments.get("model"),
        stream=arguments.get("stream") is True,
        temperature=arguments.get("temperature"),
        top_p=arguments.get("top_p"),
        max_tokens=arguments.get("max_output_tokens"),
        reasoning_level=read(arguments, "reasoning.effort"),
        output_type=_FORMATS.get(str(read(arguments, "text.format.type"))),
        previous_response_id=arguments.get("previous_response_id"),
        conversation_id=conversation if isinstance(conversation, str) else read(conversation, "id"),
        api_type="responses",
        service_tier=arguments.get("service_tier"),
    )


def fetched(arguments: Arguments) -> Request:
    """A stored response that is looked up."""
    path = str(arguments.get("path", "")).partition("?")[0]
    return Request(response_id=path.rpartition("/")[2], stream=arguments.get("stream") is True, api_type="responses")


def usage(told: Any) -> Usage | None:
    """Usage of a response: cached tokens within the input, reasoning within the output."""
    told = fields(told)
    if told.get("input_tokens") is None and told.get("output_tokens") is None:
        return None
    asked, said = fields(told.get("input_tokens_details")), fields(told.get("output_tokens_details"))
    return Usage(
        input_tokens=told.get("input_tokens"),
        output_tokens=told.get("output_tokens"),
        cache_read_tokens=asked.get("cached_tokens"),
        cache_write_tokens=asked.get("cache_write_tokens"),
        reasoning_tokens=said.get("reasoning_tokens"),
        audio_input_tokens=asked.get("audio_tokens"),
        audio_output_tokens=said.get("audio_tokens"),
        cost=cost(told),
    )


def response(answer: Any) -> Response:
    """A whole response, or the last of a stream's."""
    status = read(answer, "status")
    told = usage(read(answer, "usage"))
    searches = sum(1 for item in listed(read(answer, "output")) if read(item, "type") == "web_search_call")
    if told is not None and searches:
        told.web_searches = searches
    return Response(
        id=read(answer, "id"),
        model=read(answer, "model"),
        finish_reasons=_finish_reasons(answer, status),
        usage=told,
        status=None if status == "completed" else status,
        service_tier=read(answer, "service_tier"),
        conversation_id=read(answer, "conversation.id"),
        openai=True,
        error=read(answer, "error.code") if status == "failed" else None,
    )


def _finish_reasons(answer: Any, status: Any) -> list[str] | None:
    if status == "incomplete":
        return [f"incomplete:{read(answer, 'incomplete_details.reason', 'unknown')}"]
    known = isinstance(status, str) and status in {"completed", "failed", "cancelled"}
    return [status] if known else None


def fold(state: Any, event: Any, keep: bool) -> Any:
    """Events as one response: the last event carries it whole; a stream left early is rebuilt from its texts."""
    kind, told = str(read(event, "type", "")), read(event, "response")
    if kind in _ENDS and told is not None:
        return told
    if kind in _BEGINNINGS:
        output = read(state, "output") or [_said()]
        return Shape(id=read(told, "id"), model=read(told, "model"), status=read(told, "status"), output=output)
    if kind == "error" or read(event, "error") is not None:
        # The event has its code beside its type; the body of a refusal has it in an object of its own.
        code = read(event, "code") or read(event, "error.code") or read(event, "error.type")
        return Shape(
            id=read(state, "id"), model=read(state, "model"), status="failed", error=Shape(code=code or "error")
        )
    if keep and kind == "response.output_text.delta" and isinstance(state, Shape) and isinstance(state.output, list):
        state.output[0].content[0].text.append(read(event, "delta"))
    return state


def _said() -> Shape:
    return Shape(type="message", role="assistant", content=[Shape(type="output_text", text=[])])


def content(arguments: Arguments) -> Content:
    """What was sent: instructions, items, tools."""
    told = arguments.get("input")
    messages = [Message("user", [Text(told)])] if isinstance(told, str) else [_message(item) for item in listed(told)]
    instructions = arguments.get("instructions")
    return Content(
        messages,
        [Text(instructions)] if isinstance(instructions, str) else [],
        [_tool(tool) for tool in listed(arguments.get("tools"))],
    )


def _tool(tool: Any) -> Tool:
    kind = str(read(tool, "type", "function"))
    return Tool(str(read(tool, "name", kind)), kind, read(tool, "description"), read(tool, "parameters"))


def _message(item: Any) -> Message:
    kind = read(item, "type", "message")
    if kind == "message":
        role = str(read(item, "role", "user"))
        return Message("system" if role == "developer" else role, parts_of(fields(item)))
    if kind.endswith("_output"):
        return Message("tool", [ToolResult(read(item, "output"), read(item, "call_id"))])
    return Message("assistant", [_item(item, kind)])


def _item(item: Any, kind: str) -> Part:
    if kind == "reasoning":
        thoughts = listed(read(item, "summary")) + listed(read(item, "content"))
        return Reasoning("\n".join(str(read(thought, "text", "")) for thought in thoughts))
    if kind in {"function_call", "custom_tool_call"}:
        told = read(item, "arguments") or read(item, "input")
        return ToolCall(str(read(item, "name", "")), read(item, "call_id"), loaded(told))
    return ToolCall(kind, read(item, "id"), read(item, "action") or read(item, "queries"), server=True)


def output(answer: Any) -> Sequence[Message]:
    """What was answered, as one message: items in their order."""
    parts: list[Part] = []
    for item in listed(read(answer, "output")):
        kind = str(read(item, "type", ""))
        if kind == "message":
            parts.extend(_said_parts(item))
        else:
            parts.append(_item(item, kind))
    reasons = _finish_reasons(answer, read(answer, "status"))
    return [Message("assistant", parts, finish_reason=reasons[0] if reasons else None)] if parts else []


def _said_parts(item: Any) -> list[Part]:
    texts = [joined(read(piece, "text") or read(piece, "refusal")) for piece in listed(read(item, "content"))]
    return [Text(text) for text in texts if text]
