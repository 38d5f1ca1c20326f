"""A real Chromium without a window, a network or a past."""

from __future__ import annotations

import contextlib
import shutil
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@contextlib.contextmanager
def chromium(width=1440, height=900):
    """The browser's driver; everything that it kept is gone afterwards."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for flag in (*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        try:
            yield driver
        finally:
            driver.quit()


def paint(driver, scheme, width=1440, height=900):
    """Colours as a system would ask for them, in a window of this size."""
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def settled(driver, seconds=10):
    """Wait until the view has been drawn and nothing more is loading."""
    WebDriverWait(driver, seconds, poll_frequency=0.05).until(
        lambda _: driver.execute_script(
            "return document.readyState === 'complete' && document.body.dataset.ready === 'yes'"
        )
    )
    # Two frames, so that what was drawn is painted.
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
