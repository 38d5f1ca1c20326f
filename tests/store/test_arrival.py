"""What an insert makes at once: the same as is made later, of whatever comes, and never at the cost of the whole file."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from span_records import SESSION, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, retention, schema, sqlite
from agentops_otel.store.sqlite import SQLiteStore

ENDED = {names.END_STATE: names.SUCCESS, names.TAGS: ["nightly", "größe"]}
TABLES = ("sessions", "facets", "usage", "days")
OTHER = "1" * 32
COUNTED = "SELECT session_id, counted FROM sessions ORDER BY id"

value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([names.FETCH_RESPONSE, "ok"]),
    lambda inner: st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
told = st.dictionaries(
    st.sampled_from(
        [
            *(names.COST, names.INPUT_TOKENS, names.OUTPUT_TOKENS, names.SPAN_KIND, names.OPERATION_NAME, names.TAGS),
            *(names.END_STATE, names.ERROR_TYPE, names.RESPONSE_MODEL, names.INPUT_MESSAGES, names.SESSION_ID, "other"),
        ]
    ),
    value,
    max_size=4,
)
record = st.builds(
    lambda make, told, trace, end, session: make(told, trace=trace, end=end, resource={"host.name": "h", **session}),
    st.sampled_from([root, tool, lambda told, **fields: span("odd", told, **fields)]),
    told,
    st.sampled_from(["a" * 32, OTHER]),
    st.sampled_from([None, 0.0, 2.5]),
    st.dictionaries(st.just(names.PROJECT_ID), st.sampled_from(["p", "\ud800"]), max_size=1),
)


def dumped(store):
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def indexed(store):
    """Every word of the index, and how often it is there."""
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, texts, instance)")
        return list(connection.execute("SELECT term, doc, offset FROM words ORDER BY 1, 2, 3"))


@pytest.fixture
def query(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "_REST", -1)
    store = SQLiteStore(tmp_path / "at once.db", at_once=True)

    def query(text, *values):
        return store._fetch(text, *values)

    query.store = store
    yield query
    store.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(record, min_size=1, max_size=5), min_size=1, max_size=3))
def test_it_is_the_same_as_what_is_made_later(tmp_path_factory, batches):
    folder, rest = tmp_path_factory.mktemp("stores"), sqlite._REST
    sqlite._REST = -1
    stores = [SQLiteStore(folder / f"{at_once}.db", at_once=at_once) for at_once in (False, True)]
    try:
        for store in stores:
            for batch in batches:
                store.insert(batch)
            while not store.catch_up():
                pass
        later, at_once = stores
        assert dumped(at_once) == dumped(later)
        assert indexed(at_once) == indexed(later)
        for store in stores:
            for row in store.sessions():
                assert store.delete(row.session_id, row.project_id)
            assert indexed(store) == []
            assert dumped(store) == {table: [] for table in TABLES}
    finally:
        sqlite._REST = rest
        for store in stores:
            store.close()


def test_what_comes_whole_is_counted_and_indexed_when_it_is_there(query):
    query.store.insert([root(ENDED), llm(0.5), failed(tool()), *of_project("p1", span("elsewhere", trace=OTHER))])
    assert [counted for _, counted in query(COUNTED)] == [3, 1]
    assert query("SELECT value FROM counters WHERE name = 'texts_until'") == [(4,)]
    assert query.store.figures(FiguresQuery())[0].llm_calls == 1


@pytest.mark.parametrize(
    "more",
    [[llm(0.5)], [root(ENDED, end=7)], [root({names.SESSION_HEARD: time.time_ns()}, end=None)]],
    ids=["another span", "its end", "a heartbeat"],
)
def test_what_comes_in_parts_is_counted_later_and_indexed_at_once(query, more):
    query.store.insert([root(end=None)])
    assert query(COUNTED) == [(SESSION, 1)]
    query.store.insert(more)
    assert query("SELECT changes > counted FROM sessions") == [(1,)]
    ended = sum(record.end_time is not None for record in more)
    assert query("SELECT count(*) FROM texts WHERE texts MATCH ?", f'"{SESSION}"') == [(ended,)]
    assert query.store.session(SESSION).llm_calls == int(more[0].name.startswith("chat"))
    assert query("SELECT changes = counted FROM sessions") == [(1,)]


def test_who_inserts_again_and_again_is_not_kept_up_by_it(query, monkeypatch):
    monkeypatch.setattr(sqlite, "_REST", 1e6)
    for trace in ("a" * 32, OTHER):
        query.store.insert([span("some", trace=trace)])
    assert query("SELECT counted FROM sessions ORDER BY id") == [(1,), (0,)]


@pytest.mark.parametrize(
    "statement",
    [schema.COUNT_NEW, schema.LAST_SPAN, schema.HEARD, schema.UNCHANGED_TEXTS, retention.DELETE_RESOURCE],
)
def test_no_insert_and_no_deletion_reads_all_spans(query, statement):
    """For then each would take the longer the more there are."""
    query.store.insert([span()])
    values = [1] * (1 if "?1" in statement else statement.count("?"))
    steps = [told for *_, told in query(f"EXPLAIN QUERY PLAN {statement}", *values)]
    assert not [step for step in steps if "SCAN spans" in step]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_session_whose_only_span_is_told_anew_as_anothers_is_gone(tmp_path, at_once):
    with contextlib.closing(SQLiteStore(tmp_path / "sessions.db", at_once=at_once)) as store:
        store.insert([span("step", {names.SESSION_ID: "first"}, end=None, span_id="a" * 16)])
        assert store.catch_up()
        assert [row.session_id for row in store.sessions()] == ["first"]
        store.insert([span("step", {names.SESSION_ID: "second"}, end=2.5, span_id="a" * 16)])
        assert store.catch_up()
        assert [row.session_id for row in store.sessions()] == ["second"]
        assert [each for each, _ in store._fetch(COUNTED)] == ["second"]
