"""What the page takes for sessions of 100 spans and of more: time to the first rows, nodes, long tasks on the way.

Run it with the extra `browser` and Chromium: `python benchmarks/page.py [SPANS]`.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browsers import chromium, paint, settled
from page_server import served
from recorded_sessions import large

from agentops_otel.store.sqlite import SQLiteStore

ROUNDS = 5
WATCH = """
window.long = [];
const told = (list) => long.push(...list.getEntries().map((entry) => entry.duration));
new PerformanceObserver(told).observe({ type: "longtask", buffered: false });
"""
SCROLL = """
const done = arguments[0], rows = document.querySelector(".waterfall .rows");
let steps = 0;
(function step() {
  rows.scrollTop += 400;
  if (++steps < 200) requestAnimationFrame(step); else setTimeout(() => done(long), 300);
})();
"""
FIRST_ROWS = "return performance.getEntriesByName('rows')[0].startTime"


def main(spans: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(SQLiteStore(Path(folder) / "s.db")) as store:
        for number, size in ((1, 100), (2, spans)):
            store.insert(large(number, time.time_ns() - 10**14, size).records)
        with served(store) as address, chromium() as driver:
            paint(driver, "light")
            for number, size in ((1, 100), (2, spans)):
                measure(driver, f"{address}/s/00000000-0000-0000-0000-{number:012x}", size)


def measure(driver, place, size) -> None:
    times = []
    for _ in range(ROUNDS):
        driver.get("about:blank")
        driver.get(place)
        settled(driver, 120)
        times.append(driver.execute_script(FIRST_ROWS))
    nodes = driver.execute_script("return document.querySelectorAll('*').length")
    driver.execute_script(WATCH)
    long = driver.execute_async_script(SCROLL)
    first = statistics.median(times)
    worst = max(long, default=0)
    print(f"{size:>7} spans: rows after {first:.0f} ms, {nodes} nodes, {len(long)} long tasks, {worst:.0f} ms at most")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
