"""Span records as a small text tree, for inline snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentops_otel.accounting.tally import cost_of, price_text
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentops_otel.accounting.record import SpanRecord


def line(record: SpanRecord) -> str:
    """`chat gpt-4o-mini 20->10 tokens (5 cached) $0.000009`, then what went wrong."""
    told = record.attributes
    words = [record.name]
    if record.is_session:
        words.append(str(told.get(names.END_STATE, "open")))
    read, written = told.get(names.INPUT_TOKENS), told.get(names.OUTPUT_TOKENS)
    if read is not None or written is not None:
        words.append(f"{read}->{written} tokens")
    if told.get(names.CACHE_READ_TOKENS):
        words.append(f"({told[names.CACHE_READ_TOKENS]} cached)")
    cost = cost_of(told)
    if cost is not None:
        words.append(f"${price_text(cost)}")
    if told.get(names.USAGE_MISSING):
        words.append("usage missing")
    if names.STREAM_OUTCOME in told:
        words.append(told[names.STREAM_OUTCOME])
    if record.status == "error":
        words.append(f"ERROR {told.get(names.ERROR_TYPE, '')}".rstrip())
    return " ".join(words)


def tree(records: Iterable[SpanRecord]) -> str:
    """The records as an indented tree, children by their start; a span whose parent is missing stands at the left."""
    ended = [record for record in records if record.end_time is not None]
    known = {record.span_id for record in ended}
    lines: list[str] = []

    def put(parent: str | None, depth: int) -> None:
        children = [record for record in ended if (record.parent_id if record.parent_id in known else None) == parent]
        for record in sorted(children, key=lambda item: item.start_time):
            lines.append("  " * depth + line(record))
            put(record.span_id, depth + 1)

    put(None, 0)
    return "\n".join(lines)
