"""OpenAI, and every provider that is spoken to through its client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_assistants as assistants
from agentops_otel_instrumentors import _openai_chat as chat
from agentops_otel_instrumentors import _openai_embeddings as embeddings
from agentops_otel_instrumentors import _openai_responses as responses
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Media, Message, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Operation, listed, read, read_text


def _media_request(kind: str) -> Any:
    def request(arguments: Arguments) -> Request:
        return Request(
            model=arguments.get("model"),
            stream=arguments.get("stream") is True,
            choice_count=arguments.get("n"),
            output_type=kind,
        )

    return request


def _media_response(answer: Any) -> Response:
    told = read(answer, "usage")
    parts = read(told, "input_tokens_details") or read(told, "input_token_details")
    usage = None
    if read(told, "input_tokens") is not None:
        usage = Usage(
            input_tokens=read(told, "input_tokens"),
            output_tokens=read(told, "output_tokens"),
            image_input_tokens=read(parts, "image_tokens"),
            audio_input_tokens=read(parts, "audio_tokens"),
            text_input_tokens=read(parts, "text_tokens"),
            image_output_tokens=read(told, "output_tokens_details.image_tokens"),
        )
    elif read(told, "seconds") is not None:
        usage = Usage(audio_seconds=read(told, "seconds"))
    return Response(model=read(answer, "model"), usage=usage)


def _media_fold(state: Any, event: Any, keep: bool) -> Any:
    """Streams of images and transcripts end with an event that carries the usage of all."""
    del keep
    return event if read(event, "usage") is not None else state


def _prompt(arguments: Arguments) -> Content:
    told = arguments.get("prompt") or arguments.get("input")
    return Content([Message("user", [Text(told)])] if isinstance(told, str) else [])


def _pictures(answer: Any) -> list[Message]:
    pictures = listed(read(answer, "data"))
    return [
        Message(
            "assistant",
            [Media("image", "image/png", data=read_text(item, "b64_json"), uri=read_text(item, "url"))],
            None,
            "stop",
        )
        for item in pictures
    ]


def _transcript(answer: Any) -> list[Message]:
    text = answer if isinstance(answer, str) else read(answer, "text")
    return [Message("assistant", [Text(text)], finish_reason="stop")] if isinstance(text, str) else []


_CHAT = Operation(
    name=names.CHAT,
    request=chat.request,
    response=chat.response,
    fold=chat.fold,
    content=chat.content,
    output=chat.output,
)
_COMPLETION = replace(_CHAT, name=names.TEXT_COMPLETION)
_RESPONSE = Operation(
    name=names.CHAT,
    request=responses.request,
    response=responses.response,
    fold=responses.fold,
    content=responses.content,
    output=responses.output,
)
_FETCHED = Operation(
    name=names.FETCH_RESPONSE,
    request=responses.fetched,
    response=responses.response,
    fold=responses.fold,
    output=responses.output,
)
_IMAGES = Operation(
    name=names.GENERATE_CONTENT,
    request=_media_request("image"),
    response=_media_response,
    fold=_media_fold,
    content=_prompt,
    output=_pictures,
)
_SPEECH = Operation(
    name=names.GENERATE_CONTENT,
    request=_media_request("speech"),
    response=_media_response,
    fold=_media_fold,
    content=_prompt,
)
_TRANSCRIPT = Operation(
    name=names.GENERATE_CONTENT,
    request=_media_request("text"),
    response=_media_response,
    fold=_media_fold,
    content=_prompt,
    output=_transcript,
)
_MODERATION = Operation(
    name=names.MODERATION,
    request=lambda arguments: Request(model=arguments.get("model")),
    response=lambda answer: Response(id=read(answer, "id"), model=read(answer, "model")),
    kind=names.KIND_GUARDRAIL,
)


class OpenAIInstrumentor(StainlessInstrumentor):
    """openai: chat, responses, completions, embeddings, images, audio and moderations, whole and streamed."""

    library = "openai"
    requires = ">=1.99,<4"
    provider = "openai"
    targets: ClassVar = {"openai:OpenAI.request": None, "openai:AsyncOpenAI.request": None}
    faces: ClassVar = (
        "openai.resources.chat:Completions.create",
        "openai.resources.chat:AsyncCompletions.create",
        "openai.resources.responses:Responses.create",
        "openai.resources.responses:AsyncResponses.create",
    )
    routes: ClassVar = {
        "POST /chat/completions": _CHAT,
        "POST /completions": _COMPLETION,
        "POST /responses": _RESPONSE,
        "POST /responses/compact": _RESPONSE,
        "GET /responses/*": _FETCHED,
        "POST /embeddings": embeddings.OPERATION,
        "POST /images/generations": _IMAGES,
        "POST /images/edits": _IMAGES,
        "POST /images/variations": _IMAGES,
        "POST /audio/speech": _SPEECH,
        "POST /audio/transcriptions": _TRANSCRIPT,
        "POST /audio/translations": _TRANSCRIPT,
        "POST /moderations": _MODERATION,
        "POST /threads/runs": assistants.RUN,
        "POST /threads/*/runs": assistants.RUN,
        "GET /threads/*/runs/*": assistants.FETCHED_RUN,
    }
    providers: ClassVar = {
        "openai.azure.com": "azure.ai.openai",
        "cognitiveservices.azure.com": "azure.ai.openai",
        "services.ai.azure.com": "azure.ai.inference",
        "amazonaws.com": "aws.bedrock",
        "api.deepseek.com": "deepseek",
        "api.x.ai": "x_ai",
        "openrouter.ai": "openrouter",
        "api.perplexity.ai": "perplexity",
        "api.groq.com": "groq",
        "api.mistral.ai": "mistral_ai",
        "api.together.xyz": "together",
        "api.together.ai": "together",
        "api.fireworks.ai": "fireworks",
        "api.cerebras.ai": "cerebras",
        "api.moonshot.ai": "moonshot_ai",
        "generativelanguage.googleapis.com": "gcp.gemini",
    }

    clouds: ClassVar = {"AzureOpenAI": "azure.ai.openai", "BedrockOpenAI": "aws.bedrock"}

    def answered(self, error: BaseException) -> Any:
        """The completion that `parse` could not parse, cut off by its length or a filter: it is billed all the same."""
        return read(error, "completion")
