"""The tables of the SQLite store, and how a new file gets them."""

from __future__ import annotations

import sqlite3
from typing import Final

from agentops_otel.store import migration
from agentops_otel.store.base import StoreError
from agentops_otel.store.rows import HOT_COLUMNS, SPAN_COLUMNS

VERSION: Final = 3

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
    project_id TEXT NOT NULL,
    span_kind TEXT,
    operation TEXT,
    provider TEXT,
    model TEXT,
    cost TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    error_type TEXT,
    resource_id INTEGER NOT NULL REFERENCES resources (id),
    UNIQUE (trace_id, span_id, project_id)
);
CREATE INDEX spans_of_session ON spans (session_id, project_id, start_time);
CREATE INDEX spans_of_resource ON spans (resource_id);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    first_time INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    change INTEGER NOT NULL,
    counted INTEGER NOT NULL DEFAULT 0,
    rules INTEGER NOT NULL DEFAULT 0,
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
    owner TEXT,
    day INTEGER,
    duration INTEGER,
    cost_usd REAL,
    total_tokens INTEGER,
    UNIQUE (session_id, project_id)
);
CREATE INDEX sessions_by_time ON sessions (first_time, id);
CREATE INDEX sessions_of_project ON sessions (project_id, first_time, id);
CREATE INDEX sessions_by_state ON sessions (end_state, first_time, id);
CREATE INDEX sessions_by_cost ON sessions (cost_usd, id);
CREATE INDEX sessions_by_duration ON sessions (duration, id);
CREATE INDEX sessions_by_tokens ON sessions (total_tokens, id);
CREATE INDEX sessions_by_calls ON sessions (llm_calls, id);
CREATE INDEX sessions_by_errors ON sessions (errors, id);
CREATE INDEX sessions_by_change ON sessions (change);
CREATE INDEX sessions_by_rules ON sessions (rules);
CREATE INDEX sessions_open ON sessions (first_time, id) WHERE is_open = 1;
CREATE INDEX sessions_stale ON sessions (id) WHERE changes <> counted;
CREATE TABLE facets (
    facet TEXT NOT NULL,
    value TEXT NOT NULL,
    first_time INTEGER NOT NULL,
    session INTEGER NOT NULL,
    PRIMARY KEY (facet, value, first_time, session)
) WITHOUT ROWID;
CREATE INDEX facets_of_session ON facets (session);
CREATE TABLE usage (
    session INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost TEXT,
    unpriced_calls INTEGER NOT NULL,
    PRIMARY KEY (session, provider, model)
) WITHOUT ROWID;
CREATE TABLE days (
    part TEXT NOT NULL,
    project_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    tag TEXT NOT NULL,
    end_state TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    llm_calls INTEGER NOT NULL,
    tool_calls INTEGER NOT NULL,
    actions INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL,
    priced INTEGER NOT NULL,
    cost TEXT NOT NULL,
    PRIMARY KEY (part, project_id, day, provider, model, tag, end_state)
) WITHOUT ROWID;
CREATE TABLE deletions (
    change INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    project_id TEXT NOT NULL
);
CREATE INDEX deletions_by_change ON deletions (change);
CREATE TABLE unindexed (span INTEGER PRIMARY KEY);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('change', 0);
INSERT INTO counters VALUES ('texts_until', 0);
CREATE TRIGGER spans_ended AFTER UPDATE ON spans BEGIN
    UPDATE sessions SET changes = changes + 1, change = (SELECT value FROM counters WHERE name = 'change')
    WHERE session_id = OLD.session_id AND project_id = OLD.project_id;
    INSERT INTO sessions (session_id, project_id, first_time, changes, change)
    VALUES (NEW.session_id, NEW.project_id, NEW.start_time, 1, (SELECT value FROM counters WHERE name = 'change'))
    ON CONFLICT (session_id, project_id) DO UPDATE
    SET changes = changes + 1, first_time = min(first_time, excluded.first_time), change = excluded.change;
    INSERT OR IGNORE INTO unindexed (span) VALUES (NEW.id);
END;
"""
# Ids are chosen by whoever sends them, so nothing is told apart by them alone: a session, and a span, is one of its
# project. What another project sends under the same ids is another session and another span.
#
# Changes of a session are counted in the transaction that makes them, and only for records that are new: ends by
# the trigger, all others by COUNT_NEW, once for each batch and not for each record. A roll-up belongs to the count
# it was made at: `counted` and `rules` say which. `change` is the number of the last transaction that touched the
# session, for those who follow what happens.

_WRITTEN = (*SPAN_COLUMNS, *HOT_COLUMNS, "resource_id")
_COLUMNS = ", ".join(_WRITTEN)
_PLACES = ", ".join("?" * len(_WRITTEN))
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _WRITTEN)

INSERT_SPAN: Final = (
    f"INSERT INTO spans ({_COLUMNS}) VALUES ({_PLACES}) "  # noqa: S608 - names of our own columns
    f"ON CONFLICT (trace_id, span_id, project_id) DO UPDATE SET {_REPLACED} "
    "WHERE spans.end_time IS NULL AND excluded.end_time IS NOT NULL"
)
"""Duplicates change nothing; only an end replaces, and only a start is replaced."""
HEARD: Final = (
    "UPDATE spans SET attributes = ? WHERE trace_id = ? AND span_id = ? AND project_id = ? AND end_time IS NULL"
)
"""A start that is told again, by a heartbeat."""
UNCHANGED_TEXTS: Final = """
DELETE FROM unindexed WHERE span IN
(SELECT id FROM spans WHERE trace_id = ? AND span_id = ? AND project_id = ? AND end_time IS NULL)
"""
"""Says of it that there are no new words in it; its end, which is, would find its place taken."""
INDEX_RESOURCES: Final = "CREATE INDEX IF NOT EXISTS spans_of_resource ON spans (resource_id)"
"""For files that were made before new ones had it: without it, whoever deletes a session reads all spans."""
LAST_SPAN: Final = "SELECT coalesce(max(id), 0) FROM spans"
COUNT_NEW: Final = """
INSERT INTO sessions (session_id, project_id, first_time, changes, change)
SELECT session_id, project_id, min(start_time), count(*), (SELECT value FROM counters WHERE name = 'change')
FROM spans NOT INDEXED WHERE id > ? GROUP BY session_id, project_id
ON CONFLICT (session_id, project_id) DO UPDATE SET
    changes = changes + excluded.changes, first_time = min(first_time, excluded.first_time), change = excluded.change
"""
"""After an insert, with the `LAST_SPAN` before it. An index would be read whole, for it has the order of the groups."""
NEXT_CHANGE: Final = "UPDATE counters SET value = value + 1 WHERE name = 'change'"


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables of a new file; bring those of an older version up to this one.

    Raises:
        StoreError: the file is newer than this package, or another program's.
        sqlite3.Error: it is locked or is no database.
    """
    if _version(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made them while this one waited.
        version = _version(connection, path)
        if version == 0:
            _make(connection)
        else:
            migration.migrate(connection, version, lambda: _make(connection), INSERT_SPAN)
            connection.execute(COUNT_NEW, (0,))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _make(connection: sqlite3.Connection) -> None:
    for statement in _statements():
        connection.execute(statement)


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
