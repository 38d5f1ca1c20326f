"""The command line over a store of the test's own."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from agentops_otel.cli import main
from agentops_otel.store import SQLiteStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    store = SQLiteStore(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def run(store):
    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["sessions", *arguments, "--store", str(store.path)], color=True)
        assert result.exit_code == code, result.output
        return result.output

    return run
