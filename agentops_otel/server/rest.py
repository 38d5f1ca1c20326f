"""The REST interface: sessions, what was recorded of them, and figures over many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from agentops_otel.server import filters, formats, measures
from agentops_otel.server.answers import RefusedError, answered
from agentops_otel.server.listing import Listing
from agentops_otel.server.measures import DISTRIBUTED, Measures
from agentops_otel.server.openapi import document
from agentops_otel.server.otlp_json import traces_data
from agentops_otel.server.queries import export_of, figures_json, hit_json, session_json, statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.measures import Reading
    from agentops_otel.store.base import SessionRow, Store

_LISTS = ("json", "jsonl", "csv")


def routes(store: Store) -> list[Route]:
    """The addresses under /v2, and what describes them."""
    rest = _Rest(store)
    # Ids may be anybody's own, with slashes in them.
    session = "/v2/sessions/{session_id:path}"
    return [
        _route("/v2/sessions", rest.sessions),
        _route(f"{session}/stats", rest.stats),
        _route(f"{session}/export", rest.export),
        _route(f"{session}/spans", rest.spans),
        _route(session, rest.delete, "DELETE"),
        _route(session, rest.session),
        _route("/v2/analytics", rest.analytics),
        _route("/v2/analytics/percentiles", rest.percentiles),
        _route("/v2/analytics/distribution", rest.distribution),
        _route("/v2/analytics/agents", rest.agents),
        _route("/v2/analytics/errors", rest.errors),
        _route("/v2/search", rest.search),
        _route("/v2/facets", rest.facets),
        _route("/openapi.json", rest.openapi),
    ]


def _route(path: str, answer: Callable[[Request], Response], method: str = "GET") -> Route:
    """The store blocks, so every answer is made in the thread pool."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return Route(path, endpoint, methods=[method], name=f"{method} {path}")


class _Rest:
    """What is answered under each address."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._measures = Measures(store)

    def sessions(self, request: Request) -> Response:
        form = formats.wanted(request, *_LISTS)
        page = self._store.sessions(filters.session_query(request))
        headers = {}
        if page.cursor is not None:
            others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
            following = urlencode([*others, ("cursor", page.cursor)], errors="replace")
            headers = {"X-Next-Cursor": page.cursor, "Link": f'<{request.url.path}?{following}>; rel="next"'}
        listed = [session_json(row) for row in page]
        if filters.included(request):
            told = self._store.first_inputs([row.session_id for row in page], filters.project_of(request))
            listed = [{**row, "first_input": told.get(row["id"])} for row in listed]
        return formats.written(listed, form, headers)

    def session(self, request: Request) -> Response:
        filters.known(request)
        return answered(session_json(self._row(request)))

    def stats(self, request: Request) -> Response:
        filters.known(request)
        row = self._row(request)
        return answered(statistics(row, Listing.of(self._spans(row))))

    def export(self, request: Request) -> Response:
        filters.known(request, "format")
        formats.wanted(request, "json")
        row = self._row(request)
        return answered(export_of(row, self._spans(row)))

    def spans(self, request: Request) -> Response:
        wanted = filters.span_ids(request)
        form = formats.wanted(request, *_LISTS, "otlp")
        row = self._row(request)
        records = self._spans(row) if wanted is None else self._some(row, wanted)
        if form == "otlp":
            return answered(traces_data(records))
        return formats.written([formats.span_json(record) for record in records], form)

    def delete(self, request: Request) -> Response:
        filters.known(request)
        row = self._row(request)
        if row.is_running:
            raise RefusedError(409, f"session {row.session_id!r} still runs: end it first")
        self._store.delete(row.session_id, row.project_id)
        return Response(status_code=204)

    def analytics(self, request: Request) -> Response:
        form = formats.wanted(request, *_LISTS)
        found = self._store.figures(filters.figures_query(request))
        return formats.written([figures_json(figures) for figures in found], form)

    def percentiles(self, request: Request) -> Response:
        return self._measured(request, lambda read, by: read.percentiles(by), "by", measures.GROUPS)

    def distribution(self, request: Request) -> Response:
        return self._measured(request, lambda read, measure: read.distribution(measure), "measure", DISTRIBUTED)

    def agents(self, request: Request) -> Response:
        return self._measured(request, lambda read, _: read.agents())

    def errors(self, request: Request) -> Response:
        return self._measured(request, lambda read, _: read.errors())

    def _measured(
        self, request: Request, told: Callable[[Reading, str], list[dict[str, Any]]], name: str = "", offered: Any = ()
    ) -> Response:
        """Rows made of the newest sessions; the headers say how many these are, and whether they are all."""
        filters.known(request, "since", "format", *filter(None, [name]))
        form = formats.wanted(request, *_LISTS)
        choice = filters.choice(request, name, offered) if name else ""
        read = self._measures.since(filters.since(request), filters.project_of(request))
        headers = {"X-Sessions-Read": str(len(read.sessions)), "X-Sessions-All": str(read.is_whole).lower()}
        return formats.written(told(read, choice), form, headers)

    def search(self, request: Request) -> Response:
        filters.known(request, "text", "limit", "format")
        form = formats.wanted(request, *_LISTS)
        limit = filters.number(request, "limit", filters.LIMIT, filters.HIGHEST_LIMIT)
        text = request.query_params.get("text")
        if text is None:
            raise RefusedError(400, "text is what to look for: /v2/search?text=refund")
        hits = self._store.search(text, limit, filters.project_of(request))
        return formats.written([hit_json(hit) for hit in hits], form)

    def facets(self, request: Request) -> Response:
        filters.known(request, "facet", "since", "limit", "format")
        form = formats.wanted(request, *_LISTS)
        limit = filters.number(request, "limit", filters.FACET_LIMIT, filters.HIGHEST_LIMIT)
        facet = request.query_params.get("facet", "")
        found = self._store.facets(facet, filters.since(request) or 0, limit, filters.project_of(request))
        return formats.written([{"value": value, "sessions": count} for value, count in found], form)

    def openapi(self, request: Request) -> Response:
        return answered(document(str(request.base_url).rstrip("/")))

    def _row(self, request: Request) -> SessionRow:
        session_id: Any = request.path_params["session_id"]
        row = self._store.session(session_id, filters.project_of(request))
        if row is None:
            raise RefusedError(404, f"there is no session {session_id!r}: see GET /v2/sessions")
        return row

    def _some(self, row: SessionRow, wanted: list[str]) -> Any:
        return self._store.some_spans(row.session_id, wanted, project=row.project_id)

    def _spans(self, row: SessionRow) -> list[SpanRecord]:
        # Of the very session that was found: another project may have one of the same id.
        return self._store.spans(row.session_id, row.project_id)
