"""Traces in a SQLite store: services, their operations, and searches for traces, as tracing tools ask for them."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentops_otel.accounting.record import ERROR
from agentops_otel.conventions import names, plain
from agentops_otel.store import rows
from agentops_otel.store.summary import DEFAULT_PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agentops_otel.accounting.record import SpanRecord

NO_SERVICE: Final = "unknown_service"
"""The service of spans whose resource names none, as OpenTelemetry's SDKs call it."""

_LATEST: Final = 2**63 - 1
_SESSIONS_OF_A_PIECE: Final = 500
_SPANS_OF_A_SEARCH: Final = 200_000
"""About so many spans are looked at for one answer: the newest of the time that is asked for."""
_MOST_OPERATIONS: Final = 10_000

_SERVICE: Final = f"coalesce(nullif(json_extract(attributes, '$.\"service.name\"'), ''), '{NO_SERVICE}')"
_PROJECT: Final = (
    f"coalesce(nullif(CAST(json_extract(attributes, '$.\"{names.PROJECT_ID}\"') AS TEXT), ''), '{DEFAULT_PROJECT}')"
)
# What tracing tools show as tags though it is no attribute, so that what they show can be asked for.
_FIELDS: Final = {
    "span.kind": "spans.kind",
    "otel.status_code": "nullif(upper(spans.status), 'UNSET')",
    "otel.status_description": "spans.status_message",
    "otel.scope.name": "spans.scope",
    "otel.scope.version": "spans.scope_version",
}
_HOLDS: Final = (
    "EXISTS (SELECT 1 FROM json_each({place}) AS told WHERE told.key = ? AND (CASE told.type "
    "WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(told.value AS TEXT) END = ? "
    "OR (told.type IN ('integer', 'real') AND told.value = ?) "
    "OR (told.type = 'array' AND EXISTS (SELECT 1 FROM json_each(told.value) AS item WHERE item.value = ?))))"
)
"""Whether a JSON object holds this key with this value; of a list, whether it is one of its items."""

_OVERLAPS: Final = (
    "sessions.first_time <= ? AND (? IS NULL OR sessions.project_id = ?) AND "
    "(sessions.last_time IS NULL OR sessions.counted < sessions.changes OR sessions.last_time >= ?)"
)
"""Whether spans of a session may have begun in this time; where its roll-up is old, they may."""
_NEWEST: Final = (
    f"SELECT first_time, id, changes FROM sessions WHERE {_OVERLAPS} AND (first_time, id) < (?, ?) "  # noqa: S608
    "ORDER BY first_time DESC, id DESC LIMIT ?"
)
_PIECE: Final = (
    f"(SELECT session_id, project_id, first_time FROM sessions WHERE {_OVERLAPS} "  # noqa: S608
    "AND (first_time, id) < (?, ?) AND (first_time, id) >= (?, ?) ORDER BY first_time DESC, id DESC) AS piece "
    "CROSS JOIN spans ON spans.session_id = piece.session_id AND spans.project_id = piece.project_id"
)
"""The spans of some sessions, the newest of them first; its values are those that `_Newest` gives."""


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Traces that have a span for which all of this is true; None asks for nothing.

    Times and durations are in nanoseconds. `tags` are looked for among the attributes of the span, of its events
    and of its resource, beside what tracing tools show as tags: `error`, `span.kind`, `otel.status_code`.
    """

    service: str | None = None
    operation: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    since: int = 0
    until: int = _LATEST
    shortest: int | None = None
    longest: int | None = None
    limit: int = 100


class Operation(NamedTuple):
    """A name that spans of a service have, and their kind: internal, client, server, producer, consumer."""

    name: str
    kind: str


class Dependency(NamedTuple):
    """How often spans of one service were children of spans of another."""

    parent: str
    child: str
    calls: int


class TraceIds(list[str]):
    """Ids of traces; `is_cut` where there may be more, in older spans than a search looks at."""

    is_cut = False


class TraceReading(ABC):
    """What a SQLite store answers about traces; with a `project`, from this project's spans alone."""

    @abstractmethod
    def _fetch(self, query: str, *values: Any) -> list[Any]:
        """All rows that this statement finds."""

    def services(self, *, project: str | None = None) -> list[str]:
        """The names of the services that spans came from, sorted."""
        told, values = _resources(None, project)
        return [row[0] for row in self._fetch(f"SELECT DISTINCT {_SERVICE} AS name {told} ORDER BY name", *values)]

    def operations(self, service: str, *, project: str | None = None) -> list[Operation]:
        """What the newest spans of a service are called, sorted."""
        told, values = _resources(service, project)
        statement = f"SELECT DISTINCT name, kind FROM {_PIECE} WHERE resource_id IN (SELECT id {told}) LIMIT ?"  # noqa: S608
        for piece in _Newest(self._fetch, 0, _LATEST, project):
            listed = self._fetch(statement, *piece, *values, _MOST_OPERATIONS)
            if listed:
                return sorted(Operation(*row) for row in listed)
        return []

    def traces(self, query: TraceQuery, *, project: str | None = None) -> TraceIds:
        """The ids of the traces that are asked for, those of the newest sessions first."""
        conditions, values = _conditions(query)
        statement = (
            f"SELECT DISTINCT spans.trace_id FROM {_PIECE} WHERE {conditions} "  # noqa: S608 - ours, values are bound
            "ORDER BY piece.first_time DESC LIMIT ?"
        )
        newest = _Newest(self._fetch, query.since, query.until, project)
        found: dict[str, None] = {}
        for piece in newest:
            found.update((row[0], None) for row in self._fetch(statement, *piece, *values, query.limit))
            if len(found) >= query.limit:
                break
        ids = TraceIds(list(found)[: query.limit])
        ids.is_cut = newest.is_cut
        return ids

    def trace(
        self, trace_id: str, *, project: str | None = None, content: bool = True, limit: int = _LATEST
    ) -> list[SpanRecord]:
        """The spans of a trace by start time, at most `limit`; without `content`, only what is always small."""
        left_out = frozenset() if content else frozenset({"content", "events", "links"})
        columns = ", ".join("NULL" if name in left_out else f"spans.{name}" for name in rows.SPAN_COLUMNS)
        statement = (
            f"SELECT spans.resource_id, resources.attributes, {columns} FROM spans "  # noqa: S608 - our own columns
            "JOIN resources ON resources.id = spans.resource_id "
            "WHERE spans.trace_id = ? AND (? IS NULL OR spans.project_id = ?) "
            "ORDER BY spans.start_time, spans.id LIMIT ?"
        )
        known: dict[int, Any] = {}
        records = []
        for number, resource, *row in self._fetch(statement, trace_id, project, project, min(limit, _LATEST)):
            if number not in known:
                known[number] = json.loads(resource)
            records.append(rows.record_from(row, known[number]))
        return records

    def dependencies(self, since: int, until: int, *, project: str | None = None) -> list[Dependency]:
        """Which services called which between these times (ns), by the spans that began then."""
        told, values = _resources(None, project)
        services = dict(self._fetch(f"SELECT id, {_SERVICE} {told}", *values))
        statement = (
            f"SELECT parent.resource_id, spans.resource_id, count(*) FROM {_PIECE} CROSS JOIN spans AS parent "  # noqa: S608
            "ON parent.trace_id = spans.trace_id AND parent.span_id = spans.parent_id "
            "AND parent.project_id = spans.project_id "
            "WHERE spans.start_time BETWEEN ? AND ? AND spans.resource_id != parent.resource_id GROUP BY 1, 2"
        )
        calls: Counter[tuple[str, str]] = Counter()
        for piece in _Newest(self._fetch, since, until, project):
            for parent, child, count in self._fetch(statement, *piece, since, until):
                if services.keys() >= {parent, child} and services[parent] != services[child]:
                    calls[services[parent], services[child]] += count
        return [Dependency(parent, child, count) for (parent, child), count in sorted(calls.items())]


