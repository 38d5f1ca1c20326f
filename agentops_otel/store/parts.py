"""Parts of sessions in a SQLite store: some of their spans, their first words, what they can be filtered by."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names
from agentops_otel.conventions.messages import read_messages
from agentops_otel.conventions.model import Text
from agentops_otel.store import rows
from agentops_otel.store.questions import FACETS, QuestionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.base import SessionRow

_SPANS: Final = ", ".join(f"spans.{name}" for name in rows.SPAN_COLUMNS)
_OF_SESSION: Final = "spans.session_id = ? AND spans.project_id = ?"
_FIRST_SPANS: Final = 12
"""Among which the first words of a session are looked for."""
MOST_CONTENT: Final = 200_000
"""Characters of a span's content that are read for its first words; what is longer has none."""
_LENGTH: Final = 160
_AT_ONCE: Final = 200


class PartReading(ABC):
    """What a SQLite store tells of sessions without reading all of them."""

    @abstractmethod
    def _fetch(self, query: str, *values: Any) -> list[Any]:
        """All rows that this statement finds."""

    @abstractmethod
    def session(self, session_id: str, project: str | None = None) -> SessionRow | None:
        """One session by its whole id, or None."""

    @abstractmethod
    def spans(self, session_id: str, project: str | None = None) -> list[SpanRecord]:
        """All records of a session by start time."""

    @abstractmethod
    def _settle(self) -> bool:
        """Bring the roll-ups up to the records."""

    def version(self, session_id: str, project: str | None = None) -> int:
        """A number that is another one whenever a record of the session has come or gone; 0 without any."""
        found = self._meant(session_id, project)
        return 0 if found is None else found[1]

    def _meant(self, session_id: str, project: str | None) -> tuple[str, int] | None:
        """The project of the session that is meant, and the number of its last change."""
        query = (
            "SELECT project_id, change FROM sessions WHERE session_id = ? AND (? IS NULL OR project_id = ?) "
            "ORDER BY first_time DESC, id DESC LIMIT 1"
        )
        found = self._fetch(query, session_id, project, project)
        return (str(found[0][0]), int(found[0][1])) if found else None

    def versions(self, since: int | None, limit: int, project: str | None = None) -> list[tuple[str, int]]:
        """The newest sessions that began since this time (ns), each with its `version`."""
        found = self._fetch(
            "SELECT session_id, change FROM sessions WHERE first_time >= ? AND (? IS NULL OR project_id = ?) "
            "ORDER BY first_time DESC, id DESC LIMIT ?",
            since or 0,
            project,
            project,
            limit,
        )
        return [(session_id, change) for session_id, change in found]

    def some_spans(
        self,
        session_id: str,
        span_ids: Sequence[str] | None = None,
        limit: int | None = None,
        project: str | None = None,
    ) -> list[SpanRecord]:
        """The records with these ids, or the first `limit` of a session, by start time."""
        found = self._meant(session_id, project)
        if found is None:
            return []
        key = [session_id, found[0]]
        if span_ids is None:
            return self._records(_OF_SESSION, key, limit)
        records: list[SpanRecord] = []
        for begin in range(0, len(span_ids), _AT_ONCE):
            some = span_ids[begin : begin + _AT_ONCE]
            places = ", ".join("?" * len(some))
            records += self._records(f"{_OF_SESSION} AND spans.span_id IN ({places})", [*key, *some], None)
        return sorted(records, key=lambda record: record.start_time)[:limit]

    def bare_spans(self, session_id: str, project: str | None = None) -> list[SpanRecord]:
        """All records of a session by start time, without contents, events and links."""
        found = self._meant(session_id, project)
        if found is None:
            return []
        bare = ", ".join("NULL" if name in _LARGE else f"spans.{name}" for name in rows.SPAN_COLUMNS)
        return self._records(_OF_SESSION, [session_id, found[0]], None, bare)

    def whole(self, session_id: str, project: str | None = None) -> tuple[SessionRow, list[SpanRecord]] | None:
        """A session with all its records; None where it is not there."""
        row = self.session(session_id, project)
        return None if row is None else (row, self.spans(session_id, row.project_id))

    def bare_sessions(
        self, session_ids: Sequence[str], project: str | None = None
    ) -> Iterator[tuple[SessionRow, list[SpanRecord]]]:
        """Some sessions with their records, as `bare_spans` has them; those that are not there are left out."""
        for session_id in session_ids:
            row = self.session(session_id, project)
            if row is not None:
                yield row, self.bare_spans(session_id, row.project_id)

    def first_inputs(self, session_ids: Iterable[str], project: str | None = None) -> Mapping[str, str]:
        """What was first asked in these sessions, in at most 160 characters; those that do not tell are left out."""
        query = (
            "SELECT content FROM (SELECT content FROM spans WHERE session_id = ? AND project_id = ? "
            "ORDER BY start_time, id LIMIT ?) WHERE content IS NOT NULL AND length(content) < ?"
        )
        told = {}
        for session_id in session_ids:
            found = self._meant(session_id, project)
            if found is None:
                continue
            contents = self._fetch(query, session_id, found[0], _FIRST_SPANS, MOST_CONTENT)
            words = next(filter(None, (first_words(json.loads(row[0])) for row in contents)), None)
            if words is not None:
                told[session_id] = words
        return told

    def facets(self, facet: str, since: int = 0, limit: int = 100, project: str | None = None) -> list[tuple[str, int]]:
        """The values that sessions can be filtered by, one of `FACETS`, and how many sessions have each.

        Raises:
            QuestionError: there is no such facet.
        """
        if facet not in FACETS:
            raise QuestionError(f"facet is one of {', '.join(FACETS)}")
        self._settle()
        known, values = "", [facet, since]
        if project is not None:
            known = "AND EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = f.session AND s.project_id = ?) "
            values.append(project)
        query = (
            "SELECT f.value, count(*) FROM facets AS f WHERE f.facet = ? AND f.first_time >= ? "  # noqa: S608
            f"{known}GROUP BY f.value ORDER BY count(*) DESC, f.value LIMIT ?"
        )
        return [(value, count) for value, count in self._fetch(query, *values, limit)]

    def _records(self, condition: str, values: list[Any], limit: int | None, columns: str = _SPANS) -> list[SpanRecord]:
        query = (
            f"SELECT resources.id, resources.attributes, {columns} "  # noqa: S608 - conditions are ours, values are bound
            f"FROM spans JOIN resources ON resources.id = spans.resource_id WHERE {condition} "
            "ORDER BY spans.start_time, spans.id LIMIT ?"
        )
        known: dict[int, Any] = {}
        records = []
        for number, resource, *row in self._fetch(query, *values, -1 if limit is None else limit):
            if number not in known:
                known[number] = json.loads(resource)
            records.append(rows.record_from(row, known[number]))
        return records


_LARGE: Final = frozenset({"content", "events", "links"})


def first_words(content: Mapping[str, Any]) -> str | None:
    """What a person, or whoever called the agent, said first in these contents of a span, in at most 160 characters."""
    messages = read_messages(content, names.INPUT_MESSAGES)
    asked = [message for message in messages if message.role not in {"system", "developer"}] or messages
    texts = (part.content for message in asked for part in message.parts if isinstance(part, Text))
    said: Any = next((text for text in texts if text.strip()), None)
    if said is None:
        said = content.get(names.INPUT_VALUE)
    if not isinstance(said, str) or not said.strip():
        return None
    words = " ".join(said[: 8 * _LENGTH].split())
    return words if len(words) <= _LENGTH else f"{words[: _LENGTH - 1]}…"
