"""The spans of a session as a tree of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agentops_otel.cli.text import aligned, clean, count, cut, money, paint, span_of_time, width
from agentops_otel.server.outline import Node, outline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.accounting.record import SpanRecord

_NAME_COLUMNS: Final = 48
_LEAST_NAME_COLUMNS: Final = 12
_ERROR_COLUMNS: Final = 80
_DEEPEST: Final = 30
"""Levels that are drawn; what lies deeper is drawn at the last of them."""

_COLOURS: Final = {
    "agent": "magenta",
    "workflow": "magenta",
    "llm": "cyan",
    "tool": "yellow",
    "guardrail": "yellow",
    "error": "red",
}


def render(records: Sequence[SpanRecord], colour: bool) -> list[str]:
    """The tree of these records, a line for each: kind and name, duration, tokens `in→out`, cost, error.

    Tokens and cost stand where the tally counts them, see `Node`. A span whose parent is not among the
    records stands at the top.
    """
    rows = [_row(node, colour) for node in outline(records)]
    return aligned(rows, right=frozenset({1, 2, 3})) if rows else []


def _row(node: Node, colour: bool) -> tuple[str, ...]:
    duration = "…" if node.seconds is None else span_of_time(node.seconds)
    tokens = cost = ""
    figures = node.figures
    if figures is not None and (figures.input_tokens or figures.output_tokens):
        tokens = f"{count(figures.input_tokens)}→{count(figures.output_tokens)}"
    if figures is not None:
        cost = money(figures.cost, unpriced=figures.unpriced_calls)
    return _label(node, colour), duration, tokens, cost, _remark(node, colour)


def _label(node: Node, colour: bool) -> str:
    before, kind, name = _lines(node.lasts), clean(node.kind), clean(node.name)
    drawn = paint(before, None, on=colour, dim=True)
    drawn += paint(kind, _COLOURS.get(kind), on=colour, bold=kind == "session" or None)
    if name in {"", kind}:
        return drawn
    return f"{drawn} {cut(name, max(_NAME_COLUMNS - width(before) - width(kind), _LEAST_NAME_COLUMNS))}"


def _lines(lasts: tuple[bool, ...]) -> str:
    if not lasts:
        return ""
    above = "".join("   " if last else "│  " for last in lasts[: min(len(lasts), _DEEPEST) - 1])
    return above + ("└─ " if lasts[-1] else "├─ ")


def _remark(node: Node, colour: bool) -> str:
    if node.has_failed:
        return paint(cut(f"✗ {clean(node.error or '')}".rstrip(), _ERROR_COLUMNS), "red", on=colour)
    return paint("parent not received", None, on=colour, dim=True) if node.is_orphan else ""
