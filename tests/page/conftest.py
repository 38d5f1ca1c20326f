"""A server over a store, asked in process or by a browser; the browser's tests need a Chromium."""

from __future__ import annotations

import contextlib

import browsers
import httpx
import page_server
import pytest

from agentops_otel.server.app import make_app
from agentops_otel.store.sqlite import SQLiteStore

BROWSER_TESTS = ["test_access.py", "test_axe.py", "test_browser.py", "test_glance.py", "test_views.py"]
collect_ignore = [] if browsers.IS_HERE else BROWSER_TESTS


def pytest_terminal_summary(terminalreporter):
    if not browsers.IS_HERE:
        terminalreporter.write_line(f"{', '.join(BROWSER_TESTS)}: {browsers.MISSING}")


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


# Playwright keeps a loop running in its thread, in which no asynchronous test could begin: so a browser for each file.
@pytest.fixture(scope="module")
def browser():
    if not browsers.IS_HERE:
        pytest.skip(browsers.MISSING)
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser, served):
    """A page without a past, light and wide unless told otherwise; whatever the browser complains about fails the test."""
    complaints = []
    with contextlib.ExitStack() as tabs:

        def opened(scheme="light", width=1440, height=900):
            page, heard = tabs.enter_context(browsers.tab(browser, scheme, width, height))
            complaints.append(heard)
            return page

        yield opened
        assert [told for heard in complaints for told in heard] == []
