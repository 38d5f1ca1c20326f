"""Span records and session summaries as rows of tables, and rows as these."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentops_otel.accounting.record import SpanRecord
from agentops_otel.accounting.tally import cost_of
from agentops_otel.conventions import names, plain
from agentops_otel.conventions.attributes import read_usage
from agentops_otel.store.base import SessionRow
from agentops_otel.store.summary import DEFAULT_PROJECT, Summary

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
END_PLACE: Final = SPAN_COLUMNS.index("end_time")

HOT_COLUMNS: Final = (
    "project_id",
    "span_kind",
    "operation",
    "provider",
    "model",
    "cost",
    "input_tokens",
    "output_tokens",
    "error_type",
)
"""What spans are looked for by, read from their attributes once, in the order of `hot_row`."""

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
_CHECKED: Final = (*sorted(_WORDS), names.COST)
_PLAIN_COSTS: Final = 1e-4, 1e12
"""Between these, a float is written without an exponent."""
# What holds itself ends in a RecursionError as well, and to look for it beforehand costs a third.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_SMALLEST, _LARGEST = -400, 13
"""Powers of ten that a cost lies between: beyond them its decimal digits alone would fill a page."""
LATEST: Final = 2**63 - 1
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_DECODER: Final = json.JSONDecoder()


class Written(NamedTuple):
    """A record as it is kept: the values of `SPAN_COLUMNS`, and what its JSON says.

    `told` is what would be read from the columns of attributes, content, events and links; None where one of them had
    to be changed to become JSON.
    """

    row: tuple[Any, ...]
    told: tuple[Mapping[str, Any], Mapping[str, Any], Sequence[Any], Sequence[Any]] | None

    def bare(self, resource: Mapping[str, Any]) -> SpanRecord | None:
        """The record without contents and events, as it would be read; None where it has to be read."""
        if self.told is None or not _is_as_read(self.told[0]):
            return None
        (trace_id, span_id, parent_id, _, name, kind, start, end, status, message, scope, version) = self.row[:12]
        attributes, links = self.told[0], self.told[3]
        return SpanRecord(
            trace_id, span_id, parent_id, name, start, end, kind,
            attributes, (), links, status, message, resource, scope, version,
        )  # fmt: skip


def _is_as_read(attributes: Mapping[str, Any]) -> bool:
    """Whether JSON gives back the very same values: a tuple, or what a library made a text of, is read as another."""
    kinds = set(map(type, attributes.values()))
    if list in kinds:
        kinds.discard(list)
        kinds.update(type(item) for value in attributes.values() if type(value) is list for item in value)
    return kinds <= _PLAIN


def row_of(record: SpanRecord) -> tuple[Any, ...]:
    """The values of `SPAN_COLUMNS`; whatever the record holds, every value is one that SQLite takes."""
    return written(record).row


def written(record: SpanRecord) -> Written:
    """The row of a record, see `row_of`, and what it was made of."""
    attributes, content = _parted(record.attributes)
    (trace_id, span_id, parent_id, session_id, name, kind, status, message, scope, version) = _texts(
        record.trace_id,
        record.span_id,
        record.parent_id or "",
        record.session_id,
        record.name,
        record.kind,
        record.status,
        record.status_message or "",
        record.scope,
        record.scope_version,
    )
    parts = (
        attributes,
        content,
        [dict(event) for event in record.events] if record.events else (),
        [dict(link) for link in record.links] if record.links else (),
    )
    encoded = [_encoded(part) if part else "" for part in parts]
    told, *others = (plain.to_json(part) if text is None else text for part, text in zip(parts, encoded, strict=True))
    row = (
        trace_id,
        span_id,
        parent_id or None,
        session_id,
        name,
        kind,
        _time(record.start_time),
        None if record.end_time is None else _time(record.end_time),
        status,
        None if record.status_message is None else message,
        scope,
        version,
        told or "{}",
        *(other or None for other in others),
    )
    return Written(row, None if None in encoded else parts)


def heard(row: Sequence[Any]) -> tuple[Any, ...]:
    """What a heartbeat changes of the row of its start: (attributes, trace id, span id, project)."""
    told = dict(zip((*SPAN_COLUMNS, *HOT_COLUMNS), row, strict=False))
    return told["attributes"], told["trace_id"], told["span_id"], told["project_id"]


def _parted(told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes that statistics may need, and those that may be large; what would break a sum is in neither."""
    large = [name for name in told if name in CONTENT]
    unsound = [name for name in _CHECKED if name in told and not is_sound(name, told[name])]
    attributes = told if type(told) is dict and not large and not unsound else dict(told)
    for name in unsound:
        del attributes[name]
    return attributes, {name: attributes.pop(name) for name in large}


def hot_row(record: SpanRecord) -> tuple[Any, ...]:
    """The values of `HOT_COLUMNS`; a cost is its exact decimal text, absent where it is unknown."""
    told = record.attributes
    tokens_in, tokens_out = told.get(names.INPUT_TOKENS), told.get(names.OUTPUT_TOKENS)
    if (tokens_in is not None or tokens_out is not None) and not (_is_count(tokens_in) and _is_count(tokens_out)):
        usage = read_usage(told)
        tokens_in, tokens_out = (None, None) if usage is None else (usage.input_tokens, usage.output_tokens)
    words = _texts(
        project_of(record.resource),
        told.get(names.SPAN_KIND) or "",
        told.get(names.OPERATION_NAME) or "",
        told.get(names.PROVIDER_NAME) or "",
        told.get(names.RESPONSE_MODEL) or told.get(names.REQUEST_MODEL) or "",
        told.get(names.ERROR_TYPE) or "",
    )
    project, kind, operation, provider, model, error = (word or None for word in words)
    return project, kind, operation, provider, model, _cost_text(told), tokens_in, tokens_out, error


