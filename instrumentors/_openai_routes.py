"""OpenAI's API: which request makes which kind of call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agentops_otel_instrumentors import _openai_assistants as assistants
from agentops_otel_instrumentors import _openai_chat as chat
from agentops_otel_instrumentors import _openai_embeddings as embeddings
from agentops_otel_instrumentors import _openai_media as media
from agentops_otel_instrumentors import _openai_responses as responses

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response
from agentops_otel.engine import Operation, read

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_MODERATION = Operation(
    name=names.MODERATION,
    request=lambda arguments: Request(model=arguments.get("model")),
    response=lambda answer: Response(id=read(answer, "id"), model=read(answer, "model")),
    kind=names.KIND_GUARDRAIL,
)

ROUTES: Final[Mapping[str, Operation]] = {
    "POST /chat/completions": _CHAT,
    "POST /completions": _COMPLETION,
    "POST /responses": _RESPONSE,
    "POST /responses/compact": _RESPONSE,
    "GET /responses/*": _FETCHED,
    "POST /embeddings": embeddings.OPERATION,
    "POST /images/generations": media.IMAGES,
    "POST /images/edits": media.IMAGES,
    "POST /images/variations": media.IMAGES,
    "POST /audio/speech": media.SPEECH,
    "POST /audio/transcriptions": media.TRANSCRIPT,
    "POST /audio/translations": media.TRANSCRIPT,
    "POST /moderations": _MODERATION,
    "POST /threads/runs": assistants.RUN,
    "POST /threads/*/runs": assistants.RUN,
    "GET /threads/*/runs/*": assistants.FETCHED_RUN,
}
