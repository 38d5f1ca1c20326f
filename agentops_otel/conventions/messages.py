"""Messages, tools and media as span attributes and back: what was said, as the JSON of the conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel.conventions import names, plain
from agentops_otel.conventions.attributes import Attributes, listed, loaded, text_of
from agentops_otel.conventions.model import (
    Content,
    Documents,
    Media,
    Memories,
    Message,
    Other,
    Output,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FINISH_REASONS = {
    "complete": "stop",
    "error": "error",
    "error_limit": "length",
    "error_toxic": "content_filter",
    "max_tokens": "length",
    "stop_sequence": "stop",
    "tool_call": "tool_call",
    "model_length": "length",
    "end_turn": "stop",
    "completed": "stop",
    "incomplete:max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "refusal": "content_filter",
    "incomplete:content_filter": "content_filter",
    "reason_stop": "stop",
    "reason_max_len": "length",
    "reason_max_context": "length",
    "reason_tool_calls": "tool_call",
    "sensitive": "content_filter",
    "eos_token": "stop",
    "content_filtered": "content_filter",
    "finish": "stop",
    "guardrail_intervened": "content_filter",
    "length": "length",
    "prohibited_content": "content_filter",
    "safety": "content_filter",
    "stop": "stop",
}


def write_content(content: Content) -> Attributes:
    """What was sent, as the JSON strings of the conventions."""
    attributes: Attributes = {}
    if content.messages:
        attributes[names.INPUT_MESSAGES] = write_messages(content.messages)
    if content.system:
        copy = plain.Copy()
        attributes[names.SYSTEM_INSTRUCTIONS] = plain.encoded([_part(part, copy) for part in content.system])
    if content.tools:
        attributes[names.TOOL_DEFINITIONS] = plain.to_json([_tool(tool) for tool in content.tools])
    if content.arguments is not None:
        attributes[names.TOOL_CALL_ARGUMENTS] = plain.to_json(content.arguments)
    if content.query:
        attributes[names.RETRIEVAL_QUERY] = plain.text(content.query)
    if content.memory_query:
        attributes[names.MEMORY_QUERY] = plain.text(content.memory_query)
    if content.memories is not None:
        attributes |= _memories(content.memories)
    return attributes


def write_output(answered: Output) -> Attributes:
    """What was answered: messages, what a tool returned, or the documents or memories that were found."""
    if isinstance(answered, ToolResult):
        told = {names.TOOL_CALL_ARGUMENTS: answered.arguments, names.TOOL_CALL_RESULT: answered.response}
        return {name: plain.to_json(value) for name, value in told.items() if value is not None}
    if isinstance(answered, Documents):
        scored = [{"id": name, "score": score} for name, score in answered.found]
        found = [{key: value for key, value in item.items() if value is not None} for item in scored]
        return {names.RETRIEVAL_DOCUMENTS: plain.to_json(found)} if found else {}
    if isinstance(answered, Memories):
        return _memories(answered)
    return {names.OUTPUT_MESSAGES: write_messages(answered, answered=True)} if answered else {}


def _memories(told: Memories) -> Attributes:
    named = [{"content": content, "id": name, "score": score} for content, name, score in told.records]
    records = [{key: value for key, value in item.items() if value is not None} for item in named]
    return {names.MEMORY_RECORDS: plain.to_json(records)} if records else {}


def write_messages(messages: Sequence[Message], *, answered: bool = False) -> str:
    """Messages as JSON; those that a model `answered` carry a finish reason in the conventions' words."""
    copy = plain.Copy()
    return plain.encoded([_message(message, copy, answered=answered) for message in messages[: plain.ITEM_LIMIT]])


def _message(message: Message, copy: plain.Copy, *, answered: bool) -> dict[str, Any]:
    parts = [_part(part, copy) for part in message.parts[: plain.ITEM_LIMIT]]
    written: dict[str, Any] = {"role": copy.of(message.role), "parts": parts}
    if message.name:
        written["name"] = copy.of(message.name)
    if answered:
        reason = message.finish_reason or "error"
        written["finish_reason"] = copy.of(_FINISH_REASONS.get(reason.lower(), reason))
    return written


