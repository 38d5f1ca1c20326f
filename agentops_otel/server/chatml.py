"""Messages of the conventions in the ChatML form that the classic export has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentops_otel.conventions import names
from agentops_otel.conventions.messages import read_messages
from agentops_otel.conventions.model import Media, Message, Other, Reasoning, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def prompt(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a model was sent, system instructions first; None where content was not captured."""
    return _wrapped(attributes, names.INPUT_MESSAGES, _system(attributes))


def completion(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a model answered; None where content was not captured."""
    return _wrapped(attributes, names.OUTPUT_MESSAGES, [])


def _wrapped(attributes: Mapping[str, Any], name: str, before: list[Message]) -> dict[str, Any] | None:
    messages, value = read_messages(attributes, name), attributes.get(name)
    if not messages and isinstance(value, str) and value not in {"", "[]"}:
        if not before:
            return {"type": "string", "string": value}
        messages = [Message("user", [Text(value)])]
    if not before and not messages:
        return None
    return {"type": "chatml", "messages": list(chatml([*before, *messages]))}


def _system(attributes: Mapping[str, Any]) -> list[Message]:
    value = attributes.get(names.SYSTEM_INSTRUCTIONS)
    if not value:
        return []
    try:
        parts = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        parts = [{"type": "text", "content": value}]
    return read_messages({names.SYSTEM_INSTRUCTIONS: [{"role": "system", "parts": parts}]}, names.SYSTEM_INSTRUCTIONS)


def chatml(messages: Iterable[Message]) -> Iterable[dict[str, Any]]:
    """Each message as `{"role", "content"}` and, if it has them, `tool_calls`, `reasoning`, `finish_reason`.

    `content` is a string, None where there is none, or a list of parts where text is not all there is. A
    result of a tool is a message of its own, of the role `tool`.
    """
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        for result in results:
            yield {"role": "tool", "tool_call_id": result.id, "content": _as_text(result.response)}
        if not results or len(results) < len(message.parts):
            yield _one(message)


def _one(message: Message) -> dict[str, Any]:
    texts = [part for part in message.parts if isinstance(part, Text)]
    others = [_other(part) for part in message.parts if isinstance(part, (Media, Other))]
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    thoughts = [part.content for part in message.parts if isinstance(part, Reasoning)]
    written: dict[str, Any] = {"role": message.role, "content": None}
    if others:
        written["content"] = [*({"type": "text", "text": part.content} for part in texts), *others]
    elif texts:
        written["content"] = "\n".join(part.content for part in texts)
    if message.name:
        written["name"] = message.name
    if calls:
        written["tool_calls"] = calls
    if thoughts:
        written["reasoning"] = "\n".join(thoughts)
    if message.finish_reason:
        written["finish_reason"] = message.finish_reason
    return written


def _call(part: ToolCall) -> dict[str, Any]:
    return {
        "id": part.id,
        "type": "function",
        "function": {"name": part.name, "arguments": _as_text(part.arguments)},
    }


def _other(part: Media | Other) -> dict[str, Any]:
    if isinstance(part, Other):
        return {"type": part.type}
    told = {"mime_type": part.mime_type, "data": part.data, "uri": part.uri, "file_id": part.file_id}
    return {"type": part.modality, **{name: value for name, value in told.items() if value is not None}}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
