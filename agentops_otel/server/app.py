"""The web application: takes traces in over OTLP, and answers what is asked of a store."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agentops_otel.accounting.prices import Prices
from agentops_otel.conventions import plain
from agentops_otel.server.gate import Gate, Keys
from agentops_otel.server.intake import BODY_LIMIT, JSON, IntakeError, answer, inflated, media_type, records_of_request
from agentops_otel.server.jaeger import routes as jaeger_routes
from agentops_otel.server.listing import Listing
from agentops_otel.server.queries import export, session_json, statistics
from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp

    from agentops_otel.store.base import Store

_LIMIT: Final = 50
_HIGHEST_LIMIT: Final = 1000
_RETRY_SECONDS: Final = "5"

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


def make_app(store: Store, keys: Iterable[str] = (), hosts: Iterable[str] = ()) -> ASGIApp:
    """The application over `store`, for any ASGI server.

    With `keys`, whoever sends traces or reads sessions must name one of them in `X-Agentops-Api-Key`.
    Requests are answered under the names of this machine to itself (localhost, 127.0.0.1, [::1]) and under
    `hosts`, whatever the port; `"*"` stands for any name. The store stays the caller's, who closes it.
    """
    keys = tuple(keys)
    endpoints = _Endpoints(store, has_keys=bool(keys))
    return Starlette(
        routes=[
            Route("/", endpoints.welcome),
            Route("/v1/traces", endpoints.traces, methods=["POST"]),
            Route("/v2/sessions", endpoints.sessions),
            # Ids may be anybody's own, with slashes in them.
            Route("/v2/sessions/{session_id:path}/stats", endpoints.stats),
            Route("/v2/sessions/{session_id:path}/export", endpoints.export),
            *jaeger_routes(store),
        ],
        middleware=[Middleware(Gate, hosts=hosts, keys=Keys(keys))],
        exception_handlers={IntakeError: _refused, StoreError: _unavailable},
    )


class _Endpoints:
    """What is answered under each address. The store blocks, so it is only ever asked in the thread pool."""

    def __init__(self, store: Store, *, has_keys: bool) -> None:
        self._store = store
        self._has_keys = has_keys
        self._prices = Prices()
        # A request of many small parts is thirty times its size while it is read: one at a time.
        self._reading = asyncio.Semaphore(1)

    async def welcome(self, request: Request) -> Response:
        words = _WITH_KEY if self._has_keys else _WITHOUT_KEY
        return PlainTextResponse(_WELCOME.format(url=str(request.base_url).rstrip("/"), **words))

    async def traces(self, request: Request) -> Response:
        kind = media_type(request.headers.get("content-type", ""))
        body = await _body(request)
        async with self._reading:
            rejected = await run_in_threadpool(self._take, body, kind, request.headers.get("content-encoding", ""))
        return Response(answer(rejected, kind), media_type=kind)

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

    def _take(self, body: bytes, kind: str, encoding: str) -> int:
        """Store what the request brings; the number of its spans that cannot be stored."""
        records, rejected = records_of_request(inflated(body, encoding), kind, self._prices)
        self._store.insert(records)
        return rejected

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


async def _body(request: Request) -> bytes:
    """The body as it was sent; not one byte is waited for that goes beyond the limit."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise IntakeError(f"a request may have {BODY_LIMIT} bytes: send fewer spans at a time", 413)
    except ClientDisconnect as error:
        raise IntakeError("the connection broke off before the body ended") from error
    except asyncio.CancelledError as error:
        # The server ends and waits no longer: an exporter that is told so sends it again.
        raise IntakeError("the server is ending", 503) from error
    return bytes(body)


def _json(value: Any) -> Response:
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        # Numbers beyond JSON, or depths beyond Python, out of the JSON texts that spans carry.
        written = plain.to_json(value).encode()
    return Response(written, media_type=JSON)


def _unknown(session_id: str) -> Response:
    return PlainTextResponse(f"there is no session {session_id!r}: see GET /v2/sessions\n", 404)


async def _refused(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", getattr(error, "status", 400))


async def _unavailable(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 503, headers={"Retry-After": _RETRY_SECONDS})
