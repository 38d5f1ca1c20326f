"""Cohere: chat of both generations of its API, embeddings, reranking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Documents,
    Message,
    Part,
    Reasoning,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    Usage,
)
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CLOUDS = {"Bedrock": "aws.bedrock", "Sagemaker": "aws.sagemaker", "Oci": "oci"}
_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}
_FORMATS = {"json_object": "json", "text": "text"}


def _request(arguments: Arguments) -> Request:
    kinds = listed(arguments.get("embedding_types"))
    return Request(
        model=arguments.get("model"),
        temperature=arguments.get("temperature"),
        top_p=arguments.get("p"),
        top_k=arguments.get("k"),
        max_tokens=arguments.get("max_tokens"),
        frequency_penalty=arguments.get("frequency_penalty"),
        presence_penalty=arguments.get("presence_penalty"),
        stop_sequences=arguments.get("stop_sequences"),
        seed=arguments.get("seed"),
        conversation_id=arguments.get("conversation_id"),
        output_type=_FORMATS.get(str(read(arguments.get("response_format"), "type"))),
        encoding_formats=[str(kind) for kind in kinds] or None,
    )


def _count(told: Any, name: str) -> int | None:
    value = read(told, name)
    return int(value) if isinstance(value, (int, float)) else None


def _usage(told: Any) -> Usage | None:
    """What is billed, by the conventions' rule; where nothing is said of that, what was used.

    What was used counts the preamble too, which nobody pays for, and the cached tokens are a part of that one.
    """
    billed = read(told, "billed_units")
    pictures = _count(billed, "image_tokens")
    usage = Usage(_count(billed, "input_tokens"), _count(billed, "output_tokens"))
    if usage.input_tokens is None and usage.output_tokens is None and not pictures:
        used = read(told, "tokens")
        usage = Usage(_count(used, "input_tokens"), _count(used, "output_tokens"))
        usage.cache_read_tokens = _count(told, "cached_tokens")
    elif pictures:
        usage.image_input_tokens, usage.input_tokens = pictures, pictures + (usage.input_tokens or 0)
    return None if usage.input_tokens is None and usage.output_tokens is None else usage


def _response(answer: Any) -> Response:
    """A chat's whole answer, of either generation, or the fold of a streamed one."""
    reason = read(answer, "finish_reason")
    return Response(
        id=read(answer, "id") or read(answer, "response_id"),
        finish_reasons=[reason or "error"],
        usage=_usage(read(answer, "usage") or read(answer, "meta")),
        error=reason if isinstance(reason, str) and reason.startswith("ERROR") else None,
    )


def _fold(state: Any, event: Any, keep: bool) -> Any:
    """Events as one message, as the second generation of the API tells it."""
    state = (
        Shape(finish_reason=None, message=Shape(content={}, tool_calls={}, tool_plan=[])) if state is None else state
    )
    kind, told = str(read(event, "type")), read(event, "delta")
    if kind == "message-start":
        state["id"] = read(event, "id")
    elif kind == "message-end":
        state["finish_reason"], state["usage"] = read(told, "finish_reason"), read(told, "usage")
    elif keep:
        _fold_piece(state["message"], kind, read(event, "index", 0), read(told, "message"))
    return state


def _fold_piece(message: Shape, kind: str, index: Any, told: Any) -> None:
    if kind == "tool-plan-delta":
        message["tool_plan"].append(read(told, "tool_plan"))
    elif kind in {"content-start", "content-delta"}:
        block = message["content"].setdefault(index, Shape(text=[], thinking=[]))
        for name in ("text", "thinking"):
            block[name].append(read(told, f"content.{name}"))
    elif kind in {"tool-call-start", "tool-call-delta"}:
        call, function = read(told, "tool_calls"), Shape(name=None, arguments=[])
        into = message["tool_calls"].setdefault(index, Shape(id=read(call, "id"), function=function))
        into["function"]["name"] = read(call, "function.name") or into["function"]["name"]
        into["function"]["arguments"].append(read(call, "function.arguments"))


def _output(answer: Any) -> Sequence[Message]:
    message = read(answer, "message")
    plan, content = chat.joined(read(message, "tool_plan")), read(message, "content")
    parts: list[Part] = [Reasoning(plan)] if plan else []
    for block in content.values() if isinstance(content, dict) else listed(content):
        text, thought = chat.joined(read(block, "text")), chat.joined(read(block, "thinking"))
        parts += [Reasoning(thought)] if thought else []
        parts += [Text(text)] if text else []
    parts += chat.parts_of({"tool_calls": read(message, "tool_calls")})
    return [Message("assistant", parts, finish_reason=read_text(answer, "finish_reason"))]


def _fold_v1(state: Any, event: Any, keep: bool) -> Any:
    """The first generation says the whole answer again at the end; until then there are its pieces."""
    if read(event, "event_type") == "stream-end":
        return read(event, "response")
    state = Shape(finish_reason=None, text=[]) if state is None else state
    if read(event, "event_type") == "stream-start":
        state["response_id"] = read(event, "generation_id")
    elif keep and isinstance(state, Shape):
        state["text"].append(read(event, "text"))
    return state