def _part(part: Part, copy: plain.Copy) -> dict[str, Any]:  # noqa: PLR0911 - one row for each kind of part
    kind = type(part)
    if kind is Text:
        return {"type": "text", "content": copy.of(part.content)}  # type: ignore[union-attr]
    if kind is Reasoning:
        return {"type": "reasoning", "content": copy.of(part.content)}  # type: ignore[union-attr]
    if isinstance(part, ToolCall):
        name, call_id, arguments = copy.of(part.name), copy.of(part.id), copy.of(part.arguments)
        if part.server:
            call = {"type": name, "arguments": arguments}
            return {"type": "server_tool_call", "name": name, "id": call_id, "server_tool_call": call}
        return {"type": "tool_call", "name": name, "id": call_id, "arguments": arguments}
    if isinstance(part, ToolResult):
        response = copy.of(part.response)
        if part.server:
            answer = {"type": "result", "result": response}
            return {"type": "server_tool_call_response", "id": copy.of(part.id), "server_tool_call_response": answer}
        return {"type": "tool_call_response", "id": copy.of(part.id), "response": response}
    if isinstance(part, Media):
        return _media(part, copy)
    return {"type": copy.of(part.type)}  # type: ignore[union-attr]


def _media(part: Media, copy: plain.Copy) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "blob", "modality": copy.of(part.modality)}
    if part.mime_type:
        written["mime_type"] = copy.of(part.mime_type)
    if part.file_id is not None:
        written |= {"type": "file", "file_id": copy.of(part.file_id)}
    elif part.uri is not None:
        written |= {"type": "uri", "uri": copy.of(part.uri)}
    elif part.data is not None and len(part.data) > plain.BLOB_LIMIT:
        written |= {"type": "uri", "uri": f"omitted:{len(part.data) * 3 // 4}-bytes"}
    else:
        written["content"] = copy.of(part.data or "")
    return written


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"type": tool.type, "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.parameters is not None:
        written["parameters"] = tool.parameters
    return written


def read_messages(attributes: Mapping[str, Any], name: str) -> list[Message]:
    """The messages under this attribute, written by us or anyone after the conventions; [] where none are."""
    value = attributes.get(name)
    items = listed(loaded(value) if isinstance(value, str) else value)
    return [_read_message(item) for item in items if isinstance(item, dict)]


def _read_message(item: dict[str, Any]) -> Message:
    parts = [_read_part(part) for part in listed(item.get("parts")) if isinstance(part, dict)]
    return Message(str(item.get("role", "")), parts, text_of(item.get("name")), text_of(item.get("finish_reason")))


def _read_part(part: dict[str, Any]) -> Part:  # noqa: PLR0911 - one row for each kind of part
    kind = part.get("type")
    if kind == "text":
        return Text(str(part.get("content", "")))
    if kind == "reasoning":
        return Reasoning(str(part.get("content", "")))
    if kind == "tool_call":
        return ToolCall(str(part.get("name", "")), part.get("id"), part.get("arguments"))
    if kind == "server_tool_call":
        call = part.get("server_tool_call")
        arguments = call.get("arguments") if isinstance(call, dict) else call
        return ToolCall(str(part.get("name", "")), part.get("id"), arguments, server=True)
    if kind == "tool_call_response":
        return ToolResult(part.get("response"), part.get("id"))
    if kind == "server_tool_call_response":
        answer = part.get("server_tool_call_response")
        result = answer.get("result") if isinstance(answer, dict) else answer
        return ToolResult(result, part.get("id"), server=True)
    if kind in {"blob", "uri", "file"}:
        return Media(
            str(part.get("modality", "")),
            part.get("mime_type"),
            part.get("content"),
            part.get("uri"),
            part.get("file_id"),
        )
    return Other(str(kind))
