"""The command line over a store of the test's own, and over a server of that store."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
import uvicorn
from click.testing import CliRunner

from agentops_otel.cli import main
from agentops_otel.server.app import make_app
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


@contextlib.contextmanager
def listening(app):
    """The address under which an application answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve():
    """Serve an application for as long as the test runs: `serve(app)` is its address."""
    with contextlib.ExitStack() as stack:
        yield lambda app: stack.enter_context(listening(app))


@pytest.fixture
def run_on_server(store, serve):
    url = serve(make_app(store))

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["sessions", *arguments, "--server", url], color=True)
        assert result.exit_code == code, result.output
        return result.output.replace(url, str(store.path))

    return run
