"""IBM watsonx.ai: chats in the shape of OpenAI, texts in a shape of its own, embeddings and reranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Message, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Shape, fields, listed, read, read_text

_CALL = {
    "model": "model_id",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_completion_tokens",
    "max_new_tokens": "max_tokens",
    "random_seed": "seed",
    "stop_sequences": "stop",
}
"""What a text generation calls the parameters that the chat shape has too."""


def _asked(arguments: Arguments) -> dict[str, Any]:
    """The parameters of the model object, with those of this call over them."""
    asked: dict[str, Any] = {"model": arguments.get("model")}
    for params in (arguments.get("defaults"), arguments.get("params")):
        told = params if isinstance(params, Mapping) else fields(params)
        asked.update({_CALL.get(str(name), str(name)): value for name, value in told.items() if value is not None})
    return asked


def _request(arguments: Arguments) -> Request:
    told = chat.request(_asked(arguments))
    told.top_k = _asked(arguments).get("top_k")
    return told


def _stream_request(arguments: Arguments) -> Request:
    return replace(_request(arguments), stream=True)


def _chatted(answer: Any) -> Response:
    told = chat.response(answer)
    told.openai, told.model = False, told.model or read(answer, "model_id")
    return told


def _chat_fold(state: Any, chunk: Any, keep: bool) -> Any:
    state = chat.fold(state, chunk, keep)
    state["model_id"] = state.get("model_id") or read(chunk, "model_id")
    return state


def _results(answer: Any) -> list[Any]:
    """The results of one answer, or of those to several prompts."""
    answers = answer if isinstance(answer, list) else [answer]
    return [result for told in answers for result in listed(read(told, "results"))]


def _sum(results: list[Any], name: str) -> int | None:
    counts = [count for item in results if isinstance(count := read(item, name), int)]
    return sum(counts) if counts else None


def _generated(answer: Any) -> Response:
    results = _results(answer)
    used = Usage(_sum(results, "input_token_count"), _sum(results, "generated_token_count"))
    return Response(
        model=read(answer[0] if isinstance(answer, list) and answer else answer, "model_id"),
        finish_reasons=[read_text(item, "stop_reason") or "error" for item in results] or None,
        usage=None if used == Usage() else used,
    )


def _text_fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Counts are cumulative, but only the first chunk tells the input; without `raw_response` chunks are bare text."""
    if state is None:
        state = Shape(model_id=None, results=[Shape(generated_text=[])])
    into = state["results"][0]
    state["model_id"] = read_text(chunk, "model_id") or state["model_id"]
    for result in listed(read(chunk, "results"))[:1]:
        for name in ("input_token_count", "generated_token_count"):
            count = read(result, name)
            if isinstance(count, int):
                into[name] = max(count, into.get(name, 0))
        reason = read_text(result, "stop_reason")
        into["stop_reason"] = reason if reason and reason.lower() != "not_finished" else into.stop_reason
        if keep:
            into["generated_text"].append(read(result, "generated_text"))
    if isinstance(chunk, str) and keep:
        into["generated_text"].append(chunk)
    return state


def _gathered(state: Any, answer: Any, keep: bool) -> list[Any]:
    """Answers to several prompts, in the order in which they come."""
    del keep
    state = state or []
    state.append(answer)
    return state  # type: ignore[no-any-return]


def _prompts(arguments: Arguments) -> Content:
    told = arguments.get("prompt")
    prompts = [told] if isinstance(told, str) else listed(told)
    return Content([Message("user", [Text(item)]) for item in prompts if isinstance(item, str)])


def _texts(answer: Any) -> list[Message]:
    return [
        Message("assistant", [Text(chat.joined(read(item, "generated_text")))], None, read_text(item, "stop_reason"))
        for item in _results(answer)
    ]


def _counted(answer: Any) -> Response:
    """Embeddings, or what was reranked."""
    first = next(iter(listed(read(answer, "results"))), None)
    used = read(answer, "input_token_count")
    return Response(
        model=read(answer, "model_id"),
        usage=None if used is None else Usage(input_tokens=used),
        dimension_count=len(listed(read(first, "embedding"))) or None,
    )


def _ranked(answer: Any) -> Documents:
    return Documents([(str(read(item, "index")), read(item, "score")) for item in listed(read(answer, "results"))])


def _named(arguments: Arguments) -> Request:
    return Request(model=arguments.get("model"))


_CHAT = Operation(
    name=names.CHAT,
    request=_request,
    response=_chatted,
    fold=_chat_fold,
    content=chat.content,
    output=chat.output,
)
_GENERATE = Operation(
    name=names.TEXT_COMPLETION,
    request=_request,
    response=_generated,
    fold=_gathered,
    content=_prompts,
    output=_texts,
)
_TEXT_STREAM = replace(_GENERATE, request=_stream_request, fold=_text_fold)
_CHAT_STREAM = replace(_CHAT, request=_stream_request)
_EMBED = Operation(name=names.EMBEDDINGS, request=_named, response=_counted)
_RERANK = Operation(
    name=names.RERANK,
    request=_named,
    response=_counted,
    content=lambda arguments: Content(query=arguments.get("query")),
    output=_ranked,
)


class WatsonxInstrumentor(Instrumentor):
    """ibm-watsonx-ai: chats and texts, whole and streamed, embeddings, reranking.

    A stream of texts tells its usage only with `raw_response=True`: else the library hands on bare strings.
    """

    library = "ibm_watsonx_ai.foundation_models"
    distribution = "ibm-watsonx-ai"
    requires = ">=1.5,<2"
    provider = "ibm.watsonx.ai"
    targets: ClassVar = {
        f"ibm_watsonx_ai.foundation_models:{target}": operation
        for target, operation in {
            "ModelInference.chat": _CHAT,
            "ModelInference.achat": _CHAT,
            "ModelInference.chat_stream": _CHAT_STREAM,
            "ModelInference.achat_stream": _CHAT_STREAM,
            "ModelInference.generate": _GENERATE,
            "ModelInference.agenerate": _GENERATE,
            "ModelInference.generate_text_stream": _TEXT_STREAM,
            "ModelInference.agenerate_stream": _TEXT_STREAM,
            "Embeddings.generate": _EMBED,
            "Embeddings.agenerate": _EMBED,
            "Rerank.generate": _RERANK,
        }.items()
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call that this model, or this deployment, is asked for."""
        model = read(instance, "model_id") or read(instance, "deployment_id")
        told = {**arguments, "model": model, "defaults": read(instance, "params")}
        return super().sent(operation, instance, told)
