"""A real Chromium without a window, a network or a past, driven by Playwright."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
IS_HERE = CHROMIUM is not None and importlib.util.find_spec("playwright") is not None
MISSING = "not run without Chromium and Playwright: apt-get install chromium, then make browser"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--hide-scrollbars")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's own Chromium; nothing is downloaded."""
    # Not installed with the other tests, which do without.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def tab(
    browser: Browser, scheme: str = "light", width: int = 1440, height: int = 900
) -> Iterator[tuple[Page, list[str]]]:
    """A page that remembers nothing, and what the browser complains about in it.

    That an answer was refused (401, 404) is the server's word, and no complaint.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="en-US",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    complaints: list[str] = []

    def heard(message):
        if message.type in {"error", "warning"} and not any(code in message.text for code in ("401", "404")):
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page, complaints
    finally:
        context.close()


def show(page: Page, address: str, seconds: float = 30) -> Page:
    """Go to an address, and wait until its view is drawn."""
    page.goto("about:blank")  # an address that differs in its fragment alone would not be loaded
    page.goto(address)
    settled(page, seconds)
    return page


def settled(page: Page, seconds: float = 30) -> None:
    """Wait until the view has been drawn, and painted."""
    page.locator("body[data-ready=yes]").wait_for(state="attached", timeout=1000 * seconds)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


STEP = """() => new Promise((done) => {
  document.querySelector(".waterfall .rows").scrollTop += 400;
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)));
})"""


class Task(NamedTuple):
    """A task of the page's main thread, in milliseconds: what it took by the clock, and of the processor."""

    took: float
    busy: float


def scrolled(page: Page, steps: int) -> list[Task]:
    """What the page does while its waterfall is scrolled so many steps of 400 pixels."""
    browser = page.context.browser
    browser.start_tracing(page=page, categories=["toplevel"])
    for _ in range(steps):
        page.evaluate(STEP)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    named = (event for event in events if event.get("args", {}).get("name") == "CrRendererMain")
    found: dict[tuple[int, int], list[Task]] = {(event["pid"], event["tid"]): [] for event in named}
    for event in events:
        place = (event["pid"], event["tid"])
        if place in found and event.get("ph") == "X" and event["name"] == "ThreadControllerImpl::RunTask":
            found[place].append(Task(event["dur"] / 1000, event.get("tdur", event["dur"]) / 1000))
    # There is one page: the other threads that could draw one have nothing to do.
    return max(found.values(), key=lambda tasks: sum(task.busy for task in tasks))
