"""A trace as Jaeger's first query API tells it, and in short as its third one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.record import ERROR, OK
from agentops_otel.conventions import plain
from agentops_otel.store.traces import NO_SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord

_MICROSECOND: Final = 1000
_SERVICE_NAME: Final = "service.name"
_SAFE: Final = 2**53 - 1
"""JavaScript knows whole numbers up to here; larger ones are told as text."""
_OPEN: Final = "the span has not ended"


def trace_json(trace_id: str, records: Sequence[SpanRecord], warnings: list[str] | None = None) -> dict[str, Any]:
    """The trace with its spans and the processes that they ran in; times are microseconds since the epoch."""
    processes: dict[str, Any] = {}
    known: list[Mapping[str, Any]] = []
    spans = []
    for record in records:
        number = next((number for number, found in enumerate(known) if found is record.resource), None)
        if number is None:
            number = len(known)
            known.append(record.resource)
            processes[f"p{number + 1}"] = {
                "serviceName": service_of(record),
                "tags": _key_values({name: told for name, told in record.resource.items() if name != _SERVICE_NAME}),
            }
        spans.append(_span(record, f"p{number + 1}"))
    return {"traceID": trace_id, "spans": spans, "processes": processes, "warnings": warnings}


def summary_json(trace_id: str, records: Sequence[SpanRecord]) -> dict[str, Any]:
    """A trace in a line of a list: its root, its time (ns), its spans by service."""
    spans = {record.span_id for record in records}
    orphans = [record for record in records if record.parent_id is not None and record.parent_id not in spans]
    tops = [record for record in records if record.parent_id is None] or orphans or list(records)
    services: dict[str, dict[str, Any]] = {}
    for record in records:
        name = service_of(record)
        told = services.setdefault(name, {"name": name, "spanCount": 0, "errorSpanCount": 0})
        told["spanCount"] += 1
        told["errorSpanCount"] += record.status == ERROR
    return {
        "traceId": trace_id,
        # As the first pages that asked for summaries call it.
        "traceID": trace_id,
        "rootServiceName": service_of(tops[0]),
        "rootOperationName": tops[0].name,
        "minStartTimeUnixNano": str(min(record.start_time for record in records)),
        "maxEndTimeUnixNano": str(max(_end(record) for record in records)),
        "spanCount": len(records),
        "errorSpanCount": sum(told["errorSpanCount"] for told in services.values()),
        "orphanSpanCount": len(orphans),
        "services": [services[name] for name in sorted(services)],
    }


def service_of(record: SpanRecord) -> str:
    """The service that a span came from."""
    return str(record.resource.get(_SERVICE_NAME) or NO_SERVICE)


def _end(record: SpanRecord) -> int:
    return record.start_time if record.end_time is None else record.end_time


def _span(record: SpanRecord, process: str) -> dict[str, Any]:
    return {
        "traceID": record.trace_id,
        "spanID": record.span_id,
        "operationName": record.name,
        "references": list(_references(record)),
        "startTime": record.start_time // _MICROSECOND,
        "duration": max(_end(record) - record.start_time, 0) // _MICROSECOND,
        "tags": _key_values({**record.attributes, **dict(_fields(record))}),
        "logs": [_log(event) for event in record.events],
        "processID": process,
        "warnings": [_OPEN] if record.end_time is None else None,
    }


def _references(record: SpanRecord) -> Iterator[dict[str, Any]]:
    if record.parent_id is not None:
        yield {"refType": "CHILD_OF", "traceID": record.trace_id, "spanID": record.parent_id}
    for link in record.links:
        yield {"refType": "FOLLOWS_FROM", "traceID": link.get("trace_id"), "spanID": link.get("span_id")}


def _fields(record: SpanRecord) -> Iterator[tuple[str, Any]]:
    """What is no attribute of a span, under the names of the tags that Jaeger makes of it."""
    yield "span.kind", record.kind
    if record.status == ERROR:
        yield "error", True
    if record.status in {ERROR, OK}:
        yield "otel.status_code", record.status.upper()
    for name, told in (
        ("otel.status_description", record.status_message),
        ("otel.scope.name", record.scope),
        ("otel.scope.version", record.scope_version),
    ):
        if told:
            yield name, told


def _log(event: Mapping[str, Any]) -> dict[str, Any]:
    time, attributes = event.get("timestamp"), event.get("attributes") or {}
    name = {"event": event.get("name") or ""} if "event" not in attributes else {}
    return {
        "timestamp": (time if isinstance(time, int) else 0) // _MICROSECOND,
        "fields": [*_key_values(name), *_key_values(attributes)],
    }


def _key_values(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_key_value(name, attributes[name]) for name in sorted(attributes) if attributes[name] is not None]


def _key_value(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": name, "type": "bool", "value": value}
    if isinstance(value, int):
        return {"key": name, "type": "int64", "value": value if abs(value) <= _SAFE else str(value)}
    if isinstance(value, float):
        return {"key": name, "type": "float64", "value": value}
    return {"key": name, "type": "string", "value": value if isinstance(value, str) else plain.to_json(value)}
