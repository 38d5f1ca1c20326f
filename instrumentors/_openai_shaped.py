"""Operations in the shape of OpenAI, as they are spoken by others than OpenAI."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentops_otel_instrumentors import _openai_chat as chat
from agentops_otel_instrumentors._provider_cost import amount

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Request, Response
from agentops_otel.engine import Arguments, Operation, listed, read


def request(arguments: Arguments) -> Request:
    """A chat or legacy completion, without what only OpenAI has attributes for."""
    asked = chat.request(arguments)
    asked.api_type = asked.service_tier = None
    asked.top_k = arguments.get("top_k")
    return asked


def response(answer: Any) -> Response:
    """A whole answer, or the fold of a streamed one."""
    told = chat.response(answer)
    told.openai = False
    return told


def _ranked(answer: Any) -> Documents:
    found = [(read(item, "index"), amount(read(item, "relevance_score"))) for item in listed(read(answer, "results"))]
    return Documents([(str(index), None if score is None else float(score)) for index, score in found])


CHAT = Operation(
    name=names.CHAT,
    request=request,
    response=response,
    fold=chat.fold,
    content=chat.content,
    output=chat.output,
)
COMPLETION = replace(CHAT, name=names.TEXT_COMPLETION)
RERANK = Operation(
    name=names.RERANK,
    request=lambda arguments: Request(model=arguments.get("model")),
    response=lambda answer: Response(
        id=read(answer, "id"), model=read(answer, "model"), usage=chat.usage(read(answer, "usage"))
    ),
    content=lambda arguments: Content(query=arguments.get("query")),
    output=_ranked,
)
