"""Lists of sessions: a `SessionQuery` as SQL, the cursor to the next page, and the odd ones in their places."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentops_otel.store import cursors, owners, rows
from agentops_otel.store.clickhouse import words
from agentops_otel.store.clickhouse.asking import Values
from agentops_otel.store.clickhouse.layout import SESSIONS_TABLE
from agentops_otel.store.clickhouse.reading import Key, Reading
from agentops_otel.store.clickhouse.sessions import sessions
from agentops_otel.store.questions import SORTS, QuestionError, SessionPage, SessionQuery
from agentops_otel.store.selection import HIGHEST_LIMIT

if TYPE_CHECKING:
    from agentops_otel.store.base import SessionRow
    from agentops_otel.store.summary import Summary

_RANKS: Final = {
    "start": "first_time",
    "cost": "cost_usd",
    "duration": "duration",
    "tokens": "total_tokens",
    "llm_calls": "llm_calls",
    "errors": "errors",
}
_SECOND: Final = 10**9
_PLACE_LENGTH: Final = 2


class _Ranked(NamedTuple):
    """A session in its place in a list."""

    value: Any
    key: Key


class Listing:
    """One list of sessions.

    Raises:
        QuestionError: the query makes no sense, or the cursor is none of its own.
    """

    def __init__(self, reading: Reading, query: SessionQuery) -> None:
        if query.sort not in SORTS:
            raise QuestionError(f"sort is one of {', '.join(SORTS)}")
        if not 1 <= query.limit <= HIGHEST_LIMIT:
            raise QuestionError(f"limit is a number from 1 to {HIGHEST_LIMIT}")
        self._reading = reading
        self._query = query
        self._rank = _RANKS[query.sort]
        self._after: tuple[Any, Key] | None = None
        if query.cursor is not None:
            value, place = cursors.read(query, _is_place)
            self._after = value, Key(*place)
        if query.text is not None:
            words.patterns_of(query.text)  # what makes no sense is told before anything is asked
        self._asks_tally = query.sort not in {"start", "duration"} or any(
            asked is not None for asked in (query.min_cost, query.max_cost, query.model, query.provider)
        )

    def page(self) -> SessionPage:
        """The sessions of this page, and the cursor of the next one."""
        query = self._query
        ranked = self._ranked(query.limit + 1)
        if self._asks_tally:
            ranked = sorted([*ranked, *self._odd()], key=_order, reverse=query.descending)
        shown = ranked[: query.limit]
        summaries = self._reading.summaries([each.key for each in shown])
        found = [settled(summaries[each.key]) for each in shown if each.key in summaries]
        cursor = self._cursor(shown[-1]) if len(ranked) > query.limit else None
        return SessionPage(found, cursor)

    def _ranked(self, limit: int) -> list[_Ranked]:
        values = Values()
        conditions = [*self._common(values), *self._tallied(values)]
        if self._after is not None:
            value, key = self._after
            place = f"({values.place(value)}, {values.text(key.session)}, {values.text(key.project)})"
            conditions.append(f"({self._rank}, session, project) {'<' if self._query.descending else '>'} {place}")
        direction = "DESC" if self._query.descending else "ASC"
        statement = (
            f"SELECT {self._rank} AS rank, session, project FROM {self._source(values, conditions)} "
            f"WHERE {' AND '.join(conditions)} "
            f"ORDER BY rank {direction}, session {direction}, project {direction} LIMIT {limit}"
        )
        found = self._reading.asking.rows(statement, values)
        return [_Ranked(value, Key(session, project)) for value, session, project in found]

    def _source(self, values: Values, conditions: list[str]) -> str:
        """The roll-ups where they tell all that is asked, else the sessions themselves."""
        query, layout = self._query, self._reading.asking.layout
        asked = {*(("tags",) if query.tags else ()), *(name for name in _SUMMED if getattr(query, name) is not None)}
        if not layout.is_migrated or self._asks_tally or asked or query.sort != "start":
            return sessions([self._rank, *conditions], layout.facts)
        where = "" if query.project is None else f" WHERE project = {values.text(query.project)}"
        return (
            "(SELECT project, session, min(first) AS first_time "
            f"FROM {layout.ours(SESSIONS_TABLE)}{where} GROUP BY project, session)"
        )

    def _common(self, values: Values) -> list[str]:
        """The conditions that hold for odd sessions, too."""
        query = self._query
        told = [
            "1",
            *values.where(
                ("state = {}", query.end_state),
                ("project = {}", query.project),
                ("has(error_types, {})", query.error_type),
                ("host_name = {}", query.host),
                *(("has(tag_list, {})", tag) for tag in query.tags),
                ("first_time >= {}", query.since),
                ("first_time < {}", query.until),
                ("duration >= {}", _nanoseconds(query.min_duration)),
                ("duration <= {}", _nanoseconds(query.max_duration)),
            ),
        ]
        if query.is_running is not None:
            now = time.time_ns()
            lately = f"if(is_leased, {values.whole(now - owners.LEASE)}, {values.whole(now - owners.SILENCE)})"
            running = f"is_open AND last_time > {lately}"
            told.append(running if query.is_running else f"NOT ({running})")
        if query.text is not None:
            spans = words.condition(values, query.text)
            told.append(f"(session, project) IN ({words.sessions_with(self._reading.asking.layout, spans)})")
        return told

    def _tallied(self, values: Values) -> list[str]:
        """The conditions that the tally alone can tell for odd sessions."""
        query = self._query
        told = ["NOT is_odd_session"] if self._asks_tally else []
        return told + values.where(
            ("has(tupleElement(models, 1), {})", query.model),
            ("has(providers, {})", query.provider),
            ("cost_usd >= {}", None if query.min_cost is None else max(float(query.min_cost), 0.0)),
            ("cost_usd BETWEEN 0 AND {}", None if query.max_cost is None else float(query.max_cost)),
        )

    def _odd(self) -> list[_Ranked]:
        """The odd sessions that are asked for: all of them, for no order is known before they are tallied."""
        found = self._reading.odd(self._common)
        ranked = [(_Ranked(self._value(summary, first_time), key), summary) for key, first_time, summary in found]
        return [each for each, summary in ranked if self._takes(summary) and self._is_after(each)]

    def _value(self, summary: Summary, first_time: int) -> Any:
        if self._query.sort == "start":
            return first_time
        _, duration, cost, tokens = rows.rank_row(summary.row)
        told = {"duration": duration, "cost": cost, "tokens": tokens}
        return told[self._query.sort] if self._query.sort in told else getattr(summary.row, self._query.sort)

    def _takes(self, summary: Summary) -> bool:
        query, cost = self._query, summary.row.cost
        return (
            (query.model is None or any(model == query.model for _, model in summary.sources))
            and (query.provider is None or any(provider == query.provider for provider, _ in summary.sources))
            and (query.min_cost is None or (cost is not None and cost >= query.min_cost))
            and (query.max_cost is None or (cost is not None and 0 <= cost <= query.max_cost))
        )

    def _is_after(self, each: _Ranked) -> bool:
        if self._after is None:
            return True
        return _order(each) < self._after if self._query.descending else _order(each) > self._after

    def _cursor(self, last: _Ranked) -> str:
        return cursors.written(self._query, last.value, list(last.key))


_SUMMED: Final = ("end_state", "error_type", "host", "min_duration", "max_duration", "is_running")
"""What is asked of a session's facts and not of its roll-up, beside its tags."""


def settled(summary: Summary) -> SessionRow:
    """The row as of now: who owns a session of another machine cannot be asked, only how long it has been silent."""

    def is_alive(owner: str | None, newest: int) -> bool:
        is_leased = (owner or "").startswith(owners.LEASED)
        return owners.is_alive("", owners.LEASED if is_leased else None, newest=newest)

    return summary.settled(is_alive)


def _order(each: _Ranked) -> tuple[Any, Key]:
    return each.value, each.key


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(min(seconds * _SECOND, rows.LATEST))


def _is_place(place: Any) -> bool:
    return isinstance(place, list) and len(place) == _PLACE_LENGTH and all(isinstance(name, str) for name in place)
