"""What Jaeger's questions cost on a small and on a large store, measured here: `python benchmarks/traces.py`."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from agentops_otel.accounting.record import SpanRecord, uuid_form
from agentops_otel.store import SQLiteStore
from agentops_otel.store.traces import TraceQuery

SPANS_OF_A_SESSION = 50
SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
TEXT = "the quick brown fox jumps over the lazy dog " * 20


def session(number):
    trace = f"{number + 1:032x}"
    resource = {"service.name": f"service {number % 5}", "process.pid": number % 200, "host.name": "here"}
    for place in range(SPANS_OF_A_SESSION):
        start = BEGIN + number * SECOND + place * 1_000_000
        yield SpanRecord(
            trace_id=trace,
            span_id=f"{place + 1:016x}",
            parent_id=f"{place:016x}" if place else None,
            name=f"step {place % 20}",
            start_time=start,
            end_time=start + 1_000_000 * (place + 1),
            kind="client" if place % 2 else "internal",
            attributes={
                "session.id": uuid_form(trace),
                "gen_ai.operation.name": "chat",
                "gen_ai.input.messages": TEXT,
                "rare": number == 7,
                "n": place,
            },
            status="error" if place == 7 and number % 100 == 0 else "ok",
            resource=resource,
        )


def filled(path, sessions):
    store = SQLiteStore(path)
    for number in range(0, sessions, 20):
        store.insert([record for one in range(number, min(number + 20, sessions)) for record in session(one)])
    return store


def questions(store, sessions):
    last = f"{sessions:032x}"
    day = TraceQuery(service="service 1", since=BEGIN + (sessions - 3600) * SECOND, until=BEGIN + sessions * SECOND)
    return {
        "services": store.services,
        "operations of a service": lambda: store.operations("service 1"),
        "search: 20 traces of a service": lambda: store.traces(TraceQuery(service="service 1", limit=20)),
        "search: an operation and a tag": lambda: store.traces(
            TraceQuery(service="service 1", operation="step 3", tags={"n": "3"}, limit=20)
        ),
        "search: errors, in one of 100": lambda: store.traces(
            TraceQuery(service="service 0", tags={"error": "true"}, limit=20)
        ),
        "search: the last hour, found nowhere": lambda: store.traces(
            TraceQuery(**{name: getattr(day, name) for name in ("service", "since", "until")}, tags={"rare": "true"})
        ),
        "one trace of 50 spans": lambda: store.trace(last),
        "dependencies of the last hour": lambda: store.dependencies(day.since, day.until),
    }


def measured(ask, times):
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=7)
    asked = parser.parse_args()
    sizes = (10_000, asked.spans)
    with tempfile.TemporaryDirectory() as folder:
        told = []
        for size in sizes:
            sessions = size // SPANS_OF_A_SESSION
            store = filled(Path(folder) / f"{size}.db", sessions)
            store.sessions(sessions)
            told.append({name: measured(ask, asked.times) for name, ask in questions(store, sessions).items()})
            store.close()
    print(f"{'ms, median of ' + str(asked.times):<40}{sizes[0]:>12,}{sizes[1]:>12,}{'ratio':>8}")
    for name, small in told[0].items():
        print(f"{name:<40}{small:>12.2f}{told[1][name]:>12.2f}{told[1][name] / small:>8.1f}")


if __name__ == "__main__":
    main()
