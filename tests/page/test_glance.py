"""Every view opens in a real Chromium in both themes and complains of nothing: the quick part, which the gate runs too."""

from __future__ import annotations

import page_server
import pytest
from browsers import show
from playwright.sync_api import expect
from recorded_sessions import fortnight

from agentops_otel.store.sqlite import SQLiteStore

ONE, HOSTILE, OTHER = (f"00000000-0000-0000-0000-{number:012x}" for number in (1, 2, 64))
VIEWS = [
    ("/sessions", ".sessions tbody tr", "shop-assistant"),
    ("/sessions?text=nowhere", ".empty", "No session is like that"),
    ("/analytics", "[data-card='times']", "gpt-4.1"),
    (f"/compare?a={ONE}&b={OTHER}", ".deltas", "claims-desk"),
    (f"/s/{ONE}", ".row[data-kind='agent']", "desk"),
    (f"/s/{ONE}/0000000000000007", ".detail", "TimeoutError"),
    (f"/s/{ONE}#view=transcript", ".turn[data-kind='llm']", "Where is my order 4711?"),
    (f"/s/{ONE}#view=errors", ".errors", "TimeoutError"),
    (f"/s/{ONE}#view=details", "#panel-details", "cpython 3.12.4"),
    (f"/s/{ONE}#view=raw", ".raw .rows", "resourceSpans"),
    (f"/s/{HOSTILE}#view=transcript", ".turn", "<img src=x"),
    ("/s/none", ".empty", "This session is not here"),
]
GROUND = {"light": "rgb(247, 247, 250)", "dark": "rgb(14, 15, 19)"}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("glance") / "sessions.db")
    for run in fortnight():
        store.insert(run.records)
    with page_server.served(store) as address:
        yield address
    store.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("place", "selector", "told"), VIEWS, ids=[place for place, *_ in VIEWS])
def test_a_view_opens(tab, address, place, selector, told, scheme):
    page = show(tab(scheme), address + place)
    expect(page.locator(selector).filter(has_text=told).first).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", GROUND[scheme])
    assert page.title() != "owned"
