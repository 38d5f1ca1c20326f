"""Roll-ups: what a session's records add up to, kept beside them, and the sums of days kept with these."""

from __future__ import annotations

import decimal
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import Part
from agentops_otel.conventions import names
from agentops_otel.store import rows
from agentops_otel.store.summary import RULES, Summary, summarise

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord

_TOKENS: Final = tuple(Part().tokens)
_BARE: Final = {"content", "events"}
_SPANS: Final = ", ".join(f"spans.{name}" for name in rows.SPAN_COLUMNS)
_BARE_SPANS: Final = ", ".join("NULL" if name in _BARE else f"spans.{name}" for name in rows.SPAN_COLUMNS)
SUMMARY: Final = ", ".join(f"s.{name}" for name in rows.SUMMARY_COLUMNS)
FRESH: Final = f"s.changes = s.counted AND s.rules = {RULES}"
STALE: Final = (
    "SELECT id FROM sessions WHERE changes <> counted "  # noqa: S608
    f"UNION ALL SELECT id FROM sessions WHERE rules < {RULES} AND +changes = counted "
    f"UNION ALL SELECT id FROM sessions WHERE rules > {RULES} AND +changes = counted"
)
"""The numbers of the sessions whose roll-ups are behind their records."""

_MADE: Final = ", ".join(f"{name} = ?" for name in (*rows.SUMMARY_COLUMNS, *rows.RANK_COLUMNS))
_KEEP: Final = f"UPDATE sessions SET counted = ?, rules = {RULES}, {_MADE} WHERE id = ?"  # noqa: S608
_OLD: Final = (
    f"SELECT s.session_id, s.first_time, s.counted, s.rules, {SUMMARY} "  # noqa: S608
    "FROM sessions AS s WHERE s.id = ?"
)
_USAGE: Final = ("calls", *_TOKENS, "unpriced_calls")
_USAGE_OF: Final = f"SELECT provider, model, cost, {', '.join(_USAGE)} FROM usage WHERE session = ?"  # noqa: S608
_ADD_USAGE: Final = (
    f"INSERT INTO usage (session, provider, model, cost, {', '.join(_USAGE)}) "  # noqa: S608
    f"VALUES (?, ?, ?, ?, {', '.join('?' * len(_USAGE))})"
)

KEY: Final = ("part", "project_id", "day", "provider", "model", "tag", "end_state")
COUNTS: Final = (
    "sessions",
    "llm_calls",
    "tool_calls",
    "actions",
    "errors",
    *_TOKENS,
    "unpriced_calls",
    "priced",
)
"""The figures of a day that are whole numbers; `priced` counts those of known cost."""
_WHERE_KEY: Final = " AND ".join(f"{name} = ?" for name in KEY)
_DAY: Final = f"SELECT {', '.join(COUNTS)}, cost FROM days WHERE {_WHERE_KEY}"  # noqa: S608
_DROP_DAY: Final = f"DELETE FROM days WHERE {_WHERE_KEY}"  # noqa: S608
_PUT_DAY: Final = (
    f"INSERT OR REPLACE INTO days ({', '.join((*KEY, *COUNTS, 'cost'))}) "  # noqa: S608
    f"VALUES ({', '.join('?' * (len(KEY) + len(COUNTS) + 1))})"
)
# What is added is taken away again when a session changes: no digit may be lost in between.
_EXACT: Final = decimal.Context(prec=500)

_Sums = list[Any]
"""The `COUNTS` of a day, then its cost."""


@dataclass(slots=True)
class Made:
    """A roll-up that was made of a session's records when it had changed `changes` times."""

    number: int
    changes: int
    summary: Summary


