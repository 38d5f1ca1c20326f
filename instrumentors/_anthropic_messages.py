"""The shape of Anthropic's messages, which Bedrock's models of Anthropic speak too."""

from __future__ import annotations

import json
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
    from collections.abc import Sequence

_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens_details",
    "server_tool_use",
    "service_tier",
    "speed",
    "inference_geo",
    "iterations",
)


def request(arguments: Arguments) -> Request:
    """A message, or a legacy completion, that is asked for."""
    wanted = read(arguments, "output_config.format.type") or read(arguments, "output_format.type")
    return Request(
        model=arguments.get("model"),
        stream=arguments.get("stream") is True,
        temperature=arguments.get("temperature"),
        top_p=arguments.get("top_p"),
        top_k=arguments.get("top_k"),
        max_tokens=arguments.get("max_tokens") or arguments.get("max_tokens_to_sample"),
        stop_sequences=arguments.get("stop_sequences"),
        reasoning_level=read(arguments, "output_config.effort"),
        output_type="json" if wanted == "json_schema" else None,
    )


def _count(told: Any, path: str) -> Any:
    value = read(told, path)
    return value if isinstance(value, (int, float)) else None


def usage(told: Any) -> Usage | None:
    """Usage by the conventions' rule: Anthropic counts cached tokens beside the input, the conventions within."""
    if _count(told, "input_tokens") is None and _count(told, "output_tokens") is None:
        return None
    return Usage.beside_cache(
        _count(told, "input_tokens"),
        _count(told, "cache_read_input_tokens"),
        _count(told, "cache_creation_input_tokens"),
        output_tokens=_count(told, "output_tokens"),
        cache_write_1h_tokens=_count(told, "cache_creation.ephemeral_1h_input_tokens"),
        reasoning_tokens=_count(told, "output_tokens_details.thinking_tokens"),
        web_searches=_count(told, "server_tool_use.web_search_requests"),
    )


def response(answer: Any) -> Response:
    """A whole answer, or the fold of a streamed one."""
    told = read(answer, "usage")
    tier, stop = read(told, "service_tier"), read(answer, "stop_reason")
    conditions = ["processing=batch"] if tier == "batch" else []
    conditions += [f"{name}={value}" for name in ("speed", "inference_geo") if (value := read(told, name))]
    return Response(
        id=read(answer, "id"),
        model=read(answer, "model"),
        finish_reasons=[stop or "error"],
        usage=usage(told),
        service_tier=None if tier == "batch" else tier,
        conditions=[told for told in conditions if not told.endswith(("=standard", "=global", "=not_available"))],
        inner=_inner(told),
        error=_error(read(answer, "error")),
    )


def _error(told: Any) -> str | None:
    """An error event, where the reader takes a stream's bytes and the library raises nothing."""
    return None if told is None else str(read(told, "type", "error"))


def _inner(told: Any) -> list[tuple[str | None, Usage]]:
    """Iterations that the usage leaves out though they are billed: compactions, and advice of another model."""
    beside = [item for item in listed(read(told, "iterations")) if read(item, "type", "message") != "message"]
    return [(read(item, "model"), used) for item in beside if (used := usage(item)) is not None]


def fold(state: Any, event: Any, keep: bool) -> Any:
    """Events as one message. Counts are cumulative: what an event says replaces what was said before."""
    kind = read(event, "type")
    if kind == "message_start":
        state = _begun(read(event, "message"))
    elif state is None:
        state = _begun(event)
    if kind == "message_delta":
        state["stop_reason"] = read(event, "delta.stop_reason") or state["stop_reason"]
        _fold_usage(state["usage"], read(event, "usage"))
    elif kind == "completion":  # the legacy text completion
        state["stop_reason"] = read(event, "stop_reason")
    elif kind == "error":
        state["error"] = read(event, "error") or event
    if keep:
        _fold_content(state["content"], kind, event)
    return state


def _begun(message: Any) -> Shape:
    state = Shape(id=read(message, "id"), model=read(message, "model"), content={}, stop_reason=None, usage=Shape())
    _fold_usage(state["usage"], read(message, "usage"))
    return state


def _fold_usage(into: Shape, told: Any) -> None:
    for name in _USAGE:
        value = read(told, name)
        if value is not None:
            into[name] = value


