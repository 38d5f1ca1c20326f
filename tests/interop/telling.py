"""What tools tell of spans, each in its own form, as records."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from agentops_otel.accounting.record import SpanRecord

MICROSECOND = 1000


def jaeger_records(trace):
    """The spans of a trace in Jaeger's first form."""
    for span in trace["spans"]:
        process = trace["processes"][span["processID"]]
        tags = values(span["tags"])
        parent = next((told["spanID"] for told in span["references"] if told["refType"] == "CHILD_OF"), None)
        yield SpanRecord(
            trace_id=span["traceID"],
            span_id=span["spanID"],
            parent_id=parent,
            name=span["operationName"],
            start_time=span["startTime"] * MICROSECOND,
            end_time=(span["startTime"] + span["duration"]) * MICROSECOND,
            kind=tags.get("span.kind", "internal"),
            status=tags.get("otel.status_code", "UNSET").lower(),
            status_message=tags.get("otel.status_description"),
            attributes=tags,
            resource={**values(process["tags"]), "service.name": process["serviceName"]},
            scope=tags.get("otel.scope.name") or tags.get("otel.library.name", ""),
            scope_version=tags.get("otel.scope.version") or tags.get("otel.library.version", ""),
            events=[
                {"name": fields.get("event", ""), "timestamp": log["timestamp"] * MICROSECOND, "attributes": fields}
                for log in span["logs"]
                for fields in [values(log["fields"])]
            ],
        )


def values(pairs):
    return {pair["key"]: pair["value"] for pair in pairs}


def phoenix_record(span):
    return SpanRecord(
        trace_id=span["context"]["trace_id"],
        span_id=span["context"]["span_id"],
        parent_id=span["parent_id"],
        name=span["name"],
        start_time=nanoseconds(span["start_time"]),
        end_time=nanoseconds(span["end_time"]),
        status=span["status_code"].lower(),
        status_message=span["status_message"],
        attributes=span["attributes"],
        events=[
            {
                "name": event["name"],
                "timestamp": nanoseconds(event["timestamp"]),
                "attributes": event["attributes"],
            }
            for event in span["events"]
        ],
    )


def mlflow_record(span):
    status = span["status"]
    return SpanRecord(
        trace_id=hexadecimal(span["trace_id"]),
        span_id=hexadecimal(span["span_id"]),
        parent_id=hexadecimal(span.get("parent_span_id")),
        name=span["name"],
        start_time=span["start_time_unix_nano"],
        end_time=span["end_time_unix_nano"],
        status=status.get("code", "STATUS_CODE_UNSET").removeprefix("STATUS_CODE_").lower(),
        status_message=status.get("message"),
        attributes=attributes(span),
        events=[
            {"name": event["name"], "timestamp": event["time_unix_nano"], "attributes": attributes(event)}
            for event in span.get("events", ())
        ],
    )


def hexadecimal(told):
    return base64.b64decode(told).hex() if told else None


def attributes(holder):
    return {item["key"]: any_value(item["value"]) for item in holder.get("attributes", ())}


def any_value(told):
    """A value of OTLP with the names of protobuf's own fields."""
    ((kind, value),) = told.items()
    if kind == "array_value":
        return [any_value(item) for item in value.get("values", ())]
    if kind == "kvlist_value":
        return attributes({"attributes": value.get("values", ())})
    return value


def nanoseconds(told):
    """A time in ISO 8601 in nanoseconds since the epoch, without floating point."""
    time = datetime.fromisoformat(told)
    return int(time.replace(microsecond=0).timestamp()) * 10**9 + time.microsecond * MICROSECOND


def of_json(value):
    """What a text of JSON says, and anything else as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
