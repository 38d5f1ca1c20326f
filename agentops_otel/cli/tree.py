"""The spans of a session as a tree of lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agentops_otel.cli.text import aligned, clean, count, cut, money, paint, span_of_time, width
from agentops_otel.server.outline import Node, outline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.accounting.record import SpanRecord

_NAME_COLUMNS: Final = 48
_LEAST_NAME_COLUMNS: Final = 12
_ERROR_COLUMNS: Final = 80
_REMARK_COLUMNS: Final = 14
"""What a narrow terminal keeps for errors, before it shows tokens and cost."""
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


def render(records: Sequence[SpanRecord], colour: bool, room: int | None = None) -> list[str]:
    """The tree of these records, a line for each: kind and name, duration, tokens `in→out`, cost, error.

    Tokens and cost stand where the tally counts them, see `Node`. A span whose parent is not among the
    records stands at the top. With `room`, the lines are made for a terminal of so many columns.
    """
    name_columns = _NAME_COLUMNS if room is None else min(max(room // 2, _LEAST_NAME_COLUMNS), _NAME_COLUMNS)
    deepest = _DEEPEST if room is None else min(max(room // 8, 1), _DEEPEST)
    drawn = [(_cells(node, colour, name_columns, deepest), node) for node in outline(records)]
    if not drawn:
        return []
    kept = _REMARK_COLUMNS if any(node.has_failed for _, node in drawn) else 0
    lines = aligned(
        [cells for cells, _ in drawn],
        right=frozenset({1, 2, 3}),
        room=None if room is None else room - kept,
        spare=(2, 3),
    )
    widest = max(map(width, lines))
    rows = []
    for line, (_, node) in zip(lines, drawn, strict=True):
        remark = _remark(node, colour, _ERROR_COLUMNS if room is None else min(room - widest - 2, _ERROR_COLUMNS))
        rows.append(f"{line}{' ' * (widest + 2 - width(line))}{remark}" if remark else line)
    return rows


def one_line(node: Node, colour: bool) -> str:
    """A span by itself, without the lines of a tree."""
    cells = _cells(replace(node, lasts=()), colour, _NAME_COLUMNS, 0)
    return "  ".join(filter(None, (*cells, _remark(node, colour, _ERROR_COLUMNS) if node.has_failed else "")))


def _cells(node: Node, colour: bool, name_columns: int, deepest: int) -> tuple[str, ...]:
    duration = "…" if node.seconds is None else span_of_time(node.seconds)
    tokens = cost = ""
    figures = node.figures
    if figures is not None and (figures.input_tokens or figures.output_tokens):
        tokens = f"{count(figures.input_tokens)}→{count(figures.output_tokens)}"
    if figures is not None:
        cost = money(figures.cost, unpriced=figures.unpriced_calls)
    return _label(node, colour, name_columns, deepest), duration, tokens, cost


def _label(node: Node, colour: bool, name_columns: int, deepest: int) -> str:
    before, kind, name = _lines(node.lasts, deepest), clean(node.kind), clean(node.name)
    drawn = paint(before, None, on=colour, dim=True)
    drawn += paint(kind, _COLOURS.get(kind), on=colour, bold=kind == "session" or None)
    if name in {"", kind}:
        return drawn
    return f"{drawn} {cut(name, max(name_columns - width(before) - width(kind), _LEAST_NAME_COLUMNS))}"


def _lines(lasts: tuple[bool, ...], deepest: int) -> str:
    if not lasts:
        return ""
    above = "".join("   " if last else "│  " for last in lasts[: min(len(lasts), deepest) - 1])
    return above + ("└─ " if lasts[-1] else "├─ ")


def _remark(node: Node, colour: bool, room: int) -> str:
    if node.has_failed:
        return paint(cut(f"✗ {clean(node.error or '')}".rstrip(), max(room, 1)), "red", on=colour)
    return paint(cut("parent not received", max(room, 1)), None, on=colour, dim=True) if node.is_orphan else ""
