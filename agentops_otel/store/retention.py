"""What leaves a store: sessions that are deleted, and those that are too old or too many to keep."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agentops_otel.store import rollups, schema, texts
from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

MAX_AGE: Final = "AGENTOPS_STORE_MAX_AGE"
MAX_SIZE: Final = "AGENTOPS_STORE_MAX_SIZE"
_DEFAULT_SIZE: Final = 8 * 1024**3
_REMEMBERED: Final = 10_000
"""Deletions that are told to those who follow the changes."""
_AGE: Final = re.compile(r"(\d+)\s*([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZE: Final = re.compile(r"(\d+)\s*([kmgt]?)i?b?", re.IGNORECASE)
_BYTES: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_NEVER: Final = {"", "0", "none", "never", "off"}
_PAGES: Final = 2000
DELETE_RESOURCE: Final = (
    "DELETE FROM resources WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM spans WHERE resource_id = ?1)"
)
"""A resource that no span is of any more."""
_SPANS: Final = "FROM spans WHERE session_id = ? AND project_id = ?"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long sessions are kept: seconds since their last sign of life, bytes of all of them; None is for ever."""

    max_age: float | None = None
    max_bytes: int | None = _DEFAULT_SIZE

    @classmethod
    def told(cls) -> Retention:
        """As the environment says: AGENTOPS_STORE_MAX_AGE (`90d`, `12h`) and AGENTOPS_STORE_MAX_SIZE (`2GB`).

        Nothing is deleted for its age unless that is said, nor for its size below 8 GB; `0` lifts a limit.

        Raises:
            StoreError: a setting cannot be read; nothing is deleted on a guess.
        """
        age, size = os.environ.get(MAX_AGE), os.environ.get(MAX_SIZE)
        return cls(
            None if age is None else _read(MAX_AGE, age, _AGE, _SECONDS, "90d or 12h"),
            _DEFAULT_SIZE if size is None else _read(MAX_SIZE, size, _SIZE, _BYTES, "2GB or 500MB"),
        )


def _read(name: str, told: str, form: re.Pattern[str], units: dict[str, int], example: str) -> int | None:
    if told.strip().lower() in _NEVER:
        return None
    found = form.fullmatch(told.strip().lower())
    if found is None:
        raise StoreError(f"{name} is {told!r}, and should be like {example}, or 0 for no limit")
    return int(found[1]) * units[found[2].lower()]


def delete(connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
    """Delete the sessions of these numbers with all that was kept of them, within the caller's transaction.

    Returns:
        How many there were.
    """
    connection.execute(schema.NEXT_CHANGE)
    connection.execute(schema.INDEX_RESOURCES)
    deleted = 0
    resources: set[int] = set()
    for number in numbers:
        known = connection.execute("SELECT session_id, project_id FROM sessions WHERE id = ?", (number,)).fetchone()
        if known is None:
            continue
        deleted += 1
        spans = connection.execute(f"SELECT id, resource_id {_SPANS}", known).fetchall()
        resources.update(resource for _, resource in spans)
        texts.forget(connection, [span for span, _ in spans])
        connection.execute(f"DELETE {_SPANS}", known)
        connection.execute("INSERT INTO deletions SELECT value, ?, ? FROM counters WHERE name = 'change'", known)
    rollups.drop(connection, numbers)
    connection.executemany(DELETE_RESOURCE, [(resource,) for resource in resources])
    # Numbers of spans are given again from the highest that is left.
    connection.execute(
        "UPDATE counters SET value = min(value, (SELECT coalesce(max(id), 0) FROM spans)) WHERE name = 'texts_until'"
    )
    connection.execute("DELETE FROM deletions WHERE rowid <= (SELECT max(rowid) FROM deletions) - ?", (_REMEMBERED,))
    return deleted


def limit(connection: sqlite3.Connection, retention: Retention) -> int | None:
    """Sessions whose last sign of life was before this time (ns) need not be kept; None where all may stay."""
    if retention.max_bytes is not None and used_bytes(connection) > retention.max_bytes:
        return 2**63 - 1
    return None if retention.max_age is None else int((time.time() - retention.max_age) * 10**9)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def give_back(connection: sqlite3.Connection) -> None:
    """Give pages that hold nothing back to the disk; does nothing in files of version 1."""
    # As a script, for a statement by itself is stopped after its first page.
    connection.executescript(f"PRAGMA incremental_vacuum({_PAGES});")
