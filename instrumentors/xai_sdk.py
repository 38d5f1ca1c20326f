"""xAI's own client, over gRPC: the chat is an object that carries the request, and the answers are protobufs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat

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
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, read

_TICK = Decimal("1e-10")
"""USD of one tick, in which xAI prints a cost."""
_FORMATS = {"FORMAT_TYPE_TEXT": "text", "FORMAT_TYPE_JSON_OBJECT": "json", "FORMAT_TYPE_JSON_SCHEMA": "json"}


def _fields(proto: Any) -> dict[str, Any]:
    """What is set in a protobuf: one that is not reads as zero."""
    return {} if proto is None else {field.name: value for field, value in proto.ListFields()}


def _only(proto: Any) -> tuple[str, Any]:
    """The one field that is set, of several of which one may be; an empty text where none is."""
    return next(iter(_fields(proto).items()), ("text", ""))


def _word(proto: Any, field: str, value: Any) -> str:
    """The name of an enumeration's value."""
    named = proto.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(value)
    return str(value) if named is None else str(named.name)


def _number(value: Any) -> float | None:
    """A 32 bit float as it was meant: 0.7, not 0.699999988."""
    return None if value is None else float(f"{value:.6g}")


def _request(arguments: Arguments) -> Request:
    proto = read(arguments, "chat.proto")
    told = _fields(proto)
    form = told.get("response_format")
    shown = "FORMAT_TYPE_JSON_SCHEMA" if arguments.get("shape") is not None else None
    effort = told.get("reasoning_effort")
    return Request(
        model=told.get("model"),
        temperature=_number(told.get("temperature")),
        top_p=_number(told.get("top_p")),
        max_tokens=told.get("max_tokens"),
        frequency_penalty=_number(told.get("frequency_penalty")),
        presence_penalty=_number(told.get("presence_penalty")),
        stop_sequences=list(told.get("stop", ())) or None,
        seed=told.get("seed"),
        choice_count=arguments.get("n"),
        reasoning_level=_word(proto, "reasoning_effort", effort).removeprefix("EFFORT_").lower() if effort else None,
        output_type=_FORMATS.get(shown or (_word(form, "format_type", form.format_type) if form else "")),
        previous_response_id=told.get("previous_response_id"),
    )


def usage(told: Any) -> Usage | None:
    """The usage: xAI counts reasoning beside the completion, cached tokens within the prompt."""
    used = _fields(told)
    if not used:
        return None
    read_in, written, thought = (used.get(f"{name}_tokens", 0) for name in ("prompt", "completion", "reasoning"))
    beside = used.get("total_tokens", 0) >= read_in + written + thought
    ticks = used.get("cost_in_usd_ticks")
    searches = [
        tool
        for tool in used.get("server_side_tools_used", ())
        if "SEARCH" in _word(told, "server_side_tools_used", tool)
    ]
    return Usage(
        input_tokens=read_in,
        output_tokens=written + (thought if beside else 0),
        cache_read_tokens=used.get("cached_prompt_text_tokens"),
        reasoning_tokens=used.get("reasoning_tokens"),
        text_input_tokens=used.get("prompt_text_tokens"),
        image_input_tokens=used.get("prompt_image_tokens"),
        web_searches=(len(searches) or used.get("num_sources_used")) or None,
        cost=None if ticks is None else ticks * _TICK,
    )


def _proto(answer: Any) -> Any:
    """The protobuf of an answer, of several that share one, or of one with what was parsed from it."""
    return read(answer[0] if isinstance(answer, (list, tuple)) and answer else answer, "proto")


def _outputs(proto: Any) -> list[Any]:
    """What the model itself said: tools that xAI runs answer in outputs of their own."""
    found = list(getattr(proto, "outputs", ()))
    return [item for item in found if _word(item.message, "role", item.message.role) != "ROLE_TOOL"]


def _reason(output: Any) -> str | None:
    return _word(output, "finish_reason", output.finish_reason) if output.finish_reason else None


