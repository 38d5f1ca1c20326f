"""What OpenAI makes of images and sound, in a shape that others speak too."""

from __future__ import annotations

from typing import Any

from agentops_otel_instrumentors._provider_cost import cost

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Media, Message, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Operation, fields, listed, read, read_text


def _request(kind: str) -> Any:
    def request(arguments: Arguments) -> Request:
        return Request(
            model=arguments.get("model"),
            stream=arguments.get("stream") is True,
            choice_count=arguments.get("n"),
            output_type=kind,
        )

    return request


def _response(answer: Any) -> Response:
    told = fields(read(answer, "usage"))
    parts = fields(told.get("input_tokens_details") or told.get("input_token_details"))
    usage = None
    if told.get("input_tokens") is not None:
        usage = Usage(
            input_tokens=told["input_tokens"],
            output_tokens=told.get("output_tokens"),
            image_input_tokens=parts.get("image_tokens"),
            audio_input_tokens=parts.get("audio_tokens"),
            text_input_tokens=parts.get("text_tokens"),
            image_output_tokens=read(told.get("output_tokens_details"), "image_tokens"),
            cost=cost(told),
        )
    elif told.get("seconds") is not None:
        usage = Usage(audio_seconds=told["seconds"])
    elif cost(told) is not None:  # xAI's images
        usage = Usage(cost=cost(told))
    return Response(model=read(answer, "model"), usage=usage)


def _fold(state: Any, event: Any, keep: bool) -> Any:
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


IMAGES = Operation(
    name=names.GENERATE_CONTENT,
    request=_request("image"),
    response=_response,
    fold=_fold,
    content=_prompt,
    output=_pictures,
)
SPEECH = Operation(
    name=names.GENERATE_CONTENT,
    request=_request("speech"),
    response=_response,
    fold=_fold,
    content=_prompt,
)
TRANSCRIPT = Operation(
    name=names.GENERATE_CONTENT,
    request=_request("text"),
    response=_response,
    fold=_fold,
    content=_prompt,
    output=_transcript,
)
