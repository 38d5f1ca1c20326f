"""OTLP requests for tests: records as any exporter would send them."""

from __future__ import annotations

import base64
import json

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentops_otel.otlp.bodies import span_of
from agentops_otel.server.wire import JSON, PROTOBUF

__all__ = ["JSON", "PROTOBUF", "json_request", "one_span", "protobuf_request", "short_id"]


def protobuf_request(*records) -> bytes:
    """The records as the stock exporter sends them."""
    return encode_spans([span_of(record) for record in records]).SerializeToString()


def json_request(*records) -> bytes:
    """The same in OTLP's JSON, where ids are hex."""
    told = MessageToDict(ExportTraceServiceRequest.FromString(protobuf_request(*records)))
    for group in told["resourceSpans"]:
        for part in group["scopeSpans"]:
            for span in part["spans"]:
                for holder in (span, *span.get("links", ())):
                    for name in {"traceId", "spanId", "parentSpanId"} & holder.keys():
                        holder[name] = base64.b64decode(holder[name]).hex()
    return json.dumps(told).encode()


def one_span(**fields) -> bytes:
    """A JSON request of one span; fields are in OTLP's own words, None leaves one out."""
    span = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "s",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        **fields,
    }
    span = {name: value for name, value in span.items() if value is not None}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def short_id(value) -> str | None:
    """The id of a test's parameter, for those whose values fill pages."""
    return f"{len(value)} long" if isinstance(value, (bytes, str)) and len(value) > 40 else None
