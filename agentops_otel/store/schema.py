"""The tables of the SQLite store, and how a new file gets them."""

from __future__ import annotations

import sqlite3
from typing import Final

from agentops_otel.store.base import StoreError
from agentops_otel.store.rows import SPAN_COLUMNS

VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE resources (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    attributes TEXT NOT NULL
);
CREATE TABLE spans (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_id TEXT,
    session_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    start_time INTEGER NOT NULL,
    end_time INTEGER,
    status TEXT NOT NULL,
    status_message TEXT,
    scope TEXT NOT NULL,
    scope_version TEXT NOT NULL,
    attributes TEXT NOT NULL,
    content TEXT,
    events TEXT,
    links TEXT,
    resource_id INTEGER NOT NULL REFERENCES resources (id),
    UNIQUE (trace_id, span_id)
);
CREATE INDEX spans_of_session ON spans (session_id, start_time);
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    first_time INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    counted INTEGER NOT NULL DEFAULT 0,
    rules INTEGER NOT NULL DEFAULT 0,
    project_id TEXT,
    start_time INTEGER,
    end_time INTEGER,
    end_state TEXT,
    end_state_reason TEXT,
    tags TEXT,
    video TEXT,
    cost TEXT,
    unpriced_calls INTEGER,
    llm_calls INTEGER,
    tool_calls INTEGER,
    actions INTEGER,
    errors INTEGER,
    tokens TEXT,
    models TEXT,
    resource TEXT,
    last_time INTEGER,
    is_open INTEGER,
    owner TEXT
);
CREATE INDEX sessions_by_time ON sessions (first_time);
CREATE TRIGGER spans_inserted AFTER INSERT ON spans BEGIN
    INSERT INTO sessions (session_id, first_time, changes) VALUES (NEW.session_id, NEW.start_time, 1)
    ON CONFLICT (session_id) DO UPDATE
    SET changes = changes + 1, first_time = min(first_time, excluded.first_time);
END;
CREATE TRIGGER spans_ended AFTER UPDATE ON spans BEGIN
    UPDATE sessions SET changes = changes + 1 WHERE session_id = OLD.session_id;
    INSERT INTO sessions (session_id, first_time, changes) VALUES (NEW.session_id, NEW.start_time, 1)
    ON CONFLICT (session_id) DO UPDATE
    SET changes = changes + 1, first_time = min(first_time, excluded.first_time);
END;
"""
# The triggers count the changes of a session in the transaction that makes them, and only for records
# that are new. A roll-up belongs to the count it was made at: `counted` and `rules` say which.

_COLUMNS = ", ".join((*SPAN_COLUMNS, "resource_id"))
_PLACES = ", ".join("?" * (len(SPAN_COLUMNS) + 1))
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in (*SPAN_COLUMNS, "resource_id"))

INSERT_SPAN: Final = (
    f"INSERT INTO spans ({_COLUMNS}) VALUES ({_PLACES}) "  # noqa: S608 - names of our own columns
    f"ON CONFLICT (trace_id, span_id) DO UPDATE SET {_REPLACED} "
    "WHERE spans.end_time IS NULL AND excluded.end_time IS NOT NULL"
)
"""Duplicates change nothing; only an end replaces, and only a start is replaced."""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables of a new file; check the version of one that has them.

    Raises:
        StoreError: the file is newer than this package, or another program's.
        sqlite3.Error: it is locked or is no database.
    """
    if _version(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made them while this one waited.
        if _version(connection, path) == 0:
            for statement in _statements():
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: str) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer agentops_otel (schema {version}, this one reads {VERSION}): "
            "upgrade agentops_otel, or name another file in AGENTOPS_STORE"
        )
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{path} is a database of another program: name another file in AGENTOPS_STORE")
    return version


def _statements() -> list[str]:
    """The statements one by one: `executescript` would commit the transaction that they belong to."""
    statements, body = [], ""
    for line in _TABLES.splitlines():
        body += line + "\n"
        if sqlite3.complete_statement(body):
            statements.append(body)
            body = ""
    return statements
