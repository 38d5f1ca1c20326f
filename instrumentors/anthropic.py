"""Anthropic's messages, from Anthropic itself and through the clouds of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.conventions import names
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
from agentops_otel.engine import Arguments, Operation, Sent, Shape, listed, read, read_text

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


def _request(arguments: Arguments) -> Request:
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


def _usage(told: Any) -> Usage | None:
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


def _response(answer: Any) -> Response:
    told = read(answer, "usage")
    tier, stop = read(told, "service_tier"), read(answer, "stop_reason")
    conditions = ["processing=batch"] if tier == "batch" else []
    conditions += [f"{name}={value}" for name in ("speed", "inference_geo") if (value := read(told, name))]
    return Response(
        id=read(answer, "id"),
        model=read(answer, "model"),
        finish_reasons=[stop or "error"],
        usage=_usage(told),
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
    return [(read(item, "model"), used) for item in beside if (used := _usage(item)) is not None]


def _fold(state: Any, event: Any, keep: bool) -> Any:
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


def _content(arguments: Arguments) -> Content:
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


def _output(answer: Any) -> Sequence[Message]:
    told = read(answer, "content")
    blocks = list(told.values()) if isinstance(told, dict) else told
    completion = read(answer, "completion")
    parts = [Text(completion)] if isinstance(completion, str) else _parts(blocks)
    return [Message("assistant", parts, finish_reason=read_text(answer, "stop_reason"))] if parts else []


def _batch_response(item: Any) -> Response:
    """One line of a batch's results; only those that succeeded are billed."""
    if read(item, "result.type") != "succeeded":
        return Response()
    response = _response(read(item, "result.message"))
    response.conditions = ["processing=batch"]
    return response


_MESSAGES = Operation(
    name=names.CHAT, request=_request, response=_response, fold=_fold, content=_content, output=_output
)
_COMPLETE = Operation(
    name=names.TEXT_COMPLETION,
    request=_request,
    response=_response,
    fold=_fold,
    content=_content,
    output=_output,
)
_BATCH_ITEM = Operation(
    name=names.CHAT,
    request=_request,
    response=_batch_response,
    output=lambda item: _output(read(item, "result.message")),
)
_BATCH = Operation(
    name=names.FETCH_RESPONSE, request=lambda _: Request(), response=lambda _: Response(), each=_BATCH_ITEM
)


class AnthropicInstrumentor(StainlessInstrumentor):
    """anthropic: messages (beta too), whole and streamed, the results of batches; Bedrock, Vertex, Foundry."""

    library = "anthropic"
    requires = ">=0.69,<3"
    provider = "anthropic"
    targets: ClassVar = {
        f"anthropic:{prefix}Anthropic{cloud}.request": None
        for cloud in ("", "Bedrock", "BedrockMantle", "Vertex", "Foundry", "AWS")
        for prefix in ("", "Async")
    }
    faces: ClassVar = ("anthropic.resources:Messages.create", "anthropic.resources:AsyncMessages.create")
    routes: ClassVar = {
        "POST /v1/messages": _MESSAGES,
        "POST /v1/complete": _COMPLETE,
        "GET /v1/messages/batches/*/results": _BATCH,
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call; of which the library itself is kept from making a second span."""
        sent = super().sent(operation, instance, arguments)
        options = arguments["options"]
        if sent is not None and getattr(options, "span_name", None) is not None:
            # anthropic >= 2.11 makes a span of its own, and sends its trace context to the provider, unless
            # the request has no name: ours is the span of this call.
            options.span_name = None
        return sent

    clouds: ClassVar = {
        "AnthropicBedrock": "aws.bedrock",
        "AnthropicVertex": "gcp.vertex_ai",
        "AnthropicFoundry": "azure.ai.inference",
    }
