"""Intake: OTLP requests, as they come over the wire, into records."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agentops_otel.accounting.dialects import translate
from agentops_otel.accounting.enrichment import enrich
from agentops_otel.accounting.prices import Prices
from agentops_otel.accounting.record import ERROR, OK, UNSET, SpanRecord
from agentops_otel.conventions import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
BODY_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of one request, as it is sent and as it is inflated."""

_KINDS: Final = {2: "server", 3: "client", 4: "producer", 5: "consumer"}
_STATES: Final = {1: OK, 2: ERROR}
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_TRACE_BYTES, _SPAN_BYTES = 16, 8
# gzip has a header of its own, "deflate" is zlib's.
_WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class IntakeError(Exception):
    """A request that cannot be taken; the message says why, `status` is the HTTP status that means it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Intake(NamedTuple):
    """What one request brought: its records, and how many of its spans were left out for invalid ids."""

    records: list[SpanRecord]
    rejected: int


def media_type(content_type: str) -> str:
    """`PROTOBUF` or `JSON`, whichever this Content-Type means.

    Raises:
        IntakeError: it means neither; status 415.
    """
    told = content_type.partition(";")[0].strip().lower()
    if told not in {PROTOBUF, JSON}:
        raise IntakeError(f"traces are taken as {PROTOBUF} or {JSON}, not as {told or 'a body of no type'}", 415)
    return told


def inflated(body: bytes, encoding: str, limit: int = BODY_LIMIT) -> bytes:
    """The body without its Content-Encoding (gzip, deflate or none), never more than `limit` bytes of it.

    Raises:
        IntakeError: it is larger (413), of another encoding (415), or not what the encoding says (400).
    """
    told = encoding.strip().lower()
    if told in {"", "identity"}:
        return _within(body, limit)
    if told not in _WINDOWS:
        raise IntakeError(f"a body is taken as gzip, as deflate or as it is, not as {told}", 415)
    decoder = zlib.decompressobj(_WINDOWS[told])
    try:
        whole = _within(decoder.decompress(body, limit + 1), limit)
    except zlib.error as error:
        raise IntakeError(f"the body is not {told}: {error}") from error
    if not decoder.eof or decoder.unused_data:
        raise IntakeError(f"the {told} body {'goes on after its end' if decoder.eof else 'ends too early'}")
    return whole


def records_of_request(body: bytes, content_type: str, prices: Prices | None = None) -> Intake:
    """The spans of an OTLP ExportTraceServiceRequest as records, those of model calls with what they cost.

    Attributes become text, booleans, numbers and lists of these; a map, or a list of anything else, becomes
    JSON text, bytes become base64. `prices` keeps what it has looked up, so callers keep one.

    Raises:
        IntakeError: the body is malformed, too large or of another type.
    """
    request = _request(_within(body, BODY_LIMIT), media_type(content_type))
    prices = prices or Prices()
    records, rejected = [], 0
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for part in group.scope_spans:
            for span in part.spans:
                if not (_is_id(span.trace_id, _TRACE_BYTES) and _is_id(span.span_id, _SPAN_BYTES)):
                    rejected += 1
                    continue
                record = _record(span, resource, part.scope.name, part.scope.version)
                record.attributes = enrich(translate(record), prices, start_time=record.start_time)
                records.append(record)
    return Intake(records, rejected)


def answer(rejected: int, content_type: str) -> bytes:
    """The body of the answer to a request that was taken, in the type that it came in."""
    message = f"{rejected} spans are left out: a trace id is 16 bytes and a span id 8, not all of them zero"
    if media_type(content_type) == JSON:
        # The JSON mapping of protobuf writes 64-bit integers as text.
        told = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}} if rejected else {}
        return json.dumps(told).encode()
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    written: bytes = response.SerializeToString()
    return written


# --- Decoding -----------------------------------------------------------------------------------------------


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise IntakeError(f"a request may have {limit} bytes: send fewer spans at a time", 413)
    return body


def _request(body: bytes, kind: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    try:
        if kind == PROTOBUF:
            request.ParseFromString(body)
        else:
            ParseDict(_loaded(body), request, ignore_unknown_fields=True)
    # Python's JSON errors and what protobuf's own checks of types raise are ValueError and TypeError.
    except (DecodeError, ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).rpartition("field: ")[2][:200]
        raise IntakeError(f"the body is no ExportTraceServiceRequest as {kind}: {reason}") from error
    return request


def _loaded(body: bytes) -> dict[str, Any]:
    """The request as protobuf's JSON mapping has it; OTLP differs in its ids, which are hex instead of base64."""
    loaded = json.loads(body)
    if b"\\ud" in body.lower():
        # A lone surrogate in one name would cost the whole request.
        loaded = json.loads(json.dumps(loaded, ensure_ascii=False).encode("utf-8", "replace"))
    if not isinstance(loaded, dict):
        raise IntakeError("the body is JSON, but no object with resourceSpans")
    for group in _objects(loaded, "resourceSpans"):
        for part in _objects(group, "scopeSpans"):
            for span in _objects(part, "spans"):
                _rewrite_ids(span)
                for link in _objects(span, "links"):
                    _rewrite_ids(link)
    return loaded


def _objects(holder: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    found = holder.get(name)
    return (item for item in found if isinstance(item, dict)) if isinstance(found, list) else iter(())


def _rewrite_ids(holder: dict[str, Any]) -> None:
    for name in _IDS:
        told = holder.get(name)
        if told is not None:
            try:
                holder[name] = base64.b64encode(binascii.unhexlify(told)).decode()
            except (ValueError, TypeError):
                holder[name] = ""


# --- Reading ------------------------------------------------------------------------------------------------


def _record(span: Span, resource: dict[str, Any], scope: str, scope_version: str) -> SpanRecord:
    return SpanRecord(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if _is_id(span.parent_span_id, _SPAN_BYTES) else None,
        name=span.name,
        start_time=span.start_time_unix_nano,
        # Without an end it would be a start record, and OTLP has none: whoever sends a span has ended it.
        end_time=span.end_time_unix_nano or span.start_time_unix_nano,
        kind=_KINDS.get(span.kind, "internal"),
        attributes=_attributes(span.attributes),
        events=[
            {"name": event.name, "timestamp": event.time_unix_nano, "attributes": _attributes(event.attributes)}
            for event in span.events
        ],
        links=[
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
            if _is_id(link.trace_id, _TRACE_BYTES) and _is_id(link.span_id, _SPAN_BYTES)
        ],
        status=_STATES.get(span.status.code, UNSET),
        status_message=span.status.message or None,
        resource=resource,
        scope=scope,
        scope_version=scope_version,
    )


def _is_id(value: bytes, length: int) -> bool:
    return len(value) == length and any(value)


def _attributes(items: Iterable[KeyValue]) -> dict[str, Any]:
    read = ((item.key, _value(item.value)) for item in items)
    return {name: _flat(value) for name, value in read if name and value is not None}


def _flat(value: Any) -> Any:
    """The value as a span can carry it: no maps, and lists of plain values only."""
    is_nested = isinstance(value, dict) or (
        isinstance(value, list) and not all(isinstance(item, (str, bool, int, float)) for item in value)
    )
    return plain.to_json(value) if is_nested else value


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind) if kind in {"string_value", "bool_value", "int_value", "double_value"} else None
