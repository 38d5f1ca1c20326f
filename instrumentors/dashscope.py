"""DashScope: Alibaba's Qwen models, through the functions of version 1 and the clients of version 2."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Request, Response, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Server, Shape, listed, read, read_text

_MEDIA = {"image": "image_url", "audio": "file", "video": "file", "file": "file"}
_PLAIN = ("id", "model", "choices", "usage", "error")


def _request(arguments: Arguments) -> Request:
    told = chat.request(arguments)
    told.top_k, told.api_type = arguments.get("top_k"), None
    return told


def _count(told: Any, *paths: str) -> int | None:
    found = (read(told, path) for path in paths)
    return next((count for count in found if isinstance(count, int)), None)


def _usage(told: Any) -> Usage | None:
    """Cached tokens are part of the input, reasoning is part of the output; the library prints 0 for no usage."""
    used = Usage(
        input_tokens=_count(told, "input_tokens", "prompt_tokens"),
        output_tokens=_count(told, "output_tokens", "completion_tokens"),
        cache_read_tokens=_count(told, "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
        cache_write_tokens=_count(told, "prompt_tokens_details.cache_creation_input_tokens"),
        reasoning_tokens=_count(
            told, "output_tokens_details.reasoning_tokens", "completion_tokens_details.reasoning_tokens"
        ),
        audio_input_tokens=_count(told, "input_tokens_details.audio_tokens", "audio_tokens"),
        image_input_tokens=_count(told, "input_tokens_details.image_tokens", "image_tokens"),
        audio_output_tokens=_count(told, "output_tokens_details.audio_tokens"),
        web_searches=_count(told, "plugins.search.count"),
    )
    return used if used.input_tokens or used.output_tokens else None


def _error(answer: Any) -> str | None:
    """A refusal is an answer too; only the clients of version 2 may raise it."""
    failed = read(answer, "is_error") is True or (read(answer, "status_code") or 200) >= 400  # noqa: PLR2004
    return str(read(answer, "code") or read(answer, "status_code") or "error") if failed else None


def _text(told: Any) -> Any:
    """Content of one text, as models that take media answer it in parts."""
    parts = [read(item, "text") for item in told] if isinstance(told, list) else [told]
    return "".join(part for part in parts if isinstance(part, str))


def _choice(choice: Any, index: int) -> Shape:
    said, reason = read(choice, "message") or read(choice, "delta"), read(choice, "finish_reason")
    message = Shape(content=_text(read(said, "content")), reasoning_content=read(said, "reasoning_content"))
    message["tool_calls"] = read(said, "tool_calls") or None
    return Shape(
        index=read(choice, "index", index), finish_reason=None if reason == "null" else reason, message=message
    )


def _whole(answer: Any) -> Shape:
    """An answer in the shape of OpenAI: of either version, or the fold of a stream."""
    if isinstance(answer, Shape) and "pieces" in answer:
        found = answer["last"] if answer["grows"] else answer["pieces"]
        return Shape(found)
    told = listed(read(answer, "choices") or read(answer, "output.choices"))
    if not told and read(answer, "output.text") is not None:
        output = read(answer, "output")
        told = [Shape(finish_reason=read(output, "finish_reason"), message=Shape(content=read(output, "text")))]
    return Shape(
        id=read(answer, "request_id") or read(answer, "id"),
        model=read(answer, "model"),
        choices=[_choice(item, index) for index, item in enumerate(told)],
        usage=read(answer, "usage"),
        error=_error(answer),
    )


def _fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Chunks are pieces, or each is all that was said so far: `incremental_output` decides, and so does the model.

    They are taken for all so far where each begins with the one before.
    """
    if state is None:
        state = Shape(pieces=None, last=None, grows=True, said="")
    told = _whole(chunk)
    said = "".join(item.message.content for item in told.choices)
    state["grows"] = state["grows"] and said.startswith(state["said"])
    state["said"], state["last"] = said, told
    deltas = [Shape(index=item.index, delta=item.message, finish_reason=item.finish_reason) for item in told.choices]
    state["pieces"] = chat.fold(state["pieces"], Shape(told, choices=deltas), keep)
    return state


def _response(answer: Any) -> Response:
    whole = _whole(answer)
    failed = whole.get("error")
    told = chat.response(Shape((name, whole.get(name)) for name in _PLAIN if name != "error"))
    told.usage, told.openai, told.error = _usage(whole.usage), False, failed
    return told


def _output(answer: Any) -> Any:
    return chat.output(_whole(answer))


