"""What the page takes for sessions of 100 spans and of more: time to the first rows, nodes, what scrolling keeps busy.

Run it with the extra `browser` and Chromium: `python benchmarks/page.py [SPANS]`. A clock on a busy machine tells of
the machine: so the least of several rounds counts, and the load is told.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browsers import chromium, show, tab
from page_server import served
from recorded_sessions import large

from agentops_otel.store.sqlite import SQLiteStore

ROUNDS = 5
STEPS = 100
WATCH = """() => {
  window.long = [];
  const told = (list) => long.push(...list.getEntries().map((entry) => entry.duration));
  new PerformanceObserver(told).observe({ type: "longtask", buffered: false });
}"""
STEP = """() => new Promise((done) => {
  document.querySelector(".waterfall .rows").scrollTop += 400;
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)));
})"""
MARK = "performance.getEntriesByName('{}')[0]?.startTime"


def main(spans: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(SQLiteStore(Path(folder) / "s.db")) as store:
        for number, size in ((1, 100), (2, spans)):
            store.insert(large(number, time.time_ns() - 10**14, size).records)
        store.sessions()  # makes the roll-ups, as the server's upkeep does half a second after spans have come
        with served(store) as address, chromium() as browser:
            rounds = [
                [measure(browser, f"{address}/s/00000000-0000-0000-0000-{number:012x}") for number in (1, 2)]
                for _ in range(ROUNDS)
            ]
    for size, told in zip((100, spans), zip(*rounds, strict=True), strict=True):
        first, whole, nodes, busy, long = zip(*told, strict=True)
        steps = sorted(1000 * each for each in itertools.chain(*busy))
        print(
            f"{size:>7} spans: rows after {min(first):.0f} ms at best, {statistics.median(first):.0f} in the middle, "
            f"{first[0]:.0f} the first time, all spans after {min(whole):.0f} ({whole[0]:.0f} the first time); "
            f"{max(nodes)} nodes; a step of scrolling keeps the page busy for {statistics.median(steps):.0f} ms of the "
            f"processor, {steps[-1]:.0f} at most; tasks over 50 ms by the clock, in each round of {STEPS} steps: "
            f"{', '.join(str(len(each)) for each in long)}"
        )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def measure(browser, place) -> tuple[float, float, int, list[float], list[float]]:
    """Milliseconds to the first rows and to all spans, nodes, seconds busy in each step, tasks over 50 ms."""
    with tab(browser) as (page, _):
        show(page, place, 120)
        first, whole = (page.evaluate(MARK.format(name)) for name in ("rows", "whole"))
        nodes = page.evaluate("document.querySelectorAll('*').length")
        page.evaluate(WATCH)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        busy = [cpu(session)]
        for _ in range(STEPS):
            page.evaluate(STEP)
            busy.append(cpu(session))
        steps = [after - before for before, after in itertools.pairwise(busy)]
        return first, whole, nodes, steps, page.evaluate("long")


def cpu(session) -> float:
    """Seconds of the processor that the page's main thread has taken."""
    told = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in told if metric["name"] == "TaskDuration")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
