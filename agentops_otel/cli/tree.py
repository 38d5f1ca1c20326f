"""The spans of a session as a tree of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agentops_otel.accounting.record import ERROR
from agentops_otel.accounting.tally import cost_of
from agentops_otel.cli.text import aligned, clean, count, cut, money, paint, span_of_time, width
from agentops_otel.conventions import names
from agentops_otel.server.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from agentops_otel.accounting.record import SpanRecord

_NAME_COLUMNS: Final = 48
_LEAST_NAME_COLUMNS: Final = 12
_ERROR_COLUMNS: Final = 80
_DEEPEST: Final = 30
"""Levels that are drawn; what lies deeper is drawn at the last of them."""

_COLOURS: Final = {
    names.KIND_SESSION: "white",
    names.KIND_AGENT: "magenta",
    names.KIND_WORKFLOW: "magenta",
    names.KIND_LLM: "cyan",
    names.KIND_TOOL: "yellow",
    names.KIND_GUARDRAIL: "yellow",
    names.KIND_ERROR: "red",
}
_KINDS: Final = {
    **dict.fromkeys((*names.MODEL_OPERATIONS, names.FETCH_RESPONSE, names.MODERATION), names.KIND_LLM),
    names.EXECUTE_TOOL: names.KIND_TOOL,
    names.INVOKE_AGENT: names.KIND_AGENT,
    names.INVOKE_WORKFLOW: names.KIND_WORKFLOW,
}


def render(records: Sequence[SpanRecord], colour: bool) -> list[str]:
    """The tree of these records, a line for each: kind and name, duration, tokens `in→out`, cost, error.

    Tokens and cost stand where the tally counts them: at the innermost of the spans that tell of one
    call, and as a sum at the session. A span whose parent is not among the records stands at the top.
    """
    counted = _Counted(Listing.of(records))
    rows = [
        (_label(record, before, colour), *counted.figures(record), counted.error(record, colour) or note)
        for record, before, note in _walk(records, paint("parent not received", None, on=colour, dim=True))
    ]
    return aligned(rows, right=frozenset({1, 2, 3})) if rows else []


class _Counted:
    """What is said of a span beside its name, as far as it was counted there."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._calls = {id(record) for record in listing.llm_records}
        self._errors = {id(record) for record in listing.error_records}

    def figures(self, record: SpanRecord) -> tuple[str, str, str]:
        """Duration, tokens and cost."""
        seconds = None if record.end_time is None else (record.end_time - record.start_time) / 10**9
        duration = "…" if seconds is None else span_of_time(max(seconds, 0))
        if record.is_session:
            part = self._listing.total
            cost = money(self._listing.cost, unpriced=part.unpriced_calls) if part.calls else ""
            return duration, _tokens(part.input_tokens, part.output_tokens), cost
        if id(record) in self._calls:
            told = record.attributes
            tokens = _tokens(int(told.get(names.INPUT_TOKENS, 0)), int(told.get(names.OUTPUT_TOKENS, 0)))
            return duration, tokens, _cost(record)
        return duration, "", ""

    def error(self, record: SpanRecord, colour: bool) -> str:
        """What went wrong, where it arose; a mere sign at the spans that it passed on its way up."""
        if id(record) in self._errors:
            kind = record.attributes.get(names.ERROR_TYPE)
            told = ": ".join(clean(part) for part in (kind, record.status_message) if part)
            return paint(cut(f"✗ {told}".rstrip(), _ERROR_COLUMNS), "red", on=colour)
        return paint("✗", "red", on=colour) if record.status == ERROR else ""


def _cost(record: SpanRecord) -> str:
    cost: Decimal | None = cost_of(record.attributes)
    refused = cost is None and record.status == ERROR and names.INPUT_TOKENS not in record.attributes
    return "" if refused else money(cost)


def _tokens(read: int, written: int) -> str:
    return f"{count(read)}→{count(written)}" if read or written else ""


def _label(record: SpanRecord, before: str, colour: bool) -> str:
    kind = _kind(record)
    operation = record.attributes.get(names.OPERATION_NAME)
    name = clean(record.name)
    if _KINDS.get(str(operation)) not in {None, names.KIND_LLM}:
        name = name.removeprefix(f"{operation} ")  # the kind says so already
    said = paint(kind, _COLOURS.get(kind), on=colour, bold=kind == names.KIND_SESSION or None)
    drawn = paint(before, None, on=colour, dim=True) + said
    if name in {"", kind}:
        return drawn
    return f"{drawn} {cut(name, max(_NAME_COLUMNS - width(before) - width(kind), _LEAST_NAME_COLUMNS))}"


def _kind(record: SpanRecord) -> str:
    told = record.attributes
    return clean(told.get(names.SPAN_KIND) or _KINDS.get(str(told.get(names.OPERATION_NAME))) or "span")


def _walk(records: Sequence[SpanRecord], orphan: str) -> Iterator[tuple[SpanRecord, str, str]]:
    """Every record once, parents before children, with the lines that lead to it, and a note on an orphan.

    The records are foreign: parents may be missing, or be their own descendants.
    """
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
    seen: set[tuple[str, str]] = set()
    # Whoever the tops do not lead to is part of a circle, which begins with its first span.
    for top in (*tops, *ordered):
        pending = [(top, "", "")]
        while pending:
            record, before, under = pending.pop()
            key = (record.trace_id, record.span_id)
            if key in seen:
                continue
            seen.add(key)
            is_orphan = not before and record.parent_id is not None and not record.is_session
            yield record, before, orphan if is_orphan else ""
            below = [child for child in children.get(key, ()) if (child.trace_id, child.span_id) not in seen]
            drawn = under if len(under) < 3 * _DEEPEST else under[:-3]
            for number, child in enumerate(reversed(below)):
                lines = ("└─ ", "   ") if number == 0 else ("├─ ", "│  ")
                pending.append((child, drawn + lines[0], drawn + lines[1]))
