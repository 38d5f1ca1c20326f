"""Answers of the server: JSON whatever it holds, and errors that say what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from agentops_otel.server.content import as_json
from agentops_otel.server.intake import RETRY_SECONDS
from agentops_otel.server.refusals import WORDS
from agentops_otel.server.wire import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_TOO_MANY: Final = 429


class RefusedError(Exception):
    """A request that cannot be answered: `status` is the HTTP status, the message says what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def answered(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The value as a JSON response."""
    return Response(as_json(value), status, headers, JSON)


def refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as all of the server's are: `{"error": {"code", "message"}}`."""
    return answered({"error": {"code": WORDS.get(status, "error"), "message": message}}, status, headers)


async def on_refusal(_request: Request, error: Exception) -> Response:
    """What a `RefusedError` is answered with."""
    status = getattr(error, "status", 400)
    return refused(status, str(error), {"Retry-After": str(RETRY_SECONDS)} if status == _TOO_MANY else None)


async def on_no_route(request: Request, error: Exception) -> Response:
    """What is answered where nothing is, or where nothing takes this method."""
    status = getattr(error, "status_code", 404)
    path = request.url.path
    if status == 405:  # noqa: PLR2004 - method not allowed
        return refused(
            status, f"{path} takes no {request.method}: see GET /openapi.json", getattr(error, "headers", None)
        )
    return refused(status, f"there is nothing at {path}: see GET /openapi.json")
