"""What the page takes for sessions of 100 spans and of more: time to the first rows, nodes, what scrolling keeps busy.

Run it with the extra `browser` and Chromium: `python benchmarks/page.py [SPANS]`. A clock on a busy machine tells of
the machine: so the least of several rounds counts, and the load is told.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browsers import Task, chromium, scrolled, show, tab
from page_server import served
from recorded_sessions import large

from agentops_otel.store.sqlite import SQLiteStore

ROUNDS = 5
STEPS = 100
LONG = 50
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
        first, whole, nodes, tasks = zip(*told, strict=True)
        busy = sorted(task.busy for each in tasks for task in each)
        print(
            f"{size:>7} spans: rows after {min(first):.0f} ms at best, {statistics.median(first):.0f} in the middle, "
            f"{first[0]:.0f} the first time, all spans after {min(whole):.0f} ({whole[0]:.0f} the first time); "
            f"{max(nodes)} nodes; while scrolling, the longest task takes {busy[-1]:.0f} ms of the processor, and "
            f"{', '.join(str(sum(task.took > LONG for task in each)) for each in tasks)} tasks of {STEPS} steps each "
            f"took over {LONG} ms by the clock"
        )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def measure(browser, place) -> tuple[float, float, int, list[Task]]:
    """Milliseconds to the first rows and to all spans, nodes, and the tasks of scrolling."""
    with tab(browser) as (page, _):
        show(page, place, 120)
        first, whole = (page.evaluate(MARK.format(name)) for name in ("rows", "whole"))
        nodes = page.evaluate("document.querySelectorAll('*').length")
        return first, whole, nodes, scrolled(page, STEPS)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