def _response(answer: Any) -> Response:
    proto = _proto(answer)
    told = _fields(proto)
    tier = told.get("service_tier")
    return Response(
        id=told.get("id"),
        model=told.get("model"),
        finish_reasons=[_reason(item) or "error" for item in _outputs(proto)] or None,
        usage=usage(told.get("usage")),
        system_fingerprint=told.get("system_fingerprint"),
        service_tier=_word(proto, "service_tier", tier).removeprefix("SERVICE_TIER_").lower() if tier else None,
    )


def _fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Each chunk comes with the answer so far, which the library itself puts together."""
    del state, keep
    return chunk[0]


def _content(arguments: Arguments) -> Content:
    proto = read(arguments, "chat.proto")
    tools = [_tool(item) for item in getattr(proto, "tools", ())]
    return Content([_message(item) for item in getattr(proto, "messages", ())], tools=tools)


def _tool(tool: Any) -> Tool:
    kind, told = _only(tool)
    if kind != "function":
        return Tool(kind, kind)
    return Tool(told.name, description=told.description or None, parameters=chat.loaded(told.parameters))


def _message(message: Any) -> Message:
    role = _word(message, "role", message.role).removeprefix("ROLE_").lower()
    if role == "tool":
        told = "".join(item.text for item in message.content)
        return Message("tool", [ToolResult(told, message.tool_call_id or None)])
    parts = [_part(item) for item in message.content]
    return Message("system" if role == "developer" else role, [*parts, *_calls(message)], message.name or None)


def _part(item: Any) -> Part:
    kind, told = _only(item)
    if kind == "text":
        return Text(told)
    if kind == "image_url":
        return chat.media("image", told.image_url)
    return Media("document", file_id=told.file_id) if kind == "file" else Other(kind)


def _calls(message: Any) -> list[Part]:
    return [
        ToolCall(
            call.function.name,
            call.id or None,
            chat.loaded(call.function.arguments),
            server=not _word(call, "type", call.type).endswith(("INVALID", "CLIENT_SIDE_TOOL")),
        )
        for call in message.tool_calls
    ]


def _output(answer: Any) -> list[Message]:
    return [_answered(item) for item in _outputs(_proto(answer))]


def _answered(output: Any) -> Message:
    said = output.message
    parts: list[Part] = [Reasoning(said.reasoning_content)] if said.reasoning_content else []
    parts += [Text(said.content)] if said.content else []
    return Message("assistant", [*parts, *_calls(said)], finish_reason=_reason(output))


_CHAT = Operation(name=names.CHAT, request=_request, response=_response, fold=_fold, content=_content, output=_output)
_STREAM = replace(_CHAT, request=lambda told: replace(_request(told), stream=True))
_COMPACT = Operation(
    name=names.CHAT,
    request=lambda told: Request(model=told.get("model") or read(told, "chat.proto.model")),
    response=_response,
)
_FETCHED = Operation(
    name=names.FETCH_RESPONSE,
    request=lambda told: Request(response_id=told.get("response_id")),
    response=_response,
    output=_output,
)
_IMAGE = Operation(
    name=names.GENERATE_CONTENT,
    request=lambda told: Request(model=told.get("model"), choice_count=told.get("n"), output_type="image"),
    response=_response,
    content=lambda told: Content([Message("user", [Text(str(told.get("prompt", "")))])]),
)


class XAIInstrumentor(Instrumentor):
    """xai-sdk: chats sampled, streamed, parsed, deferred and compacted; stored answers; images."""

    library = "xai_sdk"
    requires = ">=1.15,<2"
    provider = "x_ai"
    targets: ClassVar = {
        f"xai_sdk.{module}.{target}": operation
        for module in ("sync", "aio")
        for target, operation in {
            "chat:Chat.sample": _CHAT,
            "chat:Chat.sample_batch": _CHAT,
            "chat:Chat.parse": _CHAT,
            "chat:Chat.defer": _CHAT,
            "chat:Chat.defer_batch": _CHAT,
            "chat:Chat.stream": _STREAM,
            "chat:Chat.stream_batch": _STREAM,
            "chat:Chat.compact": _COMPACT,
            "chat:Client.compact_context": _COMPACT,
            "chat:Client.get_stored_completion": _FETCHED,
            "image:Client.sample": _IMAGE,
            "image:Client.sample_batch": _IMAGE,
        }.items()
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call that this chat makes: its request is the chat itself."""
        return super().sent(operation, instance, {**arguments, "chat": instance})
