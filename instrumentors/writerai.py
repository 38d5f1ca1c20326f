"""Writer: chat, completions, vision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat
from agentops_otel_instrumentors._openai_shaped import CHAT, COMPLETION, request
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Message, Request, Response, Text
from agentops_otel.engine import Arguments, Operation, Shape, read


def _completion_request(arguments: Arguments) -> Request:
    asked = request(arguments)
    asked.seed = arguments.get("random_seed")
    return asked


def _completion_fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Pieces of a text and nothing else."""
    state = state or Shape(choices=[Shape(text=[])])
    if keep:
        state.choices[0].text.append(read(chunk, "value"))
    return state


def _completed(answer: Any) -> Response:
    """A completion, which says neither why it ended nor what it used."""
    return Response(model=read(answer, "model"))


def _seen(answer: Any) -> list[Message]:
    return [Message("assistant", [Text(chat.joined(read(answer, "data")))], finish_reason="stop")]


_COMPLETION = replace(COMPLETION, request=_completion_request, response=_completed, fold=_completion_fold)
_VISION = Operation(
    name=names.GENERATE_CONTENT,
    request=lambda arguments: Request(model=arguments.get("model")),
    response=lambda _: Response(),
    content=chat.content,
    output=_seen,
)


class WriterInstrumentor(StainlessInstrumentor):
    """writer-sdk: chat, whole, streamed and parsed; text completions and vision, which print no usage."""

    library = "writerai"
    distribution = "writer-sdk"
    requires = ">=2.1,<4"
    provider = "writer"
    targets: ClassVar = {"writerai:Writer.request": None, "writerai:AsyncWriter.request": None}
    faces: ClassVar = ("writerai.resources:ChatResource.chat", "writerai.resources:AsyncChatResource.chat")
    routes: ClassVar = {
        "POST /v1/chat": CHAT,
        "POST /v1/completions": _COMPLETION,
        "POST /v1/vision": _VISION,
    }
