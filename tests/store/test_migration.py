"""Files of older versions become files of this one: nothing is lost, and nothing is counted differently."""

from __future__ import annotations

import sqlite3
import threading
from decimal import Decimal

import pytest
from span_records import SESSION, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, SessionQuery, StoreError, rows, schema
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
VERSION_2 = """
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
    UNIQUE (trace_id, span_id)
);
CREATE INDEX spans_of_session ON spans (session_id, start_time);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    first_time INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    change INTEGER NOT NULL,
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
    owner TEXT,
    day INTEGER,
    duration INTEGER,
    cost_usd REAL,
    total_tokens INTEGER
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
    project_id TEXT
);
CREATE INDEX deletions_by_change ON deletions (change);
CREATE TABLE unindexed (span INTEGER PRIMARY KEY);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('change', 0);
INSERT INTO counters VALUES ('texts_until', 0);
CREATE TRIGGER spans_ended AFTER UPDATE ON spans BEGIN
    UPDATE sessions SET changes = changes + 1, change = (SELECT value FROM counters WHERE name = 'change')
    WHERE session_id = OLD.session_id;
    INSERT INTO sessions (session_id, first_time, changes, change)
    VALUES (NEW.session_id, NEW.start_time, 1, (SELECT value FROM counters WHERE name = 'change'))
    ON CONFLICT (session_id) DO UPDATE
    SET changes = changes + 1, first_time = min(first_time, excluded.first_time), change = excluded.change;
    INSERT OR IGNORE INTO unindexed (span) VALUES (NEW.id);
END;
"""
COUNT_2 = """
INSERT INTO sessions (session_id, first_time, changes, change)
SELECT session_id, min(start_time), count(*), (SELECT value FROM counters WHERE name = 'change')
FROM spans WHERE id > ? GROUP BY session_id
ON CONFLICT (session_id) DO UPDATE SET
    changes = changes + excluded.changes, first_time = min(first_time, excluded.first_time), change = excluded.change
"""
RECORDS = of_project(
    "p",
    root({names.END_STATE: names.SUCCESS, names.TAGS: ["a"]}),
    llm(0.5, attributes={names.PROVIDER_NAME: "openai", names.INPUT_MESSAGES: '["hello"]'}),
    failed(tool()),
    span("open", end=None),
)
RECORDS += [llm(0.25, trace="1" * 32, resource={"host.name": "h"})]


def write_1(path, records):
    """What version 1 wrote for these records."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.execute("PRAGMA user_version = 1")
    fill(connection, records, lambda _: (), "")
    connection.execute("UPDATE sessions SET counted = changes, rules = 2, project_id = 'old', cost = '99', tags = '[]'")
    connection.commit()
    connection.close()


def write_2(path, records):
    """What version 2 wrote for these records, and its roll-ups of them, all of them wrong."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_2)
    connection.execute("PRAGMA user_version = 2")
    connection.execute("UPDATE counters SET value = 7 WHERE name = 'change'")
    fill(connection, records, rows.hot_row, ", " + ", ".join(rows.HOT_COLUMNS))
    connection.execute(COUNT_2, (0,))
    connection.execute("UPDATE sessions SET counted = changes, rules = 3, project_id = 'old', cost = '99', tags = '[]'")
    connection.execute("INSERT INTO facets SELECT 'tag', 'old', first_time, id FROM sessions")
    connection.execute("INSERT INTO deletions VALUES (3, 'gone', NULL)")
    connection.commit()
    connection.close()


def fill(connection, records, more, named):
    resources = {}
    for record in records:
        digest, attributes = rows.resource_row(record.resource)
        if digest not in resources:
            made = connection.execute("INSERT INTO resources (digest, attributes) VALUES (?, ?)", (digest, attributes))
            resources[digest] = made.lastrowid
        columns = ", ".join(rows.SPAN_COLUMNS)
        values = (*rows.row_of(record), *more(record), resources[digest])
        connection.execute(
            f"INSERT INTO spans ({columns}{named}, resource_id) VALUES ({', '.join('?' * len(values))})", values
        )


versions = pytest.mark.parametrize("write", [write_1, write_2])


@versions
def test_all_that_was_there_is_there(tmp_path, store, query, write):
    write(store.path, RECORDS)
    new = SQLiteStore(tmp_path / "new.db")
    new.insert(RECORDS)
    assert store.sessions() == new.sessions()
    for row in new.sessions():
        assert store.spans(row.session_id) == new.spans(row.session_id)
    by = FiguresQuery(by=("provider", "model"))
    assert store.figures(by) == new.figures(by)
    assert store.sessions(SessionQuery(tags=("old",))) == []
    assert store.session(SESSION).cost == Decimal("0.5")
    assert len(store.search("hello")) == 1
    assert {change.session_id for change in store.changes(-1) if change.row} == {
        row.session_id for row in new.sessions()
    }
    assert query("PRAGMA user_version") == [(schema.VERSION,)]
    assert query("PRAGMA integrity_check") == [("ok",)]
    made = sqlite3.connect(new.path)
    names_of = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'texts%' ORDER BY name"
    assert query(names_of) == made.execute(names_of).fetchall(), "the tables are those of a new file"
    made.close()
    new.close()


def test_numbers_that_others_know_go_on_from_version_2(store):
    write_2(store.path, RECORDS)
    seen = store.change()
    assert seen >= 7, "a page that follows the changes is told of no old one"
    assert "gone" in {change.session_id for change in store.changes(0)}
    store.insert([llm(1.0)])
    assert store.change() > seen


def test_what_two_projects_wrote_into_one_session_is_parted(store):
    """Version 2 knew a session by its id alone."""
    write_2(store.path, [*of_project("red", root(), llm(0.5)), *of_project("blue", llm(0.25))])
    told = {project: store.session(SESSION, project) for project in ("red", "blue")}
    assert {project: (row.llm_calls, row.cost) for project, row in told.items()} == {
        "red": (1, Decimal("0.5")),
        "blue": (1, Decimal("0.25")),
    }


def test_an_index_of_texts_goes_on(store, query):
    write_2(store.path, RECORDS)
    connection = sqlite3.connect(store.path)
    connection.execute("CREATE VIRTUAL TABLE texts USING fts5 (told, content='')")
    connection.execute("INSERT INTO texts (rowid, told) SELECT id, 'kept ' || name FROM spans WHERE name = 'search'")
    connection.execute("INSERT INTO counters VALUES ('texts_rules', 1)")
    connection.execute("UPDATE counters SET value = (SELECT max(id) FROM spans) WHERE name = 'texts_until'")
    connection.commit()
    connection.close()
    assert [hit.name for hit in store.search("kept")] == ["search"]


@versions
def test_a_file_that_holds_nothing(store, write):
    write(store.path, [])
    assert store.sessions() == []
    store.insert([root()])
    assert len(store.sessions()) == 1


@versions
def test_two_who_open_it_at_once(store, write):
    write(store.path, RECORDS)
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


@versions
def test_a_migration_that_fails_leaves_the_file_as_it_was(store, query, monkeypatch, write):
    write(store.path, RECORDS)
    before = query("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    version = query("PRAGMA user_version")
    monkeypatch.setattr(schema, "COUNT_NEW", "SELECT * FROM nothing WHERE id > ?")
    with pytest.raises(StoreError):
        store.sessions()
    assert query("PRAGMA user_version") == version
    assert query("SELECT count(*) FROM spans") == [(5,)]
    assert query("SELECT type, name, sql FROM sqlite_master ORDER BY type, name") == before
    monkeypatch.undo()
    assert len(store.sessions()) == 2
