"""What the store costs beside SQLite itself: inserts and the questions of a page, as ratios within one run.

    python benchmarks/store.py --spans 10000 200000
    python benchmarks/store.py --spans 10000 1000000 --folder /tmp/stores     (filled once, kept there, and used again)

An insert is compared with a bare `executemany` of the same rows, in the same batches, into the same tables without
triggers; a question with the one best statement for it, run and fetched on a bare connection to the same file. The
statement for an export is the one that makes its JSON of a session's row and spans. Questions are asked in turns, a
moment apart, first while nothing else happens, then while a thread inserts at a tenth of the full rate (it rests nine
times as long as each insert takes). Figures are medians; inserts are CPU time. Quote ratios only: machines are noisy.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from pathlib import Path

from agentops_otel.accounting.record import SpanRecord, uuid_form
from agentops_otel.conventions import names
from agentops_otel.server.queries import export
from agentops_otel.store import FiguresQuery, SessionQuery, SQLiteStore, figures, rows, schema
from agentops_otel.store.connection import transaction
from agentops_otel.store.upkeep import Upkeep

CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
SPANS_OF_SESSION, BATCH = 50, 512
RATIO, GROWTH = 3.0, 1.5
HELD = {"session list", "export of one", "tag and end state", "cost by day, model", "text search"}
NOT_COMPARED = {"text search", "tag and end state"}
"""A small store has fewer of what is looked for; of ten sessions by tag and end state it has enough."""
BEGIN, SECOND = 1_700_000_000 * 10**9, 10**9
WORDS = [f"word{number}" for number in range(2000)]
LISTED = (
    names.EVENT_ID, names.AGENT_ID, names.TOOL_NAME, names.ACTION_TYPE, names.ERROR_TYPE, names.SPAN_KIND,
    names.EVENT_THREAD_ID,
)  # fmt: skip
LARGE = (
    names.EVENT_PARAMS, names.EVENT_RETURNS, names.TOOL_CALL_ARGUMENTS, names.TOOL_CALL_RESULT, names.INPUT_MESSAGES,
    names.OUTPUT_MESSAGES, names.EVENT_LOGS,
)  # fmt: skip
"""The attributes that an export lists by themselves, out of either column."""
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


def asked(clock, times, pause, *asks):
    """Sorted seconds that each takes; they take turns."""
    spent = [[] for _ in asks]
    for _ in range(times):
        for ask, seconds in zip(asks, spent, strict=True):
            begun = CLOCKS[clock]()
            ask()
            seconds.append(CLOCKS[clock]() - begun)
        time.sleep(pause)
    return [sorted(seconds) for seconds in spent]


@contextlib.contextmanager
def coming_in(store):
    """Spans come in at a tenth of the full rate, as sessions of today."""
    ended = threading.Event()

    def insert():
        number = 0
        while not ended.is_set():
            number += 1
            chance = random.Random(number)
            trace, begin = f"{chance.getrandbits(128):032x}", BEGIN + 40 * 86_400 * SECOND + number * SECOND
            resource = {"service.name": "service0", names.PROJECT_ID: "default"}
            batch = [made(chance, trace, begin, place, number, resource) for place in range(SPANS_OF_SESSION)]
            begun = time.perf_counter()
            store.insert(batch)
            ended.wait(9 * (time.perf_counter() - begun))

    kept = Upkeep(store)
    thread = threading.Thread(target=insert)
    thread.start()
    kept.wake()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        kept.close()


def parsed(name):
    """A JSON text of the contents, as what it says."""
    found = f"json_extract(content, '$.\"{name}\"')"
    return f"CASE WHEN json_valid({found}) THEN json({found}) ELSE {found} END"


def questions(store, connection):
    columns = ", ".join(rows.SUMMARY_COLUMNS)
    spans = ", ".join(rows.SPAN_COLUMNS)
    newest = store.sessions(SessionQuery(limit=50))
    some = newest[25].session_id if len(newest) > 25 else newest[0].session_id
    word = WORDS[1234]

    def sql(statement, *values):
        return lambda: connection.execute(statement, values).fetchall()

    statement, values = figures.select(FiguresQuery(by=("day", "model")))
    small = ", ".join(f"'{name}', json_extract(attributes, '$.\"{name}\"')" for name in LISTED)
    large = ", ".join(f"'{name}', {parsed(name)}" for name in LARGE)
    row = ", ".join(f"'{name}', {name}" for name in rows.SUMMARY_COLUMNS)
    whole = (
        f"SELECT json_object('session', (SELECT json_object({row}) FROM sessions WHERE session_id = ?1), "
        "'events', json_group_array(json_object('id', span_id, 'parent', parent_id, 'name', name, "
        "'start', start_time, 'end', end_time, 'status', status, 'prompt_tokens', input_tokens, "
        f"'completion_tokens', output_tokens, 'cost', cost, 'model', model, {small}, {large}))), "
        "sum(input_tokens), sum(output_tokens), sum(cost), sum(operation = 'chat'), sum(span_kind = 'tool'), "
        "sum(status = 'error') FROM (SELECT * FROM spans WHERE session_id = ?1 ORDER BY start_time)"
    )
    tagged = (
        f"SELECT session_id, {', '.join('s.' + name for name in rows.SUMMARY_COLUMNS)} FROM facets AS f "
        "CROSS JOIN sessions AS s ON s.id = f.session WHERE f.facet = 'tag' AND f.value = 'tag3' "
        "AND s.end_state = 'Success' ORDER BY f.first_time DESC LIMIT ?"
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
            sql(whole, some),
        ),
        "tag and end state": (
            lambda: store.sessions(SessionQuery(tags=("tag3",), end_state="Success", limit=50)),
            sql(tagged, 50),
        ),
        "the same, ten": (
            lambda: store.sessions(SessionQuery(tags=("tag3",), end_state="Success", limit=10)),
            sql(tagged, 10),
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


def filled(path, count):
    """A store of so many spans, filled now unless that has been done; what that cost is printed."""
    served = SQLiteStore(path, at_once=True)
    if path.exists():
        return served
    store = SQLiteStore(path)
    with contextlib.closing(bare(path.with_suffix(".bare"))) as other:
        ours, floor, making = fill(store, other, count)
    ready = statistics.median(a / b for a, b in zip(ours, floor, strict=True))
    whole = statistics.median(a / (b + c) for a, b, c in zip(ours, floor, making, strict=True))
    print(f"  insert: {whole:.2f} x making and inserting the rows bare; {ready:.2f} x rows that are made already")
    begun = time.process_time()
    while not store.catch_up():
        pass
    spent = time.process_time() - begun
    print(f"  roll-ups and text index afterwards: {spent / sum(floor):.2f} x inserting the rows bare")
    for part in path.parent.glob("*.bare*"):
        part.unlink()
    store.close()
    return served


def measure(told, folder):
    """Print every ratio; those that are held to something with what that is."""
    counts, found = told.spans, []
    with contextlib.ExitStack() as opened:
        for count in counts:
            print(f"\n{count:,} spans", flush=True)
            store = opened.enter_context(contextlib.closing(filled(folder / f"{count}.db", count)))
            connection = opened.enter_context(contextlib.closing(sqlite3.connect(store.path, isolation_level=None)))
            found.append(questions(store, connection))
            for name, (ask, statement) in found[-1].items():
                assert len(ask()) > 0, name
                compare(told, name, "idle", asked(told.clock, told.times, 0, ask, statement))
                with coming_in(store):
                    compare(told, name, "busy", asked(told.clock, told.times, 0.01, ask, statement))
        if len(counts) > 1:
            print(f"\nfrom {counts[0]:,} to {counts[-1]:,} spans")
            for name, (small, large) in {name: (found[0][name][0], found[-1][name][0]) for name in found[0]}.items():
                few, many = asked(told.clock, told.times, 0, small, large)
                verdict(f"{name}, median", middle(many) / middle(few), None if name in NOT_COMPARED else GROWTH)


def compare(told, name, state, seconds):
    ours, best = seconds
    for said, of in (("median", middle), ("p99", tail)):
        figures = f"{of(ours) * 1e3:8.2f} ms, its SQL {of(best) * 1e3:8.2f} ms"
        verdict(f"{name}, {state}, {said}", of(ours) / of(best), RATIO if name in HELD else None, figures)


def verdict(name, ratio, most, figures=""):
    told = "" if most is None else f"<= {most}" if ratio <= most else f"OVER {most}"
    print(f"  {name:<36}{ratio:6.2f} x  {told:<9}{figures}", flush=True)


def middle(seconds):
    return seconds[len(seconds) // 2]


def tail(seconds):
    return seconds[min(len(seconds) * 99 // 100, len(seconds) - 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu, where others keep the machine busy")
    parser.add_argument("--folder", type=Path, help="where stores are kept and found again; without it, nowhere")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(told, told.folder or Path(temporary))


if __name__ == "__main__":
    main()
