"""The stores that keep the same promises: SQLite, and ClickHouse with the collector's tables alone and with ours."""

from __future__ import annotations

import os

import collector_tables
import pytest

from agentops_otel.store import sqlite
from agentops_otel.store.clickhouse.migration import migrate
from agentops_otel.store.sqlite import SQLiteStore

KINDS = ["sqlite", "sqlite at once", *(["clickhouse", "clickhouse migrated"] if collector_tables.IS_HERE else [])]
if os.environ.get("AGENTOPS_TESTS_CLICKHOUSE"):  # where the engine was asked for, its absence is no excuse
    assert collector_tables.IS_HERE, "chdb is not installed: pip install 'agentops_otel[clickhouse-test]'"


@pytest.fixture(scope="session")
def engine():
    return collector_tables.engine()


@pytest.fixture(params=KINDS, scope="module")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def make(kind, request, tmp_path_factory):
    """Makes stores, each of them empty."""
    stores = []
    sqlite._REST, rest = -1, sqlite._REST  # there is always time to do it at once

    def make():
        if kind.startswith("sqlite"):
            store = SQLiteStore(tmp_path_factory.mktemp("store") / "sessions.db", at_once=kind == "sqlite at once")
        else:
            engine = request.getfixturevalue("engine")
            store = collector_tables.CollectedStore(engine, engine.database())
            if kind == "clickhouse migrated":
                migrate(store.asking.database)
        stores.append(store)
        return store

    yield make
    sqlite._REST = rest
    for store in stores:
        store.close()


@pytest.fixture
def store(make):
    return make()
