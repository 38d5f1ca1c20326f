"""The model as span attributes and back: the only writer and the only reader of `gen_ai.*`."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from agentops_otel.conventions import names, plain
from agentops_otel.conventions.model import (
    Content,
    Media,
    Message,
    Other,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Attributes = dict[str, Any]


def _int(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if abs(value) < 2**63 else None


def _count(value: Any) -> int | None:
    whole = _int(value)
    return whole if whole is not None and whole >= 0 else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _seconds(value: Any) -> float | None:
    seconds = _float(value)
    return seconds if seconds is not None and seconds >= 0 else None


def _str(value: Any) -> str | None:
    return plain.text(value) if isinstance(value, str) and value else None


def _strs(value: Any) -> list[str] | None:
    if isinstance(value, str):
        value = (value,) if value else ()
    if not isinstance(value, (list, tuple)):
        return None
    return [plain.text(item) for item in value if isinstance(item, str)] or None


def _true(value: Any) -> bool | None:
    return True if value is True else None


def _several(value: Any) -> int | None:
    count = _count(value)
    return count if count != 1 else None


def _uncommon(value: Any) -> str | None:
    return None if value == "auto" else _str(value)


def _money(value: Any) -> str | None:
    return str(value) if isinstance(value, Decimal) and value.is_finite() and value >= 0 else None


Row = tuple[str, str, "Callable[[Any], Any]"]
_REQUEST: tuple[Row, ...] = (
    ("model", names.REQUEST_MODEL, _str),
    ("stream", names.REQUEST_STREAM, _true),
    ("temperature", names.REQUEST_TEMPERATURE, _float),
    ("top_p", names.REQUEST_TOP_P, _float),
    ("top_k", names.REQUEST_TOP_K, _int),
    ("max_tokens", names.REQUEST_MAX_TOKENS, _int),
    ("frequency_penalty", names.REQUEST_FREQUENCY_PENALTY, _float),
    ("presence_penalty", names.REQUEST_PRESENCE_PENALTY, _float),
    ("stop_sequences", names.REQUEST_STOP_SEQUENCES, _strs),
    ("seed", names.REQUEST_SEED, _int),
    ("choice_count", names.REQUEST_CHOICE_COUNT, _several),
    ("reasoning_level", names.REQUEST_REASONING_LEVEL, _str),
    ("output_type", names.OUTPUT_TYPE, _str),
    ("previous_response_id", names.REQUEST_PREVIOUS_RESPONSE_ID, _str),
    ("conversation_id", names.CONVERSATION_ID, _str),
    ("encoding_formats", names.REQUEST_ENCODING_FORMATS, _strs),
    ("api_type", names.OPENAI_API_TYPE, _str),
    ("service_tier", names.OPENAI_REQUEST_SERVICE_TIER, _uncommon),
    ("response_id", names.RESPONSE_ID, _str),
)
_RESPONSE: tuple[Row, ...] = (
    ("id", names.RESPONSE_ID, _str),
    ("model", names.RESPONSE_MODEL, _str),
    ("finish_reasons", names.RESPONSE_FINISH_REASONS, _strs),
    ("status", names.RESPONSE_STATUS, _str),
    ("service_tier", names.SERVICE_TIER, _str),
    ("system_fingerprint", names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT, _str),
    ("conversation_id", names.CONVERSATION_ID, _str),
    ("dimension_count", names.EMBEDDINGS_DIMENSION_COUNT, _count),
    ("conditions", names.COST_CONDITIONS, _strs),
    ("error", names.ERROR_TYPE, _str),
)
_USAGE: tuple[Row, ...] = (
    ("input_tokens", names.INPUT_TOKENS, _count),
    ("output_tokens", names.OUTPUT_TOKENS, _count),
    ("cache_read_tokens", names.CACHE_READ_TOKENS, _count),
    ("cache_write_tokens", names.CACHE_WRITE_TOKENS, _count),
    ("cache_write_1h_tokens", names.CACHE_WRITE_1H_TOKENS, _count),
    ("reasoning_tokens", names.REASONING_TOKENS, _count),
    ("audio_input_tokens", names.AUDIO_INPUT_TOKENS, _count),
    ("audio_output_tokens", names.AUDIO_OUTPUT_TOKENS, _count),
    ("audio_cache_read_tokens", names.AUDIO_CACHE_READ_TOKENS, _count),
    ("image_input_tokens", names.IMAGE_INPUT_TOKENS, _count),
    ("image_output_tokens", names.IMAGE_OUTPUT_TOKENS, _count),
    ("image_cache_read_tokens", names.IMAGE_CACHE_READ_TOKENS, _count),
    ("text_input_tokens", names.TEXT_INPUT_TOKENS, _count),
    ("text_output_tokens", names.TEXT_OUTPUT_TOKENS, _count),
    ("web_searches", names.WEB_SEARCHES, _count),
    ("audio_seconds", names.AUDIO_SECONDS, _seconds),
    ("cost", names.PROVIDER_COST, _money),
)


def _write(thing: Any, rows: Iterable[Row], attributes: Attributes, prefix: str = "") -> Attributes:
    for field, name, clean in rows:
        value = getattr(thing, field)
        if value is not None and value is not False:
            value = clean(value)
            if value is not None:
                attributes[prefix + name] = value
    return attributes


def _read(kind: Any, rows: Iterable[Row], attributes: Mapping[str, Any]) -> Any:
    cleaned = {field: clean(attributes[name]) for field, name, clean in rows if name in attributes}
    return kind(**{field: value for field, value in cleaned.items() if value is not None})


def write_request(request: Request) -> Attributes:
    """The attributes of a request; values of the wrong type are left out."""
    return _write(request, _REQUEST, {})


def write_response(response: Response, *, fetched: bool = False) -> Attributes:
    """The attributes of a response; those of a `fetched` one keep its usage apart from the first call's."""
    attributes = _write(response, _RESPONSE, {})
    if response.openai and names.SERVICE_TIER in attributes:
        attributes[names.OPENAI_RESPONSE_SERVICE_TIER] = attributes.pop(names.SERVICE_TIER)
    if response.usage is not None:
        _write(response.usage, _USAGE, attributes, names.FETCHED if fetched else "")
    if response.inner:
        attributes[names.INNER_USAGE] = [_inner(model, usage) for model, usage in response.inner]
    return attributes


