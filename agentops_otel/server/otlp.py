"""Records as OTLP JSON, which every OpenTelemetry collector takes and Jaeger's current API answers with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.record import ERROR, OK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentops_otel.accounting.record import SpanRecord

_KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATES: Final = {OK: 1, ERROR: 2}
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
        number = float(value)
        return {"doubleValue": number if math.isfinite(number) else str(number)}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": _full({"values": [_value(item) for item in value if item is not None]})}
    if isinstance(value, dict):
        return {"kvlistValue": _full({"values": _attributes(value)})}
    return {"stringValue": str(value)}
