"""The shape of Gemini's answers and contents, which google-genai and vertexai share."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

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
from agentops_otel.engine import Arguments, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FORMATS = {"application/json": "json", "text/x.enum": "json", "text/plain": "text"}
_MOST_CANDIDATES = 1024
_MEDIA = ("image", "audio", "video")


def word(told: Any) -> str | None:
    """A value of one of Google's enumerations, as the wire has it."""
    value = getattr(told, "value", told)
    return value if isinstance(value, str) else getattr(told, "name", None)


def request(model: Any, config: Any, *, stream: bool = False) -> Request:
    """What is asked with this configuration, or generation config."""
    effort = read(config, "thinking_config.thinking_level")
    return Request(
        model=model,
        stream=stream,
        temperature=read(config, "temperature"),
        top_p=read(config, "top_p"),
        top_k=read(config, "top_k"),
        max_tokens=read(config, "max_output_tokens"),
        frequency_penalty=read(config, "frequency_penalty"),
        presence_penalty=read(config, "presence_penalty"),
        stop_sequences=listed(read(config, "stop_sequences")) or None,
        seed=read(config, "seed"),
        choice_count=read(config, "candidate_count"),
        reasoning_level=None if effort is None else str(word(effort)).lower(),
        output_type=output_type(read(config, "response_mime_type")),
        service_tier=word(read(config, "service_tier")),
    )


def output_type(mime_type: Any) -> str | None:
    """What kind of answer is asked for, by its media type."""
    return _FORMATS.get(str(mime_type))


def usage(told: Any) -> Usage | None:
    """Usage: prompt counts include cached tokens; what tools brought in and thoughts are counted beside the rest."""
    prompt, tools = count(told, "prompt_token_count"), count(told, "tool_use_prompt_token_count")
    answer, thoughts = count(told, "candidates_token_count"), count(told, "thoughts_token_count")
    if answer is None:
        answer = count(told, "response_token_count")  # of a live connection
    if prompt is None and answer is None:
        return None
    asked = by_modality(told, ("prompt_tokens_details", "tool_use_prompt_tokens_details"))
    cached = by_modality(told, ("cache_tokens_details",))
    answered = by_modality(told, ("candidates_tokens_details", "response_tokens_details"))
    return Usage(
        input_tokens=None if prompt is None else prompt + (tools or 0),
        output_tokens=None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        cache_read_tokens=count(told, "cached_content_token_count"),
        reasoning_tokens=thoughts,
        audio_input_tokens=asked.get("AUDIO"),
        audio_cache_read_tokens=cached.get("AUDIO"),
        audio_output_tokens=answered.get("AUDIO"),
        image_input_tokens=asked.get("IMAGE"),
        image_cache_read_tokens=cached.get("IMAGE"),
        image_output_tokens=answered.get("IMAGE"),
    )


def count(told: Any, name: str) -> int | None:
    """A count; None where there is no number."""
    value = read(told, name)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def by_modality(told: Any, lists: Iterable[str], field: str = "token_count") -> dict[str, int]:
    """The counts of these lists by modality, which is written large."""
    counts: dict[str, int] = {}
    for item in (item for name in lists for item in listed(read(told, name))):
        modality, tokens = word(read(item, "modality")), count(item, field)
        if modality is not None and tokens is not None:
            counts[modality.upper()] = counts.get(modality.upper(), 0) + tokens
    return counts


def response(answer: Any) -> Response:
    """A whole answer, or the fold of a streamed one."""
    told = read(answer, "usage_metadata")
    used = usage(told)
    candidates = _candidates(answer)
    if used is not None:
        used.web_searches = sum(map(_searches, candidates)) or None
    blocked = word(read(answer, "prompt_feedback.block_reason"))
    traffic = word(read(told, "traffic_type"))
    return Response(
        id=read(answer, "response_id"),
        model=read(answer, "model_version"),
        finish_reasons=[word(read(item, "finish_reason")) or "error" for item in candidates]
        or ([blocked] if blocked else None),
        usage=used,
        service_tier=None if traffic is None else traffic.lower(),
    )


def _candidates(answer: Any) -> list[Any]:
    told = read(answer, "candidates")
    return list(told.values()) if isinstance(told, dict) else listed(told)


def _searches(candidate: Any) -> int:
    """How often the web was searched, which has a price of its own."""
    told = read(candidate, "grounding_metadata.web_search_queries")
    return len(listed(told))


def begins(state: Any, chunk: Any) -> bool | None:
    """Whether a chunk is of another answer: each has an id of its own, though not in every version of the API."""
    known, told = state["response_id"], read(chunk, "response_id")
    return known != told if known and told else None


def fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Chunks as one answer. Counts are cumulative: what a chunk says replaces what was said before."""
    if state is None:
        state = Shape(response_id=None, model_version=None, candidates={}, usage_metadata=None, prompt_feedback=None)
    for name in ("response_id", "model_version", "usage_metadata", "prompt_feedback"):
        value = read(chunk, name)
        if value is not None:
            state[name] = value
    for told in listed(read(chunk, "candidates")):
        index = read(told, "index") or 0
        if isinstance(index, int) and 0 <= index < _MOST_CANDIDATES:
            into = state["candidates"].setdefault(index, Shape(finish_reason=None, content=Shape(parts=[])))
            into["finish_reason"] = read(told, "finish_reason") or into["finish_reason"]
            into["grounding_metadata"] = read(told, "grounding_metadata") or into.grounding_metadata
            if keep:
                _fold_parts(into["content"]["parts"], read(told, "content.parts"))
    return state


def _fold_parts(into: list[Any], parts: Any) -> None:
    for part in listed(parts):
        text, thought = read_text(part, "text"), bool(read(part, "thought"))
        if text is None:
            into.append(part)
        elif into and isinstance(into[-1], Shape) and into[-1]["thought"] is thought:
            into[-1]["pieces"].append(text)
        elif text:
            into.append(Shape(pieces=[text], thought=thought))


def messages(contents: Any) -> list[Message]:
    """What was sent: contents as messages; parts and texts that stand by themselves are the user's, in one message."""
    told: list[Message] = []
    loose: list[Part] = []
    for item in contents if isinstance(contents, (list, tuple)) else [contents]:
        if read(item, "parts") is None:
            loose.append(_part(item))
            continue
        if loose:
            told.append(Message("user", loose))
            loose = []
        told.append(_message(item))
    return [*told, Message("user", loose)] if loose else told


def _message(content: Any) -> Message:
    items = parts(content)
    role = str(read(content, "role") or "user")
    if items and all(isinstance(part, ToolResult) for part in items):
        role = "tool"
    return Message("assistant" if role == "model" else role, items)


def parts(content: Any) -> list[Part]:
    """The parts of a content, or of a text or part that stands for one."""
    if content is None:
        return []
    told = read(content, "parts")
    return [_part(item) for item in (listed(told) if told is not None else listed(content) or [content])]


def _part(item: Any) -> Part:  # noqa: PLR0911 - one row for each kind of part
    text = item if isinstance(item, str) else "".join(listed(read(item, "pieces"))) or read_text(item, "text")
    if text is not None:
        return Reasoning(text) if read(item, "thought") else Text(text)
    if (call := read(item, "function_call")) is not None:
        return ToolCall(str(read(call, "name", "")), read(call, "id"), read(call, "args"))
    if (told := read(item, "function_response")) is not None:
        return ToolResult(read(told, "response"), read(told, "id"))
    if (code := read(item, "executable_code")) is not None:
        return ToolCall("code_execution", read(code, "id"), read_text(code, "code"), server=True)
    if (told := read(item, "code_execution_result")) is not None:
        return ToolResult(read_text(told, "output"), read(told, "id"), server=True)
    if (blob := read(item, "inline_data")) is not None:
        return _media(blob, data=read(blob, "data"))
    file = read(item, "file_data") or item
    uri = read_text(file, "file_uri") or read_text(file, "uri")
    return Other(type(item).__name__.lower()) if uri is None else _media(file, uri=uri)


def _media(told: Any, *, data: Any = None, uri: str | None = None) -> Media:
    mime = read_text(told, "mime_type")
    kind = str(mime).partition("/")[0]
    text = base64.b64encode(data).decode() if isinstance(data, bytes) else data if isinstance(data, str) else None
    return Media(kind if kind in _MEDIA else "document", mime, data=text, uri=uri)


def tools(declared: Iterable[Any]) -> list[Tool]:
    """The tools that a model may call, by their declarations; Google's own by their names."""
    told: list[Tool] = []
    for tool in declared:
        for item in listed(read(tool, "function_declarations")):
            schema = read(item, "parameters") or read(item, "parameters_json_schema")
            told.append(Tool(str(read(item, "name", "")), "function", read_text(item, "description"), schema))
        own = tool if isinstance(tool, dict) else getattr(tool, "__dict__", {})
        told += [
            Tool(name, name) for name, value in own.items() if name != "function_declarations" and value is not None
        ]
    return told


def asked(arguments: Arguments) -> Content:
    """What is sent with `contents` and a `config`, whose tools may be functions of the user's."""
    config = arguments.get("config")
    listed_tools = listed(read(config, "tools"))
    declared = tools(tool for tool in listed_tools if not callable(tool) and not hasattr(tool, "call_tool"))
    functions = [
        Tool(str(getattr(tool, "__name__", "")), description=getattr(tool, "__doc__", None))
        for tool in listed_tools
        if callable(tool)
    ]
    return content(arguments.get("contents"), config, [*declared, *functions])


def content(contents: Any, config: Mapping[str, Any] | Any, told: Sequence[Tool] = ()) -> Content:
    """What was sent: contents, system instruction, tools."""
    return Content(messages(contents), parts(read(config, "system_instruction")), told)


def output(answer: Any) -> Sequence[Message]:
    """The messages that were answered, one for each candidate."""
    return [
        Message("assistant", parts(read(item, "content")), finish_reason=word(read(item, "finish_reason")))
        for item in _candidates(answer)
    ]
