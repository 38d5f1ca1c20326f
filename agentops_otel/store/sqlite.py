"""SQLiteStore: the store that needs nothing installed, one file that several processes share."""

from __future__ import annotations

import contextlib
import math
import re
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.store import figures, owners, retention, rollups, rows, texts
from agentops_otel.store.arrival import Arrival
from agentops_otel.store.base import SessionRow, StoreError
from agentops_otel.store.connection import Connection, Readers, transaction
from agentops_otel.store.parts import PartReading
from agentops_otel.store.questions import Change, Figures, FiguresQuery, Hit, SessionPage, SessionQuery
from agentops_otel.store.retention import Retention
from agentops_otel.store.selection import Selection
from agentops_otel.store.traces import TraceReading

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.summary import Summary

_LATEST: Final = re.compile(r"@last(?:~(?P<back>[0-9]{1,9}))?")
_SESSIONS: Final = f"SELECT s.id, s.session_id, {rollups.FRESH}, {rollups.SUMMARY} FROM sessions AS s"  # noqa: S608
_NAMED: Final = "s.session_id = ? AND (? IS NULL OR s.project_id = ?) ORDER BY s.first_time DESC, s.id DESC LIMIT 1"
"""The session of an id; where several projects have one of this id and none is named, the one that began last."""
_OLDEST: Final = f"{_SESSIONS} WHERE s.first_time < ? ORDER BY s.first_time, s.id LIMIT ? OFFSET ?"
_SUMMARY_END: Final = 3 + len(rows.SUMMARY_COLUMNS)
_HIT: Final = ", ".join(f"t.{name}" for name in texts.HIT_COLUMNS)
_HIGHEST_LIMIT: Final = 1000
_SETTLED_AT_ONCE: Final = 50
_INDEXED_AT_ONCE: Final = 500
_PRUNED_AT_ONCE: Final = 20
_REST: Final = 2.0
"""An insert that comes sooner after the one before than so many times as long as that took has no time for more."""
_MOST_STALE: Final = 200
_PIECE_SECONDS: Final = 0.2
"""How long each of the two works of one `catch_up` goes on, about: sessions are of all sizes."""
_MATCHES: Final = "t.id IN (SELECT rowid FROM texts WHERE texts MATCH ?)"
_OF_PROJECT: Final = "(?1 IS NULL OR project_id = ?1)"


