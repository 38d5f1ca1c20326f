"""Records as OTLP JSON and back: what every OpenTelemetry collector takes and Jaeger's current API answers with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.record import ERROR, OK, UNSET, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATES: Final = {OK: 1, ERROR: 2}
_NOT_FINITE: Final = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
_DOUBLE: Final = 2**1023
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def traces_data(records: Iterable[SpanRecord]) -> dict[str, Any]:
    """The records as a `TracesData` of OTLP, by resource and scope in the order in which these come first.

    As protobuf's JSON mapping has it for OTLP: ids are hex, 64-bit integers are text, enums are numbers, and
    what is empty is left out. A span that has not ended has no `endTimeUnixNano`.
    """
    resources: dict[int, Mapping[str, Any]] = {}
    spans: dict[int, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for record in records:
        # By identity first: the records of one answer share their resources, which are large to compare.
        number = next((known for known, found in resources.items() if found is record.resource), None)
        if number is None:
            number = next((known for known, found in resources.items() if found == record.resource), len(resources))
            resources.setdefault(number, record.resource)
        scope = record.scope, record.scope_version
        spans.setdefault(number, {}).setdefault(scope, []).append(_span(record))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resources[number])},
                "scopeSpans": [
                    {"scope": _full({"name": name, "version": version}), "spans": listed}
                    for (name, version), listed in scopes.items()
                ],
            }
            for number, scopes in spans.items()
        ]
    }


def _span(record: SpanRecord) -> dict[str, Any]:
    return _full(
        {
            "traceId": record.trace_id,
            "spanId": record.span_id,
            "parentSpanId": record.parent_id,
            "name": record.name,
            "kind": _KINDS.get(record.kind),
            "startTimeUnixNano": str(record.start_time),
            "endTimeUnixNano": None if record.end_time is None else str(record.end_time),
            "attributes": _attributes(record.attributes),
            "events": [_event(event) for event in record.events],
            "links": [_link(link) for link in record.links],
            "status": _full({"code": _STATES.get(record.status), "message": record.status_message}),
        }
    )


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return _full(
        {
            "timeUnixNano": str(event.get("timestamp") or 0),
            "name": str(event.get("name") or ""),
            "attributes": _attributes(event.get("attributes") or {}),
        }
    )


def _link(link: Mapping[str, Any]) -> dict[str, Any]:
    return _full(
        {
            "traceId": link.get("trace_id"),
            "spanId": link.get("span_id"),
            "attributes": _attributes(link.get("attributes") or {}),
        }
    )


def _full(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, as protobuf's JSON mapping leaves it out."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and _SMALLEST <= value <= _LARGEST:
        return {"intValue": str(value)}
    if isinstance(value, (int, float)):
        number = float(max(min(value, _DOUBLE), -_DOUBLE)) if isinstance(value, int) else value
        return {"doubleValue": number if math.isfinite(number) else _NOT_FINITE[str(number)]}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": _full({"values": [_value(item) for item in value if item is not None]})}
    if isinstance(value, dict):
        return {"kvlistValue": _full({"values": _attributes(value)})}
    return {"stringValue": str(value)}


# --- Reading ------------------------------------------------------------------------------------------------

_KIND_NAMES: Final = {number: name for name, number in _KINDS.items()}
_STATE_NAMES: Final = {number: name for name, number in _STATES.items()}


def records_of(told: Mapping[str, Any]) -> list[SpanRecord]:
    """The records that `traces_data` was given, in the order in which it wrote them.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not what `traces_data` writes.
    """
    return [
        _record(span, resource, part.get("scope") or {})
        for group in told["resourceSpans"]
        for resource in [_read(group.get("resource") or {})]
        for part in group["scopeSpans"]
        for span in part["spans"]
    ]


def _record(told: Mapping[str, Any], resource: dict[str, Any], scope: Mapping[str, Any]) -> SpanRecord:
    end, status = told.get("endTimeUnixNano"), told.get("status") or {}
    return SpanRecord(
        trace_id=told["traceId"],
        span_id=told["spanId"],
        parent_id=told.get("parentSpanId"),
        name=told.get("name", ""),
        start_time=int(told["startTimeUnixNano"]),
        end_time=None if end is None else int(end),
        kind=_KIND_NAMES.get(told.get("kind", 1), "internal"),
        attributes=_read(told),
        events=[
            {
                "name": event.get("name", ""),
                "timestamp": int(event.get("timeUnixNano", 0)),
                "attributes": _read(event),
            }
            for event in told.get("events") or ()
        ],
        links=[
            {"trace_id": link.get("traceId"), "span_id": link.get("spanId"), "attributes": _read(link)}
            for link in told.get("links") or ()
        ],
        status=_STATE_NAMES.get(status.get("code", 0), UNSET),
        status_message=status.get("message"),
        resource=resource,
        scope=scope.get("name", ""),
        scope_version=scope.get("version", ""),
    )


def _read(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {item["key"]: _plain(item["value"]) for item in holder.get("attributes") or ()}


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, told),) = value.items()
    if kind == "intValue":
        return int(told)
    if kind == "doubleValue":
        return float(told)
    if kind == "arrayValue":
        return [_plain(item) for item in told.get("values") or ()]
    if kind == "kvlistValue":
        return _read({"attributes": told.get("values")})
    return told
