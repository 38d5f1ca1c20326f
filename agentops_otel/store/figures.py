"""Figures over many sessions, read from the sums of their days."""

from __future__ import annotations

import functools
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import Part
from agentops_otel.store import rows
from agentops_otel.store.questions import GROUPS, Figures, FiguresQuery, QuestionError
from agentops_otel.store.rollups import COUNTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_COLUMNS: Final = {name: name for name in GROUPS} | {"project": "project_id"}
_EPOCH: Final = date(1970, 1, 1)
_TOKENS: Final = tuple(Part().tokens)
_SUMS: Final = ", ".join(f"sum({name})" for name in COUNTS)
_LAST_DAY: Final = (date.max - _EPOCH).days


def part_of(query: FiguresQuery) -> str:
    """Which sums it asks for: of whole sessions, or of their tags, models, providers, or models by provider.

    Raises:
        QuestionError: the query makes no sense.
    """
    unknown = [name for name in query.by if name not in GROUPS]
    if unknown or not query.by or len(set(query.by)) < len(query.by):
        raise QuestionError(f"figures are grouped by one or more of {', '.join(GROUPS)}, each once")
    return _part({*query.by, *(name for name, value in _filters(query).items() if value is not None)})


def column_of(group: str) -> str:
    """What a group is called in the sums of days."""
    return _COLUMNS[group]


def _filters(query: FiguresQuery) -> dict[str, str | None]:
    return {
        "end_state": query.end_state,
        "tag": query.tag,
        "model": query.model,
        "provider": query.provider,
        "project": query.project,
    }


def select(query: FiguresQuery) -> tuple[str, list[Any]]:
    """The statement for these figures, and its values: groups, sums of `COUNTS`, costs as one text.

    Raises:
        QuestionError: the query makes no sense.
    """
    conditions: list[str] = ["part = ?"]
    values: list[Any] = [part_of(query)]
    for name, value in _filters(query).items():
        if value is not None:
            conditions.append(f"{_COLUMNS[name]} = ?")
            values.append(rows.clean(value))
    for sign, time in ((">=", query.since), ("<=", None if query.until is None else query.until - 1)):
        if time is not None:
            conditions.append(f"day {sign} ?")
            values.append(time // rows.DAY)
    groups = ", ".join(_COLUMNS[name] for name in query.by)
    # Costs are added as decimals, which SQLite has none of.
    statement = (
        f"SELECT {groups}, {_SUMS}, group_concat(cost) FROM days "  # noqa: S608
        f"WHERE {' AND '.join(conditions)} GROUP BY {groups} ORDER BY {groups}"
    )
    return statement, values


def read(connection: sqlite3.Connection, query: FiguresQuery) -> list[Figures]:
    """The figures, ordered by what they are grouped by."""
    width = len(query.by)
    found = []
    for row in connection.execute(*select(query)):
        *counts, costs = row[width:]
        cost = Decimal(0)
        if counts[-1]:
            cost = sum(map(Decimal, costs.split(",")), Decimal(0)) if "," in costs else Decimal(costs)
        found.append(of(query, row[:width], [*counts, cost]))
    return found


def _part(asked: set[str]) -> str:
    is_source = bool(asked & {"model", "provider"})
    if is_source and "tag" in asked:
        raise QuestionError("tags cannot be combined with models or providers: ask for either")
    if {"model", "provider"} <= asked:
        return "source"
    return next((name for name in ("model", "provider", "tag") if name in asked), "session")


def of(query: FiguresQuery, keys: Sequence[Any], row: Sequence[Any]) -> Figures:
    """The figures of a group: its keys, days as they are counted, and its `COUNTS` with the cost of what is priced."""
    sessions, llm_calls, tool_calls, actions, errors, *tokens, unpriced_calls, priced, cost = row
    named = {name: _iso(key) if name == "day" else key for name, key in zip(query.by, keys, strict=True)}
    told = dict(zip(_TOKENS, tokens, strict=True))
    known = cost if priced else None
    return Figures(named, sessions, llm_calls, tool_calls, actions, errors, told, known, unpriced_calls)


@functools.lru_cache(maxsize=4096)
def _iso(day: int) -> str:
    return (_EPOCH + timedelta(days=min(day, _LAST_DAY))).isoformat()
