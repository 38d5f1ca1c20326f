"""Z.ai and Zhipu: GLM models, in the chat shape of OpenAI."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat
from agentops_otel_instrumentors import _openai_embeddings as embeddings
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response
from agentops_otel.engine import Arguments, Operation, read

_STATES = {"PROCESSING": "in_progress", "SUCCESS": "completed", "FAIL": "failed"}


def _request(arguments: Arguments) -> Request:
    asked = chat.request(arguments)
    asked.api_type = None  # OpenAI's attribute, and this is not OpenAI
    return asked


def _response(answer: Any) -> Response:
    told = chat.response(answer)
    told.openai = False
    told.status = _STATES.get(str(read(answer, "task_status")))
    return told


def _fetched(arguments: Arguments) -> Request:
    return Request(response_id=str(arguments.get("path", "")).rpartition("/")[2])


_CHAT = Operation(
    name=names.CHAT,
    request=_request,
    response=_response,
    fold=chat.fold,
    content=chat.content,
    output=chat.output,
)
_FETCHED = replace(_CHAT, name=names.FETCH_RESPONSE, request=_fetched, fold=None, content=None)


class ZaiInstrumentor(StainlessInstrumentor):
    """zai-sdk: chat, whole, streamed and as tasks that are fetched later; embeddings; Z.ai and Zhipu."""

    library = "zai"
    distribution = "zai-sdk"
    requires = ">=0.0.4,<0.3"
    provider = "zai"
    targets: ClassVar = {"zai:ZaiClient.request": None, "zai:ZhipuAiClient.request": None}
    routes: ClassVar = {
        "POST /chat/completions": _CHAT,
        "POST /async/chat/completions": _CHAT,
        "GET /async-result/*": _FETCHED,
        "POST /embeddings": embeddings.OPERATION,
    }
    clouds: ClassVar = {"ZhipuAiClient": "zhipuai"}