class SQLiteStore(TraceReading, PartReading):
    """A `Store` in one SQLite file, which any number of processes and threads may use at once.

    Nothing is opened before the first use, and nothing is made before the first insert: reading from a
    file that does not exist finds no sessions. A directory that is made is the user's alone (0700), and
    so is the file (0600). A commit survives the end of the process, whatever the end; a loss of power
    may take the last ones.

    Records are counted into roll-ups when somebody reads, or in `catch_up`; every answer is of the roll-ups
    as they are when it is asked. Every method raises `StoreError` if the file cannot be used. A write waits
    up to 20 seconds for those of other processes; readers wait for nobody.
    """

    def __init__(
        self, path: str | os.PathLike[str], keeping: Retention | None = None, *, at_once: bool = False
    ) -> None:
        """The store at `path`; `prune` keeps what `keeping` says, by default what the environment says.

        With `at_once`, inserts count and index what they bring, as far as that alone tells it and as long as there is
        time for it: for servers, whose readers are many.
        """
        self.path = Path(path).absolute()
        self.owners = self.path.with_name(self.path.name + ".owners")
        """The directory in which the processes that write here claim their sessions."""
        self._at_once = at_once
        self._rested = 0.0
        self._keeping = keeping
        self._writer = Connection(self.path)
        self._readers = Readers(self.path)

    # --- Writing -----------------------------------------------------------------------------------

    def insert(self, records: Sequence[SpanRecord]) -> None:
        """Keep these records; they are on disk, all or none of them, when this returns."""
        if not records:
            return
        begun = time.monotonic()
        arrival = Arrival(records, at_once=self._at_once and begun > self._rested)

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection, "IMMEDIATE"):
                arrival.insert(connection)

        self._writer.run(write, create=True)
        ended = time.monotonic()
        self._rested = ended + (ended - begun) * _REST

    def delete(self, session_id: str, project: str | None = None) -> bool:
        """Delete a session with all its records; False if there is none."""
        number = self._number(session_id, project)
        if number is None:
            return False
        return bool(self._change(lambda connection: retention.delete(connection, [number])))

    def prune(self, max_age: float | None = None, max_bytes: int | None = None, *, most: int | None = None) -> int:
        """Delete the oldest sessions that no longer run until the rest is within the limits; how many these were.

        `max_age` is in seconds since a session's last sign of life, `max_bytes` is what all may take. Where
        neither is told, the store's own limits hold. With `most`, it stops after about so many.
        """
        keeping = Retention(max_age, max_bytes)
        if max_age is None and max_bytes is None:
            keeping = self._keeping or Retention.told()
        deleted = skipped = 0
        while most is None or deleted < most:
            limit = self._read(lambda connection: retention.limit(connection, keeping), default=None)
            found = [] if limit is None else self._readers.fetch(_OLDEST, limit, _PRUNED_AT_ONCE, skipped)
            if not found:
                break
            summaries = zip(found, self._summaries(found), strict=True)
            gone = [row[0] for row, summary in summaries if summary is not None and self._is_over(summary, limit)]
            skipped += len(found) - len(gone)
            deleted += self._change(lambda connection, gone=gone: retention.delete(connection, gone)) if gone else 0
        if deleted:
            self._writer.run(retention.give_back, create=False)
        return deleted

    def _is_over(self, summary: Summary, limit: int) -> bool:
        return summary.row.last_time < limit and not self._settled(summary).is_running

    def close(self) -> None:
        """Release the file; it is opened again at the next use."""
        self._readers.close()
        self._writer.close()

    def _change(self, operation: Any) -> Any:
        def write(connection: sqlite3.Connection) -> Any:
            with transaction(connection, "IMMEDIATE"):
                return operation(connection)

        return self._writer.run(write, create=False)

    # --- Reading -----------------------------------------------------------------------------------

    def sessions(self, query: SessionQuery | None = None) -> SessionPage:
        """The sessions that are asked for, one page of them; by default the newest 50."""
        query = query or SessionQuery()
        selection = Selection(query)
        if query.text is not None:
            selection.match(*self._found(query.text))
        if selection.asks_of_roll_ups:
            self._settle()
        rows_found: list[SessionRow] = []
        after = selection.start()
        while True:
            statement, values = selection.page(after, query.limit + 1)
            found = self._readers.fetch(statement, *values)
            for told, summary in zip(found, self._summaries(found), strict=True):
                if len(rows_found) == query.limit:
                    return SessionPage(rows_found, selection.cursor(*after) if after else None)
                after = (told[-1], told[0])
                if summary is None:
                    continue
                row = self._settled(summary) if summary.is_open else summary.row
                if query.is_running is None or query.is_running == row.is_running:
                    rows_found.append(row)
            if len(found) <= query.limit:
                return SessionPage(rows_found)

    def session(self, session_id: str, project: str | None = None) -> SessionRow | None:
        """One session by its whole id, or None."""
        summary = self._summary(session_id, project)
        return None if summary is None else self._settled(summary)

    def find(self, reference: str, project: str | None = None) -> list[str]:
        """Ids that begin with `reference`, whatever its dashes and case, newest first; or `@last`, `@last~1`.

        An id that is given in full is found alone, even if others begin with it.
        """
        latest = _LATEST.fullmatch(reference)
        newest_first = f"SELECT session_id FROM sessions WHERE {_OF_PROJECT} {{}} ORDER BY first_time DESC, id DESC"  # noqa: S608
        if latest is not None:
            query = newest_first.format("") + " LIMIT 1 OFFSET ?2"
            return [row[0] for row in self._readers.fetch(query, project, int(latest["back"] or 0))]
        prefix = reference.replace("-", "").lower()
        if not prefix:
            return []
        query = newest_first.format("AND substr(replace(lower(session_id), '-', ''), 1, ?2) = ?3")
        found = dict.fromkeys(row[0] for row in self._readers.fetch(query, project, len(prefix), prefix))
        return [reference] if reference in found else list(found)

    def spans(self, session_id: str, project: str | None = None) -> list[SpanRecord]:
        """All records of a session by start time; none where it is another project's."""
        number = self._number(session_id, project)
        return [] if number is None else self._load(number)

    def figures(self, query: FiguresQuery) -> list[Figures]:
        """Sums over sessions, ordered by what they are grouped by."""
        figures.select(query)  # a question that makes no sense is told before any work
        self._settle()
        return list(self._read(lambda connection: figures.read(connection, query)))

    def search(self, text: str, limit: int = 50, project: str | None = None) -> list[Hit]:
        """The spans in which a text is found, newest first."""
        condition, values = self._found(text)
        source, order = "spans AS t", "t.id"
        if condition == _MATCHES:
            # As they come out of the index, so that no more of it is read than is asked for.
            source, condition, order = (
                "texts CROSS JOIN spans AS t ON t.id = texts.rowid",
                "texts MATCH ?",
                "texts.rowid",
            )
        query = (
            f"SELECT {_HIT} FROM {source} WHERE {condition} "  # noqa: S608
            f"AND (? IS NULL OR t.project_id = ?) ORDER BY {order} DESC LIMIT ?"
        )
        bounded = min(max(limit, 1), _HIGHEST_LIMIT)
        return texts.hits_of(self._readers.fetch(query, *values, project, project, bounded), text)

    def change(self) -> int:
        """The number of the last change: each that comes has a higher one."""
        found = self._readers.fetch("SELECT value FROM counters WHERE name = 'change'")
        return int(found[0][0]) if found else 0

    def changes(self, after: int, limit: int = 100, project: str | None = None) -> list[Change]:
        """The sessions that were changed after this number, as they are now, in the order of their last change.

        Those that were changed at once are told at once, so there may be more than `limit`. What was deleted
        has no row.
        """
        if self.change() == after:
            return []
        self._settle()
        touched = (
            "SELECT change, session_id, project_id FROM sessions WHERE change > ? AND (? IS NULL OR project_id = ?) "
            "UNION ALL SELECT change, session_id, project_id FROM deletions "
            "WHERE change > ? AND (? IS NULL OR project_id = ?) "
        )
        asked = (after, project, project) * 2
        found = self._readers.fetch(f"{touched} ORDER BY change LIMIT ?", *asked, max(limit, 1))
        if len(found) >= limit:
            last = found[-1][0]
            found = self._readers.fetch(f"SELECT * FROM ({touched}) WHERE change <= ? ORDER BY change", *asked, last)  # noqa: S608
        return [Change(number, named, owner, self.session(named, owner)) for number, named, owner in found]

    def _fetch(self, query: str, *values: Any) -> list[Any]:
        return self._readers.fetch(query, *values)

    # --- Catching up -------------------------------------------------------------------------------

    def catch_up(self) -> bool:
        """Do a piece of the work that readers would wait for; whether there is no more of it."""
        is_settled = self._settle(_PIECE_SECONDS)
        return self._index(_PIECE_SECONDS) and is_settled

    def _settle(self, seconds: float | None = None) -> bool:
        """Bring the roll-ups up to the records; False where there is more to do, or another holds the file."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        stale = self._readers.fetch(f"{rollups.STALE} LIMIT ?", -1 if seconds is None else _MOST_STALE)
        made: list[rollups.Made] = []
        emptied: list[int] = []
        for place, (number,) in enumerate(stale, 1):
            each = self._made(number)
            if each is None:
                emptied.append(number)
            else:
                made.append(each)
            is_over = place == len(stale) or time.monotonic() > until
            if is_over or len(made) == _SETTLED_AT_ONCE:
                if not self._keep(made, emptied):
                    return False
                made, emptied = [], []
            if is_over:
                return place == len(stale) and (seconds is None or place < _MOST_STALE)
        return True

    def _index(self, seconds: float | None = None) -> bool:
        """Bring the text index up to the records; False where there is more to do."""
        if not texts.is_possible():
            return True
        until = math.inf if seconds is None else time.monotonic() + seconds
        while self._read(texts.is_behind, default=False):
            if time.monotonic() > until:
                return False
            self._change(lambda connection: texts.follow(connection, _INDEXED_AT_ONCE))
        return True

    def _found(self, text: str) -> tuple[str, list[Any]]:
        """The condition under which a text is found in a span (`t`), and its values."""
        words = texts.words_of(text)
        if not texts.is_possible():
            return texts.pattern_of(text)
        self._index()
        return _MATCHES, [words]

    # --- Roll-ups ----------------------------------------------------------------------------------

    def _number(self, session_id: str, project: str | None) -> int | None:
        query = f"SELECT s.id FROM sessions AS s WHERE {_NAMED}"  # noqa: S608
        found = self._readers.fetch(query, session_id, project, project)
        return found[0][0] if found else None

    def _summary(self, session_id: str, project: str | None) -> Summary | None:
        found = self._readers.fetch(f"{_SESSIONS} WHERE {_NAMED}", session_id, project, project)
        return next(iter(self._summaries(found)), None)

    def _summaries(self, found: Iterable[Sequence[Any]]) -> list[Summary | None]:
        """The kept roll-ups, and new ones of sessions that have changed since; None for one that is gone by now."""
        summaries: list[Summary | None] = []
        made: list[rollups.Made] = []
        read: dict[str, Any] = {}
        for row in found:
            if row[2]:
                summaries.append(rows.summary_from(row[1], row[3:_SUMMARY_END], read))
                continue
            each = self._made(row[0])
            summaries.append(None if each is None else each.summary)
            made += [] if each is None else [each]
        self._keep(made)
        return summaries

    def _made(self, number: int) -> rollups.Made | None:
        def read(connection: sqlite3.Connection) -> rollups.Made | None:
            with transaction(connection, "DEFERRED"):
                return rollups.make(connection, number)

        return self._readers.run(read)

    def _keep(self, made: Sequence[rollups.Made], emptied: Sequence[int] = ()) -> bool:
        """Roll-ups are kept where that is possible, and sessions left out that have no span any more.

        Whoever cannot write makes them again the next time.
        """
        if not made and not emptied:
            return True

        def write(connection: sqlite3.Connection) -> bool:
            with transaction(connection, "IMMEDIATE"):
                rollups.keep(connection, made)
                if emptied:
                    retention.delete(connection, rollups.empty(connection, emptied))
            return True

        with contextlib.suppress(sqlite3.Error, OSError, StoreError):
            return bool(self._writer.once(write, create=False))
        return False

    def _settled(self, summary: Summary) -> SessionRow:
        row = summary.settled(self._is_alive)
        if not summary.is_open or row.is_running:
            return row
        # Its owner may have ended it in good order after the records were read, and before it was looked for.
        again = self._summary(row.session_id, row.project_id)
        return row if again is None or again.is_open else again.row

    def _is_alive(self, owner: str | None, newest: int) -> bool:
        return owners.is_alive(self.owners, owner, newest=newest)

    def _load(self, number: int) -> list[SpanRecord]:
        def read(connection: sqlite3.Connection) -> list[SpanRecord]:
            with transaction(connection, "DEFERRED"):
                return rollups.load(connection, number, bare=False)[3]

        return self._readers.run(read) or []

    def _read(self, operation: Any, default: Any = ()) -> Any:
        found = self._readers.run(operation)
        return default if found is None else found
