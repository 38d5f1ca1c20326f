"""Spool: what is still to be sent, in a SQLite file that processes share; deleted only once it has arrived."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from agentops_otel.spool.file import COLUMNS, INSERT, SpoolFile
from agentops_otel.store import owners

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

FILE_NAME: Final = "spool.db"
_RESERVE: Final = 16
"""The part of the size that is kept free for ends of sessions: a sixteenth."""

_serial = count()


@dataclass(frozen=True)
class Address:
    """Whom batches are for: an endpoint and the project of the key that it is sent with, neither of them secret."""

    destination: str
    project: str


@dataclass(frozen=True)
class Batch:
    """Spans in one OTLP request, gzipped."""

    id: int
    body: bytes
    spans: int
    is_own: bool
    """Whether this process made it, rather than one that ended before."""


@dataclass(frozen=True)
class Waiting:
    """What waits for one address."""

    address: Address
    spans: int
    size: int
    oldest: int
    """When the oldest of it was made, in nanoseconds since the epoch."""
    is_held: bool
    """Whether a running process is about to send it."""


class Spool:
    """A bounded queue on disk, first in, first out for each process.

    A batch belongs to the process that made it while that lives; afterwards any process of the user may
    adopt it. Two never have the same batch at once. `path` None keeps it in memory instead. Every method may
    be called from any thread, and raises `SpoolError` where the file cannot be used.
    """

    def __init__(self, path: Path | None, limit: int, age: float) -> None:
        """`limit` is in bytes, for all processes together; `age` in seconds, after which a batch is given up."""
        self.path = path
        self.limit = limit
        self._age = int(age * 10**9)
        self._number = next(_serial)
        self._file = SpoolFile(path)

    # --- What is sent ------------------------------------------------------------------------------

    def put(self, address: Address, parts: Sequence[tuple[bytes, int]], *, essential: bool = False) -> bool:
        """Keep these (body, spans); False if there is no room. What is `essential` may take the last of it."""
        size = sum(len(body) for body, _ in parts)
        allowed = self.limit if essential else self.limit - self.limit // _RESERVE

        def write(connection: sqlite3.Connection) -> bool:
            held = connection.execute("SELECT coalesce(sum(size), 0) FROM batches").fetchone()[0]
            if held + size > allowed:
                return False
            self._insert(connection, address, parts)
            return True

        return self._file.run(write)

    def _insert(self, connection: sqlite3.Connection, address: Address, parts: Sequence[tuple[bytes, int]]) -> None:
        owner, now = self._owner(), time.time_ns()
        rows = [
            (address.destination, address.project, owner, owner, now, spans, len(body), body) for body, spans in parts
        ]
        connection.executemany(INSERT, rows)

    def claim_again(self) -> None:
        """Where nothing of ours is there yet: the place may take a claim now that it did not take before."""
        if self.path is not None:
            owners.Owner.claim_again(self._claims())

    def next(self, address: Address) -> Batch | None:
        """The oldest batch of ours: what this process made comes before what it adopted."""
        owner = self._owner()
        found = self._file.run(
            lambda connection: connection.execute(
                "SELECT id, body, spans, maker = owner FROM batches "
                "WHERE owner = ? AND destination = ? AND project = ? ORDER BY maker <> owner, made_time, id LIMIT 1",
                (owner, address.destination, address.project),
            ).fetchone()
        )
        return None if found is None else Batch(found[0], found[1], found[2], bool(found[3]))

    def done(self, batch: Batch) -> None:
        """It has arrived, or is given up."""
        self._file.run(lambda connection: connection.execute("DELETE FROM batches WHERE id = ?", (batch.id,)))

    def split(self, batch: Batch, parts: Sequence[tuple[bytes, int]]) -> list[Batch]:
        """Put these parts in the place of a batch, and have them back."""

        def write(connection: sqlite3.Connection) -> list[Batch]:
            made = []
            for body, spans in parts:
                cursor = connection.execute(
                    f"INSERT INTO batches ({COLUMNS}) "  # noqa: S608 - names of our own columns
                    "SELECT destination, project, maker, owner, made_time, ?, ?, ? FROM batches WHERE id = ?",
                    (spans, len(body), body, batch.id),
                )
                made.append(Batch(int(cursor.lastrowid or 0), body, spans, batch.is_own))
            connection.execute("DELETE FROM batches WHERE id = ?", (batch.id,))
            return made

        return self._file.run(write)

    def expire(self) -> int:
        """Give up what is too old, of this process or of dead ones; how many spans of ours that were."""
        owner = self._owner()
        oldest = time.time_ns() - self._age

        def write(connection: sqlite3.Connection) -> int:
            free = [*self._ownerless(connection), owner]
            chosen = f"made_time < ? AND (owner IS NULL OR owner IN ({_places(free)}))"
            own = f"SELECT coalesce(sum(spans), 0) FROM batches WHERE {chosen} AND maker = ?"  # noqa: S608
            lost = connection.execute(own, (oldest, *free, owner)).fetchone()[0]
            connection.execute(f"DELETE FROM batches WHERE {chosen}", (oldest, *free))  # noqa: S608
            return int(lost)

        return self._file.run(write)

    def adopt(self, address: Address) -> int:
        """Take over what processes that have ended left for this address; how many spans that are."""

        def write(connection: sqlite3.Connection) -> int:
            dead = self._ownerless(connection)
            chosen = f"destination = ? AND project = ? AND (owner IS NULL OR owner IN ({_places(dead)}))"
            values = (address.destination, address.project, *dead)
            total = f"SELECT coalesce(sum(spans), 0) FROM batches WHERE {chosen}"  # noqa: S608
            found = connection.execute(total, values).fetchone()[0]
            connection.execute(f"UPDATE batches SET owner = ? WHERE {chosen}", (self._owner(), *values))  # noqa: S608
            return int(found)

        return self._file.run(write)

    def own(self) -> int:
        """How many spans of this process wait."""
        owner = self._owner()
        query = "SELECT coalesce(sum(spans), 0) FROM batches WHERE owner = ? AND maker = owner"
        return int(self._file.run(lambda connection: connection.execute(query, (owner,)).fetchone()[0]))

    def clear(self) -> None:
        """Give up all that is ours."""
        owner = self._owner()
        self._file.run(lambda connection: connection.execute("DELETE FROM batches WHERE owner = ?", (owner,)))

    def release(self) -> None:
        """Leave what is ours to whoever comes next, and close the file."""
        owner = self._owner()
        self._file.run(
            lambda connection: connection.execute("UPDATE batches SET owner = NULL WHERE owner = ?", (owner,))
        )
        self._file.close()

    @property
    def damaged(self) -> int:
        """Batches that could not be read any more."""
        return self._file.damaged

    def waiting(self) -> list[Waiting]:
        """All that waits, by address and by whether a running process holds it."""
        if self.path is not None and not self.path.exists():
            return []

        def read(connection: sqlite3.Connection) -> list[Waiting]:
            dead = self._ownerless(connection)
            held = f"owner IS NOT NULL AND owner NOT IN ({_places(dead)})"
            rows = connection.execute(
                f"SELECT destination, project, sum(spans), sum(size), min(made_time), {held} FROM batches "  # noqa: S608
                "GROUP BY 1, 2, 6 ORDER BY 1, 2, 6",
                dead,
            )
            return [
                Waiting(Address(destination, project), spans, size, oldest, bool(is_held))
                for destination, project, spans, size, oldest, is_held in rows
            ]

        return self._file.run(read)

    # --- Whose it is -------------------------------------------------------------------------------

    def _owner(self) -> str:
        """This process and, in it, this spool: two clients of one process are two."""
        if self.path is None:
            return str(self._number)
        return f"{owners.Owner.claim(self._claims()).name}:{self._number}"

    def _claims(self) -> Path:
        assert self.path is not None  # noqa: S101 - only asked where there is a file
        return self.path.with_name(f"{self.path.name}.owners")

    def _ownerless(self, connection: sqlite3.Connection) -> list[str]:
        """Owners of batches that do not live any more."""
        if self.path is None:
            return []
        told = connection.execute("SELECT owner, max(made_time) FROM batches WHERE owner IS NOT NULL GROUP BY owner")
        return [
            owner
            for owner, newest in told.fetchall()
            if not owners.is_alive(self._claims(), owner.partition(":")[0], newest=newest)
        ]


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