def load(connection: sqlite3.Connection, number: int, *, bare: bool) -> tuple[str, str, int, list[SpanRecord]]:
    """The id and project of the session of this number, the count of its changes, and its records by start time.

    Bare ones are without what no statistic needs: contents and events. The caller's transaction makes all of it belong
    together.
    """
    columns = _BARE_SPANS if bare else _SPANS
    session = connection.execute("SELECT session_id, project_id, changes FROM sessions WHERE id = ?", (number,))
    session_id, project, changes = session.fetchone() or ("", "", 0)
    spans = connection.execute(
        f"SELECT spans.resource_id, {columns} FROM spans WHERE session_id = ? AND project_id = ? "  # noqa: S608
        "ORDER BY start_time, id",
        (session_id, project),
    ).fetchall()
    known: dict[int, Any] = {}
    for resource in {row[0] for row in spans}:
        found = connection.execute("SELECT attributes FROM resources WHERE id = ?", (resource,)).fetchone()
        known[resource] = json.loads(found[0])
    return session_id, project, changes, [rows.record_from(values, known[resource]) for resource, *values in spans]


def make(connection: sqlite3.Connection, number: int) -> Made | None:
    """The roll-up of the session of this number; None where it has no records."""
    session_id, project, changes, records = load(connection, number, bare=True)
    return Made(number, changes, summarise(session_id, records, project)) if records else None


def empty(connection: sqlite3.Connection, numbers: Iterable[int]) -> list[int]:
    """Those of these sessions whose every span has been told anew as another session's."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM spans JOIN sessions AS s ON spans.session_id = s.session_id "
        "AND spans.project_id = s.project_id WHERE s.id = ?)"
    )
    return [number for number in numbers if not connection.execute(query, (number,)).fetchone()[0]]


def keep(connection: sqlite3.Connection, made: Iterable[Made]) -> None:
    """Keep roll-ups, and the sums of their days, within the caller's transaction.

    One that was made of fewer records than the one that is kept is left out. Records may have come since it
    was made: its count then says so.
    """
    days = _Days()
    for each in made:
        old = _old(connection, each.number)
        if old is None or (old.rules == RULES and old.counted > each.changes):
            continue
        days.add(old.summary, -1)
        days.add(each.summary, 1)
        row, number = each.summary.row, each.number
        ranks = rows.rank_row(row)
        connection.execute(_KEEP, (each.changes, *rows.summary_row(each.summary), *ranks, number))
        _drop_parts(connection, number)
        connection.executemany(
            "INSERT INTO facets VALUES (?, ?, ?, ?)",
            [(facet, value, old.first_time, number) for facet, value in facets_of(each.summary)],
        )
        connection.executemany(
            _ADD_USAGE,
            [
                (
                    number,
                    provider,
                    model,
                    None if part.cost is None else str(part.cost),
                    *(min(getattr(part, name), rows.LATEST) for name in _USAGE),
                )
                for (provider, model), part in _sources(each.summary).items()
            ],
        )
    days.write(connection)


def drop(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Take the sessions of these numbers out of all sums, within the caller's transaction."""
    days = _Days()
    for number in numbers:
        old = _old(connection, number)
        if old is not None:
            days.add(old.summary, -1)
            _drop_parts(connection, number)
            connection.execute("DELETE FROM sessions WHERE id = ?", (number,))
    days.write(connection)


@dataclass(slots=True)
class _Old:
    first_time: int
    counted: int
    rules: int
    summary: Summary | None


def _old(connection: sqlite3.Connection, number: int) -> _Old | None:
    found = connection.execute(_OLD, (number,)).fetchone()
    if found is None:
        return None
    session_id, first_time, counted, rules, *values = found
    if not counted:
        return _Old(first_time, counted, rules, None)
    summary = rows.summary_from(session_id, values)
    sources = {}
    for provider, model, cost, *figures in connection.execute(_USAGE_OF, (number,)):
        told = dict(zip(_USAGE, figures, strict=True))
        sources[provider, model] = Part(cost=None if cost is None else Decimal(cost), **told)
    summary.sources = sources
    return _Old(first_time, counted, rules, summary)


