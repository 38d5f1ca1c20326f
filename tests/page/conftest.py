"""A server over a store, asked in process or by a browser; the browser's tests need a Chromium."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil

import httpx
import page_server
import pytest

from agentops_otel.server.app import make_app
from agentops_otel.store.sqlite import SQLiteStore

# `make browser` says what is missing; here the rest of the suite goes on without.
HAS_BROWSER = all(map(shutil.which, ("chromium", "chromedriver"))) and importlib.util.find_spec("selenium") is not None
collect_ignore = (
    [] if HAS_BROWSER else ["test_access.py", "test_axe.py", "test_browser.py", "test_glance.py", "test_views.py"]
)


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def asked(store):
    """Ask the application one thing, as a browser does: `await asked("/sessions", keys=[...])`."""

    async def ask(path, keys=(), **headers):
        transport = httpx.ASGITransport(make_app(store, keys))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:4318") as client:
            return await client.get(path, headers={"accept": "text/html,*/*", **headers})

    return ask


@pytest.fixture
def served():
    """Serve a store until the test has ended: `served(store, keys)` is the address."""
    with contextlib.ExitStack() as servers:
        yield lambda store, keys=(): servers.enter_context(page_server.served(store, keys))
