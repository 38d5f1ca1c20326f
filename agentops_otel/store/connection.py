"""Connection: one open SQLite file, safe to use from any thread, across forks, and beside other processes."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agentops_otel.store import schema
from agentops_otel.store.base import StoreError
from agentops_otel.store.held import Held

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

_T = TypeVar("_T")

BUSY_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 20.0
_CACHE_KIB: Final = 8192
_IDLE: Final = 4
"""Readers that are kept open while nobody reads."""

_ADVICE: Final = {
    "not a database": "it is no store: move it away, or name another file in AGENTOPS_STORE",
    "malformed": "it is damaged: move it away, and a new one is made",
    "lock": "another program holds it: try again, or end that program",
    "readonly": "it cannot be written: change its permissions, or name another file in AGENTOPS_STORE",
    "unable to open": "it or its directory cannot be written: name another file in AGENTOPS_STORE",
    "disk is full": "make room, or name a file on another disk in AGENTOPS_STORE",
}


def damage(path: Path) -> str | None:
    """What is wrong with the file of a store, read whole; None if nothing is. It is not changed.

    Raises:
        StoreError: it cannot be read at all.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as opened:
            (told,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    return None if told == "ok" else str(told)


class Connection:
    """The file at `path`, opened when it is first used and again after it was closed or replaced.

    Whoever has it uses it one at a time: threads wait for each other, for other processes SQLite waits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = Held()
        self._file: tuple[int, int] | None = None

    def fetch(self, query: str, *values: Any) -> list[Any]:
        """The rows that a query finds; none where there is no file."""
        return self.run(lambda connection: connection.execute(query, values).fetchall(), create=False) or []

    def close(self) -> None:
        """Release the file; it is opened again at the next use."""
        with self._locked():
            self._held.release()

    def run(self, operation: Callable[[sqlite3.Connection], _T], *, create: bool) -> _T | None:
        """Do it, again and again while others hold the file; None if there is no file and none is made."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.once(operation, create=create)
            except (sqlite3.Error, OSError) as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise StoreError(self._complaint(error)) from error
            # SQLite waits by itself except where waiting might be for ever, as when two make one file.
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - to part those who collided

    def once(self, operation: Callable[[sqlite3.Connection], _T], *, create: bool) -> _T | None:
        """Do it, waiting no longer than SQLite itself does for others; None if there is no file and none is made."""
        with self._locked():
            try:
                connection = self._connected(create=create)
                return None if connection is None else operation(connection)
            except sqlite3.DatabaseError as error:
                if not _is_busy(error):
                    self._held.release()
                raise

    def _locked(self) -> AbstractContextManager[None]:
        return self._held.locked(
            PATIENCE_SECONDS,
            lambda: StoreError(f"{self.path} is in use by another thread of this process for too long: try again"),
        )

    def _connected(self, *, create: bool) -> sqlite3.Connection | None:
        held = self._held
        if held.connection is not None and self._file == _identity(self.path):
            return held.connection
        # Closed, or removed under our feet: what is written to a removed file is lost.
        held.release()
        if not create and not self.path.exists():
            return None
        self._make_file()
        held.connection = self._open()
        self._file = _identity(self.path)
        return held.connection

    def _make_file(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only ever with O_EXCL: closing a file that SQLite has open would drop SQLite's locks on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            # Before anything else is in the file: what is deleted can then be given back to the disk.
            if not connection.execute("PRAGMA page_count").fetchone()[0]:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            schema.prepare(connection, str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _complaint(self, error: Exception) -> str:
        told = str(error)
        advice = next((advice for sign, advice in _ADVICE.items() if sign in told), None)
        if advice is None and isinstance(error, OSError):
            advice = "name a file that can be written in AGENTOPS_STORE"
        return f"{self.path}: {told}" + (f" ({advice})" if advice else "")


class Readers:
    """Connections to read with, as many as are used at once: none waits for another, nor for a writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # All at once, though they are opened one by one: what is made while another thread forks does not hear of it,
        # and a child of a thread that is inside of SQLite hangs.
        self._idle = [Connection(path) for _ in range(_IDLE)]

    def fetch(self, query: str, *values: Any) -> list[Any]:
        """The rows that a query finds; none where there is no file."""
        return self.run(lambda connection: connection.execute(query, values).fetchall()) or []

    def run(self, operation: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do it with a connection of its own; None if there is no file."""
        try:
            taken = self._idle.pop()
        except IndexError:
            taken = Connection(self._path)
        try:
            return taken.run(operation, create=False)
        finally:
            if len(self._idle) < _IDLE:
                self._idle.append(taken)
            else:
                taken.close()

    def close(self) -> None:
        """Close those that nobody uses."""
        for connection in list(self._idle):
            connection.close()


class transaction:  # noqa: N801 - it reads as what stands in its block
    """All of it or nothing; the mode is SQLite's: `IMMEDIATE` to write, `DEFERRED` to read one moment.

    No generator: one that Ctrl-C leaves behind is closed by the garbage collector, after its connection, and complains.
    """

    def __init__(self, connection: sqlite3.Connection, mode: str) -> None:
        self._connection = connection
        self._mode = mode

    def __enter__(self) -> None:
        """Begin."""
        self._connection.execute(f"BEGIN {self._mode}")

    def __exit__(self, kind: object, error: BaseException | None, trace_back: object) -> None:
        """Keep what was done, or take it back if the block raised or it cannot be kept."""
        try:
            if error is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _is_busy(error: Exception) -> bool:
    # By its words, for Python 3.10 does not tell SQLite's error codes.
    return isinstance(error, sqlite3.OperationalError) and "lock" in str(error)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
