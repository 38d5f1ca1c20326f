"""Runs of OpenAI's assistants: made in the background, finished by a stream's event or a later look-up."""

from __future__ import annotations

from typing import Any

from agentops_otel_instrumentors._openai_chat import usage

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response
from agentops_otel.engine import Arguments, Operation, read


def _request(arguments: Arguments) -> Request:
    return Request(
        model=arguments.get("model"),
        stream=arguments.get("stream") is True,
        temperature=arguments.get("temperature"),
        top_p=arguments.get("top_p"),
        max_tokens=arguments.get("max_completion_tokens"),
        api_type="assistants",
    )


def _fetched(arguments: Arguments) -> Request:
    return Request(response_id=str(arguments.get("path", "")).rpartition("/")[2], api_type="assistants")


def _response(run: Any) -> Response:
    status = read(run, "status")
    return Response(
        id=read(run, "id"),
        model=read(run, "model"),
        usage=usage(read(run, "usage")),
        status=None if status == "completed" else status,
        conversation_id=read(run, "thread_id"),
        error=read(run, "last_error.code") if status == "failed" else None,
    )


def _fold(state: Any, event: Any, keep: bool) -> Any:
    """The newest state of the run is all that counts."""
    del keep
    name = str(read(event, "event", ""))
    is_run = name.startswith("thread.run.") and not name.startswith("thread.run.step")
    return read(event, "data") if is_run else state


RUN = Operation(name=names.CHAT, request=_request, response=_response, fold=_fold)
FETCHED_RUN = Operation(name=names.FETCH_RESPONSE, request=_fetched, response=_response)
