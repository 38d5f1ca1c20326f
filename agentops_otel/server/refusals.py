"""Refusals: what is answered to a request that is turned away, in the form that its sender reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from agentops_otel.server.intake import SIGNALS
from agentops_otel.server.wire import JSON, IntakeError, media_type, status_of, written

if TYPE_CHECKING:
    from starlette.datastructures import Headers

WORDS: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    413: "content_too_large",
    415: "unsupported_media_type",
    422: "unprocessable_content",
    429: "too_many_requests",
    503: "service_unavailable",
}
"""What errors are called, by their status."""
_OTLP_PATHS: Final = frozenset(signal.path for signal in SIGNALS)


def refusal(path: str, headers: Headers, error: IntakeError) -> Response:
    """The answer that says why.

    Exporters read a google.rpc.Status in the encoding of their request, everybody else reads
    `{"error": {"code", "message"}}`.
    """
    told = {} if error.retry is None else {"Retry-After": str(error.retry)}
    if path in _OTLP_PATHS:
        try:
            kind = media_type(headers.get("content-type", ""))
        except IntakeError:
            kind = JSON
        return Response(written(status_of(error), kind), error.status, told, media_type=kind)
    body = {"error": {"code": WORDS.get(error.status, "error"), "message": str(error)}}
    return Response(json.dumps(body), error.status, told, media_type=JSON)
