"""Our tables beside the collector's: made while it writes, filled once, mended when they lack something, removed."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from clickhouse_server import ClickHouseServer
from collector_tables import FORMS, CollectedStore
from span_records import SESSION, llm, root

from agentops_otel.cli import main
from agentops_otel.conventions import names
from agentops_otel.store.clickhouse import layout
from agentops_otel.store.clickhouse.migration import check, migrate, remove

ENDED = {names.END_STATE: names.SUCCESS}


def again(store):
    """The store as another server sees it: with no memory of how the tables were."""
    store.asking.close()
    return store


def figures(store):
    return [(row.session_id, row.cost, row.llm_calls, row.end_state) for row in again(store).sessions()]


@pytest.mark.parametrize("form", FORMS)
def test_what_was_there_and_what_comes_is_told_once(engine, form):
    store = CollectedStore(engine, engine.database(form))
    store.insert([root(end=None), llm(0.5)])
    told = figures(store)
    assert not store.asking.layout.is_migrated
    assert migrate(store.asking.database) == 2
    assert figures(store) == told
    assert store.asking.layout.is_migrated
    store.insert([root(ENDED, end=5), llm(0.25, start=3)])
    assert [(str(cost), calls, state) for _, cost, calls, state in figures(store)] == [("0.75", 2, "Success")]
    assert migrate(store.asking.database) == 0
    assert [finding.is_well for finding in check(store.asking.database)] == [True] * 3
    store.close()


def test_what_an_accident_left_out_is_found_and_mended(engine, store):
    migrate(store.asking.database)
    store.insert([root(ENDED), llm(0.5)])
    told = figures(store)
    engine.client.command(f"TRUNCATE TABLE {store.name}.agentops_spans")
    lacking = [finding for finding in check(store.asking.database) if not finding.is_well]
    assert len(lacking) == 1
    assert "lacks 2 rows" in lacking[0].message
    assert "agentops-otel clickhouse migrate --store" in lacking[0].advice
    assert migrate(store.asking.database) == 2
    assert figures(store) == told


def test_what_was_sent_twice_is_no_lack(store):
    call = llm(0.5)
    store.insert([root(ENDED), call])
    store.insert([call])
    migrate(store.asking.database)
    store.insert([call])
    assert [str(row.cost) for row in again(store).sessions()] == ["0.5"]
    assert all(finding.is_well for finding in check(store.asking.database))


def test_tables_of_another_version_are_not_used_and_are_made_anew(engine, store):
    store.insert([root(ENDED), llm(0.5)])
    migrate(store.asking.database)
    told = figures(store)
    engine.client.command(f"ALTER TABLE {store.name}.agentops_spans MODIFY COMMENT 'agentops_otel 0: complete'")
    assert figures(store) == told
    assert not store.asking.layout.is_migrated
    assert [finding.is_well for finding in check(store.asking.database)] == [True, True, False]
    said = []
    assert migrate(store.asking.database, tell=said.append) == 2
    assert "made anew" in said[0]
    assert figures(store) == told


def test_tables_that_are_being_filled_are_not_used(engine, store):
    store.insert([root(ENDED)])
    migrate(store.asking.database)
    engine.client.command(f"ALTER TABLE {store.name}.agentops_spans MODIFY COMMENT '{layout.FILLING}'")
    assert len(again(store).sessions()) == 1
    assert not store.asking.layout.is_migrated


def test_they_are_removed_and_the_collectors_stay(engine, store):
    store.insert([root(ENDED), llm(0.5)])
    migrate(store.asking.database, days=3650)
    told = figures(store)
    remove(store.asking.database)
    assert figures(store) == told
    tables = engine.client.query(f"SELECT name FROM system.tables WHERE database = '{store.name}' ORDER BY name")
    assert [name for (name,) in tables.result_rows] == ["otel_logs", "otel_traces"]


def test_what_is_too_old_is_not_kept(engine, store):
    migrate(store.asking.database, days=30)
    store.insert([root(ENDED), llm(0.5)])
    engine.client.command(f"OPTIMIZE TABLE {store.name}.agentops_spans FINAL")
    assert engine.client.query(f"SELECT count() FROM {store.name}.agentops_spans").result_rows == [(0,)]


def test_news_are_told_in_the_order_in_which_they_come(store):
    migrate(store.asking.database)
    begun = again(store).change()
    store.insert([llm(0.5, trace="2" * 32, start=500, end=501)])
    first = store.change()
    assert first > begun
    store.insert([llm(0.5, start=1, end=2)])
    assert [change.session_id for change in store.changes(first)] == [SESSION], "though it is older"
    assert [change.row.llm_calls for change in store.changes(begun)] == [1, 1]
    assert store.changes(store.change()) == []


def test_news_without_our_tables_are_what_ended_last(store):
    store.insert([llm(0.5, start=1, end=2)])
    seen = store.change()
    assert store.changes(seen) == []
    store.insert([llm(0.5, start=4, end=5)])
    assert [change.session_id for change in store.changes(seen)] == [SESSION]


@pytest.fixture
def address(engine, store):
    server = ClickHouseServer(engine.path)
    yield f"clickhouse://127.0.0.1:{server.port}/{store.name}"
    server.close()


def run(*words):
    return CliRunner().invoke(main, ["clickhouse", *words], env={"AGENTOPS_STORE": ""})


def test_the_commands(store, address):
    store.insert([root(ENDED), llm(0.5)])
    checked = run("check", "--store", address)
    assert (checked.exit_code, "our own tables are not there" in checked.output) == (0, True)
    printed = run("migrate", "--print", "--store", address)
    assert printed.output.count("CREATE MATERIALIZED VIEW") == 3
    done = run("migrate", "--store", address)
    assert (done.exit_code, "2 rows were added" in done.output) == (0, True), done.output
    assert "complete" in run("check", "--store", address).output
    assert run("migrate", "--remove", "--store", address).exit_code == 0
    assert "our own tables are not there" in run("check", "--store", address).output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check"], "name the database: --store clickhouse://"),
        (["check", "--store", "sessions.db"], "name the database"),
        (["check", "--store", "clickhouse://127.0.0.1:1/otel"], "does not answer"),
        (["migrate", "--store", "clickhouse://h/o?x=1"], "it knows no x"),
    ],
)
def test_commands_that_cannot(words, told):
    result = run(*words)
    assert result.exit_code != 0
    assert told in result.output