def _said_v1(text: Any, calls: Any) -> list[Part]:
    told = chat.joined(text)
    parts: list[Part] = [Text(told)] if told else []
    return parts + [ToolCall(str(read(call, "name", "")), arguments=read(call, "parameters")) for call in listed(calls)]


def _output_v1(answer: Any) -> Sequence[Message]:
    parts = _said_v1(read(answer, "text"), read(answer, "tool_calls"))
    return [Message("assistant", parts, finish_reason=read_text(answer, "finish_reason"))]


def _content_v1(arguments: Arguments) -> Content:
    turns = [*listed(arguments.get("chat_history")), {"role": "USER", "message": arguments.get("message")}]
    system = arguments.get("preamble")
    return Content(
        [
            Message(
                _ROLES.get(str(read(turn, "role")), "user"), _said_v1(read(turn, "message"), read(turn, "tool_calls"))
            )
            for turn in turns
        ],
        [Text(system)] if isinstance(system, str) else (),
        [
            Tool(
                str(read(tool, "name", "")), "function", read(tool, "description"), read(tool, "parameter_definitions")
            )
            for tool in listed(arguments.get("tools"))
        ],
    )


def _embedded(answer: Any) -> Response:
    """Vectors, or vectors by their type: a packed one has eight dimensions to the byte, and tells nothing."""
    told = read(answer, "embeddings")
    vectors = listed(told) or listed(read(told, "float_")) or listed(read(told, "int8")) or listed(read(told, "uint8"))
    return Response(
        id=read(answer, "id"),
        usage=_usage(read(answer, "meta")),
        # A picture's tokens cost more than a text's, which is the only price that is known.
        conditions=["modality=image"] if _count(read(answer, "meta.billed_units"), "image_tokens") else None,
        dimension_count=len(listed(vectors[0])) or None if vectors else None,
    )


def _ranked(answer: Any) -> Response:
    units = _count(read(answer, "meta.billed_units"), "search_units")
    return Response(id=read(answer, "id"), more=None if units is None else {names.SEARCH_UNITS: units})


def _found(answer: Any) -> Documents:
    return Documents(
        [(str(read(item, "index")), read(item, "relevance_score")) for item in listed(read(answer, "results"))]
    )


_CHAT = Operation(
    name=names.CHAT,
    request=_request,
    response=_response,
    fold=_fold,
    content=chat.content,
    output=_output,
    whole=True,
)
_CHAT_V1 = replace(_CHAT, fold=_fold_v1, content=_content_v1, output=_output_v1)
_EMBED = Operation(name=names.EMBEDDINGS, request=_request, response=_embedded, whole=True)
_RERANK = Operation(
    name=names.RERANK,
    request=_request,
    response=_ranked,
    content=lambda arguments: Content(query=arguments.get("query")),
    output=_found,
    whole=True,
)


def _streamed(operation: Operation) -> Operation:
    return replace(operation, request=lambda arguments: replace(_request(arguments), stream=True))


def _raw(operation: Operation) -> Operation:
    """The same where the answer comes with its headers."""

    def within(read_answer: Callable[[Any], Any] | None) -> Any:
        return read_answer and (lambda answer: read_answer(read(answer, "data")))

    return replace(operation, response=within(operation.response), output=within(operation.output))


_TARGETS = {
    "cohere.v2.client:{}V2Client": {
        "chat": _CHAT,
        "chat_stream": _streamed(_CHAT),
        "embed": _EMBED,
        "rerank": _RERANK,
    },
    # Its `embed` sends long lists in parts, from threads of its own: the whole is the call.
    "cohere:{}Client": {
        "chat": _CHAT_V1,
        "chat_stream": _streamed(_CHAT_V1),
        "embed": _EMBED,
        "rerank": _RERANK,
    },
    # Below both: `with_raw_response`, and clients that were made before, for they keep their own `chat`.
    "cohere.v2.raw_client:{}RawV2Client": {"chat": _raw(_CHAT), "embed": _raw(_EMBED), "rerank": _raw(_RERANK)},
    "cohere.raw_base_client:{}RawBaseCohere": {"chat": _raw(_CHAT_V1), "rerank": _raw(_RERANK)},
}


class CohereInstrumentor(Instrumentor):
    """cohere: chat of both generations, whole and streamed; embeddings, reranking; raw responses; Bedrock."""

    library = "cohere"
    requires = ">=5.16,<8"
    provider = "cohere"
    targets: ClassVar = {
        f"{place.format(prefix)}.{method}": operation
        for place, methods in _TARGETS.items()
        for prefix in ("", "Async")
        for method, operation in methods.items()
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call, without the arguments that were left out."""
        return super().sent(operation, instance, {name: told for name, told in arguments.items() if told is not ...})

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """Cohere, or the cloud that the client's class is named after."""
        del arguments
        kinds = " ".join(kind.__name__ for kind in type(instance).__mro__)
        return Server(next((name for word, name in _CLOUDS.items() if word in kinds), self.provider))
