"""Files of version 1 become files of this one: nothing is lost, and nothing is counted differently."""

from __future__ import annotations

import sqlite3
import threading
from decimal import Decimal

import pytest
from span_records import SESSION, failed, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, StoreError, rows, schema
from agentops_otel.store.sqlite import SQLiteStore

VERSION_1 = """
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
RECORDS = [
    root({names.END_STATE: names.SUCCESS, names.TAGS: ["a"]}, resource={names.PROJECT_ID: "p"}),
    llm(0.5, attributes={names.PROVIDER_NAME: "openai", names.INPUT_MESSAGES: '["hello"]'}),
    failed(tool()),
    span("open", end=None),
    llm(0.25, trace="1" * 32, resource={"host.name": "h"}),
]


def write_1(path, records):
    """What version 1 wrote for these records."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.execute("PRAGMA user_version = 1")
    resources = {}
    for record in records:
        digest, attributes = rows.resource_row(record.resource)
        if digest not in resources:
            made = connection.execute("INSERT INTO resources (digest, attributes) VALUES (?, ?)", (digest, attributes))
            resources[digest] = made.lastrowid
        columns = ", ".join(rows.SPAN_COLUMNS)
        values = (*rows.row_of(record), resources[digest])
        connection.execute(
            f"INSERT INTO spans ({columns}, resource_id) VALUES ({', '.join('?' * len(values))})", values
        )
    connection.execute("UPDATE sessions SET counted = changes, rules = 2, project_id = 'old', cost = '99', tags = '[]'")
    connection.commit()
    connection.close()


def test_all_of_version_1_is_there(tmp_path, store, query):
    write_1(store.path, RECORDS)
    new = SQLiteStore(tmp_path / "new.db")
    new.insert(RECORDS)
    assert store.sessions() == new.sessions()
    for row in new.sessions():
        assert store.spans(row.session_id) == new.spans(row.session_id)
    by = FiguresQuery(by=("provider", "model"))
    assert store.figures(by) == new.figures(by)
    assert store.session(SESSION).cost == Decimal("0.5")
    assert len(store.search("hello")) == 1
    assert len(store.changes(-1)) == 2
    assert query("PRAGMA user_version") == [(schema.VERSION,)]
    assert query("PRAGMA integrity_check") == [("ok",)]

    def tables(text):
        return query(text)

    made = sqlite3.connect(new.path)
    names_of = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'texts%' ORDER BY name"
    assert tables(names_of) == made.execute(names_of).fetchall(), "the tables are those of a new file"
    made.close()
    new.close()


def test_a_file_of_version_1_that_holds_nothing(store):
    write_1(store.path, [])
    assert store.sessions() == []
    store.insert([root()])
    assert len(store.sessions()) == 1


def test_two_who_open_it_at_once(store):
    write_1(store.path, RECORDS)
    stores = [SQLiteStore(store.path) for _ in range(4)]
    found = []
    threads = [threading.Thread(target=lambda each=each: found.append(len(each.sessions()))) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2] * 4
    for each in stores:
        each.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(store, query, monkeypatch):
    write_1(store.path, RECORDS)

    def fails(record):
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(rows, "hot_row", fails)
    with pytest.raises(StoreError, match="make room"):
        store.sessions()
    assert query("PRAGMA user_version") == [(1,)]
    assert query("SELECT count(*) FROM spans") == [(5,)]
    monkeypatch.undo()
    assert len(store.sessions()) == 2
