"""SQLiteStore: the store that needs nothing installed, one file that several processes share."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import sqlite3
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agentops_otel.store import owners, rows, schema
from agentops_otel.store.base import SessionRow, StoreError
from agentops_otel.store.summary import RULES, Summary, summarise
from agentops_otel.store.traces import TraceReading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agentops_otel.accounting.record import SpanRecord

_T = TypeVar("_T")

_BUSY_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 20.0
_FORK_SECONDS: Final = 1.0
_LATEST: Final = re.compile(r"@last(?:~(?P<back>[0-9]{1,9}))?")

_ADVICE: Final = {
    "not a database": "it is no store: move it away, or name another file in AGENTOPS_STORE",
    "malformed": "it is damaged: move it away, and a new one is made",
    "lock": "another program holds it: try again, or end that program",
    "readonly": "it cannot be written: change its permissions, or name another file in AGENTOPS_STORE",
    "unable to open": "it or its directory cannot be written: name another file in AGENTOPS_STORE",
    "disk is full": "make room, or name a file on another disk in AGENTOPS_STORE",
}

_SPANS: Final = ", ".join(f"spans.{name}" for name in rows.SPAN_COLUMNS)
_BARE_SPANS: Final = ", ".join(
    "NULL" if name in {"content", "events", "links"} else f"spans.{name}" for name in rows.SPAN_COLUMNS
)
_SUMMARY: Final = ", ".join(rows.SUMMARY_COLUMNS)
_SESSIONS: Final = f"SELECT session_id, changes = counted AND rules = {RULES}, {_SUMMARY} FROM sessions"  # noqa: S608
_NEWEST_FIRST: Final = "ORDER BY first_time DESC, session_id"
_MADE: Final = ", ".join(f"{name} = ?" for name in rows.SUMMARY_COLUMNS)
_KEEP: Final = f"UPDATE sessions SET counted = ?, rules = {RULES}, {_MADE} WHERE session_id = ?"  # noqa: S608


class SQLiteStore(TraceReading):
    """A `Store` in one SQLite file, which any number of processes and threads may use at once.

    Nothing is opened before the first use, and nothing is made before the first insert: reading from a
    file that does not exist finds no sessions. A directory that is made is the user's alone (0700), and
    so is the file (0600). A commit survives the end of the process, whatever the end; a loss of power
    may take the last ones.

    Every method raises `StoreError` if the file cannot be used. A write waits up to 20 seconds for those
    of other processes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.owners = self.path.with_name(self.path.name + ".owners")
        """The directory in which the processes that write here claim their sessions."""
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = 0
        self._inherited: list[sqlite3.Connection] = []
        self._watches_forks = False
        self._forking = 0
        # Now, not with the first connection: a fork may come while that is being opened.
        self._watch_forks()

    # --- The promise of Store ----------------------------------------------------------------------

    def insert(self, records: Sequence[SpanRecord]) -> None:
        """Keep these records; they are on disk, all or none of them, when this returns."""
        if not records:
            return
        prepared = [(rows.row_of(record), rows.resource_row(record.resource)) for record in records]

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection, "IMMEDIATE"):
                ids = {resource: _resource_id(connection, *resource) for resource in {pair[1] for pair in prepared}}
                connection.executemany(schema.INSERT_SPAN, [(*row, ids[resource]) for row, resource in prepared])

        self._run(write, create=True)

    def sessions(self, limit: int = 50) -> list[SessionRow]:
        """The sessions that began last, newest first."""
        found = self._fetch(f"{_SESSIONS} {_NEWEST_FIRST} LIMIT ?", limit)
        listed = [self._settled(summary) for summary in self._summaries(found)]
        return sorted(listed, key=lambda row: -row.start_time)

    def session(self, session_id: str) -> SessionRow | None:
        """One session by its whole id, or None."""
        summary = self._summary(session_id)
        return None if summary is None else self._settled(summary)

    def find(self, reference: str) -> list[str]:
        """Ids that begin with `reference`, whatever its dashes and case, newest first; or `@last`, `@last~1`.

        An id that is given in full is found alone, even if others begin with it.
        """
        latest = _LATEST.fullmatch(reference)
        if latest is not None:
            query = f"SELECT session_id FROM sessions {_NEWEST_FIRST} LIMIT 1 OFFSET ?"  # noqa: S608
            return [row[0] for row in self._fetch(query, int(latest["back"] or 0))]
        prefix = reference.replace("-", "").lower()
        if not prefix:
            return []
        query = (
            "SELECT session_id FROM sessions WHERE substr(replace(lower(session_id), '-', ''), 1, ?) = ? "  # noqa: S608
            f"{_NEWEST_FIRST}"
        )
        found = [row[0] for row in self._fetch(query, len(prefix), prefix)]
        return [reference] if reference in found else found

    def spans(self, session_id: str) -> list[SpanRecord]:
        """All records of a session by start time."""
        return self._load(session_id, _SPANS)[1]

    def delete(self, session_id: str) -> None:
        """Remove a session and its spans, both or neither."""

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection, "IMMEDIATE"):
                for table in ("spans", "sessions"):
                    connection.execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))  # noqa: S608

        self._run(write, create=False)

    def close(self) -> None:
        """Release the file; it is opened again at the next use."""
        with self._locked():
            self._release()

    # --- Roll-ups ----------------------------------------------------------------------------------

    def _summary(self, session_id: str) -> Summary | None:
        found = self._fetch(f"{_SESSIONS} WHERE session_id = ?", session_id)
        return next(iter(self._summaries(found)), None)

    def _summaries(self, found: Iterable[Sequence[Any]]) -> list[Summary]:
        """The kept roll-ups, and new ones of the sessions that have changed since theirs were made."""
        summaries, made = [], []
        for session_id, is_fresh, *values in found:
            if is_fresh:
                summaries.append(rows.summary_from(session_id, values))
                continue
            changes, records = self._load(session_id, _BARE_SPANS)
            if records:
                summaries.append(summarise(session_id, records))
                made.append((changes, *rows.summary_row(summaries[-1]), session_id))
        if made:
            self._keep(made)
        return summaries

    def _keep(self, made: list[tuple[Any, ...]]) -> None:
        """Roll-ups are kept where that is possible; whoever cannot write makes them again the next time."""

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection, "IMMEDIATE"):
                connection.executemany(_KEEP, made)

        with contextlib.suppress(sqlite3.Error, OSError, StoreError):
            self._once(write, create=False)

    def _settled(self, summary: Summary) -> SessionRow:
        row = summary.settled(self._is_alive)
        if not summary.is_open or row.is_running:
            return row
        # Its owner may have ended it in good order after the records were read, and before it was looked for.
        again = self._summary(row.session_id)
        return row if again is None or again.is_open else again.row

    def _is_alive(self, owner: str | None, newest: int) -> bool:
        return owners.is_alive(self.owners, owner, newest=newest)

    def _load(self, session_id: str, columns: str) -> tuple[int, list[SpanRecord]]:
        """The records of a session, and the count of its changes that they stand for."""

        def read(connection: sqlite3.Connection) -> tuple[list[Any], list[Any], list[Any]]:
            # One transaction: the count and the records belong together.
            with _transaction(connection, "DEFERRED"):
                changes = "SELECT changes FROM sessions WHERE session_id = ?"
                spans = (
                    f"SELECT spans.resource_id, {columns} FROM spans WHERE session_id = ? "  # noqa: S608
                    "ORDER BY start_time, id"
                )
                resources = (
                    "SELECT id, attributes FROM resources "
                    "WHERE id IN (SELECT resource_id FROM spans WHERE session_id = ?)"
                )
                return (
                    connection.execute(changes, (session_id,)).fetchall(),
                    connection.execute(spans, (session_id,)).fetchall(),
                    connection.execute(resources, (session_id,)).fetchall(),
                )

        changes, spans, resources = self._run(read, create=False) or ([], [], [])
        known = {number: json.loads(attributes) for number, attributes in resources}
        records = [rows.record_from(values, known[number]) for number, *values in spans]
        return (changes[0][0] if changes else 0), records

    # --- The connection ----------------------------------------------------------------------------

    def _fetch(self, query: str, *values: Any) -> list[Any]:
        return self._run(lambda connection: connection.execute(query, values).fetchall(), create=False) or []

    def _run(self, operation: Callable[[sqlite3.Connection], _T], *, create: bool) -> _T | None:
        """Do it, again and again while others hold the file; None if there is no file and none is made."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._once(operation, create=create)
            except (sqlite3.Error, OSError) as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise StoreError(self._complaint(error)) from error
            # SQLite waits by itself except where waiting might be for ever, as when two make one file.
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - to part those who collided

    def _once(self, operation: Callable[[sqlite3.Connection], _T], *, create: bool) -> _T | None:
        with self._locked():
            try:
                connection = self._connected(create=create)
                return None if connection is None else operation(connection)
            except sqlite3.DatabaseError as error:
                if not _is_busy(error):
                    self._release()
                raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Bounded, for a signal's code may run inside a use of the store and use the store itself.
        lock = self._lock
        if not lock.acquire(timeout=_PATIENCE_SECONDS):
            raise StoreError(f"{self.path} is in use by another thread of this process for too long: try again")
        try:
            yield
        finally:
            lock.release()

    def _connected(self, *, create: bool) -> sqlite3.Connection | None:
        if self._process != os.getpid():
            self._disown()
        if self._connection is not None and self._file == _identity(self.path):
            return self._connection
        # Closed, or removed under our feet: what is written to a removed file is lost.
        self._release()
        if not create and not self.path.exists():
            return None
        self._make_file()
        self._connection = self._open()
        self._file = _identity(self.path)
        return self._connection

    def _make_file(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only ever with O_EXCL: closing a file that SQLite has open would drop SQLite's locks on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            schema.prepare(connection, str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _complaint(self, error: Exception) -> str:
        told = str(error)
        advice = next((advice for sign, advice in _ADVICE.items() if sign in told), None)
        if advice is None and isinstance(error, OSError):
            advice = "name a file that can be written in AGENTOPS_STORE"
        return f"{self.path}: {told}" + (f" ({advice})" if advice else "")

    # --- Forks ---------------------------------------------------------------------------------------
    #
    # SQLite keeps a process's locks in memory, and a child inherits that memory without the locks. A
    # connection that the child opens beside an inherited one then takes no lock, and its writes are lost
    # when the parent closes the file (seen with SQLite 3.40). So no connection is open across a fork.

    def _watch_forks(self) -> None:
        if self._watches_forks or not hasattr(os, "register_at_fork"):
            return
        self._watches_forks = True
        this = weakref.ref(self)

        def call(name: str) -> None:
            store = this()
            if store is not None:
                getattr(store, name)()

        os.register_at_fork(
            before=lambda: call("_before_fork"),
            after_in_parent=lambda: call("_after_fork"),
            after_in_child=lambda: call("_begin_in_child"),
        )

    def _before_fork(self) -> None:
        if self._lock.acquire(timeout=_FORK_SECONDS):
            self._forking = threading.get_ident()
            self._release()

    def _after_fork(self) -> None:
        # Two threads may fork at once; the one that did not get the lock must not give it back.
        if self._forking == threading.get_ident():
            self._forking = 0
            self._lock.release()

    def _begin_in_child(self) -> None:
        # The thread that held the old lock, if it was not this one, does not exist here.
        self._lock = threading.Lock()
        self._forking = 0

    def _disown(self) -> None:
        """Leave the parent's connection alone: it must be neither used nor closed in a child."""
        self._process = os.getpid()
        if self._connection is not None:
            self._inherited.append(self._connection)
            self._connection = None


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, mode: str) -> Iterator[None]:
    try:
        connection.execute(f"BEGIN {mode}")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _resource_id(connection: sqlite3.Connection, digest: bytes, attributes: str) -> int:
    query = "SELECT id FROM resources WHERE digest = ?"
    found = connection.execute(query, (digest,)).fetchone()
    if found is None:
        connection.execute("INSERT INTO resources (digest, attributes) VALUES (?, ?)", (digest, attributes))
        found = connection.execute(query, (digest,)).fetchone()
    return int(found[0])


def _is_busy(error: Exception) -> bool:
    # By its words, for Python 3.10 does not tell SQLite's error codes.
    return isinstance(error, sqlite3.OperationalError) and "lock" in str(error)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
