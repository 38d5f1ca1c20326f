"""Traces in the collector's tables: services, operations, and searches for traces, as tracing tools ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agentops_otel.store import rows, traces
from agentops_otel.store.clickhouse import spans
from agentops_otel.store.clickhouse.asking import Asking, Values
from agentops_otel.store.clickhouse.facts import quoted
from agentops_otel.store.clickhouse.reading import Reading
from agentops_otel.store.traces import NO_SERVICE, Dependency, Operation, TraceIds

if TYPE_CHECKING:
    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.traces import TraceQuery

_SERVICE: Final = f"if(ServiceName = '', {quoted(NO_SERVICE)}, toString(ServiceName))"
_NANOSECONDS: Final = "toUnixTimestamp64Nano(Timestamp)"
_KIND: Final = "replaceOne(replaceOne(lower(SpanKind), 'span_kind_', ''), 'unspecified', 'internal')"
_STATE: Final = "replaceOne(lower(StatusCode), 'status_code_', '')"
_MOST_OPERATIONS: Final = 10_000
_FIELDS: Final = {
    "span.kind": _KIND,
    "otel.status_code": f"if({_STATE} = 'unset', '', upper({_STATE}))",
    "otel.status_description": "StatusMessage",
    "otel.scope.name": "ScopeName",
    "otel.scope.version": "ScopeVersion",
}


class Tracing:
    """What one database answers about traces; with a `project`, from this project's spans alone."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def services(self, project: str | None) -> list[str]:
        """The names of the services that spans came from, sorted."""
        values, told = Values(), self._asking.layout.told
        asked = self._of(values, project)
        found = self._asking.rows(
            f"SELECT DISTINCT {_SERVICE} AS name FROM {told.spans} WHERE {asked} ORDER BY name", values
        )
        return [name for (name,) in found]

    def operations(self, service: str, project: str | None) -> list[Operation]:
        """What the spans of a service are called, sorted."""
        values, told = Values(), self._asking.layout.told
        asked = f"ServiceName = {values.text('' if service == NO_SERVICE else service)}"
        statement = (
            f"SELECT DISTINCT toString(SpanName) AS name, {_KIND} AS kind FROM {told.spans} "
            f"WHERE {asked} AND {self._of(values, project)} LIMIT {_MOST_OPERATIONS}"
        )
        return sorted(Operation(name, kind) for name, kind in self._asking.rows(statement, values))

    def traces(self, query: TraceQuery, project: str | None) -> TraceIds:
        """The ids of the traces that are asked for, the newest first."""
        values, told = Values(), self._asking.layout.told
        statement = (
            f"SELECT TraceId FROM {told.spans} WHERE {_conditions(values, query)} "
            f"AND {self._of(values, project)} GROUP BY TraceId ORDER BY max(Timestamp) DESC, TraceId DESC "
            f"LIMIT {values.whole(query.limit)}"
        )
        return TraceIds(trace for (trace,) in self._asking.rows(statement, values))

    def trace(self, trace_id: str, project: str | None, *, content: bool, limit: int) -> list[SpanRecord]:
        """The spans of a trace by start time, at most `limit`; without `content`, only what is always small."""
        values, layout = Values(), self._asking.layout
        asked = f"TraceId = {values.text(trace_id)}"
        owned = "" if project is None else values.text(project)
        wanted = spans.Wanted(
            layout.told.where(asked, f"{layout.told.project_of_span} = {owned}" if owned else "1"),
            asked + (f" AND {layout.told.project_of_start} = {owned}" if owned else ""),
            is_bare=not content,
            has_links=content,
            limit=min(limit, rows.LATEST),
        )
        return [record for _, record in Reading(self._asking).told(wanted, values)][:limit]

    def dependencies(self, since: int, until: int, project: str | None) -> list[Dependency]:
        """Which services called which between these times (ns), by the spans that began then."""
        values, told = Values(), self._asking.layout.told
        time = _time(values, since, until)
        columns = f"TraceId, SpanId, ParentSpanId, {_SERVICE} AS service, {told.project_of_span} AS owner"
        source = f"SELECT {columns} FROM {told.spans}"
        statement = (
            f"SELECT above.service, below.service, count() FROM "
            f"({source} WHERE {time} AND {self._of(values, project)} AND ParentSpanId != '') AS below "
            f"INNER JOIN ({source} WHERE TraceId IN (SELECT TraceId FROM {told.spans} WHERE {time})) AS above "
            "ON above.TraceId = below.TraceId AND above.SpanId = below.ParentSpanId AND above.owner = below.owner "
            "WHERE above.service != below.service GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [Dependency(*row) for row in self._asking.rows(statement, values)]

    def _of(self, values: Values, project: str | None) -> str:
        return "1" if project is None else f"{self._asking.layout.told.project_of_span} = {values.text(project)}"


def _time(values: Values, since: int, until: int) -> str:
    return (
        f"Timestamp >= fromUnixTimestamp64Nano({values.whole(since)}) "
        f"AND Timestamp <= fromUnixTimestamp64Nano({values.whole(until)})"
    )


def _conditions(values: Values, query: TraceQuery) -> str:
    told = [
        _time(values, query.since, query.until),
        *values.where(
            ("ServiceName = {}", "" if query.service == NO_SERVICE else query.service),
            ("SpanName = {}", query.operation),
            ("Duration >= {}", query.shortest),
            ("Duration <= {}", query.longest),
        ),
    ]
    told += [_tag(values, name, value) for name, value in query.tags.items()]
    return " AND ".join(told)


def _tag(values: Values, name: str, value: str) -> str:
    place, sought = values.text(name), values.text(value)
    number = traces.number_of(value)
    as_number = None if number is None else values.number(number)

    def holds(attributes: str) -> str:
        told = f"{attributes}[{place}]"
        ways = [
            f"{told} = {sought}",
            f"(startsWith({told}, '[') AND has(JSONExtract({told}, 'Array(String)'), {sought}))",
        ]
        ways += [] if as_number is None else [f"toFloat64OrNull({told}) = {as_number}"]
        return f"(mapContains({attributes}, {place}) AND ({' OR '.join(ways)}))"

    told = [*map(holds, _MAPS), f"arrayExists(told -> {holds('told')}, Events.Attributes)"]
    if name in _FIELDS:
        told.append(f"{_FIELDS[name]} = {sought}")
    elif name == "error" and value in {"true", "false"}:
        told.append(f"{_STATE} {'=' if value == 'true' else '!='} 'error'")
    return f"({' OR '.join(told)})"


_MAPS: Final = ("SpanAttributes", "ResourceAttributes")
