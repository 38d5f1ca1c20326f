"""Span records out of the collector's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentops_otel.accounting.record import SpanRecord
from agentops_otel.conventions import names
from agentops_otel.conventions.typed import typed
from agentops_otel.store.clickhouse.facts import listed, quoted
from agentops_otel.store.rows import CONTENT, is_sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentops_otel.store.clickhouse.layout import Layout

_NANOSECONDS: Final = "toUnixTimestamp64Nano(Timestamp)"
_BARE: Final = f"mapFilter((name, told) -> name NOT IN {listed(CONTENT)}, SpanAttributes)"
_EVENTS: Final = "Events.Name, arrayMap(told -> toUnixTimestamp64Nano(told), Events.Timestamp), Events.Attributes"
_NO_MAPS: Final = "CAST([], 'Array(Map(LowCardinality(String), String))')"
_NOTHING: Final = f"CAST([], 'Array(LowCardinality(String))'), CAST([], 'Array(Int64)'), {_NO_MAPS}"
_NO_LINKS: Final = f"CAST([], 'Array(String)'), CAST([], 'Array(String)'), {_NO_MAPS}"
_LINKS: Final = "Links.TraceId, Links.SpanId, Links.Attributes"
_STATES: Final = {"ok": "ok", "error": "error"}


class Wanted(NamedTuple):
    """Which records: `WHERE` of rows of spans, conditions on rows of logs, and what of each."""

    spans: str
    starts: str
    is_bare: bool = False
    has_links: bool = True
    limit: int | None = None


def statement(layout: Layout, wanted: Wanted) -> str:
    """What finds the spans by their start."""
    attributes = _BARE if wanted.is_bare else "SpanAttributes"
    limit = "" if wanted.limit is None else f" LIMIT {wanted.limit}"
    return (
        f"SELECT {_NANOSECONDS} AS start, toInt64(Duration), 0, TraceId, SpanId, ParentSpanId, "
        "SpanName, SpanKind, StatusCode, StatusMessage, ScopeName, "
        f"ScopeVersion, {attributes}, ResourceAttributes, "
        f"{_NOTHING if wanted.is_bare else _EVENTS}, {_LINKS if wanted.has_links else _NO_LINKS}, "
        f"{layout.told.project_of_span} "
        f"FROM {layout.told.spans} {wanted.spans} ORDER BY start, ParentSpanId != '', SpanId{limit}"
    )


def statement_of_starts(layout: Layout, wanted: Wanted) -> str | None:
    """What finds the starts of sessions; None where nobody writes them."""
    if layout.told.starts is None:
        return None
    told = f"toInt64OrZero(LogAttributes[{quoted(names.SESSION_START_TIME)}])"
    return (
        f"SELECT if({told} > 0, {told}, {_NANOSECONDS}) AS start, {_NANOSECONDS} - start AS heard, 1, "
        "TraceId, SpanId, '', "
        "'session', 'internal', 'unset', '', ScopeName, ScopeVersion, LogAttributes, ResourceAttributes, "
        f"{_NOTHING}, {_NO_LINKS}, {layout.told.project_of_start} "
        f"FROM {layout.told.starts} WHERE {layout.told.are_starts} AND {wanted.starts} ORDER BY start, heard"
    )


def records_from(rows: Iterable[Sequence[Any]]) -> list[tuple[str, SpanRecord]]:
    """The records of these rows, each with its project: once, without starts of what has ended, by their start."""
    found: dict[tuple[str, str, str], SpanRecord] = {}
    resources: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for row in rows:
        *told, project = row
        resource = tuple(told[13].items())
        if resource not in resources:
            resources[resource] = typed(resource)
        record = _record(told, resources[resource])
        place = (project, record.trace_id, record.span_id)
        kept = found.get(place)
        if kept is None or (kept.end_time is None and record.end_time is not None):
            found[place] = record
        elif kept.end_time is None and record.is_heartbeat:
            kept.attributes = record.attributes
    told = [(project, record) for (project, _, _), record in found.items()]
    return sorted(told, key=lambda each: (each[1].start_time, each[1].parent_id is not None))


def _record(row: Sequence[Any], resource: dict[str, Any]) -> SpanRecord:
    (
        start, length, is_start, trace_id, span_id, parent_id, name, kind, state, message, scope, version, told, _,
        event_names, event_times, event_attributes, link_traces, link_spans, link_attributes,
    ) = row  # fmt: skip
    if names.COST in told and not is_sound(names.COST, told[names.COST]):
        del told[names.COST]
    attributes = typed(told.items())
    if is_start:
        # What makes it a log record is none of the session's.
        attributes.pop(names.SESSION_START_TIME, None)
        attributes.pop(names.EVENT_NAME, None)
        attributes.pop(names.SESSION_HEARD, None)
        if length > 0:
            attributes[names.SESSION_HEARD] = start + length
        attributes[names.SPAN_KIND] = names.KIND_SESSION
    return SpanRecord(
        trace_id,
        span_id,
        parent_id or None,
        name,
        start,
        None if is_start else start + length,
        _word(kind, "span_kind_") or "internal",
        attributes,
        [
            {"name": event, "timestamp": time, "attributes": typed(attributes.items())}
            for event, time, attributes in zip(event_names, event_times, event_attributes, strict=True)
        ]
        or (),
        [
            {"trace_id": trace, "span_id": span, "attributes": typed(attributes.items())}
            for trace, span, attributes in zip(link_traces, link_spans, link_attributes, strict=True)
        ]
        or (),
        _STATES.get(_word(state, "status_code_"), "unset"),
        message or None,
        resource,
        scope,
        version,
    )


def _word(told: str, prefix: str) -> str:
    """A kind or a state, in the words of OpenTelemetry's SDKs, whichever words an exporter had."""
    word = told.lower().removeprefix(prefix)
    return "" if word == "unspecified" else word
