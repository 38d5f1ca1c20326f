"""The web application: takes traces in over OTLP, and answers what is asked of a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agentops_otel.conventions import plain
from agentops_otel.server import otlp, tokens
from agentops_otel.server.gate import Gate
from agentops_otel.server.intake import RETRY_SECONDS, Intake
from agentops_otel.server.jaeger import routes as jaeger_routes
from agentops_otel.server.keys import Keys
from agentops_otel.server.listing import Listing
from agentops_otel.server.queries import export, session_json, statistics
from agentops_otel.server.refusals import refusal
from agentops_otel.server.wire import JSON, IntakeError
from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from agentops_otel.store.base import Store

_LIMIT: Final = 50
_HIGHEST_LIMIT: Final = 1000

_WELCOME: Final = """\
agentops_otel keeps the sessions of your agents here: what they did, how they ended, what they cost.

Send traces (OTLP over HTTP, protobuf or JSON) from any program:

    import agentops_otel as agentops
    agentops.init(endpoint="{url}"{init})

or from anything that speaks OpenTelemetry:

    export OTEL_EXPORTER_OTLP_ENDPOINT={url}{variable}

Read them:

    curl{header} {url}/v2/sessions
    curl{header} {url}/v2/sessions/SESSION_ID/stats
    curl{header} {url}/v2/sessions/SESSION_ID/export
"""
_WITH_KEY: Final = {
    "init": ', api_key="YOUR_KEY"',
    "variable": "\n    export OTEL_EXPORTER_OTLP_HEADERS=x-agentops-api-key=YOUR_KEY",
    "header": " -H 'X-Agentops-Api-Key: YOUR_KEY'",
}
_WITHOUT_KEY: Final = dict.fromkeys(_WITH_KEY, "")


def make_app(
    store: Store,
    keys: Iterable[str] | Keys = (),
    hosts: Iterable[str] = (),
    intake: Intake | None = None,
) -> ASGIApp:
    """The application over `store`, for any ASGI server.

    With `keys`, whoever sends traces or reads sessions must name one of them in `X-Agentops-Api-Key`.
    Requests are answered under the names of this machine to itself (localhost, 127.0.0.1, [::1]) and under
    `hosts`, whatever the port; `"*"` stands for any name. The store stays the caller's, who closes it. What is
    sent goes through `intake`, so that other protocols may share its limits.
    """
    keys = keys if isinstance(keys, Keys) else Keys(keys)
    endpoints = _Endpoints(store, keys)
    return Starlette(
        routes=[
            Route("/", endpoints.welcome),
            *otlp.routes(intake or Intake(store)),
            *tokens.routes(keys),
            Route("/v2/sessions", endpoints.sessions),
            # Ids may be anybody's own, with slashes in them.
            Route("/v2/sessions/{session_id:path}/stats", endpoints.stats),
            Route("/v2/sessions/{session_id:path}/export", endpoints.export),
            *jaeger_routes(store),
        ],
        middleware=[Middleware(Gate, hosts=hosts, keys=keys)],
        exception_handlers={IntakeError: _refused, StoreError: _unavailable},
    )


class _Endpoints:
    """What is answered under each address. The store blocks, so it is only ever asked in the thread pool."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def welcome(self, request: Request) -> Response:
        words = _WITH_KEY if self._keys.are_needed else _WITHOUT_KEY
        return PlainTextResponse(_WELCOME.format(url=str(request.base_url).rstrip("/"), **words))

    async def sessions(self, request: Request) -> Response:
        try:
            limit = int(request.query_params.get("limit", _LIMIT))
        except ValueError:
            limit = 0
        if not 1 <= limit <= _HIGHEST_LIMIT:
            return PlainTextResponse(f"limit is a number from 1 to {_HIGHEST_LIMIT}\n", 400)
        return await run_in_threadpool(self._sessions, limit)

    async def stats(self, request: Request) -> Response:
        return await run_in_threadpool(self._stats, request.path_params["session_id"])

    async def export(self, request: Request) -> Response:
        return await run_in_threadpool(self._export, request.path_params["session_id"])

    # --- In the thread pool ------------------------------------------------------------------------

    def _sessions(self, limit: int) -> Response:
        return _json([session_json(row) for row in self._store.sessions(limit)])

    def _stats(self, session_id: str) -> Response:
        row = self._store.session(session_id)
        if row is None:
            return _unknown(session_id)
        return _json(statistics(row, Listing.of(self._store.spans(session_id))))

    def _export(self, session_id: str) -> Response:
        try:
            return _json(export(self._store, session_id))
        except KeyError:
            return _unknown(session_id)


def _json(value: Any) -> Response:
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        # Numbers beyond JSON, or depths beyond Python, out of the JSON texts that spans carry.
        written = plain.to_json(value).encode()
    return Response(written, media_type=JSON)


def _unknown(session_id: str) -> Response:
    return PlainTextResponse(f"there is no session {session_id!r}: see GET /v2/sessions\n", 404)


async def _refused(request: Request, error: Exception) -> Response:
    told = error if isinstance(error, IntakeError) else IntakeError(str(error))
    return refusal(request.url.path, request.headers, told)


async def _unavailable(request: Request, error: Exception) -> Response:
    return refusal(request.url.path, request.headers, IntakeError(str(error), 503, RETRY_SECONDS))
