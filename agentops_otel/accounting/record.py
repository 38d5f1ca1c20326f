"""SpanRecord: a finished span as plain data, whether it came from an SDK, over OTLP or out of a store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNSET, OK, ERROR = "unset", "ok", "error"
"""The three states of a span, in OpenTelemetry's words."""


@dataclass(slots=True)
class SpanRecord:
    """One span.

    Ids are lower-case hex (32 and 16 digits), times nanoseconds since the epoch. A record without an
    `end_time` is a start record: it says that the span is open, and the record of its end replaces it.
    `events` and `links` are plain dicts: `{"name", "timestamp", "attributes"}` and
    `{"trace_id", "span_id", "attributes"}`.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_time: int
    end_time: int | None
    kind: str = "internal"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    links: Sequence[Mapping[str, Any]] = ()
    status: str = UNSET
    status_message: str | None = None
    resource: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""
    scope_version: str = ""

    @property
    def session_id(self) -> str:
        """The session it belongs to, in UUID form; a span of no session is grouped by its trace."""
        return str(self.attributes.get(names.SESSION_ID) or uuid_form(self.trace_id))

    @property
    def is_session(self) -> bool:
        """Whether this is the root span of a session."""
        return self.attributes.get(names.SPAN_KIND) == names.KIND_SESSION

    @property
    def is_heartbeat(self) -> bool:
        """Whether it is a start record that is told again."""
        return self.end_time is None and names.SESSION_HEARD in self.attributes


def rejoined(records: Sequence[SpanRecord]) -> Sequence[SpanRecord]:
    """The records, those below a span that was left out for another of the same call as being below that other one."""
    kept = {
        link.get("span_id"): record.span_id
        for record in records
        for link in record.links
        if (link.get("attributes") or {}).get(names.SAME_CALL) is True
    }
    if not kept:
        return records
    return [
        replace(record, parent_id=kept[record.parent_id]) if record.parent_id in kept else record for record in records
    ]


_WORDS: Final = frozenset(
    {
        *names.CONTENT,
        names.TOOL_CALL_ARGUMENTS,
        names.TOOL_CALL_RESULT,
        names.RETRIEVAL_QUERY,
        names.MEMORY_QUERY,
        names.MEMORY_RECORDS,
        names.INPUT_VALUE,
        names.OUTPUT_VALUE,
    }
)


def without_words(record: SpanRecord, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """These attributes without what was said; of the record's events only exceptions stay, by their types."""
    record.events = [
        {**event, "attributes": {names.EXCEPTION_TYPE: (event.get("attributes") or {}).get(names.EXCEPTION_TYPE, "")}}
        for event in record.events
        if event.get("name") == "exception"
    ]
    record.status_message = None
    return {name: value for name, value in attributes.items() if name not in _WORDS}


def uuid_form(trace_id: str) -> str:
    """The trace id as a UUID: `8-4-4-4-12` hex digits."""
    return "-".join((trace_id[:8], trace_id[8:12], trace_id[12:16], trace_id[16:20], trace_id[20:]))


def record_of(span: Any) -> SpanRecord:
    """The record of a `ReadableSpan` of any OpenTelemetry SDK; values are shared, not copied."""
    context, parent, scope, status = span.context, span.parent, span.instrumentation_scope, span.status
    return SpanRecord(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{parent.span_id:016x}" if parent is not None else None,
        name=span.name,
        start_time=span.start_time or 0,
        end_time=span.end_time,
        kind=span.kind.name.lower(),
        attributes=span.attributes or {},
        events=[
            {"name": event.name, "timestamp": event.timestamp, "attributes": dict(event.attributes or {})}
            for event in span.events
        ],
        links=[
            {
                "trace_id": f"{link.context.trace_id:032x}",
                "span_id": f"{link.context.span_id:016x}",
                "attributes": dict(link.attributes or {}),
            }
            for link in span.links
        ],
        status=status.status_code.name.lower(),
        status_message=status.description,
        resource=span.resource.attributes,
        scope=scope.name if scope is not None else "",
        scope_version=(scope.version or "") if scope is not None else "",
    )
