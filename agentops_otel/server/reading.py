"""OTLP's messages as records: spans, and the log records that tell of a session before its root has ended."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.record import ERROR, OK, UNSET, SpanRecord
from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_KINDS: Final = {2: "server", 3: "client", 4: "producer", 5: "consumer"}
_STATES: Final = {1: OK, 2: ERROR}
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_NO_TRACE, _NO_SPAN = bytes(_TRACE_BYTES), bytes(_SPAN_BYTES)
_SCALARS: Final = (str, bool, int, float)


def spans_of(request: ExportTraceServiceRequest, project: str | None = None) -> tuple[list[SpanRecord], int]:
    """The spans as records, and how many were left out for invalid ids.

    Attributes become text, booleans, numbers and lists of these; a map, or a list of anything else, becomes JSON
    text, bytes become base64. With `project`, all of them belong to it, whatever they say.
    """
    records: list[SpanRecord] = []
    rejected = 0
    for group in request.resource_spans:
        resource = _resource(group.resource.attributes, project)
        for part in group.scope_spans:
            scope, version = part.scope.name, part.scope.version
            for span in part.spans:
                if _is_id(span.trace_id, _NO_TRACE) and _is_id(span.span_id, _NO_SPAN):
                    records.append(_record(span, resource, scope, version))
                else:
                    rejected += 1
    return records, rejected


def starts_of(request: ExportLogsServiceRequest, project: str | None = None) -> list[SpanRecord]:
    """The start records that are told as log records; all other log records are none of ours.

    They are named `agentops.session.start` or `agentops.session.heartbeat`, have the ids of the session's root span,
    and the attributes that it has so far.
    """
    records = []
    for group in request.resource_logs:
        resource = _resource(group.resource.attributes, project)
        for part in group.scope_logs:
            for log in part.log_records:
                is_told = _is_id(log.trace_id, _NO_TRACE) and _is_id(log.span_id, _NO_SPAN)
                event = _event_name(log) if is_told else ""
                if event in names.SESSION_EVENTS:
                    records.append(_start(log, resource, part.scope.name, part.scope.version))
                if event == names.SESSION_HEARTBEAT:
                    records[-1].attributes = {**records[-1].attributes, names.SESSION_HEARD: time.time_ns()}
    return records


def _event_name(log: LogRecord) -> str:
    """Its name; older emitters have it as an attribute, and opentelemetry-proto before 1.35 knows no other place."""
    told = getattr(log, "event_name", "")
    return str(told or next((item.value.string_value for item in log.attributes if item.key == names.EVENT_NAME), ""))


def _start(log: LogRecord, resource: dict[str, Any], scope: str, version: str) -> SpanRecord:
    attributes = attributes_of(log.attributes)
    told = attributes.pop(names.SESSION_START_TIME, None)
    begun = told if isinstance(told, int) and told > 0 else log.time_unix_nano or log.observed_time_unix_nano
    return SpanRecord(
        trace_id=log.trace_id.hex(),
        span_id=log.span_id.hex(),
        parent_id=None,
        name="session",
        start_time=begun or time.time_ns(),
        end_time=None,
        attributes={**attributes, names.SPAN_KIND: names.KIND_SESSION},
        resource=resource,
        scope=scope,
        scope_version=version,
    )


def _record(span: Span, resource: dict[str, Any], scope: str, scope_version: str) -> SpanRecord:
    parent, status = span.parent_span_id, span.status
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if not (start or end):
        start = time.time_ns()  # without a time it would have happened in 1970
    # By position, for names cost as much as all the reading above.
    return SpanRecord(
        span.trace_id.hex(),
        span.span_id.hex(),
        parent.hex() if parent and _is_id(parent, _NO_SPAN) else None,
        span.name,
        start or end,
        # Without an end it would be a start record, and spans are none: whoever sends one has ended it.
        end or start,
        _KINDS.get(span.kind, "internal"),
        attributes_of(span.attributes),
        [_event(event) for event in span.events] if span.events else [],
        [_link(link) for link in span.links if _is_id(link.trace_id, _NO_TRACE) and _is_id(link.span_id, _NO_SPAN)]
        if span.links
        else [],
        _STATES.get(status.code, UNSET),
        status.message or None,
        resource,
        scope,
        scope_version,
    )


def _event(event: Span.Event) -> dict[str, Any]:
    return {"name": event.name, "timestamp": event.time_unix_nano, "attributes": attributes_of(event.attributes)}


def _link(link: Span.Link) -> dict[str, Any]:
    attributes = attributes_of(link.attributes)
    return {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": attributes}


def _is_id(value: bytes, nothing: bytes) -> bool:
    return len(value) == len(nothing) and value != nothing


def _resource(items: Iterable[KeyValue], project: str | None) -> dict[str, Any]:
    resource = attributes_of(items)
    return resource if project is None else {**resource, names.PROJECT_ID: project}


def attributes_of(items: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a span can carry them; those without a name or a value are left out."""
    read: dict[str, Any] = {}
    for item in items:
        value = item.value
        # Nearly all are texts or numbers: asking for these costs half of what asking for the kind does.
        told: Any = value.string_value or value.int_value or value.double_value or value.bool_value
        if not told:
            told = _value(value)
            if told is None:
                continue
            if not isinstance(told, _SCALARS):
                told = _flat(told)
        read[item.key] = told
    read.pop("", None)
    return read


def _flat(value: Any) -> Any:
    """The value as a span can carry it: no maps, and lists of plain values only."""
    is_plain = isinstance(value, list) and all(isinstance(item, _SCALARS) for item in value)
    return value if is_plain else plain.to_json(value)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind) if kind in {"string_value", "bool_value", "int_value", "double_value"} else None
