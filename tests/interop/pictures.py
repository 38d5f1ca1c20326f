"""Pictures of a session on the pages of Phoenix and MLflow, in docs/pictures: `scripts/interop --pictures`."""

from __future__ import annotations

import base64
import os
import tempfile
import time
from pathlib import Path

from browsers import chromium, paint
from interop.playing import play
from interop.processes import eventually
from interop.tools import HTTP, MLflow, Phoenix
from selenium.webdriver.support.ui import WebDriverWait

TARGET = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SIZE = (1280, 760)
QUALITY, MOST_BYTES = 55, 60_000
FIND = """
const [part, words] = arguments;
return [...document.querySelectorAll(part)].find((place) => words.every((word) => place.innerText.includes(word)));
"""
SETTLED_SECONDS = 6
"""After the words are there: these pages say nothing of when they have drawn all."""


def take(kind, words, part="body") -> None:
    """A session on the tool's own page: the element that `part` selects, once these words are in it."""
    with tempfile.TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True) as folder:
        made = kind(Path(os.environ["INTEROP_FOLDER"]) / kind.name, Path(folder))
        if why := made.why_missing():
            raise SystemExit(f"{kind.name}: {why}")
        with made.started() as tool, chromium(*SIZE) as driver:
            session = play(tool.endpoint(HTTP), HTTP, folder, **tool.settings())
            eventually(lambda: len(tool.spans(session.trace_id)) >= len(session.records))
            paint(driver, "light", *SIZE)
            driver.get(f"http://127.0.0.1:{tool.http}{tool.page.format(trace=session.trace_id)}")
            found = WebDriverWait(driver, 90).until(lambda _: driver.execute_script(FIND, part, words))
            time.sleep(SETTLED_SECONDS)
            place = driver.execute_script("return arguments[0].getBoundingClientRect().toJSON()", found)
            clip = {name: place[name] for name in ("x", "y", "width", "height")} | {"scale": 1}
            asked = {"format": "webp", "quality": QUALITY, "clip": clip}
            picture = base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"])
    assert len(picture) <= MOST_BYTES
    (TARGET / f"{kind.name}.webp").write_bytes(picture)


if __name__ == "__main__":
    take(Phoenix, ["invoke_agent navigator", "agentops.end_state"])
    take(MLflow, ["invoke_agent navigator", "agentops.tags"], '[role="dialog"]')
