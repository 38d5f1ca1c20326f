"""Messages in the shapes that clients and emitters have for them, as those of the conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects.table import entries, parsed
from agentops_otel.conventions import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_THOUGHTS: Final = frozenset({"reasoning", "thinking"})
_CALLS: Final = frozenset({"tool_call", "tool-call", "tool_use", "function_call", "function"})
_RESULTS: Final = frozenset({"tool_call_response", "tool-result", "tool_result", "function_call_output"})
_IMAGES: Final = frozenset({"image", "image_url", "input_image"})
_WRAPPERS: Final = ("message", "tool_call", "message_content")


def written(items: Iterable[Any], role: str = "user") -> str | None:
    """The messages as JSON of the conventions; None where there is none. A text alone is said by `role`."""
    messages = [found for found in (_message(item, role) for item in items) if found is not None]
    return plain.to_json(messages) if messages else None


def of_json(value: Any, role: str = "user") -> str | None:
    """The same from an attribute that holds a message or a list of them, as JSON or as plain text."""
    told = parsed(value)
    if isinstance(told, dict) and isinstance(told.get("messages"), list):
        told = told["messages"]
    if told is None or told == "":
        return None
    return written(told if isinstance(told, list) else [told], role)


def _message(item: Any, role: str) -> dict[str, Any] | None:
    item = _unwrapped(item)
    if isinstance(item, str):
        return {"role": role, "parts": [_text(item)]} if item else None
    if not isinstance(item, dict):
        return None
    said = item.get("role")
    message: dict[str, Any] = {"role": said if isinstance(said, str) and said else role}
    parts = item.get("parts")
    message["parts"] = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else _parts(item)
    if not message["parts"] and "role" not in item:
        return None
    for name in ("name", "finish_reason"):
        if isinstance(item.get(name), str):
            message[name] = item[name]
    return message


def _parts(item: dict[str, Any]) -> list[dict[str, Any]]:
    content = parsed(item.get("content")) if _is_list(item.get("content")) else item.get("content")
    if content is None or content == "":
        content = item.get("contents") or item.get("text")
    answered = item.get("tool_call_id") or item.get("id")
    if item.get("role") == "tool" and not _holds_results(content):
        return [{"type": "tool_call_response", "id": answered, "response": content}]
    listed = content if isinstance(content, list) else [content]
    parts = [part for part in (_part(found) for found in listed) if part is not None]
    calls = parsed(item.get("tool_calls"))
    for call in calls if isinstance(calls, list) else ():
        # Some emitters tell a call twice: here, and in its place among the contents.
        if (part := _call(_unwrapped(call))) not in parts:
            parts.append(part)
    if isinstance(item.get("function_call"), dict):
        parts.append(_call(item["function_call"]))
    return parts


def _is_list(content: Any) -> bool:
    return isinstance(content, str) and content.lstrip().startswith('[{"')


def _holds_results(content: Any) -> bool:
    parts = content if isinstance(content, list) else ()
    return any(isinstance(part, dict) and _kind(part) in _RESULTS for part in parts)


def _kind(part: dict[str, Any]) -> str | None:
    kind = part.get("type")
    return kind if isinstance(kind, str) else None


def _part(found: Any) -> dict[str, Any] | None:  # noqa: PLR0911 - one row for each kind of part
    found = _unwrapped(found)
    if isinstance(found, str):
        return _text(found) if found else None
    if not isinstance(found, dict):
        return None if found is None else _text(plain.to_json(found))
    kind = _kind(found)
    if kind in _TEXTS or (kind is None and "text" in found):
        return _text(found.get("text", found.get("content")))
    if kind in _THOUGHTS:
        thought = found.get("text") or found.get("thinking") or found.get("content") or ""
        return {"type": "reasoning", "content": thought}
    if kind in _CALLS:
        return _call(found)
    if kind in _RESULTS:
        answer = next((found[name] for name in ("output", "result", "content", "response") if name in found), None)
        asked = found.get("tool_use_id") or found.get("toolCallId") or found.get("call_id") or found.get("id")
        return {"type": "tool_call_response", "id": asked, "response": answer}
    if kind in _IMAGES:
        return _image(found)
    return _text(plain.to_json(found)) if kind is None else {"type": kind}


def _text(value: Any) -> dict[str, Any]:
    return {"type": "text", "content": value if isinstance(value, str) else plain.to_json(value)}


def _call(call: Any) -> dict[str, Any]:
    if not isinstance(call, dict):
        return {"type": "tool_call", "name": "", "id": None, "arguments": call}
    function = entries(call.get("function")) or call
    arguments = next((function[name] for name in ("arguments", "input", "args") if name in function), None)
    return {
        "type": "tool_call",
        "name": function.get("name") or call.get("toolName") or "",
        "id": call.get("id") or call.get("toolCallId") or call.get("call_id"),
        "arguments": parsed(arguments),
    }


def _image(found: dict[str, Any]) -> dict[str, Any]:
    """Where an image lies; an inline one is named by its size, as everywhere."""
    told = found.get("image_url", found.get("image", found.get("url")))
    while isinstance(told, dict):
        told = told.get("url", told.get("image"))
    uri = told if isinstance(told, str) else ""
    if len(uri) > plain.BLOB_LIMIT:
        uri = f"omitted:{len(uri) * 3 // 4}-bytes"
    return {"type": "uri", "modality": "image", "uri": uri}


def _unwrapped(item: Any) -> Any:
    """What stands in `{"message": ...}` and its like, which flattened names leave around it."""
    if not isinstance(item, dict):
        return item
    inner = [item[name] for name in _WRAPPERS if isinstance(item.get(name), dict)]
    return {name: value for part in (item, *inner) for name, value in part.items()} if inner else item
