"""What the store costs beside SQLite itself: inserts and the questions of a page, as ratios within one run.

An insert is compared with a bare `executemany` of the same rows, in the same batches, into the same tables without
triggers; a question with the one best statement for it, run and fetched on a bare connection to the same file. Figures
are medians; inserts are CPU time and take turns. Quote ratios only: machines are noisy.

    python benchmarks/store.py --spans 10000 200000
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from agentops_otel.accounting.record import SpanRecord, uuid_form
from agentops_otel.conventions import names
from agentops_otel.server.queries import export
from agentops_otel.store import FiguresQuery, SessionQuery, SQLiteStore, figures, rows, schema
from agentops_otel.store.connection import transaction

SPANS_OF_SESSION, BATCH = 50, 512
BEGIN, SECOND = 1_700_000_000 * 10**9, 10**9
WORDS = [f"word{number}" for number in range(2000)]
LISTED = (
    names.EVENT_ID, names.AGENT_ID, names.EVENT_PARAMS, names.EVENT_RETURNS, names.RESPONSE_MODEL, names.INPUT_TOKENS,
    names.OUTPUT_TOKENS, names.COST, names.TOOL_NAME, names.ACTION_TYPE, names.ERROR_TYPE, names.SPAN_KIND,
)  # fmt: skip
"""The attributes that an export lists by themselves."""
MODELS = [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o-mini")]


def sessions(count):
    """Records of about 1 KB, fifty to a session, sessions one after the other over thirty days."""
    chance = random.Random(7)
    total = max(count // SPANS_OF_SESSION, 1)
    for number in range(total):
        trace = f"{chance.getrandbits(128):032x}"
        begin = BEGIN + number * 30 * 86_400 * SECOND // total
        resource = {"service.name": f"service{number % 3}", names.PROJECT_ID: "default"}
        yield [made(chance, trace, begin, place, number, resource) for place in range(SPANS_OF_SESSION)]


def made(chance, trace, begin, place, number, resource):
    told = {names.SESSION_ID: uuid_form(trace), **{f"app.attribute.{key}": f"value {key}" for key in range(10)}}
    if place == 0:
        told |= {
            names.SPAN_KIND: names.KIND_SESSION,
            names.END_STATE: chance.choice([names.SUCCESS] * 4 + [names.FAILURE]),
            names.TAGS: [f"tag{number % 10}"],
        }
    elif place % 2:
        provider, model = chance.choice(MODELS)
        told |= {
            names.OPERATION_NAME: names.CHAT,
            names.PROVIDER_NAME: provider,
            names.RESPONSE_MODEL: model,
            names.INPUT_TOKENS: 600,
            names.OUTPUT_TOKENS: 200,
            names.COST: chance.randrange(1, 9999) / 1e6,
            names.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"%s"}]}]'.replace(
                "%s", " ".join(chance.choices(WORDS, k=60))
            ),
        }
    else:
        told |= {
            names.SPAN_KIND: names.KIND_TOOL,
            names.TOOL_CALL_ARGUMENTS: '{"query":"%s"}'.replace("%s", chance.choice(WORDS)),
        }
    start = begin + place * SECOND
    return SpanRecord(
        trace_id=trace,
        span_id=f"{chance.getrandbits(64):016x}",
        parent_id=None if place == 0 else "1" * 16,
        name="session" if place == 0 else "chat" if place % 2 else "tool",
        start_time=start,
        end_time=start + SECOND,
        attributes=told,
        resource=resource,
        scope="bench",
    )


def batches(count):
    waiting = []
    for records in sessions(count):
        waiting += records
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            waiting = waiting[BATCH:]
    if waiting:
        yield waiting


def bare(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    schema.prepare(connection, str(path))
    connection.execute("DROP TRIGGER spans_ended")
    return connection


def fill(store, other, count):
    """Insert everything in both ways; CPU seconds of each batch: ours, the bare rows, and making the rows."""
    ours, floor, making = [], [], []
    for batch in batches(count):
        begun = time.process_time()
        store.insert(batch)
        ours.append(time.process_time() - begun)
        begun = time.process_time()
        made_rows = [(*rows.row_of(record), *rows.hot_row(record), 1) for record in batch]
        making.append(time.process_time() - begun)
        begun = time.process_time()
        with transaction(other, "IMMEDIATE"):
            other.executemany(schema.INSERT_SPAN, made_rows)
        floor.append(time.process_time() - begun)
    return ours, floor, making


def medians_of(times, *asks):
    """Medians of the seconds that each takes; they take turns."""
    spent = [[] for _ in asks]
    for _ in range(times):
        for ask, seconds in zip(asks, spent, strict=True):
            begun = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - begun)
    return map(statistics.median, spent)


def questions(store, connection):
    columns = ", ".join(rows.SUMMARY_COLUMNS)
    spans = ", ".join(rows.SPAN_COLUMNS)
    newest = store.sessions(SessionQuery(limit=50))
    some = newest[25].session_id if len(newest) > 25 else newest[0].session_id
    word = WORDS[1234]

    def sql(statement, *values):
        return lambda: connection.execute(statement, values).fetchall()

    statement, values = figures.select(FiguresQuery(by=("day", "model")))
    fields = ", ".join(f"json_extract(attributes, '$.\"{name}\"')" for name in LISTED)
    tagged = (
        f"SELECT session_id, {', '.join('s.' + name for name in rows.SUMMARY_COLUMNS)} FROM facets AS f "
        "CROSS JOIN sessions AS s ON s.id = f.session WHERE f.facet = 'tag' AND f.value = 'tag3' "
        "AND s.end_state = 'Failure' ORDER BY f.first_time DESC LIMIT 2"
    )
    return {
        "session list": (
            store.sessions,
            sql(f"SELECT session_id, {columns} FROM sessions ORDER BY first_time DESC, id DESC LIMIT 50"),
        ),
        "records of one": (
            lambda: store.spans(some),
            sql(f"SELECT {spans} FROM spans WHERE session_id = ? ORDER BY start_time", some),
        ),
        "export of one": (
            lambda: export(store, some),
            sql(f"SELECT {spans}, {fields} FROM spans WHERE session_id = ? ORDER BY start_time", some),
        ),
        "tag and end state": (
            lambda: store.sessions(SessionQuery(tags=("tag3",), end_state="Failure", limit=2)),
            sql(tagged),
        ),
        "cost by day, model": (
            lambda: store.figures(FiguresQuery(by=("day", "model"))),
            sql(statement.replace("group_concat(cost)", "sum(cost)"), *values),
        ),
        "text search": (
            lambda: store.search(word, limit=20),
            sql(
                f"SELECT {spans} FROM texts CROSS JOIN spans ON spans.id = texts.rowid "
                "WHERE texts MATCH ? ORDER BY texts.rowid DESC LIMIT 20",
                word,
            ),
        ),
    }


def measure(count, times):
    folder = Path(tempfile.mkdtemp())
    try:
        with (
            contextlib.closing(SQLiteStore(folder / "ours.db")) as store,
            contextlib.closing(bare(folder / "bare.db")) as other,
        ):
            ours, floor, making = fill(store, other, count)
            print(f"\n{count:,} spans")
            ready = statistics.median(a / b for a, b in zip(ours, floor, strict=True))
            whole = statistics.median(a / (b + c) for a, b, c in zip(ours, floor, making, strict=True))
            print(
                f"  insert: {whole:.2f} x making and inserting the rows bare; {ready:.2f} x rows that are made already"
            )
            begun = time.process_time()
            while not store.catch_up():
                pass
            spent = time.process_time() - begun
            print(f"  roll-ups and text index afterwards: {spent / sum(floor):.2f} x inserting the rows bare")
            connection = sqlite3.connect(store.path, isolation_level=None)
            found = {}
            for name, (ask, statement) in questions(store, connection).items():
                assert len(ask()) > 0, name
                spent, best = medians_of(times, ask, statement)
                found[name] = spent
                print(f"  {name:<20}{spent * 1000:9.2f} ms  {spent / best:6.2f} x its SQL ({best * 1000:.2f} ms)")
            connection.close()
            return found
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--times", type=int, default=50)
    told = parser.parse_args()
    found = [measure(count, told.times) for count in told.spans]
    if len(found) > 1:
        print(f"\nfrom {told.spans[0]:,} to {told.spans[-1]:,} spans")
        for name, spent in found[-1].items():
            print(f"  {name:<20}{spent / found[0][name]:6.2f} x")


if __name__ == "__main__":
    main()
