"""Arrivals: records on their way into a SQLite store, and what is told of them at once."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentops_otel.store import rollups, rows, schema, texts
from agentops_otel.store.summary import summarise

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from agentops_otel.accounting.record import SpanRecord

_MOST_WHOLE: Final = 64
"""Sessions of one transaction that are rolled up in it: others wait for its end."""
_PROJECT: Final = len(rows.SPAN_COLUMNS)
_SESSION: Final = rows.SPAN_COLUMNS.index("session_id")
_EXISTS: Final = "SELECT 1 FROM sessions WHERE session_id = ? AND project_id = ?"
_CHANGED: Final = "SELECT id, changes FROM sessions WHERE session_id = ? AND project_id = ?"


class _Whole(NamedTuple):
    """A session that was not there before, with what has come of it, all of which may be all there is."""

    session_id: str
    project: str
    records: list[SpanRecord]


class Arrival:
    """Records as the rows that they become.

    With `at_once`, what readers would make of them later is made in the same transaction, as far as these records alone
    tell it: words are indexed, and sessions that come whole are rolled up. It costs less than to read them again.
    """

    def __init__(self, records: Sequence[SpanRecord], *, at_once: bool = False) -> None:
        resources = {id(record.resource): record.resource for record in records}
        self._resources = {number: rows.resource_row(resource) for number, resource in resources.items()}
        self._records = records
        self._at_once = at_once
        self._written = [rows.written(record) for record in records]
        self._rows = [
            [*written.row, *rows.hot_row(record), None] for written, record in zip(self._written, records, strict=True)
        ]
        self._heard = [rows.heard(row) for row, record in zip(self._rows, records, strict=True) if record.is_heartbeat]
        self._texts = [self._text(written) for written in self._written] if at_once else []

    def insert(self, connection: sqlite3.Connection) -> None:
        """Keep them, within the caller's transaction."""
        connection.execute(schema.NEXT_CHANGE)
        ids = {number: _resource_id(connection, *written) for number, written in self._resources.items()}
        (last,) = connection.execute(schema.LAST_SPAN).fetchone()
        for row, record in zip(self._rows, self._records, strict=True):
            row[-1] = ids[id(record.resource)]
        whole = self._whole(connection) if self._at_once else []
        connection.executemany(schema.INSERT_SPAN, self._rows)
        connection.executemany(schema.HEARD, self._heard)
        connection.executemany(schema.UNCHANGED_TEXTS, [told[1:] for told in self._heard])
        connection.execute(schema.COUNT_NEW, (last,))
        if self._at_once:
            texts.add(connection, last, self._texts)
            _roll_up(connection, whole)

    @staticmethod
    def _text(written: rows.Written) -> str | None:
        if written.row[rows.END_PLACE] is None:
            return None
        return texts.text_of(written.row, None if written.told is None else written.told[:3])

    def _whole(self, connection: sqlite3.Connection) -> list[_Whole]:
        """The sessions of which nothing was there before, and all that is here can be told without reading it."""
        places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for place, row in enumerate(self._rows):
            places[row[_SESSION], row[_PROJECT]].append(place)
        resources: dict[int, Any] = {}
        found: list[_Whole] = []
        for key, of_session in places.items():
            if len(found) == _MOST_WHOLE:
                break
            bare = [self._bare(place, resources) for place in of_session]
            records = [record for record in bare if record is not None and not record.is_heartbeat]
            if len(records) == len(bare) and connection.execute(_EXISTS, key).fetchone() is None:
                found.append(_Whole(*key, records))
        return found

    def _bare(self, place: int, resources: dict[int, Any]) -> SpanRecord | None:
        number = id(self._records[place].resource)
        if number not in resources:
            resources[number] = json.loads(self._resources[number][1])
        return self._written[place].bare(resources[number])


def _roll_up(connection: sqlite3.Connection, sessions: Sequence[_Whole]) -> None:
    made = []
    for session_id, project, records in sessions:
        number, changes = connection.execute(_CHANGED, (session_id, project)).fetchone() or (0, 0)
        # Fewer where some had been told before, more where one has ended here that began here.
        if changes == len(records):
            made.append(rollups.Made(number, changes, summarise(session_id, records, project)))
    rollups.keep(connection, made)


def _resource_id(connection: sqlite3.Connection, digest: bytes, attributes: str) -> int:
    query = "SELECT id FROM resources WHERE digest = ?"
    found = connection.execute(query, (digest,)).fetchone()
    if found is None:
        connection.execute("INSERT INTO resources (digest, attributes) VALUES (?, ?)", (digest, attributes))
        found = connection.execute(query, (digest,)).fetchone()
    return int(found[0])
