"""The file that a spool lies in: one SQLite database for all processes of a user, made, opened and mended here."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from typing import TYPE_CHECKING, Final, TypeVar

from agentops_otel.store.held import Held

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

VERSION: Final = 1
_BUSY_SECONDS: Final = 1.0

_TABLES: Final = (
    """CREATE TABLE batches (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        destination TEXT NOT NULL,
        project TEXT NOT NULL,
        maker TEXT NOT NULL,
        owner TEXT,
        made_time INTEGER NOT NULL,
        spans INTEGER NOT NULL,
        size INTEGER NOT NULL,
        body BLOB NOT NULL
    )""",
    "CREATE INDEX batches_by_size ON batches (size)",
    "CREATE INDEX batches_by_owner ON batches (owner, destination, project)",
    f"PRAGMA user_version = {VERSION}",
)
COLUMNS: Final = "destination, project, maker, owner, made_time, spans, size, body"
INSERT: Final = f"INSERT INTO batches ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own columns

_RESTORE: Final = f"INSERT OR IGNORE INTO batches (id, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
_MAGIC: Final = b"SQLite format 3\x00"
_LONGEST: Final = 1 << 34
_MOST_ROWS: Final = 100_000

_T = TypeVar("_T")


class SpoolError(Exception):
    """The file of the spool cannot be used; the message says which and why."""


class SpoolFile:
    """One database, opened at its first use; `path` None is one in memory. Any thread may use it."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.damaged = 0
        """Batches that could not be read any more."""
        self._held = Held(is_file=path is not None)
        self._busy_until = 0.0
        """Until then nobody waits for it again: another thread just did, in vain."""

    def close(self) -> None:
        """Close it; it is opened again at the next use."""
        with self._locked():
            self._held.release()

    def run(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do it in one transaction; once more where the file turns out to be damaged, and can be mended.

        Raises:
            SpoolError: the file cannot be used.
        """
        with self._locked():
            if time.monotonic() < self._busy_until:
                raise SpoolError(f"{self.path}: database is locked")
            try:
                return self._once(operation)
            except (sqlite3.Error, OSError) as error:
                self._held.release()
                if "locked" in str(error):
                    self._busy_until = time.monotonic() + _BUSY_SECONDS
                if self.path is None or not _is_damage(error):
                    raise SpoolError(f"{self.path}: {error}") from error
            try:
                self._mend(self.path)
                return self._once(operation)
            except (sqlite3.Error, OSError) as error:
                self._held.release()
                raise SpoolError(f"{self.path}: {error}") from error

    def _once(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = operation(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _locked(self) -> AbstractContextManager[None]:
        return self._held.locked(
            _BUSY_SECONDS * 2, lambda: SpoolError(f"{self.path} is in use by another thread for too long")
        )

    def _connected(self) -> sqlite3.Connection:
        held = self._held
        if held.connection is None:
            if self.path is not None:
                _make_file(self.path)
            held.connection = self._opened()
        return held.connection

    def _opened(self) -> sqlite3.Connection:
        target = ":memory:" if self.path is None else str(self.path)
        connection = sqlite3.connect(target, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _version(connection)  # before anything is changed
            # What has been sent is not to stay in the file: it shrinks, and free pages are wiped.
            connection.execute("PRAGMA auto_vacuum = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _mend(self, path: Path) -> None:
        """Move a damaged file aside, and save from it what can be read."""
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        for suffix in ("-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
        path.replace(aside)
        _make_file(path)
        with contextlib.closing(self._opened()) as fresh:
            for row in self._readable(aside):
                fresh.execute(_RESTORE, row)

    def _readable(self, path: Path) -> list[tuple[object, ...]]:
        """The rows of a damaged file that can be read still, each for itself."""
        rows: list[tuple[object, ...]] = []
        _pad(path)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            try:
                last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batches'").fetchone()[0]
            except (sqlite3.Error, TypeError):
                return rows
            query = f"SELECT id, {COLUMNS} FROM batches WHERE id = ?"  # noqa: S608 - our own columns
            for number in range(max(1, last - _MOST_ROWS), last + 1):
                try:
                    row = connection.execute(query, (number,)).fetchone()
                except sqlite3.Error:
                    self.damaged += 1
                    continue
                if row is not None:
                    rows.append(row)
        return rows


def _is_damage(error: Exception) -> bool:
    # By its words, for Python 3.10 does not tell SQLite's error codes.
    return isinstance(error, sqlite3.DatabaseError) and any(
        words in str(error) for words in ("malformed", "not a database", "corrupt")
    )


def _pad(path: Path) -> None:
    """Give a truncated file its length again: of a shorter one, SQLite reads nothing at all."""
    with path.open("r+b") as file:
        head = file.read(100)
        if len(head) < 100 or not head.startswith(_MAGIC):  # noqa: PLR2004 - the length of SQLite's header
            return
        page = int.from_bytes(head[16:18], "big")
        length = (65_536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
        size = file.seek(0, os.SEEK_END)
        if size < length < _LONGEST:
            file.truncate(length)


def _make_file(path: Path) -> None:
    """Make the file for the user alone; a link, or what belongs to somebody else, is not followed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
            raise PermissionError(f"it is no file of this user: {path.name}") from None


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file.

    Raises:
        OSError: the file is another program's, or newer than this package.
    """
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) == 0:
            for statement in _TABLES:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise OSError(f"it was written by a newer agentops_otel (schema {version}, this one knows {VERSION})")
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise OSError("it is a database of another program")
    return version
