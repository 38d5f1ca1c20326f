"""ClickHouse's engine in this process; without it these tests are not collected, and `scripts/clickhouse` has it."""

from __future__ import annotations

import os

import collector_tables
import pytest
from clickhouse_server import ClickHouseServer

if os.environ.get("AGENTOPS_TESTS_CLICKHOUSE"):
    assert collector_tables.IS_HERE, "chdb is not installed: pip install 'agentops_otel[clickhouse-test]'"
collect_ignore_glob = [] if collector_tables.IS_HERE else ["test_*.py"]


@pytest.fixture(scope="session")
def engine():
    return collector_tables.engine()


@pytest.fixture
def database(engine):
    return engine.database()


@pytest.fixture
def store(engine, database):
    store = collector_tables.CollectedStore(engine, database)
    yield store
    store.close()


@pytest.fixture
def server(engine):
    server = ClickHouseServer(engine.path)
    yield server
    server.close()