def _resources(service: str | None, project: str | None) -> tuple[str, list[Any]]:
    """`FROM resources WHERE ...` for those of a service and of a project, and its values."""
    asked = [(told, value) for told, value in ((_SERVICE, service), (_PROJECT, project)) if value is not None]
    conditions = " AND ".join(["true", *(f"{told} = ?" for told, _ in asked)])
    return f"FROM resources WHERE {conditions}", [plain.text(value) for _, value in asked]


class _Newest:
    """The sessions whose spans may have begun in a time, newest first, in pieces: the values of `_PIECE` for each.

    It ends when all are told, or when enough spans have been looked at: then `is_cut`.
    """

    def __init__(self, fetch: Callable[..., list[Any]], since: int, until: int, project: str | None) -> None:
        self.is_cut = False
        self._fetch = fetch
        self._asked = (until, project, project, since)

    def __iter__(self) -> Iterator[list[Any]]:
        """One piece after the other."""
        left = _SPANS_OF_A_SEARCH
        upper: tuple[int, int] = (_LATEST, _LATEST)
        while listed := self._fetch(_NEWEST, *self._asked, *upper, _SESSIONS_OF_A_PIECE):
            if left <= 0:
                self.is_cut = True
                return
            lower = upper
            for first_time, number, spans in listed:
                if left <= 0:
                    break
                left -= spans
                lower = first_time, number
            yield [*self._asked, *upper, *lower]
            upper = lower


def _conditions(query: TraceQuery) -> tuple[str, list[Any]]:
    """What one span must fulfil, and the values in it."""
    told: list[str] = ["spans.start_time BETWEEN ? AND ?"]
    values: list[Any] = [query.since, query.until]
    if query.service is not None:
        found, bound = _resources(query.service, None)
        told.append(f"spans.resource_id IN (SELECT id {found})")
        values += bound
    for condition, value in (
        ("spans.name = ?", None if query.operation is None else plain.text(query.operation)),
        ("coalesce(spans.end_time, spans.start_time) - spans.start_time >= ?", query.shortest),
        ("coalesce(spans.end_time, spans.start_time) - spans.start_time <= ?", query.longest),
    ):
        if value is not None:
            told.append(condition)
            values.append(value)
    for name, value in query.tags.items():
        condition, bound = _tag(plain.text(name), plain.text(value))
        told.append(condition)
        values += bound
    return " AND ".join(told), values


def _tag(name: str, value: str) -> tuple[str, list[Any]]:
    sought = [name, value, number_of(value), value]
    places = (
        # What may be large is read only where it is asked for.
        "spans.content" if name in rows.CONTENT else "spans.attributes",
        "(SELECT attributes FROM resources WHERE id = spans.resource_id)",
    )
    told = [_HOLDS.format(place=place) for place in places]
    in_event = _HOLDS.format(place="json_extract(event.value, '$.attributes')")
    told.append(f"EXISTS (SELECT 1 FROM json_each(spans.events) AS event WHERE {in_event})")  # noqa: S608 - ours
    values = sought * len(told)
    if name in _FIELDS:
        told.append(f"{_FIELDS[name]} = ?")
        values.append(value)
    elif name == "error" and value in {"true", "false"}:
        told.append(f"spans.status {'=' if value == 'true' else '!='} '{ERROR}'")
    return f"({' OR '.join(told)})", values


def number_of(value: str) -> float | None:
    """The number that the text is, so that `1e-05` finds 0.00001; None where it is none."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
