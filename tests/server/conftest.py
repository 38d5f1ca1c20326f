"""A store, its export checked to be plain JSON, and a store with a session of the demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import httpx
import pytest
from server.asking import asker
from span_records import SESSION

from agentops_otel.server.app import make_app
from agentops_otel.server.queries import export
from agentops_otel.store.sqlite import SQLiteStore


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def asked(store):
    """Ask the application over the store one thing."""
    return asker(make_app(store))


@pytest.fixture
def exported(store):
    def export_these(*records):
        store.insert(records)
        whole = export(store, SESSION)
        assert json.loads(json.dumps(whole, allow_nan=False)) == whole, "it is JSON, and nothing else"
        return whole

    return export_these


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory):
    """What `agentops-otel demo` leaves behind: a session of real client libraries."""
    store = SQLiteStore(tmp_path_factory.mktemp("demo") / "sessions.db")
    program = "from agentops_otel.cli.demo import demo\ndemo()"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AGENTOPS_", "OTEL_"))}
    environment = {**clean, "OTEL_SERVICE_NAME": "trip planner"}
    subprocess.run([sys.executable, "-c", program, "--store", store.path], env=environment, check=True, timeout=60)
    yield store
    store.close()


@pytest.fixture
def got():
    """Ask an application over this store for one thing, as it stands in a request line."""

    def get(store, target):
        async def ask():
            transport = httpx.ASGITransport(make_app(store))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:4318") as client:
                return await client.get(target)

        return ask()

    return get
