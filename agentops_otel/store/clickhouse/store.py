"""ClickHouseStore: the tables that the collector's clickhouse exporter writes, read as a store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from agentops_otel.store import parts, rows, texts
from agentops_otel.store.base import ReadOnlyError
from agentops_otel.store.clickhouse import news, sums, words
from agentops_otel.store.clickhouse.asking import Asking, Values
from agentops_otel.store.clickhouse.layout import SESSIONS_TABLE
from agentops_otel.store.clickhouse.listing import Listing, settled
from agentops_otel.store.clickhouse.reading import AT_ONCE, Key, Reading, newest
from agentops_otel.store.clickhouse.sessions import sessions
from agentops_otel.store.clickhouse.spans import Wanted
from agentops_otel.store.clickhouse.tracing import Tracing
from agentops_otel.store.questions import FACETS, QuestionError, SessionPage, SessionQuery
from agentops_otel.store.rollups import facets_of
from agentops_otel.store.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.base import SessionRow
    from agentops_otel.store.clickhouse.asking import Place
    from agentops_otel.store.questions import Change, Figures, FiguresQuery, Hit
    from agentops_otel.store.traces import Dependency, Operation, TraceIds, TraceQuery

_LATEST: Final = re.compile(r"@last(?:~(?P<back>[0-9]{1,9}))?")
_HIGHEST_LIMIT: Final = 1000
_FIRST_SPANS: Final = 12
_FACETS: Final = {
    "tag": "arrayDistinct(tag_list)",
    "model": "tupleElement(models, 1)",
    "provider": "providers",
    "error": "error_types",
    "host": "if(host_name = '', [], [host_name])",
}
_OF_CALLS: Final = frozenset({"model", "provider"})
_NOT_HERE: Final = (
    "ClickHouse at {} is only read here: the collector writes it, and its time to live (ttl in the exporter, or "
    "ALTER TABLE ... MODIFY TTL) is what deletes"
)


class ClickHouseStore:
    """A `Store` over what the OpenTelemetry Collector wrote to ClickHouse; it only reads, and keeps nothing itself.

    `address` is `clickhouse://user:password@host:8123/database`. Figures are those that stand on the spans: cost,
    tokens, end state and tags as the session processor wrote them. Spans of other emitters are read by the current
    conventions (`gen_ai.*`, `session.id`), without a cost where nobody has written one. With the tables of
    `agentops-otel clickhouse migrate` the same is answered faster.

    Nothing is connected before the first use. Every method raises `StoreError` if ClickHouse cannot be asked, and asks
    again the next time.
    """

    def __init__(self, address: str, connect: Callable[[], Client] | None = None) -> None:
        """The store at this address; `connect` makes another client than the usual one.

        Raises:
            StoreError: the address cannot be read.
        """
        self.asking = Asking(address, connect)
        """Asks the database, for who makes tables in it."""
        self._reading = Reading(self.asking)
        self._tracing = Tracing(self.asking)
        self.address = self.asking.database.address.shown
        """Where it is, without the password."""

    # --- What it does not do -----------------------------------------------------------------------

    def insert(self, records: Sequence[SpanRecord]) -> None:
        """Not here: the collector writes."""
        if records:
            self._refuse()

    def delete(self, session_id: str, project: str | None = None) -> bool:
        """Not here: see `insert`. False where there is no such session."""
        if self._reading.meant(session_id, project) is not None:
            self._refuse()
        return False

    def prune(self, max_age: float | None = None, max_bytes: int | None = None, *, most: int | None = None) -> int:
        """Nothing: what is old is deleted by ClickHouse, by the time to live of its tables."""
        del max_age, max_bytes, most
        return 0

    def catch_up(self) -> bool:
        """Nothing is ever behind."""
        return True

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(_NOT_HERE.format(self.address))

    # --- Sessions ----------------------------------------------------------------------------------

    def sessions(self, query: SessionQuery | None = None) -> SessionPage:
        """The sessions that are asked for, one page of them; by default the newest 50."""
        return Listing(self._reading, query or SessionQuery()).page()

    def session(self, session_id: str, project: str | None = None) -> SessionRow | None:
        """One session by its whole id, or None."""
        summary = self._reading.summary(session_id, project)
        return None if summary is None else settled(summary)

    def whole(self, session_id: str, project: str | None = None) -> tuple[SessionRow, list[SpanRecord]] | None:
        """A session with all its records; None where it is not there."""
        values = Values()
        place = self.asking.place_of(values, [session_id], project)
        told = newest(self._reading.told(Wanted(place.spans, place.starts), values))
        if told is None:
            return None
        owner, records = told
        return settled(summarise(session_id, records, owner)), records

    def find(self, reference: str, project: str | None = None) -> list[str]:
        """Ids that begin with `reference`, whatever its dashes and case, newest first; or `@last`, `@last~1`."""
        values, latest = Values(), _LATEST.fullmatch(reference)
        asked = ["1"] if project is None else [f"project = {values.text(project)}"]
        limit = ""
        prefix = reference.replace("-", "").lower()
        if latest is not None:
            limit = f" LIMIT 1 OFFSET {int(latest['back'] or 0)}"
        elif prefix:
            asked.append(f"startsWith(replaceAll(lower(session), '-', ''), {values.text(prefix)})")
        else:
            return []
        statement = (
            f"SELECT session FROM {self._begun()} WHERE {' AND '.join(asked)} "
            f"ORDER BY first_time DESC, session DESC{limit}"
        )
        found = dict.fromkeys(session for (session,) in self.asking.rows(statement, values))
        return [reference] if reference in found else list(found)

    def _begun(self) -> str:
        """All sessions with their first times and how many rows they have."""
        layout = self.asking.layout
        if not layout.is_migrated:
            return sessions(["first_time", "count_spans"], layout.facts)
        return (
            "(SELECT project, session, min(first) AS first_time, sum(spans) AS count_spans "
            f"FROM {layout.ours(SESSIONS_TABLE)} GROUP BY project, session)"
        )

    def spans(self, session_id: str, project: str | None = None) -> list[SpanRecord]:
        """All records of a session by start time; none where it is another project's."""
        return self._records(session_id, project, is_bare=False)

    def bare_spans(self, session_id: str, project: str | None = None) -> list[SpanRecord]:
        """All records of a session by start time, without contents, events and links."""
        return self._records(session_id, project, is_bare=True)

    def bare_sessions(
        self, session_ids: Sequence[str], project: str | None = None
    ) -> Iterator[tuple[SessionRow, list[SpanRecord]]]:
        """Some sessions with their records, as `bare_spans` has them."""
        for begin in range(0, len(session_ids), AT_ONCE):
            keys = self._keys(session_ids[begin : begin + AT_ONCE], project)
            found = self._reading.summaries(keys)
            for key, records in self._reading.records(keys, is_bare=True, has_links=False):
                if key in found:
                    yield settled(found[key]), records

    def some_spans(
        self,
        session_id: str,
        span_ids: Sequence[str] | None = None,
        limit: int | None = None,
        project: str | None = None,
    ) -> list[SpanRecord]:
        """The records with these ids, or the first `limit` of a session, by start time."""
        if span_ids is not None and not span_ids:
            return []

        def ask(values: Values, place: Place) -> Wanted:
            if span_ids is None:
                return Wanted(place.spans, place.starts, limit=limit)
            asked = f" AND SpanId IN {values.texts(list(span_ids))}"
            return Wanted(place.spans + asked, place.starts + asked)

        return self._asked(session_id, project, ask)[:limit]

    def _records(self, session_id: str, project: str | None, *, is_bare: bool) -> list[SpanRecord]:
        return self._asked(
            session_id, project, lambda _, place: Wanted(place.spans, place.starts, is_bare, not is_bare)
        )

    def _asked(self, session_id: str, project: str | None, ask: Callable[[Values, Place], Wanted]) -> list[SpanRecord]:
        """The records of the session that is meant: with its project, or the one of its id that began last."""
        values = Values()
        wanted = ask(values, self.asking.place_of(values, [session_id], project))
        told = newest(self._reading.told(wanted, values))
        return [] if told is None else told[1]

    def version(self, session_id: str, project: str | None = None) -> int:
        """A number that is another one whenever a record of the session has come or gone; 0 without any."""
        meant = self._reading.meant(session_id, project)
        return 0 if meant is None else meant[1]

    def versions(self, since: int | None, limit: int, project: str | None = None) -> list[tuple[str, int]]:
        """The newest sessions that began since this time (ns), each with its `version`."""
        values = Values()
        owned = "" if project is None else f" AND project = {values.text(project)}"
        statement = (
            f"SELECT session, count_spans FROM {self._begun()} WHERE first_time >= {values.whole(since or 0)}{owned} "
            f"ORDER BY first_time DESC, session DESC LIMIT {values.whole(limit)}"
        )
        return [(session, int(version)) for session, version in self.asking.rows(statement, values)]

    def _keys(self, session_ids: Sequence[str], project: str | None) -> list[Key]:
        """Which sessions are meant by these ids."""
        if project is not None:
            return [Key(session_id, project) for session_id in session_ids]
        values = Values()
        source = self.asking.facts_of(values, session_ids, None)(["session", "project", "start"])
        order = "GROUP BY session, project ORDER BY min(start), project"
        statement = f"SELECT session, project FROM {source} {order}"
        meant = {str(session): str(owner) for session, owner in self.asking.rows(statement, values)}
        return [Key(session_id, meant[session_id]) for session_id in session_ids if session_id in meant]

    def first_inputs(self, session_ids: Iterable[str], project: str | None = None) -> Mapping[str, str]:
        """What was first asked in these sessions, in at most 160 characters; those that do not tell are left out."""
        told: dict[str, str] = {}
        session_ids = list(session_ids)
        for begin in range(0, len(session_ids), AT_ONCE):
            keys = self._keys(session_ids[begin : begin + AT_ONCE], project)
            for key, content in self._first_contents(keys):
                said = None if key.session in told else parts.first_words(content)
                if said is not None:
                    told[key.session] = said
        return told

    def _first_contents(self, keys: Sequence[Key]) -> Iterator[tuple[Key, dict[str, str]]]:
        if not keys:
            return
        values, layout = Values(), self.asking.layout
        place = self.asking.place_of(values, [key.session for key in keys], None)
        asked = words.FIRST_COLUMNS.format(project=layout.told.project_of_span)
        source = f"SELECT {asked} FROM {layout.told.spans} {place.spans}"
        statement = (
            f"SELECT session, project, said FROM (SELECT * FROM ({source}) ORDER BY start "
            f"LIMIT {_FIRST_SPANS} BY session, project) WHERE notEmpty(said) "
            f"AND length(toString(said)) < {parts.MOST_CONTENT} ORDER BY start"
        )
        wanted = set(keys)
        for session, project, said in self.asking.rows(statement, values):
            if Key(session, project) in wanted:
                yield Key(session, project), said

    def facets(self, facet: str, since: int = 0, limit: int = 100, project: str | None = None) -> list[tuple[str, int]]:
        """The values that sessions can be filtered by, one of `FACETS`, and how many sessions have each."""
        if facet not in FACETS:
            raise QuestionError(f"facet is one of {', '.join(FACETS)}")

        def bounds(values: Values) -> list[str]:
            owned = [] if project is None else [f"project = {values.text(project)}"]
            return [f"first_time >= {values.whole(since)}", *owned]

        values = Values()
        conditions = bounds(values)
        # What of the odd ones counts is for the tally to say, where it is of calls.
        odd = "is_odd_session" if facet in _OF_CALLS else "0"
        source = sessions([_FACETS[facet], odd, *conditions], self.asking.layout.facts)
        statement = (
            f"SELECT value, odd, count() FROM (SELECT {_FACETS[facet]} AS listed, {odd} AS odd FROM {source} "
            f"WHERE {' AND '.join(conditions)}) ARRAY JOIN listed AS value GROUP BY value, odd"
        )
        told = self.asking.rows(statement, values)
        counts: dict[str, int] = {value: int(count) for value, is_odd, count in told if not is_odd}
        if any(is_odd for _, is_odd, _ in told):
            for _, _, summary in self._reading.odd(bounds):
                for _, value in (told for told in facets_of(summary) if told[0] == facet):
                    counts[value] = counts.get(value, 0) + 1
        return sorted(counts.items(), key=lambda told: (-told[1], told[0]))[:limit]

    # --- Figures, words, changes -------------------------------------------------------------------

    def figures(self, query: FiguresQuery) -> list[Figures]:
        """Sums over sessions, ordered by what they are grouped by."""
        return sums.read(self._reading, query)

    def search(self, text: str, limit: int = 50, project: str | None = None) -> list[Hit]:
        """The spans in which all these words are found, newest first."""
        values, told = Values(), self.asking.layout.told
        asked = words.condition(values, text)
        owned = "" if project is None else f" AND {told.project_of_span} = {values.text(project)}"
        statement = (
            f"SELECT {words.HITS} FROM {told.spans} WHERE {asked}{owned} "
            "ORDER BY Timestamp DESC, ParentSpanId = '', SpanId DESC LIMIT 1 BY TraceId, SpanId "
            f"LIMIT {min(max(limit, 1), _HIGHEST_LIMIT)}"
        )
        return texts.hits_of(map(words.hit_row, self.asking.rows(statement, values)), text)

    def change(self) -> int:
        """The number of the last change; each that comes has a higher one."""
        return news.newest(self.asking)

    def changes(self, after: int, limit: int = 100, project: str | None = None) -> list[Change]:
        """The sessions that were changed after this number, as they are now, in the order of their last change."""
        return news.changes(self._reading, after, limit, project)

    # --- Traces ------------------------------------------------------------------------------------

    def services(self, *, project: str | None = None) -> list[str]:
        """The names of the services that spans came from, sorted."""
        return self._tracing.services(project)

    def operations(self, service: str, *, project: str | None = None) -> list[Operation]:
        """What the spans of a service are called, sorted."""
        return self._tracing.operations(service, project)

    def traces(self, query: TraceQuery, *, project: str | None = None) -> TraceIds:
        """The ids of the traces that are asked for, the newest first."""
        return self._tracing.traces(query, project)

    def trace(
        self, trace_id: str, *, project: str | None = None, content: bool = True, limit: int = rows.LATEST
    ) -> list[SpanRecord]:
        """The spans of a trace by start time, at most `limit`; without `content`, only what is always small."""
        return self._tracing.trace(trace_id, project, content=content, limit=limit)

    def dependencies(self, since: int, until: int, *, project: str | None = None) -> list[Dependency]:
        """Which services called which between these times (ns since the epoch)."""
        return self._tracing.dependencies(since, until, project)

    def close(self) -> None:
        """Let the connection go; the next question makes another one."""
        self.asking.close()
