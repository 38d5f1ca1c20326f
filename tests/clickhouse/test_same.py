"""What ClickHouse tells is what SQLite tells of the same records: every row, export, sum, facet and transcript."""

from __future__ import annotations

import itertools
import json
import random
import time

import collector_tables
import pytest
from span_records import BEGIN, DAY_SECONDS, SECOND, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server import queries
from agentops_otel.server.page.transcript import turns
from agentops_otel.store import FiguresQuery, SessionQuery
from agentops_otel.store.clickhouse.migration import migrate
from agentops_otel.store.questions import FACETS
from agentops_otel.store.sqlite import SQLiteStore

SESSIONS = 80
_GROUPS = [("day",), ("model",), ("provider", "model"), ("tag",), ("end_state", "day"), ("project",), ("day", "tag")]


def made(seed):
    """The records of a session in which anything may happen that the tally has a rule for."""
    choose = random.Random(seed)
    trace, start = f"{seed + 1:032x}", seed % 3 * DAY_SECONDS + seed
    ids = (f"{seed:08x}{number:08x}" for number in itertools.count(1))
    given = [f"{seed:08x}ffffffff"]
    told = {names.END_STATE: choose.choice(["Success", "Failure", "Indeterminate"])}
    told |= choose.choice([{}, {names.TAGS: ["nightly"]}, {names.TAGS: ["a", "größe", 'quo"te']}])
    told |= choose.choice([{}, {names.END_STATE_REASON: "it was\nenough"}, {names.VIDEO_URL: "https://v/1"}])
    records = []
    kind = choose.choice(["ended", "ended", "ended", "killed", "no root", "both"])
    top = {"span_id": given[0], "trace": trace, "start": start}
    if kind in {"killed", "both"}:
        records.append(root({names.TAGS: ["begun"]}, end=None, **top))
    if kind in {"ended", "both"}:
        records.append(root(told, end=start + 60, **top))
    for _ in range(choose.randrange(1, 14)):
        where = {"trace": trace, "start": start + choose.random(), "end": start + 1 + choose.random()}
        where |= {"span_id": next(ids), "parent_id": choose.choice(given)}
        record = _one(choose, where)
        given.append(record.span_id)
        records.append(
            failed(record, kind=choose.choice(["ValueError", "KeyError"])) if choose.random() < 0.2 else record
        )
        if choose.random() < 0.03:
            records.append(record)
    if choose.random() < 0.1:
        ends = {names.SPAN_KIND: names.KIND_END, names.END_STATE: "Failure", names.END_STATE_REASON: "told so"}
        records.append(span("end", ends, trace=trace, start=start + 9, end=start + 10, span_id=next(ids)))
    for record in records:
        record.resource = {"service.name": f"s{seed % 3}", names.HOST_NAME: f"h{seed % 2}", "process.pid": seed}
    return of_project(f"p{seed % 2}", *records)


def _one(choose, where):
    what = choose.randrange(9)
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"Say {choose.random()}"}]}])
    provider = {names.PROVIDER_NAME: choose.choice(["openai", "anthropic"])}
    if what <= 3:
        more = choose.choice(
            [{}, {names.CACHE_READ_TOKENS: 40}, {names.REASONING_TOKENS: 7, names.CACHE_WRITE_TOKENS: 2}]
        )
        cost = choose.choice([0.1, 0.25, 1e-07, 3.3, None, 0.0])
        model = choose.choice(["gpt-4o", "claude", "o3"])
        return llm(cost, model=model, attributes={**more, **provider, names.INPUT_MESSAGES: said}, **where)
    if what == 4:
        return llm(None, attributes={names.RESPONSE_STATUS: "queued", names.RESPONSE_ID: "r1"}, **where)
    if what == 5:
        fetched = {names.OPERATION_NAME: names.FETCH_RESPONSE, names.RESPONSE_ID: "r1", names.COST: 0.5}
        return span("fetch", {**fetched, names.FETCHED + names.INPUT_TOKENS: 5, names.RESPONSE_MODEL: "o3"}, **where)
    if what == 6:
        return tool(choose.choice(["search", "mail"]), **where)
    if what == 7:
        return span("agent", {names.SPAN_KIND: choose.choice([names.KIND_AGENT, names.KIND_ACTION])}, **where)
    return span("error", {names.SPAN_KIND: names.KIND_ERROR, names.EXCEPTION_TYPE: "ValueError"}, **where)


