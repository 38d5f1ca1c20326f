"""What the page takes for sessions of 100 spans and of more: time to the first rows, nodes, a step of scrolling.

Run it with the extra `browser` and Chromium: `python benchmarks/page.py [SPANS]`.
"""

from __future__ import annotations

import contextlib
import itertools
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
STEPS = 150
WATCH = """
window.long = [];
const told = (list) => long.push(...list.getEntries().map((entry) => entry.duration));
new PerformanceObserver(told).observe({ type: "longtask", buffered: false });
"""
STEP = """
const done = arguments[0];
document.querySelector(".waterfall .rows").scrollTop += 400;
requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)));
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
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    busy = [cpu(driver)]
    for _ in range(STEPS):
        driver.execute_async_script(STEP)
        busy.append(cpu(driver))
    driver.execute_cdp_cmd("Performance.disable", {})
    long = driver.execute_script("return long")
    steps = sorted(1000 * (after - before) for before, after in itertools.pairwise(busy))
    print(
        f"{size:>7} spans: rows after {statistics.median(times):.0f} ms, {nodes} nodes; a step of scrolling takes "
        f"{statistics.median(steps):.0f} ms of the processor, {steps[-1]:.0f} at most; "
        f"{len(long)} tasks over 50 ms by the clock"
    )


def cpu(driver) -> float:
    """Seconds of the processor that the page's main thread has taken."""
    told = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(metric["value"] for metric in told if metric["name"] == "TaskDuration")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
