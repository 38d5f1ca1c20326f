"""The shape of Bedrock's Converse, which Amazon's Nova models speak by themselves too."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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

GUARDRAIL = "aws.bedrock.guardrail.id"
_MEDIA = ("image", "document", "video", "audio")


def request(arguments: Arguments) -> Request:
    """A conversation that is continued."""
    settings = arguments.get("inferenceConfig")
    more = arguments.get("additionalModelRequestFields")
    guardrail = read(arguments, "guardrailConfig.guardrailIdentifier")
    return Request(
        model=arguments.get("modelId"),
        temperature=read(settings, "temperature"),
        top_p=read(settings, "topP"),
        top_k=read(more, "top_k") or read(more, "inferenceConfig.topK"),
        max_tokens=read(settings, "maxTokens"),
        stop_sequences=read(settings, "stopSequences"),
        service_tier=read(arguments, "serviceTier.type"),
        more=None if guardrail is None else {GUARDRAIL: guardrail},
    )


def usage(told: Any) -> Usage | None:
    """Usage by the conventions' rule: Bedrock counts cached tokens beside the input, the conventions within."""
    if count(told, "inputTokens") is None and count(told, "outputTokens") is None:
        return None
    read_tokens, written = count(told, "cacheReadInputTokens"), count(told, "cacheWriteInputTokens")
    longer = [
        count(item, "inputTokens") or 0 for item in listed(read(told, "cacheDetails")) if read(item, "ttl") == "1h"
    ]
    return Usage.beside_cache(
        count(told, "inputTokens"),
        count(told, "cacheReadInputTokenCount") if read_tokens is None else read_tokens,
        count(told, "cacheWriteInputTokenCount") if written is None else written,
        output_tokens=count(told, "outputTokens"),
        cache_write_1h_tokens=sum(longer) if longer else None,
    )


def count(told: Any, path: str) -> int | None:
    """A number of tokens; None for anything else."""
    value = read(told, path)
    if isinstance(value, str) and value.isdigit():  # a header
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def response(answer: Any) -> Response:
    """A whole answer, or the fold of a streamed one."""
    latency = read(answer, "performanceConfig.latency")
    return Response(
        finish_reasons=[read(answer, "stopReason") or "error"],
        usage=usage(read(answer, "usage")),
        service_tier=read(answer, "serviceTier.type"),
        conditions=[f"latency={latency}"] if latency and latency != "standard" else None,
    )


def fold(state: Any, event: Any, keep: bool) -> Any:
    """Events as one answer."""
    if state is None:
        state = Shape(output=Shape(message=Shape(content={})))
    stop, metadata = read(event, "messageStop"), read(event, "metadata")
    if stop is not None:
        state["stopReason"] = read(stop, "stopReason")
    for name in ("usage", "serviceTier", "performanceConfig"):
        value = read(metadata, name)
        if value is not None:
            state[name] = value
    if keep:
        for name in ("contentBlockStart", "contentBlockDelta"):
            if (told := read(event, name)) is not None:
                _fold_block(state["output"]["message"]["content"], told)
    return state


def _fold_block(blocks: dict[int, Shape], told: Any) -> None:
    index = read(told, "contentBlockIndex", 0)
    if not isinstance(index, int):
        return
    block = blocks.setdefault(index, Shape())
    start, delta = read(told, "start.toolUse"), read(told, "delta")
    if start is not None:
        block["toolUse"] = Shape(toolUseId=read(start, "toolUseId"), name=read(start, "name"), pieces=[])
    if (text := read_text(delta, "text")) is not None:
        block.setdefault("pieces", []).append(text)
    if (thought := read_text(delta, "reasoningContent.text")) is not None:
        block.setdefault("thoughts", []).append(thought)
    if (asked := read_text(delta, "toolUse.input")) is not None and block.toolUse is not None:
        block["toolUse"]["pieces"].append(asked)


def content(arguments: Arguments) -> Content:
    """What was sent: system, messages and tools."""
    declared = [read(tool, "toolSpec") or tool for tool in listed(read(arguments, "toolConfig.tools"))]
    tools = [
        Tool(
            str(read(tool, "name") or next(iter(tool), "")),
            description=read_text(tool, "description"),
            parameters=read(tool, "inputSchema.json"),
        )
        for tool in declared
    ]
    return Content([message(item) for item in listed(arguments.get("messages"))], parts(arguments.get("system")), tools)


def message(item: Any) -> Message:
    """One message of a conversation."""
    told = parts(read(item, "content"))
    role = str(read(item, "role", "user"))
    if told and all(isinstance(part, ToolResult) for part in told):
        role = "tool"
    return Message(role, told)


def parts(blocks: Any) -> list[Part]:
    """Blocks of content; those of a stream by their index."""
    items = list(blocks.values()) if isinstance(blocks, dict) else listed(blocks)
    return [_part(item) for item in items]


def _part(block: Any) -> Part:
    pieces, thoughts = listed(read(block, "pieces")), listed(read(block, "thoughts"))
    thought = "".join(thoughts) or read_text(block, "reasoningContent.reasoningText.text")
    if thought:
        return Reasoning(thought)
    text = "".join(pieces) if pieces else read_text(block, "text") or read_text(block, "guardContent.text.text")
    if text is not None:
        return Text(text)
    if (call := read(block, "toolUse")) is not None:
        return ToolCall(str(read(call, "name", "")), read_text(call, "toolUseId"), _asked(call))
    if (told := read(block, "toolResult")) is not None:
        return ToolResult(_result(read(told, "content")), read_text(told, "toolUseId"))
    for kind in _MEDIA:
        if (medium := read(block, kind)) is not None:
            uri = read_text(medium, "source.s3Location.uri")
            return Media(kind, f"{kind}/{quote(str(read(medium, 'format', '*')))}", data=_bytes(medium), uri=uri)
    return Other(str(next(iter(block), "unknown")) if isinstance(block, dict) else "unknown")


def _bytes(medium: Any) -> str | None:
    data = read(medium, "source.bytes")
    if isinstance(data, str):
        return data
    return base64.b64encode(data).decode() if isinstance(data, (bytes, bytearray)) else None


def _asked(call: Any) -> Any:
    pieces = read(call, "pieces")
    if pieces is None:
        return read(call, "input")
    text = "".join(pieces)
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):  # cut off by maxTokens
        return text


def _result(blocks: Any) -> Any:
    told = [read(block, "json") or read_text(block, "text") or _part(block) for block in listed(blocks)]
    told = [{"type": item.modality} if isinstance(item, Media) else item for item in told]
    return told[0] if len(told) == 1 else told


def output(answer: Any) -> Sequence[Message]:
    """The message that was answered."""
    told = parts(read(answer, "output.message.content"))
    return [Message("assistant", told, finish_reason=read_text(answer, "stopReason"))] if told else []
