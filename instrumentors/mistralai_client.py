"""Mistral: chat, agents, fill-in-the-middle, embeddings and moderations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat
from agentops_otel_instrumentors import _openai_embeddings as embeddings

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Message, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Server, listed, read, read_text


def _request(arguments: Arguments) -> Request:
    request = chat.request(arguments)
    request.seed = arguments.get("random_seed")
    request.top_k = arguments.get("top_k")
    request.api_type = request.service_tier = None  # words of OpenAI's
    return request


def _usage(told: Any) -> Usage | None:
    """Usage as it was printed: a count that was left out is unknown, where the library's model says 0."""
    usage = chat.usage(told)
    if usage is None:
        return None
    printed = read(told, "model_fields_set")
    if isinstance(printed, set):
        usage.input_tokens = usage.input_tokens if "prompt_tokens" in printed else None
        usage.output_tokens = usage.output_tokens if "completion_tokens" in printed else None
    if usage.cache_read_tokens is None:
        usage.cache_read_tokens = read(told, "num_cached_tokens")
    seconds = read(told, "prompt_audio_seconds")
    usage.audio_seconds = seconds if isinstance(seconds, (int, float)) else None
    return usage


def _response(answer: Any) -> Response:
    response, told = chat.response(answer), read(answer, "usage")
    response.usage, response.service_tier, response.openai = _usage(told), read_text(told, "service_tier"), False
    return response


def _embedded(answer: Any) -> Response:
    response = embeddings.response(answer)
    response.id, response.usage = read(answer, "id"), _usage(read(answer, "usage"))
    return response


def _fim_content(arguments: Arguments) -> Content:
    told = (arguments.get("prompt"), arguments.get("suffix"))
    return Content([Message("user", [Text(text) for text in told if isinstance(text, str)])])


def _looked_at(arguments: Arguments) -> Content:
    told = arguments.get("inputs")
    texts = [told] if isinstance(told, str) else listed(told)
    return Content([Message("user", [Text(text)]) for text in texts if isinstance(text, str)])


_CHAT = Operation(
    name=names.CHAT,
    request=_request,
    response=_response,
    fold=lambda state, event, keep: chat.fold(state, read(event, "data"), keep),
    content=chat.content,
    output=chat.output,
)
_AGENT = replace(_CHAT, request=lambda arguments: replace(_request(arguments), agent_id=arguments.get("agent_id")))
_FIM = replace(_CHAT, name=names.TEXT_COMPLETION, content=_fim_content)
_EMBED = replace(embeddings.OPERATION, response=_embedded)
_MODERATION = Operation(
    name=names.MODERATION,
    request=lambda arguments: Request(model=arguments.get("model")),
    response=lambda answer: Response(
        id=read(answer, "id"), model=read(answer, "model"), usage=_usage(read(answer, "usage"))
    ),
    content=_looked_at,
    kind=names.KIND_GUARDRAIL,
)


def _streamed(operation: Operation) -> Operation:
    return replace(operation, request=lambda arguments: replace(operation.request(arguments), stream=True))


class MistralInstrumentor(Instrumentor):
    """mistralai: chat, agents and fill-in-the-middle, whole and streamed; embeddings, moderations."""

    library = "mistralai.client"
    requires = ">=2,<4"
    provider = "mistral_ai"
    targets: ClassVar = {
        f"mistralai.client.{place}{ending}": operation
        for place, operation in {
            "chat:Chat.complete": _CHAT,
            "chat:Chat.stream": _streamed(_CHAT),
            "agents:Agents.complete": _AGENT,
            "agents:Agents.stream": _streamed(_AGENT),
            "fim:Fim.complete": _FIM,
            "fim:Fim.stream": _streamed(_FIM),
            "embeddings:Embeddings.create": _EMBED,
            "classifiers:Classifiers.moderate": _MODERATION,
            "classifiers:Classifiers.moderate_chat": replace(_MODERATION, content=None),
        }.items()
        for ending in ("", "_async")
    }

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """The server that the call names, or the client's own."""
        url = arguments.get("server_url") or instance.sdk_configuration.get_server_details()[0]
        return Server.at(self.provider, str(url))
