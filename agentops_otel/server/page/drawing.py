"""A session's outline as the waterfall draws it: every span in its place, its time from the first one on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel.accounting.tally import price_text
from agentops_otel.conventions import names
from agentops_otel.server.outline import outline
from agentops_otel.server.queries import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.outline import Figures, Node


def drawing(records: Sequence[SpanRecord]) -> dict[str, Any]:
    """The spans, parents before children; times are seconds since `start`, that of the earliest of them.

    `seconds` is None while a span is open, `first_chunk` where nothing was streamed, `cost` (USD, a decimal
    string) where it is unknown; `figures` stand only where the tally counted them. `oddities` are what a reader
    should know of the records: no session span, parents that never arrived, children that began before them.
    """
    first = min((record.start_time for record in records), default=0)
    spans = [_span(node, first) for node in outline(records)]
    return {"start": timestamp(first), "spans": spans, "oddities": list(_oddities(records, spans))}


def _span(node: Node, first: int) -> dict[str, Any]:
    record = node.record
    told = record.attributes
    return {
        "id": record.span_id,
        "depth": len(node.lasts),
        "kind": node.kind,
        "name": node.name,
        "offset": (record.start_time - first) / 10**9,
        "seconds": node.seconds,
        "first_chunk": _number(told.get(names.RESPONSE_TIME_TO_FIRST_CHUNK)),
        "model": told.get(names.RESPONSE_MODEL) or told.get(names.REQUEST_MODEL),
        "has_failed": node.has_failed,
        "error": node.error,
        "is_orphan": node.is_orphan,
        "figures": None if node.figures is None else _figures(node.figures),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "cost": None if figures.cost is None else price_text(figures.cost),
        "unpriced_calls": figures.unpriced_calls,
    }


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and 0 <= value < float("inf") else None


def _oddities(records: Sequence[SpanRecord], spans: Sequence[dict[str, Any]]) -> Any:
    if not any(record.is_session for record in records):
        yield "No session span has arrived: its end, its end state and its tags are not known."
    orphans = sum(span["is_orphan"] for span in spans)
    if orphans:
        yield f"{orphans} {'span names a parent' if orphans == 1 else 'spans name parents'} that never arrived."
    by_id = {record.span_id: record for record in records}
    early = [
        record
        for record in records
        if record.parent_id in by_id and record.start_time < by_id[record.parent_id].start_time
    ]
    if early:
        count = f"{len(early)} {'span begins' if len(early) == 1 else 'spans begin'}"
        yield f"{count} before the one above: the clocks of two hosts differ, or the times were set by hand."