def _block(told: Any) -> Shape:
    block = Shape(type=read(told, "type"), text=[read(told, "text")], thinking=[read(told, "thinking")], json=[])
    for name in ("id", "name", "input", "tool_use_id", "content"):
        block[name] = read(told, name)
    return block


def _fold_content(content: dict[int, Shape], kind: Any, event: Any) -> None:
    index = read(event, "index", 0)
    if not isinstance(index, int):
        return
    if kind == "content_block_start":
        content[index] = _block(read(event, "content_block"))
    elif kind == "content_block_delta" and index in content:
        _fold_delta(content[index], read(event, "delta"))
    elif kind == "completion":
        content.setdefault(index, Shape(type="text", text=[]))["text"].append(read(event, "completion"))


def _fold_delta(block: Shape, delta: Any) -> None:
    kind = read(delta, "type")
    if kind == "text_delta":
        block["text"].append(read(delta, "text"))
    elif kind == "thinking_delta":
        block["thinking"].append(read(delta, "thinking"))
    elif kind == "input_json_delta":
        block["json"].append(read(delta, "partial_json"))


def content(arguments: Arguments) -> Content:
    """What was sent: system, messages and tools, or the prompt of a legacy completion."""
    system = arguments.get("system")
    tools = [
        Tool(
            str(read(tool, "name", "")),
            "function" if read(tool, "type", "custom") == "custom" else str(read(tool, "type")),
            read(tool, "description"),
            read(tool, "input_schema"),
        )
        for tool in listed(arguments.get("tools"))
    ]
    prompt = arguments.get("prompt")
    messages = [_message(item) for item in listed(arguments.get("messages"))]
    if isinstance(prompt, str):
        messages.append(Message("user", [Text(prompt)]))
    return Content(messages, [Text(system)] if isinstance(system, str) else _parts(system), tools)


def _message(item: Any) -> Message:
    told = read(item, "content")
    role = str(read(item, "role", "user"))
    return Message(role, [Text(told)] if isinstance(told, str) else _parts(told))


def _parts(blocks: Any) -> list[Part]:
    return [_part(block, str(read(block, "type", ""))) for block in listed(blocks)]


def _part(block: Any, kind: str) -> Part:  # noqa: PLR0911 - one row for each kind of block
    if kind == "text":
        return Text(_text(read(block, "text", "")))
    if kind == "thinking":
        return Reasoning(_text(read(block, "thinking", "")))
    if kind in {"tool_use", "server_tool_use", "mcp_tool_use"}:
        return ToolCall(str(read(block, "name", "")), read(block, "id"), _arguments(block), server=kind != "tool_use")
    if kind == "tool_result":
        return ToolResult(_result(read(block, "content")), read(block, "tool_use_id"))
    if kind.endswith("_tool_result"):
        return ToolResult(_result(read(block, "content")), read(block, "tool_use_id"), server=True)
    if kind in {"image", "document"}:
        source = read(block, "source")
        return Media(
            kind,
            read_text(source, "media_type"),
            read_text(source, "data"),
            read_text(source, "url"),
            read_text(source, "file_id"),
        )
    return Other(kind or "unknown")


def _text(told: Any) -> str:
    return told if isinstance(told, str) else "".join(piece for piece in listed(told) if isinstance(piece, str))


def _arguments(block: Any) -> Any:
    pieces = _text(read(block, "json"))
    if not pieces:
        return read(block, "input")
    try:
        return json.loads(pieces)
    except (ValueError, RecursionError):  # cut off by max_tokens
        return pieces


def _result(told: Any) -> Any:
    blocks = listed(told)
    if blocks and all(read(block, "type") == "text" for block in blocks):
        return "\n".join(str(read(block, "text", "")) for block in blocks)
    return told


def output(answer: Any) -> Sequence[Message]:
    """The message that was answered."""
    told = read(answer, "content")
    blocks = list(told.values()) if isinstance(told, dict) else told
    completion = read(answer, "completion")
    parts = [Text(completion)] if isinstance(completion, str) else _parts(blocks)
    return [Message("assistant", parts, finish_reason=read_text(answer, "stop_reason"))] if parts else []
