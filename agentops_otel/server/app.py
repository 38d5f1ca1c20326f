"""The web application: takes traces in over OTLP, and answers what is asked of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from agentops_otel.server import answers, otlp, page, rest, tokens
from agentops_otel.server.answers import RefusedError
from agentops_otel.server.changes import Changes
from agentops_otel.server.gate import Gate
from agentops_otel.server.intake import RETRY_SECONDS, Intake
from agentops_otel.server.jaeger import routes as jaeger_routes
from agentops_otel.server.keys import Keys
from agentops_otel.server.refusals import refusal
from agentops_otel.server.wire import IntakeError
from agentops_otel.store.base import ReadOnlyError, StoreError
from agentops_otel.store.questions import QuestionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from agentops_otel.store.base import Store

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
    changes = Changes(store)
    app = Starlette(
        routes=[
            *_welcome(keys),
            *otlp.routes(intake or Intake(store)),
            *tokens.routes(keys),
            *page.routes(store, keys),
            *rest.routes(store),
            *changes.routes(),
            *jaeger_routes(store),
        ],
        middleware=[Middleware(Gate, hosts=hosts, keys=keys)],
        exception_handlers={
            HTTPException: answers.on_no_route,
            IntakeError: _refused,
            QuestionError: answers.on_refusal,
            RefusedError: answers.on_refusal,
            ReadOnlyError: _read_only,
            StoreError: _unavailable,
        },
    )
    # For whoever runs the server: open streams would keep it from ending.
    app.state.end_streams = changes.end
    return app


def _welcome(keys: Keys) -> list[Route]:
    async def welcome(request: Request) -> Response:
        if page.is_wanted(request):
            return RedirectResponse("/sessions")
        words = _WITH_KEY if keys.are_needed else _WITHOUT_KEY
        return PlainTextResponse(_WELCOME.format(url=str(request.base_url).rstrip("/"), **words))

    return [Route("/", welcome)]


async def _refused(request: Request, error: Exception) -> Response:
    told = error if isinstance(error, IntakeError) else IntakeError(str(error))
    return refusal(request.url.path, request.headers, told)


async def _unavailable(request: Request, error: Exception) -> Response:
    return refusal(request.url.path, request.headers, IntakeError(str(error), 503, RETRY_SECONDS))


async def _read_only(request: Request, error: Exception) -> Response:
    return refusal(request.url.path, request.headers, IntakeError(str(error), 403))
