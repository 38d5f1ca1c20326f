"""Every view opens in a real Chromium in both themes and complains of nothing: the quick part, which the gate runs too."""

from __future__ import annotations

import time

import page_server
import pytest
from browsers import chromium, paint, settled
from recorded_sessions import fortnight
from selenium.webdriver.common.by import By

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


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


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
def test_a_view_opens(browser, address, place, selector, told, scheme):
    paint(browser, scheme)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(address + place)
    settled(browser, 30)
    deadline = time.monotonic() + 10
    found = []
    while time.monotonic() < deadline and not any(told in text for text in found):
        found = browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText)", selector
        )
    assert any(told in text for text in found), found
    ground = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert ground.startswith({"light": "rgba(247", "dark": "rgba(14"}[scheme])
    complaints = [entry["message"] for entry in browser.get_log("browser") if "404" not in entry["message"]]
    assert complaints == []
    assert browser.title != "owned"