def _content(arguments: Arguments) -> Content:
    told = arguments.get("messages")
    if isinstance(told, str):
        return chat.content({"prompt": told})
    messages = [_message(item) for item in listed(told)]
    return chat.content({**arguments, "messages": messages} if messages else {"prompt": arguments.get("prompt")})


def _message(message: Any) -> Shape:
    content = read(message, "content")
    parts = [_part(item) for item in content] if isinstance(content, list) else content
    return Shape(
        role=read(message, "role", "user"),
        content=parts,
        tool_calls=read(message, "tool_calls"),
        tool_call_id=read(message, "tool_call_id"),
        name=read_text(message, "name"),
    )


def _part(item: Any) -> Any:
    """Version 1 names a part by its only key: `{"image": url}`."""
    if read(item, "type") is not None:
        return item
    for kind, shape in _MEDIA.items():
        url = read(item, kind)
        if isinstance(url, str):
            return Shape(type=shape, image_url=url) if shape == "image_url" else Shape(type=shape, file_url=url)
    return Shape(type="text", text=_text(read(item, "text")))


def _embedded(answer: Any) -> Response:
    first = next(iter(listed(read(answer, "embeddings") or read(answer, "output.embeddings"))), None)
    return _counted(answer, len(listed(read(first, "embedding"))) or None)


def _counted(answer: Any, dimensions: int | None = None) -> Response:
    total = _count(answer, "usage.total_tokens", "usage.input_tokens")
    return Response(
        id=read(answer, "request_id"),
        usage=Usage(input_tokens=total) if total else None,
        dimension_count=dimensions,
        error=_error(answer),
    )


def _ranked(answer: Any) -> Documents:
    results = listed(read(answer, "results") or read(answer, "output.results"))
    return Documents([(str(read(item, "index")), read(item, "relevance_score")) for item in results])


def _named(arguments: Arguments) -> Request:
    return Request(model=arguments.get("model"))


_CHAT = Operation(
    name=names.CHAT,
    request=_request,
    response=_response,
    fold=_fold,
    content=_content,
    output=_output,
)
_EMBED = Operation(name=names.EMBEDDINGS, request=_named, response=_embedded)
_RERANK = Operation(
    name=names.RERANK,
    request=_named,
    response=_counted,
    content=lambda arguments: Content(query=arguments.get("query")),
    output=_ranked,
)


class DashScopeInstrumentor(Instrumentor):
    """dashscope: texts and conversations with media, whole and streamed, embeddings, reranking; both generations."""

    library = "dashscope"
    requires = ">=1.24,<3"
    provider = "dashscope"
    targets: ClassVar = {
        f"dashscope.{target}": operation
        for target, operation in {
            "aigc.chat_completion:Completions.create": _CHAT,
            "aigc.generation:AioGeneration.call": _CHAT,
            "aigc.generation:Generation.call": _CHAT,
            "aigc.multimodal_conversation:AioMultiModalConversation.call": _CHAT,
            "aigc.multimodal_conversation:MultiModalConversation.call": _CHAT,
            "embeddings.multimodal_embedding:AioMultiModalEmbedding.call": _EMBED,
            "embeddings.multimodal_embedding:MultiModalEmbedding.call": _EMBED,
            "embeddings.text_embedding:TextEmbedding.call": _EMBED,
            "rerank.text_rerank:AioTextReRank.call": _RERANK,
            "rerank.text_rerank:TextReRank.call": _RERANK,
            "v2.resources.chat.completions:AsyncCompletions.create": _CHAT,
            "v2.resources.chat.completions:Completions.create": _CHAT,
            "v2.resources.embeddings:AsyncEmbeddings.create": _EMBED,
            "v2.resources.embeddings:Embeddings.create": _EMBED,
            "v2.resources.multimodal.chat:AsyncMultimodalChat.create": _CHAT,
            "v2.resources.multimodal.chat:MultimodalChat.create": _CHAT,
            "v2.resources.multimodal.embeddings:AsyncMultimodalEmbeddings.create": _EMBED,
            "v2.resources.multimodal.embeddings:MultimodalEmbeddings.create": _EMBED,
            "v2.resources.rerank:AsyncRerank.create": _RERANK,
            "v2.resources.rerank:Rerank.create": _RERANK,
        }.items()
    }

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """Where version 1 asks is a setting of its module; a client of version 2 does not tell."""
        library = sys.modules.get("dashscope")
        url = arguments.get("base_address") or read_text(library, "base_http_api_url")
        is_client = instance is not None and not isinstance(instance, type)
        return Server(self.provider) if is_client or not url else Server.at(self.provider, str(url))