def _drop_parts(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(
        "DELETE FROM facets WHERE (facet, value, first_time, session) IN "
        "(SELECT facet, value, first_time, session FROM facets WHERE session = ?)",
        (number,),
    )
    connection.execute("DELETE FROM usage WHERE session = ?", (number,))


def facets_of(summary: Summary) -> set[tuple[str, str]]:
    """What a session can be filtered by: (facet, value)."""
    return {
        *(("tag", rows.clean(tag)) for tag in summary.row.tags),
        *(("model", rows.clean(model)) for _, model in summary.sources),
        *(("provider", rows.clean(provider)) for provider, _ in summary.sources if provider),
        *(("error", rows.clean(kind)) for kind in summary.error_types),
        *(("host", rows.clean(host)) for host in [str(summary.row.resource.get(names.HOST_NAME) or "")] if host),
    }


class _Days:
    """Changes to the sums of days, gathered and then written at once."""

    def __init__(self) -> None:
        self._changes: dict[tuple[Any, ...], _Sums] = {}

    def add(self, summary: Summary | None, sign: int) -> None:
        """Add a session to its day, or take it away."""
        if summary is None:
            return
        for key, sums in contributions(summary):
            known = self._changes.setdefault(key, [*[0] * len(COUNTS), Decimal(0)])
            for place, value in enumerate(sums[:-1]):
                known[place] += sign * value
            known[-1] = (_EXACT.add if sign > 0 else _EXACT.subtract)(known[-1], sums[-1])

    def write(self, connection: sqlite3.Connection) -> None:
        """Bring the sums up to date."""
        for key, change in self._changes.items():
            if not any(change):
                continue
            found = connection.execute(_DAY, key).fetchone()
            if found is not None:
                *counts, cost = found
                for place, value in enumerate(counts):
                    change[place] += value
                change[-1] = _EXACT.add(change[-1], Decimal(cost))
            if change[0] <= 0:
                connection.execute(_DROP_DAY, key)
            else:
                counts = [min(value, rows.LATEST) for value in change[:-1]]
                connection.execute(_PUT_DAY, (*key, *counts, str(change[-1])))


def contributions(summary: Summary) -> Iterator[tuple[tuple[Any, ...], _Sums]]:
    """What a session adds to its day: as a whole, to each of its tags, and to each model and provider.

    Each of these parts has rows of its own, for a session that has two tags is still one session.
    """
    row = summary.row
    place = (row.project_id, row.start_time // rows.DAY)

    def key(part: str, provider: str = "", model: str = "", tag: str = "") -> tuple[Any, ...]:
        return (part, *place, provider, model, tag, row.end_state)

    counts = [1, row.llm_calls, row.tool_calls, row.actions, row.errors]
    tokens = [row.tokens.get(name, 0) for name in _TOKENS]
    whole = [*counts, *tokens, row.unpriced_calls, int(row.cost is not None), row.cost or Decimal(0)]
    yield key("session"), whole
    for tag in {rows.clean(tag) for tag in row.tags}:
        yield key("tag", tag=tag), whole
    sources = _sources(summary)
    for (provider, model), part in sources.items():
        yield key("source", provider, model), _sums(part)
    for provider, part in _merged(sources, 0).items():
        yield key("provider", provider=provider), _sums(part)
    for model, part in _merged(sources, 1).items():
        yield key("model", model=model), _sums(part)


def _sources(summary: Summary) -> Mapping[tuple[str, str], Part]:
    """What was used by provider and model, under names that can be kept."""
    merged: dict[tuple[str, str], Part] = {}
    for (provider, model), part in summary.sources.items():
        merged.setdefault((rows.clean(provider), rows.clean(model)), Part()).include(part)
    return merged


def _merged(sources: Mapping[tuple[str, str], Part], place: int) -> Mapping[str, Part]:
    merged: dict[str, Part] = {}
    for source, part in sources.items():
        merged.setdefault(source[place], Part()).include(part)
    return merged


def _sums(part: Part) -> _Sums:
    tokens: Sequence[int] = [part.tokens[name] for name in _TOKENS]
    known = int(part.cost is not None)
    return [1, part.calls, 0, 0, 0, *tokens, part.unpriced_calls, known, part.cost or Decimal(0)]
