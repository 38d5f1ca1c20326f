"""The addresses of the page: shells, the files that they load, and a session's outline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from agentops_otel.server import filters, formats
from agentops_otel.server.answers import RefusedError
from agentops_otel.server.content import as_json
from agentops_otel.server.page.drawing import Drawing
from agentops_otel.server.page.kept import Kept
from agentops_otel.server.page.markdown import markdown
from agentops_otel.server.page.offline import POLICY as OFFLINE_POLICY
from agentops_otel.server.page.offline import offline
from agentops_otel.server.page.sides import sides
from agentops_otel.server.page.transcript import turns
from agentops_otel.server.queries import session_json
from agentops_otel.server.wire import JSON
from agentops_otel.store.base import StoreError
from agentops_otel.store.questions import QuestionError

if TYPE_CHECKING:
    from starlette.requests import Request

    from agentops_otel.server.keys import Keys
    from agentops_otel.store.base import SessionRow, Store

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
_KEPT_ROWS: Final = 300_000
_KEPT_CHARACTERS: Final = 100_000_000
PREVIEW: Final = 200
"""Spans by their start that are drawn at once, while the rest is still being read."""


def routes(store: Store, keys: Keys) -> list[BaseRoute]:
    """The page over `store`; where a key is needed, nothing is in the shells, which anybody may ask for."""
    page = _Page(store, keys)
    return [
        Route("/sessions", page.sessions),
        Route("/analytics", page.analytics),
        Route("/s/{place:path}", page.session),
        Route("/v2/sessions/{session_id:path}/outline", page.outline),
        Route("/v2/sessions/{session_id:path}/transcript", page.transcript),
        Route("/compare", page.compare),
        Route("/v2/compare", page.comparison),
        Mount("/page", GZipMiddleware(_Files(directory=_ROOM / "static"))),
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
        self._drawings = Kept(store, self._draw, lambda drawing: len(drawing.rows), _KEPT_ROWS)
        self._transcripts = Kept(store, self._transcribe, lambda told: sum(map(len, told)), _KEPT_CHARACTERS)
        self._templates = Jinja2Templates(directory=_ROOM / "templates")

    async def sessions(self, request: Request) -> Response:
        return self._shell(request, "sessions", await run_in_threadpool(self._rows, request))

    async def session(self, request: Request) -> Response:
        return self._shell(request, "session", {"place": request.path_params["place"]})

    async def analytics(self, request: Request) -> Response:
        return self._shell(request, "analytics", {})

    async def compare(self, request: Request) -> Response:
        return self._shell(request, "compare", {})

    async def comparison(self, request: Request) -> Response:
        return await run_in_threadpool(self._comparison, request)

    async def outline(self, request: Request) -> Response:
        return await run_in_threadpool(self._outline, request)

    async def transcript(self, request: Request) -> Response:
        return await run_in_threadpool(self._transcript, request)

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
        asked = filters.outline_window(request)
        row, project = self._row(request), filters.project_of(request)
        session_id = row.session_id
        told: dict[str, Any] = {"session": session_json(row), "host": dict(row.resource)}
        if asked.preview:
            records = self._store.some_spans(session_id, None, PREVIEW + 1, project)
            drawing = Drawing.of(records[:PREVIEW])
            told |= {"is_whole": len(records) <= PREVIEW, "from": 0}
            return _joined(told | drawing.whole, drawing.window(0, PREVIEW))
        drawing = self._drawings.of(session_id, project)
        if asked.only_errors:
            return _joined(told | {"is_whole": False, "from": 0} | drawing.whole, drawing.failed())
        begin = asked.begin
        if asked.around is not None:
            # The window that the row lies in, as windows are counted from the first row.
            begin = drawing.places.get(asked.around, 0) // asked.limit * asked.limit
        told |= {"is_whole": begin == 0 and len(drawing.rows) <= asked.limit, "from": begin}
        if begin == 0 or asked.around is not None:
            told |= drawing.whole
        return _joined(told, drawing.window(begin, asked.limit))

    def _draw(self, session_id: str, project: str | None) -> Drawing:
        return Drawing.of(self._store.bare_spans(session_id, project))

    def _transcribe(self, session_id: str, project: str | None) -> list[str]:
        records = self._store.spans(session_id, project)
        first = min((record.start_time for record in records), default=0)
        return [turn.as_json(first) for turn in turns(records)]

    def _row(self, request: Request) -> SessionRow:
        session_id = request.path_params["session_id"]
        row = self._store.session(session_id, filters.project_of(request))
        if row is None:
            raise RefusedError(404, f"there is no session {session_id!r}: see GET /v2/sessions")
        return row

    def _transcript(self, request: Request) -> Response:
        begin, limit = filters.transcript_window(request)
        form = formats.wanted(request, "json", "markdown", "html")
        row, project = self._row(request), filters.project_of(request)
        if form == "json":
            told = self._transcripts.of(row.session_id, project)
            return Response(
                f'{{"total": {len(told)}, "from": {begin}, "turns": [{", ".join(told[begin : begin + limit])}]}}',
                media_type=JSON,
            )
        records, session = self._store.spans(row.session_id, project), session_json(row)
        if form == "markdown":
            return Response(_sound(markdown(session, turns(records))), media_type=formats.MEDIA["markdown"])
        drawing = Drawing.of(records)
        rows = [drawing.row(number) for number in range(len(drawing.rows))]
        page = offline(session, drawing.whole, rows, turns(records), records)
        # A file of its own: even shown in place it may do nothing.
        headers = {"Content-Security-Policy": f"{OFFLINE_POLICY}; sandbox", "Content-Disposition": "attachment"}
        return Response(_sound(page), headers=headers, media_type=formats.MEDIA["html"])

    def _comparison(self, request: Request) -> Response:
        filters.known(request, "a", "b")
        project, found = filters.project_of(request), []
        for name in ("a", "b"):
            session_id = request.query_params.get(name)
            if not session_id:
                raise RefusedError(400, f"{name} is the id of a session: /v2/compare?a=ONE&b=OTHER")
            row = self._store.session(session_id, project)
            if row is None:
                raise RefusedError(404, f"there is no session {session_id!r}: see GET /v2/sessions")
            found.append((row, self._store.spans(session_id, project)))
        return Response(sides(*found), media_type=JSON)


def _sound(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _joined(told: dict[str, Any], spans: str) -> Response:
    """An outline whose spans are JSON already."""
    return Response(f'{as_json(told)[:-1]}, "spans": {spans}}}', media_type=JSON)
