"""A store, and its export checked to be plain JSON."""

from __future__ import annotations

import json

import pytest
from span_records import SESSION

from agentops_otel.server.queries import export
from agentops_otel.store.sqlite import SQLiteStore


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def exported(store):
    def export_these(*records):
        store.insert(records)
        whole = export(store, SESSION)
        assert json.loads(json.dumps(whole, allow_nan=False)) == whole, "it is JSON, and nothing else"
        return whole

    return export_these
