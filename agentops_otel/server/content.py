"""What spans say and do: read from their attributes, whatever stands in them, and written as JSON again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names, plain
from agentops_otel.server.queries import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Message = dict[str, Any]
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def as_json(value: Any) -> str:
    """The value as one line of valid JSON, whatever it holds."""
    try:
        written = _ENCODER.encode(value)
    except (ValueError, RecursionError):
        # Numbers beyond JSON, or depths beyond Python, out of the JSON texts that spans carry.
        written = plain.to_json(value)
    return written if written.isascii() else written.encode("utf-8", "replace").decode()


def messages_of(value: Any) -> list[_Message]:
    """The messages in an attribute, whatever stands in it."""
    found = parsed(value)
    if found is None or found == "":
        return []
    items = found if isinstance(found, list) else [found]
    return [item if isinstance(item, dict) else _plain(item) for item in items]


def parts_of(message: _Message) -> list[_Message]:
    """The parts of a message, also where it has one text in their place."""
    if isinstance(message.get("parts"), list):
        return [part for part in message["parts"] if isinstance(part, dict)]
    content = message.get("content", message.get("text"))
    return [] if content is None else [{"type": "text", "content": content}]


def work_of(attributes: Mapping[str, Any]) -> tuple[Any, Any]:
    """What a tool or an action was given, and gave."""
    given = attributes.get(names.TOOL_CALL_ARGUMENTS, attributes.get(names.EVENT_PARAMS))
    value = attributes.get(names.TOOL_CALL_RESULT, attributes.get(names.EVENT_RETURNS))
    return parsed(given), parsed(value)


def without_ids(messages: Iterable[_Message]) -> list[Any]:
    """Who said what, to be compared: the ids of tool calls are others each time."""
    return [[message.get("role"), [{**part, "id": None} for part in parts_of(message)]] for message in messages]


def _plain(item: Any) -> _Message:
    return {"role": "text", "parts": [{"type": "text", "content": item if isinstance(item, str) else as_json(item)}]}
