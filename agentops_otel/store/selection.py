"""Sessions as they are asked for: a `SessionQuery` as SQL, and the cursor that leads to the next page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.store import cursors, rows
from agentops_otel.store.questions import SORTS, QuestionError
from agentops_otel.store.rollups import FRESH, SUMMARY

if TYPE_CHECKING:
    from agentops_otel.store.questions import SessionQuery

HIGHEST_LIMIT: Final = 1000
_COLUMNS: Final = {
    "start": "s.first_time",
    "cost": "s.cost_usd",
    "duration": "s.duration",
    "tokens": "s.total_tokens",
    "llm_calls": "s.llm_calls",
    "errors": "s.errors",
}
_ROLLED_UP: Final = frozenset({"end_state", "cost_usd", "duration"})
_SECOND: Final = 10**9


class Selection:
    """The SQL of a query: rows of `id, session id, is fresh, *SUMMARY_COLUMNS, sort value`, page after page.

    Raises:
        QuestionError: the query makes no sense, or the cursor is none of its own.
    """

    def __init__(self, query: SessionQuery) -> None:
        if query.sort not in SORTS:
            raise QuestionError(f"sort is one of {', '.join(SORTS)}")
        if not 1 <= query.limit <= HIGHEST_LIMIT:
            raise QuestionError(f"limit is a number from 1 to {HIGHEST_LIMIT}")
        self._query = query
        self._order = _COLUMNS[query.sort]
        self._values: list[Any] = []
        self._conditions: list[str] = []
        self._source = "sessions AS s"
        self._ident = "s.id"
        self.asks_of_roll_ups = query.sort != "start" or bool(query.is_running)
        """Whether all roll-ups must be made before it is asked; else those of its page are enough."""
        self._add_facets()
        self._add_bounds()

    def page(self, after: tuple[Any, int] | None, limit: int) -> tuple[str, list[Any]]:
        """The statement, and its values, for the rows after this (sort value, id)."""
        conditions, values = list(self._conditions), list(self._values)
        direction = "DESC" if self._query.descending else "ASC"
        if after is not None:
            sign = "<" if self._query.descending else ">"
            conditions.append(f"({self._order}, {self._ident}) {sign} (?, ?)")
            values.extend(after)
        elif self._query.sort != "start":
            conditions.append(f"{self._order} IS NOT NULL")
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        statement = (
            f"SELECT s.id, s.session_id, {FRESH}, {SUMMARY}, {self._order} FROM {self._source} {where}"  # noqa: S608
            f"ORDER BY {self._order} {direction}, {self._ident} {direction} LIMIT ?"
        )
        return statement, [*values, limit]

    def start(self) -> tuple[Any, int] | None:
        """Where the query's cursor says to begin."""
        return None if self._query.cursor is None else cursors.read(self._query, _is_place)

    def cursor(self, value: Any, number: int) -> str:
        """The cursor of the page that begins after this row."""
        return cursors.written(self._query, value, number)

    def _require(self, condition: str, *values: Any) -> None:
        self._conditions.append(condition)
        self._values.extend(values)

    def _add_facets(self) -> None:
        query = self._query
        facets = [
            *(("tag", tag) for tag in query.tags),
            ("model", query.model),
            ("provider", query.provider),
            ("error", query.error_type),
            ("host", query.host),
        ]
        told = [(facet, rows.clean(value)) for facet, value in facets if value is not None]
        self.asks_of_roll_ups |= bool(told)
        if told and query.sort == "start":
            # The first of them is walked in the order of time; CROSS keeps SQLite from walking all sessions.
            self._source = "facets AS f CROSS JOIN sessions AS s ON s.id = f.session"
            self._order, self._ident = "f.first_time", "f.session"
            self._require("f.facet = ? AND f.value = ?", *told.pop(0))
        for facet, value in told:
            # By its whole key, which a session's first time is part of.
            self._require(
                "EXISTS (SELECT 1 FROM facets AS x WHERE x.facet = ? AND x.value = ? "
                "AND x.first_time = s.first_time AND x.session = s.id)",
                facet,
                value,
            )

    def _add_bounds(self) -> None:
        query = self._query
        time = self._order if query.sort == "start" else "s.first_time"
        # A plus keeps SQLite to the index of the order: what it filters by is read on the way.
        plus = "" if self._source == "sessions AS s" and query.sort == "start" else "+"
        bounds: list[tuple[str, Any]] = [
            (f"{plus}s.end_state = ?", query.end_state),
            (f"{plus}s.project_id = ?", query.project),
            (f"{time} >= ?", query.since),
            (f"{time} < ?", query.until),
            ("+s.cost_usd >= ?", query.min_cost if query.min_cost is None else max(float(query.min_cost), 0.0)),
            ("+s.cost_usd BETWEEN 0 AND ?", query.max_cost if query.max_cost is None else float(query.max_cost)),
            ("+s.duration >= ?", _nanoseconds(query.min_duration)),
            ("+s.duration <= ?", _nanoseconds(query.max_duration)),
        ]
        for condition, value in bounds:
            if value is not None:
                self.asks_of_roll_ups |= condition.partition(".")[2].split(" ")[0] in _ROLLED_UP
                self._require(condition, rows.clean(value) if isinstance(value, str) else value)
        if query.is_running:
            self._require("s.is_open = 1")

    def match(self, condition: str, values: list[Any]) -> None:
        """Take only sessions with spans (`t`) of which this is true."""
        found = f"SELECT t.session_id, t.project_id FROM spans AS t WHERE {condition}"  # noqa: S608
        self._require(f"(s.session_id, s.project_id) IN ({found})", *values)


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(min(seconds * _SECOND, rows.LATEST))


def _is_place(place: Any) -> bool:
    return isinstance(place, int) and abs(place) <= rows.LATEST