@pytest.fixture(scope="module", params=["newest", "bloom", "project", "migrated", "migrated later"])
def stores(request, engine, tmp_path_factory):
    form = request.param if request.param in collector_tables.FORMS else "newest"
    clickhouse = collector_tables.CollectedStore(engine, engine.database(form))
    sqlite = SQLiteStore(tmp_path_factory.mktemp("same") / "sessions.db")
    records = [made(seed) for seed in range(SESSIONS)]
    whole = list(itertools.chain.from_iterable(records))
    half = len(whole) // 2
    for number, part in enumerate((whole[:half], whole[half:])):
        if request.param == "migrated" and not number:
            migrate(clickhouse.asking.database)
        clickhouse.insert(part)
    if request.param == "migrated later":
        migrate(clickhouse.asking.database)
    sqlite.insert(whole)
    yield clickhouse, sqlite
    clickhouse.close()
    sqlite.close()


def rows(store, **query):
    """Rows by their ids: what happened at once has no order."""
    page = store.sessions(SessionQuery(limit=1000, **query))
    return {row.session_id: row for row in page}


def test_rows_are_the_same(stores):
    told, known = map(rows, stores)
    assert told.keys() == known.keys()
    assert len(told) == SESSIONS
    for session_id, row in told.items():
        assert row == known[session_id]
    odd = [row for row in told.values() if not row.llm_calls]
    assert 0 < len(odd) < SESSIONS


@pytest.mark.parametrize(
    "query",
    [
        {"end_state": "Failure"},
        {"end_state": "Indeterminate", "tags": ("begun",)},
        {"tags": ("größe", 'quo"te')},
        {"model": "o3"},
        {"provider": "anthropic", "project": "p1"},
        {"error_type": "KeyError"},
        {"host": "h1", "sort": "cost"},
        {"min_cost": 1, "max_cost": 5},
        {"min_duration": 30.0},
        {"max_duration": 30.0},
        {"since": BEGIN + DAY_SECONDS * SECOND, "until": BEGIN + 2 * DAY_SECONDS * SECOND},
    ],
    ids=str,
)
def test_the_same_sessions_are_found(stores, query):
    told, known = (rows(store, **query) for store in stores)
    assert told == known
    assert 0 < len(told) < SESSIONS


@pytest.mark.parametrize("sort", ["start", "cost", "duration", "tokens", "llm_calls", "errors"])
def test_the_order_is_the_same(stores, sort):
    def ranks(store):
        page = store.sessions(SessionQuery(sort=sort, limit=1000))
        key = {"cost": lambda row: -1 if row.cost is None else row.cost, "duration": lambda row: 0}.get(sort)
        key = key or {
            "start": lambda row: row.start_time,
            "tokens": lambda row: row.tokens["input_tokens"] + row.tokens["output_tokens"],
        }.get(sort, lambda row: getattr(row, sort))
        return [key(row) for row in page]

    told, known = map(ranks, stores)
    assert told == known


def test_exports_and_transcripts_are_the_same(stores):
    for session_id in rows(stores[1]):
        told, known = (queries.export(store, session_id) for store in stores)
        for whole in (told, known):
            for events in ("actions", "llms", "tools", "errors"):
                whole[events].sort(key=lambda event: (event["id"], event.get("details") or ""))
        assert told == known
        said = [
            sorted(json.dumps(turn.as_json(0), sort_keys=True) for turn in turns(store.spans(session_id)))
            for store in stores
        ]
        assert said[0] == said[1]


@pytest.mark.parametrize("by", _GROUPS, ids=str)
def test_figures_are_the_same(stores, by):
    told, known = (store.figures(FiguresQuery(by=by)) for store in stores)
    assert told == known
    if by == ("day",):
        bounds = {"since": BEGIN + DAY_SECONDS * SECOND, "project": "p1"}
        told, known = (store.figures(FiguresQuery(by=by, **bounds)) for store in stores)
        assert told == known


@pytest.mark.parametrize("facet", FACETS)
def test_facets_are_the_same(stores, facet):
    told, known = (store.facets(facet) for store in stores)
    assert told == known


def test_words_are_found_alike(stores):
    for text in ("größe", "fetch", "ValueError", '"Say 0"'):
        told, known = ({(hit.span_id, hit.name) for hit in store.search(text, limit=1000)} for store in stores)
        assert told == known, text


def test_what_was_asked_first_is_the_same(stores):
    ids = list(rows(stores[1]))
    told, known = (store.first_inputs(ids) for store in stores)
    assert told == known


def test_a_running_session_is_running(store):
    now = time.time_ns()
    start = root(end=None, trace="e" * 32)
    start.start_time = now
    store.insert([start])
    (row,) = store.sessions()
    assert row.is_running
    assert [each.session_id for each in store.sessions(SessionQuery(is_running=True))] == [row.session_id]
    assert store.sessions(SessionQuery(is_running=False)) == []
