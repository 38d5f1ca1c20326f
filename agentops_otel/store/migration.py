"""How the files of older versions become files of this one, without losing a span."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agentops_otel.store import rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator


def from_1(connection: sqlite3.Connection, make: Callable[[], None], insert: str) -> None:
    """From version 1, within the caller's transaction: hot columns on spans; roll-ups are made anew when they are read.

    `make` makes the tables of now, `insert` is the statement that fills the one of spans.
    """
    connection.execute("DROP TRIGGER spans_inserted")
    connection.execute("DROP TRIGGER spans_ended")
    connection.execute("DROP INDEX spans_of_session")
    connection.execute("DROP TABLE sessions")
    for table in ("spans", "resources"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    make()
    connection.execute("INSERT INTO resources SELECT * FROM old_resources")
    connection.executemany(insert, _spans(connection))
    connection.execute("DROP TABLE old_spans")
    connection.execute("DROP TABLE old_resources")


def _spans(connection: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    resources = dict(connection.execute("SELECT id, attributes FROM old_resources"))
    columns = ", ".join(rows.SPAN_COLUMNS)
    for resource_id, *values in connection.execute(f"SELECT resource_id, {columns} FROM old_spans ORDER BY id"):  # noqa: S608
        record = rows.record_from(values, json.loads(resources[resource_id]))
        yield (*values, *rows.hot_row(record), resource_id)
