"""No violation of WCAG A and AA that axe finds, in any view and either theme."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from browsers import show
from recorded_sessions import fortnight, large

from agentops_otel.store.sqlite import SQLiteStore

ROOT = Path(__file__).resolve().parents[2]
AXE = Path(os.environ.get("AXE", ROOT / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"))
pytestmark = pytest.mark.skipif(not AXE.is_file(), reason="npm install --prefix build/axe axe-core")

ONE, OTHER, LONG = (f"00000000-0000-0000-0000-{number:012x}" for number in (1, 4, 900))
PLACES = {
    "sessions": "/sessions",
    "filtered": "/sessions?end_state=Failure&min_cost=0.05&host=atlas",
    "none found": "/sessions?text=nowhere",
    "analytics": "/analytics",
    "compare": f"/compare?a={ONE}&b={OTHER}",
    "choose": "/compare",
    "missing": "/s/none",
    "waterfall": f"/s/{ONE}",
    "span": f"/s/{ONE}/0000000000000007",
    "long": f"/s/{LONG}",
    **{view: f"/s/{ONE}#view={view}" for view in ("transcript", "errors", "details", "raw")},
}
RUN = """() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((told) => told.violations.map(
  ({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map((node) => node.html.slice(0, 140) + " " + (node.any[0]?.message ?? "")).join(" | ")}`))
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("axe") / "sessions.db")
    for run in (*fortnight(), large(0x900, time.time_ns() - 10**13, 1500)):
        store.insert(run.records)
    yield store
    store.close()


def violations(page):
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(RUN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_axe_finds_nothing(tab, served, shown, place, scheme):
    page = show(tab(scheme), served(shown) + place)
    page.wait_for_timeout(300)
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("opened", [".filters .menu summary", ".ranges summary", "#help"])
def test_axe_finds_nothing_in_what_opens(tab, served, shown, opened, scheme):
    page = show(tab(scheme), served(shown) + "/sessions")
    page.locator(opened).click()
    assert violations(page) == []


def test_axe_would_find_what_is_wrong(tab, served, shown):
    page = show(tab(), served(shown) + "/sessions")
    page.evaluate("document.body.append(document.createElement('button'))")
    assert any(told.startswith("button-name") for told in violations(page))
