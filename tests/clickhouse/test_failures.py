"""ClickHouse away, slow, refusing, of another form: what is told names the place and what mends it, and it passes."""

from __future__ import annotations

import socket
import time

import pytest
from clickhouse_server import ClickHouseServer
from collector_tables import CollectedStore
from span_records import SESSION, llm, root

from agentops_otel.store import FiguresQuery, ReadOnlyError, StoreError
from agentops_otel.store.clickhouse import ClickHouseStore, database
from agentops_otel.store.clickhouse.database import Address

_NO_DATABASE = "Code: 81. DB::Exception: Database nope does not exist. (UNKNOWN_DATABASE)"


@pytest.fixture
def remote(server, store):
    """The store, asked over HTTP."""
    store.insert([root(), llm(0.5)])
    remote = ClickHouseStore(f"clickhouse://user:secret@127.0.0.1:{server.port}/{store.name}")
    yield remote
    remote.close()


def test_it_is_asked_over_http(remote, store):
    assert remote.sessions() == store.sessions()
    assert remote.spans(SESSION) == store.spans(SESSION)
    assert remote.figures(FiguresQuery()) == store.figures(FiguresQuery())


def test_who_is_away_is_told_of_and_comes_back(engine, store):
    store.insert([root()])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    remote = ClickHouseStore(f"clickhouse://user:secret@127.0.0.1:{port}/{store.name}")
    for _ in range(2):
        with pytest.raises(
            StoreError, match=rf"does not answer at clickhouse://127.0.0.1:{port}/.*refused.*start it"
        ) as told:
            remote.sessions()
        assert "secret" not in str(told.value)
    server = ClickHouseServer(engine.path, port)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                assert len(remote.sessions()) == 1
                break
            except StoreError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        remote.close()
        server.close()


def test_who_is_slow_is_not_waited_for(remote, server, monkeypatch):
    monkeypatch.setattr(database, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(database, "_CONNECT_SECONDS", 0.2)
    server.delay = 5.0
    begun = time.monotonic()
    with pytest.raises(StoreError, match="does not answer"):
        remote.sessions()
    assert time.monotonic() - begun < 4
    server.delay = 0.0


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (
            "Code: 516. DB::Exception: user: Authentication failed. (AUTHENTICATION_FAILED)",
            "user or the password is wrong",
        ),
        ("Code: 497. DB::Exception: user: Not enough privileges. (ACCESS_DENIED)", "GRANT SELECT ON otel_"),
        ("Code: 164. DB::Exception: user: Cannot execute query in readonly mode. (READONLY)", "may only read"),
        ("Code: 241. DB::Exception: (total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", "clickhouse migrate"),
        ("Code: 159. DB::Exception: Timeout exceeded: elapsed 60 seconds. (TIMEOUT_EXCEEDED)", "clickhouse migrate"),
        ("Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)", "ask again"),
        ("Code: 60. DB::Exception: Table otel_traces does not exist. (UNKNOWN_TABLE)", "clickhouse check --store"),
        (_NO_DATABASE, "name the one that the collector"),
        ("Code: 999. DB::Exception: Something new. (NEW)", "clickhouse check --store"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_refused_is_told_with_what_mends_it(remote, server, refusal, told):
    assert remote.sessions()
    server.refusal = refusal
    with pytest.raises(StoreError, match=told) as error:
        remote.sessions()
    assert "secret" not in str(error.value)
    server.refusal = ""
    assert remote.sessions(), "it is asked again by itself"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DROP TABLE {}.otel_traces SYNC", r"has no table otel_\d+.otel_traces: the collector"),
        (
            "ALTER TABLE {}.otel_traces DROP COLUMN ScopeVersion",
            r"otel_traces has no column ScopeVersion: .*RENAME TABLE",
        ),
        ("ALTER TABLE {}.otel_logs DROP COLUMN ScopeName", r"otel_logs has no column ScopeName"),
        (
            "RENAME TABLE {0}.otel_traces TO {0}.x; CREATE TABLE {0}.otel_traces (a String) ENGINE = Memory",
            "has no column Timestamp",
        ),
    ],
    ids=["no table", "older", "older logs", "foreign"],
)
def test_tables_of_another_form_are_told_by_name(engine, store, change, told):
    for statement in change.format(store.name).split("; "):
        engine.client.command(statement)
    with pytest.raises(StoreError, match=told):
        store.sessions()


def test_attributes_that_are_no_maps_are_told_of(engine, store):
    engine.client.command(f"RENAME TABLE {store.name}.otel_traces TO {store.name}.x")
    kinds = "SELECT name, type FROM system.columns WHERE database = '{}' AND table = 'x' AND default_kind = ''"
    columns = [
        f"`{name}` {'JSON' if name == 'SpanAttributes' else kind}"
        for name, kind in engine.client.query(kinds.format(store.name)).result_rows
    ]
    engine.client.command(f"CREATE TABLE {store.name}.otel_traces ({', '.join(columns)}) ENGINE = Memory")
    with pytest.raises(StoreError, match=r"SpanAttributes is JSON.*json: false"):
        store.sessions()


def test_a_table_that_goes_and_comes_again_is_read_again(engine, store):
    store.insert([root()])
    assert store.sessions()
    engine.client.command(f"RENAME TABLE {store.name}.otel_traces TO {store.name}.away")
    with pytest.raises(StoreError, match="otel_traces"):
        store.sessions()
    with pytest.raises(StoreError, match="the collector's clickhouse exporter makes it"):
        store.sessions()
    engine.client.command(f"RENAME TABLE {store.name}.away TO {store.name}.otel_traces")
    assert store.sessions()


def test_without_logs_everything_else_is_there(engine):
    name = engine.database("bloom", logs=False)
    store = CollectedStore(engine, name)
    store.insert([root(), llm(0.5)])
    assert [row.llm_calls for row in store.sessions()] == [1]
    assert len(store.spans(SESSION)) == 2
    store.close()


def test_it_is_only_read(store):
    remote = ClickHouseStore("clickhouse://127.0.0.1:1/otel")
    with pytest.raises(ReadOnlyError, match="the collector writes it"):
        remote.insert([root()])
    remote.insert([])
    store.insert([root()])
    with pytest.raises(ReadOnlyError, match="ttl in the exporter"):
        store.delete(SESSION)
    assert store.delete("none") is False
    assert (store.prune(1.0), store.catch_up()) == (0, True)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("clickhouse://h", ("h", 8123, "default", "default", "", False)),
        ("clickhouse://u:p%40@h:9/otel", ("h", 9, "otel", "u", "p@", False)),
        ("clickhouses://h/otel", ("h", 8443, "otel", "default", "", True)),
        ("clickhouse://h/otel?secure=true", ("h", 8443, "otel", "default", "", True)),
        ("clickhouse://[::1]:8123/otel", ("::1", 8123, "otel", "default", "", False)),
    ],
)
def test_addresses(told, read):
    address = Address.of(told)
    assert tuple(address[:6]) == read


@pytest.mark.parametrize(
    "told",
    [
        "clickhouse://",
        "clickhouse:///otel",
        "clickhouse://h:x/otel",
        "clickhouse://h:99999/otel",
        "clickhouse://h/otel;drop",
        "clickhouse://h/otel?traces=a`b",
        "clickhouse://h/otel?colour=red",
        "clickhouse://h/otel?traces",
        "clickhouse://[h/otel",
    ],
)
def test_addresses_that_are_none(told):
    with pytest.raises(StoreError, match="clickhouse://USER:PASSWORD@HOST:8123/DATABASE"):
        ClickHouseStore(told)
