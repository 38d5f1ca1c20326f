"""The Jaeger query API, both the first that Jaeger's page and Grafana know and the current one, over any store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from agentops_otel.conventions import plain
from agentops_otel.server import jaeger_query as asked
from agentops_otel.server.jaeger_query import QueryError
from agentops_otel.server.jaeger_trace import summary_json, trace_json
from agentops_otel.server.otlp_json import traces_data
from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.base import Store
    from agentops_otel.store.traces import TraceQuery

    _Answer = Callable[["_Questions", Request], Any]
    _Refusal = Callable[[int, str], dict[str, Any]]

SPANS: Final = 100_000
"""Spans of one answer; of what goes beyond, the answer says that it is left out."""

_NOT_FOUND: Final = "trace not found"
_OLDER: Final = "only the newest spans were looked at: ask for an earlier or a shorter time to find older ones"
_RETRY_SECONDS: Final = "5"


def routes(store: Store) -> list[Route]:
    """The endpoints over this store; all of them read, and none of them writes."""
    first = {
        "/api/services": _services,
        # Names may hold slashes, escaped on their way.
        "/api/services/{service:path}/operations": _operations_of_service,
        "/api/operations": _operations,
        "/api/traces": _search,
        "/api/traces/{trace_id}": _trace,
        "/api/dependencies": _dependencies,
        "/api/metrics/{kind}": _metrics,
    }
    third = {
        "/api/v3/services": _services_v3,
        "/api/v3/operations": _operations_v3,
        "/api/v3/traces": _search_v3,
        "/api/v3/trace-summaries": _summaries,
        "/api/v3/traces/{trace_id}": _trace_v3,
        "/api/v3/dependencies": _dependencies_v3,
    }
    return [
        Route(path, _endpoint(store, answer, refusal))
        for answers, refusal in ((first, _refusal), (third, _refusal_v3))
        for path, answer in answers.items()
    ]


class _Questions:
    """What is asked of the store, from the one project that the request may see."""

    def __init__(self, store: Store, request: Request) -> None:
        self.store = store
        self.project: str | None = getattr(request.state, "project", None)
        self._left = SPANS
        self._are_older_left_out = False

    def traces(self, query: TraceQuery, *, content: bool = True) -> Iterator[tuple[str, list[SpanRecord]]]:
        """The traces that are found, whole, until there are too many spans for one answer."""
        found = self.store.traces(query, project=self.project)
        self._are_older_left_out = found.is_cut
        for trace_id in found:
            records = self.trace(trace_id, content=content)
            if records:
                yield trace_id, records
            if self._left <= 0:
                return

    def trace(self, trace_id: str, *, content: bool = True) -> list[SpanRecord]:
        """The spans of a trace, as many as this answer still has room for."""
        found = self.store.trace(trace_id, project=self.project, content=content, limit=max(self._left, 0))
        self._left -= len(found)
        return found

    def cut(self) -> str | None:
        """What the answer says where it had no room for everything."""
        if self._left <= 0:
            return f"an answer has {SPANS:,} spans at most: the rest is left out"
        return _OLDER if self._are_older_left_out else None


def _endpoint(store: Store, answer: _Answer, refusal: _Refusal) -> Callable[[Request], Awaitable[Response]]:
    def answered(request: Request) -> Response:
        headers = None
        try:
            body, status = answer(_Questions(store, request), request), 200
        except QueryError as error:
            body, status = refusal(error.status, str(error)), error.status
        except StoreError as error:
            body, status, headers = refusal(503, str(error)), 503, {"Retry-After": _RETRY_SECONDS}
        return Response(_written(body), status, headers, "application/json")

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answered, request)

    return endpoint


def _written(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        # Text and numbers that JSON has no form for, out of the depths of an attribute.
        return plain.to_json(value).encode()


# --- The first API ------------------------------------------------------------------------------------------


def _envelope(data: list[Any], errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": errors or None}


def _refusal(status: int, message: str) -> dict[str, Any]:
    return {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": status, "msg": message}]}


def _services(questions: _Questions, _request: Request) -> dict[str, Any]:
    return _envelope(questions.store.services(project=questions.project))


def _operations_of_service(questions: _Questions, request: Request) -> dict[str, Any]:
    found = questions.store.operations(request.path_params["service"], project=questions.project)
    return _envelope(sorted({operation.name for operation in found}))


def _operations(questions: _Questions, request: Request) -> dict[str, Any]:
    return _envelope(_told_operations(questions, request))


def _search(questions: _Questions, request: Request) -> dict[str, Any]:
    told = request.query_params.getlist("traceID")
    if not told:
        found = [trace_json(*trace) for trace in questions.traces(asked.search_of(request.query_params))]
        return _envelope(found, _cut(questions))
    if len(told) > asked.MOST_TRACES:
        raise QueryError(f"at most {asked.MOST_TRACES} traces can be asked for at once")
    traces = [(trace_id, questions.trace(trace_id)) for trace_id in map(asked.trace_id_of, told)]
    missing = [{"msg": _NOT_FOUND, "traceID": trace_id} for trace_id, records in traces if not records]
    return _envelope([trace_json(*trace) for trace in traces if trace[1]], [*missing, *_cut(questions)])


def _trace(questions: _Questions, request: Request) -> dict[str, Any]:
    trace_id, records = _one(questions, request)
    cut = questions.cut()
    return _envelope([trace_json(trace_id, records, None if cut is None else [cut])])


def _dependencies(questions: _Questions, request: Request) -> dict[str, Any]:
    service = request.query_params.get("service")
    links = questions.store.dependencies(*asked.range_of(request.query_params), project=questions.project)
    return _envelope(
        [
            {"parent": link.parent, "child": link.child, "callCount": link.calls}
            for link in links
            if not service or service in {link.parent, link.child}
        ]
    )


def _metrics(_questions: _Questions, _request: Request) -> dict[str, Any]:
    # Jaeger's page asks for them by itself, and takes this status, and no other, for "not set up".
    raise QueryError("metrics of services are not kept here", 501)


def _cut(questions: _Questions) -> list[dict[str, Any]]:
    cut = questions.cut()
    return [] if cut is None else [{"msg": cut}]


# --- The third API ------------------------------------------------------------------------------------------


def _refusal_v3(status: int, message: str) -> dict[str, Any]:
    return {"error": {"httpCode": status, "message": message}}


def _services_v3(questions: _Questions, _request: Request) -> dict[str, Any]:
    return {"services": questions.store.services(project=questions.project)}


def _operations_v3(questions: _Questions, request: Request) -> dict[str, Any]:
    return {"operations": _told_operations(questions, request)}


def _search_v3(questions: _Questions, request: Request) -> dict[str, Any]:
    found = list(questions.traces(asked.search_of_v3(request.query_params)))
    if not found:
        raise QueryError("No traces found", 404)
    return {"result": traces_data(record for _, records in found for record in records)}


def _summaries(questions: _Questions, request: Request) -> dict[str, Any]:
    found = questions.traces(asked.search_of_v3(request.query_params), content=False)
    return {"summaries": [summary_json(*trace) for trace in found]}


def _trace_v3(questions: _Questions, request: Request) -> dict[str, Any]:
    return {"result": traces_data(_one(questions, request)[1])}


def _dependencies_v3(questions: _Questions, request: Request) -> dict[str, Any]:
    links = questions.store.dependencies(*asked.range_of_v3(request.query_params), project=questions.project)
    # The JSON mapping of protobuf writes 64-bit integers as text.
    told = [{"parent": link.parent, "child": link.child, "callCount": str(link.calls)} for link in links]
    return {"dependencies": told}


# --- Both ---------------------------------------------------------------------------------------------------


def _told_operations(questions: _Questions, request: Request) -> list[dict[str, Any]]:
    service, kind = request.query_params.get("service"), asked.kind_of(request.query_params)
    if not service:
        raise QueryError("parameter 'service' is required")
    found = questions.store.operations(service, project=questions.project)
    return [{"name": name, "spanKind": told} for name, told in found if kind in {None, told}]


def _one(questions: _Questions, request: Request) -> tuple[str, list[SpanRecord]]:
    trace_id = asked.trace_id_of(request.path_params["trace_id"])
    records = questions.trace(trace_id)
    if not records:
        raise QueryError(_NOT_FOUND, 404)
    return trace_id, records
