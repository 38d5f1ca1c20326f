"""Sessions and their records, as one database tells them: rows by SQL, and the tally's own where SQL cannot tell."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from agentops_otel.store.clickhouse import spans
from agentops_otel.store.clickhouse.asking import Asking, Values
from agentops_otel.store.clickhouse.sessions import ROW, sessions, summary_from
from agentops_otel.store.summary import Summary, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agentops_otel.accounting.record import SpanRecord

AT_ONCE: Final = 200
"""Sessions that are read together."""
_FEW: Final = 5000
_ROW: Final = ", ".join(ROW)


class Key(NamedTuple):
    """A session of a project."""

    session: str
    project: str


class Reading:
    """What a database tells of some sessions."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking

    def summaries(self, keys: Sequence[Key]) -> dict[Key, Summary]:
        """The summaries of these sessions; those that are gone are left out."""
        found: dict[Key, Summary] = {}
        odd: list[Key] = []
        for some in _pieces(keys):
            values = Values()
            facts = self.asking.facts_of(values, [key.session for key in some], _only_project(some))
            statement = f"SELECT {_ROW} FROM {sessions(ROW, facts)}"
            wanted = set(some)
            for row in self.asking.rows(statement, values):
                key = Key(row[0], row[1])
                if key not in wanted:
                    continue
                if row[2]:
                    odd.append(key)
                else:
                    found[key] = summary_from(row)
        found.update(self.tallied(odd))
        return found

    def tallied(self, keys: Sequence[Key]) -> dict[Key, Summary]:
        """The summaries of these sessions, made of their records."""
        return {
            key: summarise(key.session, records, key.project)
            for key, records in self.records(keys, is_bare=True, has_links=True)
        }

    def records(self, keys: Sequence[Key], *, is_bare: bool, has_links: bool) -> Iterator[tuple[Key, list[SpanRecord]]]:
        """The records of these sessions by their start, session by session."""
        for some in _pieces(keys):
            values = Values()
            place = self.asking.place_of(values, [key.session for key in some], _only_project(some))
            wanted = spans.Wanted(place.spans, place.starts, is_bare, has_links)
            found: defaultdict[Key, list[SpanRecord]] = defaultdict(list)
            for project, record in self.told(wanted, values):
                found[Key(record.session_id, project)].append(record)
            yield from ((key, found[key]) for key in some if key in found)

    def odd(self, common: Callable[[Values], list[str]]) -> list[tuple[Key, int, Summary]]:
        """The odd sessions that these conditions let through, each with its first time and its summary."""
        values = Values()
        asked = ["first_time", "is_odd_session", *common(values)]
        statement = (
            f"SELECT session, project, first_time FROM {sessions(asked, self.asking.layout.facts)} "
            f"WHERE {' AND '.join(asked[1:])}"
        )
        begun = {Key(session, project): first for session, project, first in self.asking.rows(statement, values)}
        return [(key, begun[key], summary) for key, summary in self.tallied(list(begun)).items()]

    def summary(self, session_id: str, project: str | None) -> Summary | None:
        """The summary of one session; None where it is not there.

        ClickHouse takes longer to think about the sums of a session than it takes to tell of a few thousand spans; so
        these are tallied here, and only what is larger is summed there.
        """
        values = Values()
        place = self.asking.place_of(values, [session_id], project)
        found = self.told(spans.Wanted(place.spans, place.starts, is_bare=True, limit=_FEW + 1), values)
        if len(found) > _FEW:
            meant = self.meant(session_id, project)
            return None if meant is None else self.summaries([meant[0]]).get(meant[0])
        told = newest(found)
        return None if told is None else summarise(session_id, told[1], told[0])

    def told(self, wanted: spans.Wanted, values: Values) -> list[tuple[str, SpanRecord]]:
        """The records that are wanted, each with its project; starts are asked for where a session has no root."""
        layout = self.asking.layout
        rows = list(self.asking.rows(spans.statement(layout, wanted), values))
        found = spans.records_from(rows)
        ended = {(project, record.session_id) for project, record in found if record.is_session}
        statement = spans.statement_of_starts(layout, wanted)
        if statement is None or (found and all((project, record.session_id) in ended for project, record in found)):
            return found
        return spans.records_from([*rows, *self.asking.rows(statement, values)])

    def meant(self, session_id: str, project: str | None) -> tuple[Key, int] | None:
        """The session that is meant, and how many rows it has: of several projects, the one that began last."""
        values = Values()
        facts = self.asking.facts_of(values, [session_id], project)
        statement = (
            f"SELECT project, count() FROM {facts(['project', 'start'])} GROUP BY project "
            "ORDER BY min(start) DESC, project DESC LIMIT 1"
        )
        rows = self.asking.rows(statement, values)
        return (Key(session_id, rows[0][0]), int(rows[0][1])) if rows else None


def newest(told: Iterable[tuple[str, SpanRecord]]) -> tuple[str, list[SpanRecord]] | None:
    """The project and the records of a session: of several projects, the one that began last."""
    found: defaultdict[str, list[SpanRecord]] = defaultdict(list)
    for project, record in told:
        found[project].append(record)
    return max(found.items(), key=lambda each: (each[1][0].start_time, each[0]), default=None)


def _only_project(keys: Sequence[Key]) -> str | None:
    """The project that all of these are of."""
    projects = {key.project for key in keys}
    return projects.pop() if len(projects) == 1 else None


def _pieces(keys: Sequence[Key]) -> Iterable[Sequence[Key]]:
    return (keys[begin : begin + AT_ONCE] for begin in range(0, len(keys), AT_ONCE))
