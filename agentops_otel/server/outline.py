"""A session's spans as an outline: each once, below its parent, with what the tally counted there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agentops_otel.accounting.record import ERROR, rejoined
from agentops_otel.accounting.tally import cost_of
from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import read_usage
from agentops_otel.conventions.model import Usage
from agentops_otel.server.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from agentops_otel.accounting.record import SpanRecord

_KINDS: Final = {
    **dict.fromkeys((*names.MODEL_OPERATIONS, names.FETCH_RESPONSE, names.MODERATION), names.KIND_LLM),
    names.EXECUTE_TOOL: names.KIND_TOOL,
    names.INVOKE_AGENT: names.KIND_AGENT,
    names.INVOKE_WORKFLOW: names.KIND_WORKFLOW,
}


@dataclass(slots=True)
class Figures:
    """What a model call used, or all calls of a session; `cost` in USD, None where it is unknown."""

    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    unpriced_calls: int = 0


@dataclass(slots=True)
class Node:
    """A span in its place.

    `lasts` says for each level above and for its own whether that is the last of its siblings; it is
    empty at the top. `seconds` is None while the span is open. `figures` stand only where they are
    counted: at the innermost of the spans that tell of one call, at a tool that has a price, and as a sum
    at the session. `error` is told where it arose; the spans that it passed on its way up have merely
    failed.
    """

    record: SpanRecord
    kind: str
    name: str
    lasts: tuple[bool, ...]
    seconds: float | None
    figures: Figures | None
    has_failed: bool
    error: str | None
    is_orphan: bool
    """Its parent is not among the records."""


def outline(records: Sequence[SpanRecord]) -> Iterator[Node]:
    """Every record once, parents before children, siblings by their start."""
    records = rejoined(records)
    listing = Listing.of(records)
    calls = {id(record) for record in listing.llm_records}
    tools = {id(record) for record in listing.tool_records}
    errors = {id(record) for record in listing.error_records}
    known = {(record.trace_id, record.span_id) for record in records}
    for record, lasts in _walk(records):
        figures = None
        if record.is_session:
            total = listing.total
            figures = Figures(total.input_tokens, total.output_tokens, listing.cost, total.unpriced_calls)
        elif id(record) in calls:
            figures = _figures(record)
        elif id(record) in tools and cost_of(record.attributes) is not None:
            figures = Figures(0, 0, cost_of(record.attributes))
        kind = _kind(record)
        yield Node(
            record=record,
            kind=kind,
            name=_name(record, kind),
            lasts=lasts,
            seconds=None if record.end_time is None else max(record.end_time - record.start_time, 0) / 10**9,
            figures=figures,
            has_failed=record.status == ERROR or kind == names.KIND_ERROR,
            error=_error(record) if id(record) in errors else None,
            is_orphan=not lasts
            and record.parent_id is not None
            and not record.is_session
            and (record.trace_id, record.parent_id) not in known,
        )


def _figures(record: SpanRecord) -> Figures | None:
    usage, cost = read_usage(record.attributes), cost_of(record.attributes)
    if cost is None and usage is None and record.status == ERROR:
        return None
    usage = usage or Usage()
    return Figures(usage.input_tokens or 0, usage.output_tokens or 0, cost)


def _kind(record: SpanRecord) -> str:
    told = record.attributes
    return str(told.get(names.SPAN_KIND) or _KINDS.get(str(told.get(names.OPERATION_NAME))) or "span")


def _name(record: SpanRecord, kind: str) -> str:
    """The span's name, without a first word that the kind says already."""
    operation = str(record.attributes.get(names.OPERATION_NAME))
    spare = kind if _KINDS.get(operation) in {None, names.KIND_LLM} else operation
    return record.name.removeprefix(f"{spare} ")


def _error(record: SpanRecord) -> str:
    told = (record.attributes.get(names.ERROR_TYPE), record.status_message)
    return ": ".join(str(part) for part in told if part)


def _walk(records: Sequence[SpanRecord]) -> Iterator[tuple[SpanRecord, tuple[bool, ...]]]:
    """The records are foreign: parents may be missing, or be their own descendants."""
    ordered = sorted(records, key=lambda record: (not record.is_session, record.start_time))
    known = {(record.trace_id, record.span_id) for record in ordered}
    children: dict[tuple[str, str | None], list[SpanRecord]] = {}
    tops = []
    for record in ordered:
        above = (record.trace_id, record.parent_id)
        if above in known and record.parent_id != record.span_id:
            children.setdefault(above, []).append(record)
        else:
            tops.append(record)
    seen: set[int] = set()
    # Whoever the tops do not lead to is part of a circle, which begins with its first span.
    for top in (*tops, *ordered):
        pending: list[tuple[SpanRecord, tuple[bool, ...]]] = [(top, ())]
        while pending:
            record, lasts = pending.pop()
            if id(record) in seen:
                continue
            seen.add(id(record))
            yield record, lasts
            below = children.get((record.trace_id, record.span_id))
            if below:
                below = [child for child in below if id(child) not in seen]
                last, other = (*lasts, True), (*lasts, False)
                pending.extend((child, other if number else last) for number, child in enumerate(reversed(below)))