def read_request(attributes: Mapping[str, Any]) -> Request:
    """The request that these attributes tell of."""
    request: Request = _read(Request, _REQUEST, attributes)
    return request


def read_response(attributes: Mapping[str, Any]) -> Response:
    """The response that these attributes tell of, usage included."""
    response: Response = _read(Response, _RESPONSE, attributes)
    if names.OPENAI_RESPONSE_SERVICE_TIER in attributes:
        response.service_tier, response.openai = attributes[names.OPENAI_RESPONSE_SERVICE_TIER], True
    response.usage = read_usage(attributes)
    response.inner = read_inner(attributes)
    return response


def _inner(model: str | None, usage: Usage) -> str:
    return plain.to_json(_write(usage, _USAGE, {} if model is None else {names.RESPONSE_MODEL: model}))


def read_inner(attributes: Mapping[str, Any]) -> list[tuple[str | None, Usage]]:
    """(model, usage) of the work that is billed beside a call's own; empty usage where it is illegible."""
    inner = [_loaded(item) for item in _listed(attributes.get(names.INNER_USAGE))]
    told = [item if isinstance(item, dict) else {} for item in inner]
    return [(_str(item.get(names.RESPONSE_MODEL)), read_usage(item) or Usage()) for item in told]


def _loaded(value: Any) -> Any:
    """The JSON of a text; None where it is none, for limits of others may have cut it."""
    try:
        return json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return None


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def read_text(attributes: Mapping[str, Any], name: str) -> str | None:
    """The text under this name; None where there is none, or where anybody put something else there."""
    value = attributes.get(name)
    return value if isinstance(value, str) else None


def read_usage(attributes: Mapping[str, Any], prefix: str = "") -> Usage | None:
    """The usage that these attributes tell of; None where they tell of none."""
    usage = Usage()
    found = False
    for field, name, clean in _USAGE:
        value = attributes.get(prefix + name)
        if value is None:
            continue
        value = _decimal(value) if field == "cost" else clean(value)
        if value is not None:
            found = True
            setattr(usage, field, value)
    return usage if found else None


def _decimal(value: Any) -> Decimal | None:
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None


# --- Content -------------------------------------------------------------------------------------------

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "incomplete:max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "refusal": "content_filter",
    "incomplete:content_filter": "content_filter",
}


def write_content(content: Content) -> Attributes:
    """What was sent, as the JSON strings of the conventions."""
    attributes = {}
    if content.messages:
        attributes[names.INPUT_MESSAGES] = write_messages(content.messages)
    if content.system:
        attributes[names.SYSTEM_INSTRUCTIONS] = plain.to_json([_part(part) for part in content.system])
    if content.tools:
        attributes[names.TOOL_DEFINITIONS] = plain.to_json([_tool(tool) for tool in content.tools])
    return attributes


def write_messages(messages: Sequence[Message], *, answered: bool = False) -> str:
    """Messages as JSON; those that a model `answered` carry a finish reason in the conventions' words."""
    return plain.to_json([_message(message, answered=answered) for message in messages])


def _message(message: Message, *, answered: bool) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "parts": [_part(part) for part in message.parts]}
    if message.name:
        written["name"] = message.name
    if answered:
        reason = message.finish_reason or "error"
        written["finish_reason"] = _FINISH_REASONS.get(reason, reason)
    return written


def _part(part: Part) -> dict[str, Any]:  # noqa: PLR0911 - one row for each kind of part
    if isinstance(part, Text):
        return {"type": "text", "content": part.content}
    if isinstance(part, Reasoning):
        return {"type": "reasoning", "content": part.content}
    if isinstance(part, ToolCall):
        if part.server:
            call = {"type": part.name, "arguments": part.arguments}
            return {"type": "server_tool_call", "name": part.name, "id": part.id, "server_tool_call": call}
        return {"type": "tool_call", "name": part.name, "id": part.id, "arguments": part.arguments}
    if isinstance(part, ToolResult):
        if part.server:
            answer = {"type": "result", "result": part.response}
            return {"type": "server_tool_call_response", "id": part.id, "server_tool_call_response": answer}
        return {"type": "tool_call_response", "id": part.id, "response": part.response}
    if isinstance(part, Media):
        return _media(part)
    return {"type": part.type}


def _media(part: Media) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "blob", "modality": part.modality}
    if part.mime_type:
        written["mime_type"] = part.mime_type
    if part.file_id is not None:
        written |= {"type": "file", "file_id": part.file_id}
    elif part.uri is not None:
        written |= {"type": "uri", "uri": part.uri}
    elif part.data is not None and len(part.data) > plain.BLOB_LIMIT:
        written |= {"type": "uri", "uri": f"omitted:{len(part.data) * 3 // 4}-bytes"}
    else:
        written["content"] = part.data or ""
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
    items = _listed(_loaded(value) if isinstance(value, str) else value)
    return [_read_message(item) for item in items if isinstance(item, dict)]


def _read_message(item: dict[str, Any]) -> Message:
    parts = [_read_part(part) for part in _listed(item.get("parts")) if isinstance(part, dict)]
    return Message(str(item.get("role", "")), parts, _str(item.get("name")), _str(item.get("finish_reason")))


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
