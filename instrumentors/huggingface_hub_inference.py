"""Hugging Face's inference clients: chat, text generation and embeddings, at whichever provider they are routed to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Message, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN = {None, "auto", "cheapest", "fastest", "preferred", "hf-inference"}
"""What a client is told where Hugging Face chooses who answers, or answers itself."""


def _request(arguments: Arguments) -> Request:
    return replace(chat.request(arguments), api_type=None)


def _kept(thing: Any) -> Any:
    """All that was answered: an answer is a dict as well, which leaves out what models below it do not declare."""
    if isinstance(thing, list):
        return [_kept(item) for item in thing]
    if not isinstance(thing, dict) or isinstance(thing, Shape) or type(thing) is dict:
        return thing
    return Shape((name, _kept(value)) for name, value in vars(thing).items())


def _response(told: Any) -> Response:
    answer = _kept(told)
    response = chat.response(answer)
    response.openai = False
    if response.usage is not None and response.usage.cache_read_tokens is None:
        response.usage.cache_read_tokens = read(answer, "usage.cached_tokens")  # so Together counts
    return response


def _generation(arguments: Arguments) -> Request:
    return Request(
        model=arguments.get("model"),
        stream=arguments.get("stream") is True,
        temperature=arguments.get("temperature"),
        top_p=arguments.get("top_p"),
        top_k=arguments.get("top_k"),
        max_tokens=arguments.get("max_new_tokens"),
        frequency_penalty=arguments.get("frequency_penalty"),
        stop_sequences=arguments.get("stop") or arguments.get("stop_sequences"),
        seed=arguments.get("seed"),
        output_type="json" if arguments.get("grammar") else None,
    )


def _generated(answer: Any) -> Response:
    """A text alone says nothing but itself; the details, where they are asked for, have counts."""
    told = read(answer, "details")
    reason, used = read(told, "finish_reason"), (read(told, "input_length"), read(told, "generated_tokens"))
    return Response(
        finish_reasons=[reason] if reason else None,
        usage=None if used == (None, None) else Usage(*used),
    )


def _fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Texts, or tokens of which the last one has the details."""
    state = Shape(generated_text=[], details=None) if state is None else state
    state["details"] = read(chunk, "details") or state["details"]
    if keep:
        state["generated_text"].append(chunk if isinstance(chunk, str) else read(chunk, "token.text"))
    return state


def _prompt(arguments: Arguments) -> Content:
    told = arguments.get("prompt") or arguments.get("text")
    return Content([Message("user", [Text(told)])] if isinstance(told, str) else [])


def _output(answer: Any) -> Sequence[Message]:
    text = answer if isinstance(answer, str) else chat.joined(read(answer, "generated_text"))
    return [Message("assistant", [Text(text)], finish_reason=read_text(answer, "details.finish_reason") or "stop")]


def _embedded(answer: Any) -> Response:
    """An array of one vector, or of one for each text or token."""
    shape = listed(read(answer, "shape"))
    return Response(dimension_count=shape[-1] if shape else None)


_CHAT = Operation(
    name=names.CHAT,
    request=_request,
    response=_response,
    fold=lambda state, chunk, keep: chat.fold(state, _kept(chunk), keep),
    content=chat.content,
    output=lambda answer: chat.output(_kept(answer)),
)
_GENERATION = Operation(
    name=names.TEXT_COMPLETION,
    request=_generation,
    response=_generated,
    fold=_fold,
    content=_prompt,
    output=_output,
    whole=True,  # asks again, without them, where the model does not know some parameters
)
_EMBED = Operation(
    name=names.EMBEDDINGS, request=lambda arguments: Request(model=arguments.get("model")), response=_embedded
)


class HuggingFaceInstrumentor(Instrumentor):
    """huggingface_hub: chat and text generation, whole and streamed, embeddings; any `provider` or endpoint."""

    library = "huggingface_hub.inference"
    requires = ">=1,<3"
    provider = "huggingface"
    targets: ClassVar = {
        f"huggingface_hub:{prefix}InferenceClient.{method}": operation
        for prefix in ("", "Async")
        for method, operation in {
            "chat_completion": _CHAT,
            "text_generation": _GENERATION,
            "feature_extraction": _EMBED,
        }.items()
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call, with the client's own model where it names none; a URL is no model."""
        told = arguments.get("model") or read_text(instance, "model")
        model = None if _is_url(told) else told
        if operation is None:
            return None
        asked = {**arguments, "model": model, **_more(arguments)}
        return Sent(operation, asked, self.server(instance, arguments), self.library)

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """The provider that Hugging Face bills for, or the endpoint that the client asks."""
        for url in (read_text(instance, "model"), arguments.get("model")):
            if _is_url(url):
                return Server.at(self.provider, str(url))
        told = read(instance, "provider")
        return Server(self.provider if told in _OWN else f"{self.provider}_{told}")


def _is_url(told: Any) -> bool:
    return isinstance(told, str) and told.startswith(("http://", "https://"))


def _more(arguments: Arguments) -> dict[str, Any]:
    """The caller's `extra_body`, which is sent in its place."""
    told = arguments.get("extra_body")
    return told if isinstance(told, dict) else {}
