"""The addresses of the page: shells, the files that they load, and a session's outline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from agentops_otel.server import filters
from agentops_otel.server.answers import RefusedError, answered
from agentops_otel.server.page.drawing import drawing
from agentops_otel.server.queries import session_json
from agentops_otel.store.base import StoreError
from agentops_otel.store.questions import QuestionError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from agentops_otel.server.keys import Keys
    from agentops_otel.store.base import Store

# Nothing but what this server sends is loaded, and no markup that a span might bring along does anything.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ROOM: Final = Path(__file__).parent


def routes(store: Store, keys: Keys) -> list[BaseRoute]:
    """The page over `store`; where a key is needed, nothing is in the shells, which anybody may ask for."""
    page = _Page(store, keys)
    return [
        Route("/sessions", page.sessions),
        Route("/analytics", page.analytics),
        Route("/s/{place:path}", page.session),
        Route("/v2/sessions/{session_id:path}/outline", page.outline),
        Mount("/page", _Files(directory=_ROOM / "static")),
    ]


def is_wanted(request: Request) -> bool:
    """Whether a person asks with a browser, and not a program."""
    return "text/html" in request.headers.get("accept", "")


class _Files(StaticFiles):
    """The files of the page, which a browser may keep and must ask about: a new version shows at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Page:
    """What is answered under each address."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._templates = Jinja2Templates(directory=_ROOM / "templates")

    async def sessions(self, request: Request) -> Response:
        return self._shell(request, "sessions", await run_in_threadpool(self._rows, request))

    async def session(self, request: Request) -> Response:
        return self._shell(request, "session", {"place": request.path_params["place"]})

    async def analytics(self, request: Request) -> Response:
        return self._shell(request, "analytics", {})

    async def outline(self, request: Request) -> Response:
        return await run_in_threadpool(self._outline, request)

    def _shell(self, request: Request, view: str, told: dict[str, Any]) -> Response:
        url = str(request.base_url).rstrip("/")
        context = {"view": view, "url": url, "has_keys": self._keys.are_needed, **told}
        return self._templates.TemplateResponse(request, f"{view}.html", context, headers=_HEADERS)

    def _rows(self, request: Request) -> dict[str, Any]:
        """The list for browsers without scripts; scripts ask for their own."""
        if self._keys.are_needed:
            return {"sessions": []}
        try:
            page = self._store.sessions(filters.session_query(request))
        except (RefusedError, QuestionError, StoreError) as error:
            return {"sessions": [], "problem": str(error)}
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        following = None if page.cursor is None else urlencode([*others, ("cursor", page.cursor)], errors="replace")
        return {"sessions": [session_json(row) for row in page], "following": following}

    def _outline(self, request: Request) -> Response:
        filters.known(request)
        session_id, project = request.path_params["session_id"], filters.project_of(request)
        row = self._store.session(session_id, project)
        if row is None:
            raise RefusedError(404, f"there is no session {session_id!r}: see GET /v2/sessions")
        told = drawing(self._store.spans(session_id, project))
        return answered({"session": session_json(row), "host": dict(row.resource), **told})