def _cost_text(told: Mapping[str, Any]) -> str | None:
    cost = told.get(names.COST)
    if type(cost) is float and _PLAIN_COSTS[0] <= cost < _PLAIN_COSTS[1]:
        return repr(cost)  # which is what Decimal would write for it
    read = cost_of(told) if is_sound(names.COST, told.get(names.COST, 0)) else None
    return None if read is None else str(read)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LATEST


def project_of(resource: Mapping[str, Any]) -> str:
    """The project that the records of a resource belong to."""
    return _word(resource.get(names.PROJECT_ID)) or DEFAULT_PROJECT


def record_from(row: Sequence[Any], resource: Mapping[str, Any]) -> SpanRecord:
    """The record of a row of `SPAN_COLUMNS`."""
    (trace_id, span_id, parent_id, _, name, kind, start_time, end_time) = row[:8]
    (status, status_message, scope, scope_version, attributes, content, events, links) = row[8:16]
    told = read_json(attributes)
    if content:
        told.update(read_json(content))
    return SpanRecord(
        trace_id,
        span_id,
        parent_id,
        name,
        start_time,
        end_time,
        kind,
        told,
        read_json(events) if events else (),
        read_json(links) if links else (),
        status,
        status_message,
        resource,
        scope,
        scope_version,
    )


def read_json(written: str) -> Any:
    """What was written by `to_json`: no blanks to skip, and nothing after it."""
    return _DECODER.raw_decode(written)[0]


def resource_row(resource: Mapping[str, Any]) -> tuple[bytes, str]:
    """A resource's digest, which is the same for equal resources, and its attributes as JSON."""
    written = to_json(dict(sorted(resource.items())))
    return hashlib.sha256(written.encode()).digest(), written


def to_json(value: Any) -> str:
    """The value as valid JSON, whatever it holds; what JSON has no form for becomes text."""
    told = _encoded(value)
    return plain.to_json(value) if told is None else told


def _encoded(value: Any) -> str | None:
    """The value as JSON that is read as the same value again; None where there is none."""
    try:
        told = _ENCODER.encode(value)
        if not told.isascii():
            told.encode()
    except (TypeError, ValueError, RecursionError):
        return None
    return told


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
RANK_COLUMNS: Final = ("day", "duration", "cost_usd", "total_tokens")
"""What sessions are sorted and grouped by, made of their roll-up: see `rank_row`."""
UNKNOWN_COST: Final = -1.0
"""Stands below every cost where sessions are sorted by it; it is never shown or summed."""
DAY: Final = 86_400 * 10**9

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


def rank_row(row: SessionRow) -> tuple[Any, ...]:
    """The values of `RANK_COLUMNS`; days since the epoch, nanoseconds, USD, and tokens in and out."""
    end = row.last_time if row.end_time is None else row.end_time
    tokens = row.tokens.get("input_tokens", 0) + row.tokens.get("output_tokens", 0)
    cost = UNKNOWN_COST if row.cost is None else float(row.cost)
    return row.start_time // DAY, max(end - row.start_time, 0), cost, min(tokens, LATEST)


def summary_from(session_id: str, row: Sequence[Any], read: dict[str, Any] | None = None) -> Summary:
    """The summary of a row of `SUMMARY_COLUMNS`; `read` remembers JSON that many rows share."""
    read = {} if read is None else read
    (
        project_id, start_time, end_time, end_state, reason, tags, video, cost, unpriced, llm, tools,
        actions, errors, tokens, models, resource, last_time, is_open, owner,
    ) = row  # fmt: skip
    for written in (tags, tokens, models, resource):
        if written not in read:
            read[written] = read_json(written)
    return Summary(
        SessionRow(
            session_id,
            project_id,
            start_time,
            end_time,
            end_state,
            reason,
            False,
            read[tags],
            video,
            None if cost is None else Decimal(cost),
            unpriced,
            llm,
            tools,
            actions,
            errors,
            read[tokens],
            read[models],
            read[resource],
            last_time,
        ),
        bool(is_open),
        owner,
    )


def is_sound(name: str, value: Any) -> bool:
    """False for what would break a whole session's sums: a price that is none, a word that is no text."""
    if name in _WORDS:
        return isinstance(value, str)
    if name == names.COST:
        if type(value) is float and _PLAIN_COSTS[0] <= value < _PLAIN_COSTS[1]:
            return True
        try:
            cost = Decimal(str(value))
        except InvalidOperation:
            return False
        return cost.is_finite() and _SMALLEST < cost.adjusted() < _LARGEST
    return True


def _word(value: Any) -> str | None:
    return _text(value) if value else None


def _texts(*values: Any) -> Sequence[str]:
    """The values as text that SQLite and JSON take; nearly always they are, and all of them are looked at at once."""
    try:
        whole = "".join(values)
    except TypeError:
        return [_text(value) for value in values]
    return values if whole.isascii() and len(whole) <= plain.TEXT_LIMIT else [_text(value) for value in values]


def clean(value: Any) -> str:
    """The value as text that SQLite and JSON take."""
    return _text(value)


def _text(value: Any) -> str:
    return plain.text(value if isinstance(value, str) else plain.described(value))


def _time(value: int) -> int:
    if type(value) is int and 0 <= value <= LATEST:
        return value
    return min(max(int(value), 0), LATEST)
