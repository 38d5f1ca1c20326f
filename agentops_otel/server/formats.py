"""The formats that lists are answered in: JSON, JSON lines, CSV, and OTLP's JSON for spans."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from agentops_otel.server.answers import RefusedError
from agentops_otel.server.content import as_json
from agentops_otel.server.wire import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from agentops_otel.accounting.record import SpanRecord

MEDIA: Final = {
    "json": JSON,
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "otlp": JSON,
    "markdown": "text/markdown",
    "html": "text/html",
}
"""Formats by the names that `?format=` takes."""
_ACCEPTED: Final = {
    JSON: "json",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "text/csv": "csv",
    "text/markdown": "markdown",
}
_ANY: Final = frozenset({"", "*/*", "application/*"})
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def wanted(request: Request, *offered: str) -> str:
    """The format that a request asks for, by `?format=` or by its Accept header; the first of those that are offered.

    Raises:
        RefusedError: it asks for another; status 400 for the parameter, 406 for the header.
    """
    told = request.query_params.get("format")
    if told is not None:
        if told not in offered:
            raise RefusedError(400, f"format is one of {', '.join(offered)}")
        return told
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    for media in accepted:
        if media in _ANY or media == "text/*":
            return "csv" if media == "text/*" and "csv" in offered else offered[0]
        if _ACCEPTED.get(media) in offered:
            return _ACCEPTED[media]
    # A browser asks for pages first, and takes anything.
    raise RefusedError(406, f"this is answered as {', '.join(sorted({MEDIA[name] for name in offered}))}: see ?format=")


def written(rows: Sequence[Mapping[str, Any]], form: str, headers: Mapping[str, str] | None = None) -> Response:
    """Rows in `json`, `jsonl` or `csv`; in CSV, lists and objects are JSON texts."""
    if form == "csv":
        return Response(_csv(rows), headers=headers, media_type=MEDIA["csv"])
    if form == "jsonl":
        return Response("".join(as_json(row) + "\n" for row in rows), headers=headers, media_type=MEDIA["jsonl"])
    return Response(as_json(list(rows)), headers=headers, media_type=JSON)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    page = io.StringIO()
    writer = csv.writer(page)
    if columns:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return page.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        value = as_json(value)
    if isinstance(value, str):
        clean = value.replace("\0", "")
        # A spreadsheet runs what begins so.
        return f"'{clean}" if clean.startswith(_FORMULA) else clean
    return value


def span_json(record: SpanRecord) -> dict[str, Any]:
    """A span as the API lists it; times are nanoseconds since the epoch, as they are kept."""
    return {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "parent_id": record.parent_id,
        "session_id": record.session_id,
        "name": record.name,
        "kind": record.kind,
        "start_time": record.start_time,
        "end_time": record.end_time,
        "status": record.status,
        "status_message": record.status_message,
        "attributes": dict(record.attributes),
        "events": [dict(event) for event in record.events],
        "links": [dict(link) for link in record.links],
        "scope": record.scope,
        "scope_version": record.scope_version,
        "resource": dict(record.resource),
    }
