"""How the files of older versions become files of this one, without losing a span."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from agentops_otel.store import rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

_TEXTS: Final = "texts"
_KEPT: Final = ("resources", "spans")
_COUNTERS: Final = ("change", "texts_until", "texts_rules")


def migrate(connection: sqlite3.Connection, version: int, make: Callable[[], None], insert: str) -> None:
    """Bring a file of this version up to now, within the caller's transaction; roll-ups are made when they are read.

    Version 1 had no columns to look spans up by. Up to version 2 a session was known by its id alone, and a span by
    its trace and its own: whoever sent the same ids for another project wrote into the same session. `make` makes the
    tables of now, `insert` is the statement that fills the one of spans.
    """
    counters = dict(connection.execute("SELECT name, value FROM counters")) if version > 1 else {}
    deleted = connection.execute("SELECT * FROM deletions").fetchall() if version > 1 else []
    _put_away(connection)
    make()
    connection.execute("INSERT INTO resources SELECT * FROM old_resources")
    if version == 1:
        connection.executemany(insert, _spans_of_1(connection))
    else:
        # With the same numbers, by which the index of texts knows them.
        connection.execute("INSERT INTO spans SELECT * FROM old_spans ORDER BY id")
        connection.execute("INSERT INTO unindexed SELECT * FROM old_unindexed")
        connection.execute("DROP TABLE old_unindexed")
    for table in _KEPT:
        connection.execute(f"DROP TABLE old_{table}")
    known = [(name, counters[name]) for name in _COUNTERS if name in counters]
    connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", known)
    connection.executemany("INSERT INTO deletions VALUES (?, ?, coalesce(?, ''))", deleted)


def _put_away(connection: sqlite3.Connection) -> None:
    """Leave nothing of the old tables but what is read from, under other names."""
    listed = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'texts%'"
    ).fetchall()
    for kind, name in sorted(listed, key=lambda entry: entry[0] == "table"):  # before the tables they belong to
        if kind != "table":
            connection.execute(f"DROP {kind} {name}")
        elif name in {*_KEPT, "unindexed"}:
            connection.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
        else:
            connection.execute(f"DROP TABLE {name}")


def _spans_of_1(connection: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    resources = dict(connection.execute("SELECT id, attributes FROM old_resources"))
    columns = ", ".join(rows.SPAN_COLUMNS)
    for resource_id, *values in connection.execute(f"SELECT resource_id, {columns} FROM old_spans ORDER BY id"):  # noqa: S608
        record = rows.record_from(values, json.loads(resources[resource_id]))
        yield (*values, *rows.hot_row(record), resource_id)
