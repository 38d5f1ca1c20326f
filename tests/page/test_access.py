"""What readers of any kind need: names for all controls, contrast of all text, in both themes."""

from __future__ import annotations

import pytest
from browsers import show
from playwright.sync_api import expect
from recorded_sessions import fortnight

from agentops_otel.store.sqlite import SQLiteStore

PLACES = ["/sessions", "/sessions?text=nowhere", "/analytics", "/compare", "/s/none"]
PLACES += ["/compare?a=00000000-0000-0000-0000-000000000001&b=00000000-0000-0000-0000-000000000040"]
PLACES += [f"/s/00000000-0000-0000-0000-000000000001{view}" for view in ("", "/0000000000000007", "#view=transcript", "#view=errors", "#view=details", "#view=raw")]  # fmt: skip

NAMELESS = """() => {
const named = (element) => element.getAttribute("aria-label") || element.getAttribute("title") || element.textContent.trim()
  || (element.labels && [...element.labels].some((label) => label.textContent.trim()))
  || [...element.querySelectorAll("img[alt]")].some((image) => image.alt);
return [...document.querySelectorAll("a, button, input, select, summary, [role=img], [role=tree], [role=tabpanel]")]
  .filter((element) => element.checkVisibility() && !element.closest("[aria-hidden=true]") && !named(element) && !element.getAttribute("aria-labelledby"))
  .map((element) => element.outerHTML.slice(0, 120));
}"""
FAINT = """() => {
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const over = (colours) => {
  canvas.fillStyle = "white";
  canvas.fillRect(0, 0, 1, 1);
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = new Set();
for (const element of document.querySelectorAll("body *")) {
  const told = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const style = getComputedStyle(element);
  if (!told || element.closest("noscript, svg, [aria-hidden=true], .unseen, .took, option") || !element.checkVisibility({ visibilityProperty: true })) continue;
  const grounds = [];
  for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
  const [ground, text] = [light(over(grounds)), light(over([...grounds, style.color]))];
  const ratio = (Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05);
  if (ratio < 4.5) found.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)} ${element.textContent.trim().slice(0, 30)}`);
}
return [...found];
}"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("shown") / "sessions.db")
    for run in fortnight():
        store.insert(run.records)
    yield store
    store.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_every_control_has_a_name_and_every_text_its_contrast(tab, served, shown, place, scheme):
    page = show(tab(scheme), served(shown) + place)
    page.wait_for_timeout(100)
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(FAINT) == []


def test_the_check_would_find_what_is_wrong(tab, served, shown):
    page = show(tab(), served(shown) + "/sessions")
    page.evaluate("""() => {
        const faint = document.createElement("p");
        faint.textContent = "faint";
        faint.style.color = "#bbb";
        document.body.append(faint, document.createElement("button"));
    }""")
    assert len(page.evaluate(NAMELESS)) == 1
    assert any("faint" in told for told in page.evaluate(FAINT))


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_wider_than_a_narrow_screen(tab, served, shown, place):
    page = show(tab("light", 390, 844), served(shown) + place)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_first_tab_leads_past_the_bar_and_focus_is_seen(tab, served, shown):
    page = show(tab(), served(shown) + "/sessions")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    expect(skip).to_have_text("Skip to the content")
    expect(skip).to_have_css("outline-style", "solid")
