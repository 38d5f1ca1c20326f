"""Records as the bodies of OTLP requests: bounded, gzipped, and divided where a receiver wants them smaller."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord

BODY_SIZE: Final = 4 * 1024 * 1024
"""Bytes that a request has at most before it is gzipped, unless a single span has more."""
_SPAN_SIZE: Final = 512
_LEVEL: Final = 1
_NAMES_EVENTS: Final = "event_name" in LogRecord.DESCRIPTOR.fields_by_name
"""Since opentelemetry-proto 1.35; before, the name of an event was an attribute."""

Body = tuple[bytes, int]
"""A gzipped ExportTraceServiceRequest, and how many spans are in it."""


def bodies(records: Sequence[SpanRecord], spoiled: Callable[[SpanRecord, Exception], None]) -> list[Body]:
    """These records as requests; one that cannot be encoded is told to `spoiled`, the others are not lost with it."""
    return [body for group in _groups(records) for body in _encoded(group, spoiled)]


def _groups(records: Sequence[SpanRecord]) -> Iterator[list[SpanRecord]]:
    group: list[SpanRecord] = []
    size = 0
    for record in records:
        more = size_of(record)
        if group and size + more > BODY_SIZE:
            yield group
            group, size = [], 0
        group.append(record)
        size += more
    if group:
        yield group


def size_of(record: SpanRecord) -> int:
    """About how many bytes the record has."""
    size = _SPAN_SIZE
    for values in (record.attributes, *(event["attributes"] for event in record.events)):
        for value in values.values():
            size += (
                len(value) if isinstance(value, (str, bytes)) else sum(map(_length, value)) if _is_list(value) else 8
            )
    return size


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes)) else 8


def _encoded(records: Sequence[SpanRecord], spoiled: Callable[[SpanRecord, Exception], None]) -> list[Body]:
    try:
        whole: bytes = encode_spans([span_of(record) for record in records]).SerializeToString()
    except Exception as error:
        if len(records) == 1:
            spoiled(records[0], error)
            return []
        middle = len(records) // 2
        return _encoded(records[:middle], spoiled) + _encoded(records[middle:], spoiled)
    return [(gzip.compress(whole, _LEVEL, mtime=0), len(records))]


def divided(body: bytes, *, ends: bool = False) -> list[Body]:
    """A request in two halves, or, with `ends`, in its first span, its last, and what lies between.

    The spans keep their order within each. A request of one span comes back alone.

    Raises:
        OSError, EOFError, zlib.error, DecodeError: the body is damaged.
    """
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
    spans = [
        (group, scope, span) for group in request.resource_spans for scope in group.scope_spans for span in scope.spans
    ]
    middle = len(spans) // 2
    parts = [spans[:1], spans[-1:], spans[1:-1]] if ends and len(spans) > 1 else [spans[:middle], spans[middle:]]
    return [_body_of(part) for part in parts if part]


def _body_of(spans: Sequence[tuple[Any, Any, Any]]) -> Body:
    request = ExportTraceServiceRequest()
    last: tuple[Any, Any] = (None, None)
    for group, scope, span in spans:
        if group is not last[0]:
            resource_spans = request.resource_spans.add(schema_url=group.schema_url)
            resource_spans.resource.CopyFrom(group.resource)
        if group is not last[0] or scope is not last[1]:
            scope_spans = resource_spans.scope_spans.add(schema_url=scope.schema_url)
            scope_spans.scope.CopyFrom(scope.scope)
        scope_spans.spans.append(span)
        last = (group, scope)
    return gzip.compress(request.SerializeToString(), _LEVEL, mtime=0), len(spans)


def start_of(record: SpanRecord) -> ExportLogsServiceRequest:
    """A start record as a request of one log record.

    The log record is an event in OpenTelemetry's sense: it has a name, the ids of the session's root span, and the
    attributes that this has so far.

    Raises:
        Exception: it cannot be encoded.
    """
    (group,) = encode_spans([span_of(record)]).resource_spans
    (scope,) = group.scope_spans
    (span,) = scope.spans
    request = ExportLogsServiceRequest()
    told = request.resource_logs.add(schema_url=group.schema_url)
    told.resource.CopyFrom(group.resource)
    part = told.scope_logs.add(schema_url=scope.schema_url)
    part.scope.CopyFrom(scope.scope)
    log = part.log_records.add(
        time_unix_nano=span.start_time_unix_nano,
        observed_time_unix_nano=span.start_time_unix_nano,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        trace_id=span.trace_id,
        span_id=span.span_id,
        attributes=span.attributes,
    )
    if not _NAMES_EVENTS:
        log.attributes.add(key=names.EVENT_NAME)
    return request


def events_body(starts: Sequence[ExportLogsServiceRequest], name: str) -> bytes:
    """One gzipped request of these starts, as events of this name that happen now."""
    told = ExportLogsServiceRequest()
    for start in starts:
        told.MergeFrom(start)
    for group in told.resource_logs:
        for log in group.scope_logs[0].log_records:
            log.observed_time_unix_nano = now = time.time_ns()
            if _NAMES_EVENTS:
                log.event_name = name
            else:
                log.attributes[-1].value.string_value = name
            if name == names.SESSION_HEARTBEAT:
                # ClickHouse is told one time of a log record, and of a heartbeat that is the one that counts.
                log.attributes.add(key=names.SESSION_START_TIME).value.int_value = log.time_unix_nano
                log.time_unix_nano = now
    return gzip.compress(told.SerializeToString(), _LEVEL, mtime=0)


# --- A record as a span ----------------------------------------------------------------------------


def span_of(record: SpanRecord) -> ReadableSpan:
    """The record as a span that any exporter takes; texts are such that they can be encoded."""
    trace_id = int(record.trace_id, 16)
    flags = TraceFlags(TraceFlags.SAMPLED)
    parent = None
    if record.parent_id is not None:
        parent = SpanContext(trace_id, int(record.parent_id, 16), is_remote=False, trace_flags=flags)
    message = record.status_message
    return ReadableSpan(
        name=plain.text(record.name),
        context=SpanContext(trace_id, int(record.span_id, 16), is_remote=False, trace_flags=flags),
        parent=parent,
        resource=Resource(_sound(record.resource)),
        attributes=_sound(record.attributes),
        events=[
            Event(plain.text(event["name"]), _sound(event["attributes"]), event["timestamp"]) for event in record.events
        ],
        links=[_link(link) for link in record.links],
        kind=SpanKind[record.kind.upper()],
        status=Status(StatusCode[record.status.upper()], None if message is None else plain.text(message)),
        start_time=record.start_time,
        end_time=record.end_time,
        instrumentation_scope=InstrumentationScope(plain.text(record.scope), plain.text(record.scope_version)),
    )


def _sound(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {plain.text(name): plain.text(value) if type(value) is str else value for name, value in attributes.items()}


def _link(link: Mapping[str, Any]) -> Link:
    context = SpanContext(int(link["trace_id"], 16), int(link["span_id"], 16), is_remote=True)
    return Link(context, _sound(link["attributes"]))
