"""A store on a real file, and a look into it past the store."""

from __future__ import annotations

import sqlite3

import pytest

from agentops_otel.store import sqlite
from agentops_otel.store.sqlite import SQLiteStore


@pytest.fixture(params=["later", "at once"])
def store(tmp_path, request, monkeypatch):
    monkeypatch.setattr(sqlite, "_REST", -1)  # there is always time
    store = SQLiteStore(tmp_path / "sessions.db", at_once=request.param == "at once")
    yield store
    store.close()


@pytest.fixture
def query(store):
    """Ask the file itself, on a connection of its own."""

    def query(text, *values):
        connection = sqlite3.connect(store.path)
        try:
            return connection.execute(text, values).fetchall()
        finally:
            connection.close()

    return query
