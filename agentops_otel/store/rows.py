"""Span records and session summaries as rows of tables, and rows as these."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.record import SpanRecord
from agentops_otel.conventions import names, plain
from agentops_otel.store.base import SessionRow
from agentops_otel.store.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPAN_COLUMNS: Final = (
    "trace_id",
    "span_id",
    "parent_id",
    "session_id",
    "name",
    "kind",
    "start_time",
    "end_time",
    "status",
    "status_message",
    "scope",
    "scope_version",
    "attributes",
    "content",
    "events",
    "links",
)
"""The columns of a span in the order of `row_of` and `record_from`."""

CONTENT: Final = frozenset(
    {
        *names.CONTENT,
        names.INPUT_VALUE,
        names.OUTPUT_VALUE,
        names.TOOL_CALL_ARGUMENTS,
        names.TOOL_CALL_RESULT,
        names.EVENT_PARAMS,
        names.EVENT_RETURNS,
        names.EVENT_LOGS,
        names.EVENT_SCREENSHOT,
    }
)
"""Attributes that may be large and that no statistic needs: kept in a column of their own."""

_WORDS: Final = frozenset({names.SPAN_KIND, names.OPERATION_NAME, names.RESPONSE_STATUS})
_SMALLEST, _LARGEST = -400, 13
"""Powers of ten that a cost lies between: beyond them its decimal digits alone would fill a page."""
_LATEST: Final = 2**63 - 1


def row_of(record: SpanRecord) -> tuple[Any, ...]:
    """The values of `SPAN_COLUMNS`; whatever the record holds, every value is one that SQLite takes."""
    attributes: dict[str, Any] = {}
    content: dict[str, Any] = {}
    for name, value in record.attributes.items():
        if name in CONTENT:
            content[name] = value
        elif _is_sound(name, value):
            attributes[name] = value
    return (
        _text(record.trace_id),
        _text(record.span_id),
        _text(record.parent_id) if record.parent_id else None,
        _text(record.session_id),
        _text(record.name),
        _text(record.kind),
        _time(record.start_time),
        None if record.end_time is None else _time(record.end_time),
        _text(record.status),
        None if record.status_message is None else _text(record.status_message),
        _text(record.scope),
        _text(record.scope_version),
        to_json(attributes),
        to_json(content) if content else None,
        to_json([dict(event) for event in record.events]) if record.events else None,
        to_json([dict(link) for link in record.links]) if record.links else None,
    )


def record_from(row: Sequence[Any], resource: Mapping[str, Any]) -> SpanRecord:
    """The record of a row of `SPAN_COLUMNS`."""
    attributes = json.loads(row[12])
    if row[13]:
        attributes.update(json.loads(row[13]))
    return SpanRecord(
        trace_id=row[0],
        span_id=row[1],
        parent_id=row[2],
        name=row[4],
        start_time=row[6],
        end_time=row[7],
        kind=row[5],
        attributes=attributes,
        events=json.loads(row[14]) if row[14] else (),
        links=json.loads(row[15]) if row[15] else (),
        status=row[8],
        status_message=row[9],
        resource=resource,
        scope=row[10],
        scope_version=row[11],
    )


def resource_row(resource: Mapping[str, Any]) -> tuple[bytes, str]:
    """A resource's digest, which is the same for equal resources, and its attributes as JSON."""
    written = to_json(dict(sorted(resource.items())))
    return hashlib.sha256(written.encode()).digest(), written


def to_json(value: Any) -> str:
    """The value as valid JSON, whatever it holds; what JSON has no form for becomes text."""
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        written.encode()
    except (TypeError, ValueError, RecursionError):
        return plain.to_json(value)
    return written


SUMMARY_COLUMNS: Final = (
    "project_id",
    "start_time",
    "end_time",
    "end_state",
    "end_state_reason",
    "tags",
    "video",
    "cost",
    "unpriced_calls",
    "llm_calls",
    "tool_calls",
    "actions",
    "errors",
    "tokens",
    "models",
    "resource",
    "last_time",
    "is_open",
    "owner",
)
"""The columns of a session's roll-up; all but the last two are fields of `SessionRow`."""

_JSON_COLUMNS: Final = frozenset({"tags", "tokens", "models", "resource"})


def summary_row(summary: Summary) -> tuple[Any, ...]:
    """The values of `SUMMARY_COLUMNS`."""
    values: list[Any] = []
    for name in SUMMARY_COLUMNS[:-2]:
        value = getattr(summary.row, name)
        if name in _JSON_COLUMNS:
            value = to_json(value)
        elif name == "cost" and value is not None:
            value = str(value)
        values.append(value)
    return (*values, int(summary.is_open), summary.owner)


def summary_from(session_id: str, row: Sequence[Any]) -> Summary:
    """The summary of a row of `SUMMARY_COLUMNS`."""
    *values, is_open, owner = row
    fields = dict(zip(SUMMARY_COLUMNS, values, strict=False))
    for name in _JSON_COLUMNS:
        fields[name] = json.loads(fields[name])
    if fields["cost"] is not None:
        fields["cost"] = Decimal(fields["cost"])
    return Summary(SessionRow(session_id=session_id, is_running=False, **fields), bool(is_open), owner)


def _is_sound(name: str, value: Any) -> bool:
    """False for what would break a whole session's sums: a price that is none, a word that is no text."""
    if name in _WORDS:
        return isinstance(value, str)
    if name == names.COST:
        try:
            cost = Decimal(str(value))
        except InvalidOperation:
            return False
        return cost.is_finite() and _SMALLEST < cost.adjusted() < _LARGEST
    return True


def _text(value: Any) -> str:
    return plain.text(value if isinstance(value, str) else plain.described(value))


def _time(value: int) -> int:
    return min(max(int(value), 0), _LATEST)
