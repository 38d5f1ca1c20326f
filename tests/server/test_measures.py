"""Figures read from spans: percentiles, distributions, agents, errors; against what is counted by hand."""

from __future__ import annotations

import random

import pytest
from server.asking import asker
from span_records import failed, llm, root, span, tool

from agentops_otel.accounting.record import uuid_form
from agentops_otel.conventions import names
from agentops_otel.server import measures
from agentops_otel.server.app import make_app
from agentops_otel.server.measures import Measures

FIRST = names.RESPONSE_TIME_TO_FIRST_CHUNK


def trace(number):
    return {"trace": f"{number:032x}"}


@pytest.fixture
def read(store):
    return lambda *records: [store.insert(records), Measures(store).since(None, None)][1]


def agent(name, **fields):
    return span(f"invoke_agent {name}", {names.SPAN_KIND: names.KIND_AGENT, names.AGENT_NAME: name}, **fields)


def test_percentiles_are_those_of_all_values(read):
    chance = random.Random(3)
    seconds = [chance.randrange(1, 9000) / 1000 for _ in range(137)]
    told = read(root(end=20.0), *(llm(start=1.0, end=1.0 + each) for each in seconds))
    rows = {row["measure"]: row for row in told.percentiles("all")}
    ordered = sorted(seconds)
    expected = {f"p{share}": ordered[-(-137 * share // 100) - 1] for share in (50, 90, 95, 99)}
    found = rows["latency"]
    assert found["count"] == 137
    assert {name: pytest.approx(found[name], abs=1e-6) for name in expected} == expected
    assert found["max"] == pytest.approx(ordered[-1], abs=1e-6)
    assert rows["duration"] == {
        "measure": "duration",
        "count": 1,
        **dict.fromkeys(("p50", "p90", "p95", "p99", "max"), 20.0),
    }
    assert "first_chunk" not in rows


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("model", [("gpt-4o", "latency", 2), ("gpt-4o", "first_chunk", 1), ("o3", "latency", 1)]),
        ("agent", [("", "latency", 1), ("", "first_chunk", 1), ("desk", "latency", 2)]),
        ("tag", [(tag, *rest) for tag in ("a", "b") for rest in (("duration", 1), ("latency", 3), ("first_chunk", 1))]),
        ("end_state", [("Success", "duration", 1), ("Success", "latency", 3), ("Success", "first_chunk", 1)]),
        ("day", [("2023-11-14", "duration", 1), ("2023-11-14", "latency", 3), ("2023-11-14", "first_chunk", 1)]),
    ],
)
def test_percentiles_are_grouped(read, by, told):
    desk = agent("desk", span_id="d" * 16)
    found = read(
        root({names.TAGS: ["a", "b"], names.END_STATE: names.SUCCESS}, end=9.0),
        desk,
        llm(attributes={FIRST: 0.2}),
        llm(parent_id=desk.span_id),
        llm(model="o3", parent_id=desk.span_id),
        failed(llm(model="o3")),
    )
    assert [(row[by], row["measure"], row["count"]) for row in found.percentiles(by)] == told


@pytest.mark.parametrize(
    ("measure", "values", "told"),
    [
        ("cost", [0.011, 0.019, 0.02, 0.3], [(0.01, 0.02, 2), (0.02, 0.05, 1), (0.05, 0.1, 0), (0.1, 0.2, 0), (0.2, 0.5, 1)]),
        ("cost", [0.0], [(0.0, 1e-06, 1)]),
        ("cost", [1.0, 9.99], [(1.0, 2.0, 1), (2.0, 5.0, 0), (5.0, 10.0, 1)]),
        ("cost", [None], []),
        ("tokens", [0.5, 0.5], [(100.0, 200.0, 2)]),
        ("spans", [0.5], [(2.0, 5.0, 1)]),
        ("latency", [0.5], [(1.0, 2.0, 1)]),
        ("duration", [0.5], [(2.0, 5.0, 1)]),
        ("first_chunk", [0.5], []),
    ],
)  # fmt: skip
def test_distributions_have_bounds_of_one_two_and_five(read, measure, values, told):
    records = [
        record
        for number, cost in enumerate(values, 1)
        for record in (root(end=3.0, **trace(number)), llm(cost, **trace(number)))
    ]
    found = read(*records).distribution(measure)
    assert [(row["begin"], row["end"], row["count"]) for row in found] == told


def test_what_agents_used_adds_up_to_the_sessions(read, store):
    desk, helper = agent("desk", span_id="d" * 16), agent("refunds", span_id="e" * 16, parent_id="d" * 16)
    reading = read(
        root(),
        desk,
        helper,
        llm(0.25, parent_id=desk.span_id),
        llm(0.5, tokens=(7, 3), parent_id=helper.span_id),
        failed(tool(parent_id=helper.span_id)),
        llm(None),
    )
    rows = {row["agent"]: row for row in reading.agents()}
    assert {name: (row["cost"], row["llm_calls"], row["errors"]) for name, row in rows.items()} == {
        "": (None, 1, 0), "desk": ("0.25", 1, 0), "refunds": ("0.5", 1, 1)}  # fmt: skip
    (row,) = store.sessions()
    assert sum(told["tokens"]["input_tokens"] for told in rows.values()) == row.tokens["input_tokens"]
    assert sum(told["unpriced_calls"] for told in rows.values()) == row.unpriced_calls == 1


def test_a_circle_of_agents_ends(read):
    one, other = agent("", span_id="1" * 16, parent_id="2" * 16), span(span_id="2" * 16, parent_id="1" * 16)
    assert len(read(root(), one, other, llm(parent_id="2" * 16)).agents()) == 1


def test_errors_are_told_by_type_and_by_how_many_sessions_had_them(read):
    records = [
        *(root(**trace(1)), failed(tool(**trace(1))), failed(tool(**trace(1)))),
        *(root(**trace(2)), failed(tool(**trace(2)))),
        root(**trace(3)),
        root(**trace(4)),
    ]
    assert read(*records).errors() == [{"error": "ValueError", "errors": 3, "sessions": 2, "rate": 0.5}]


def test_what_was_read_is_kept_until_the_session_changes(store, monkeypatch):
    told = Measures(store)
    store.insert([root(**trace(1)), root(**trace(2)), llm(**trace(2))])
    assert len(told.since(None, None).sessions) == 2
    read = []
    bare = store.bare_spans
    monkeypatch.setattr(
        store, "bare_spans", lambda session_id, project=None: [read.append(session_id), bare(session_id)][1]
    )
    assert len(told.since(None, None).sessions) == 2
    assert read == []
    store.insert([llm(**trace(2))])
    assert sum(len(session.calls) for session in told.since(None, None).sessions) == 2
    assert read == [uuid_form(f"{2:032x}")]


@pytest.mark.parametrize(("limit", "value", "number"), [("MOST_SESSIONS", 2, 2), ("_MOST_SPANS", 1, 2)])
def test_where_there_is_too_much_the_newest_are_read_and_that_is_said(store, monkeypatch, limit, value, number):
    store.insert([root(start=float(at), end=at + 1.0, **trace(at)) for at in range(1, 5)])
    monkeypatch.setattr(measures, limit, value)
    told = Measures(store).since(None, None)
    assert (len(told.sessions), told.is_whole) == (number, False)


async def test_measures_are_answered_as_rows(store):
    store.insert([root({names.TAGS: ["eu"]}), llm(0.5)])
    asked = asker(make_app(store))
    for name in ("percentiles?by=tag", "distribution?measure=cost", "agents?since=9999d", "errors?format=csv"):
        answer = await asked("GET", f"/v2/analytics/{name}")
        assert answer.status_code == 200, name
        assert (answer.headers["x-sessions-read"], answer.headers["x-sessions-all"]) == ("1", "true")
    csv = (await asked("GET", "/v2/analytics/percentiles?by=model&format=csv")).text.splitlines()
    assert csv[0] == "model,measure,count,p50,p90,p95,p99,max"
    assert csv[1].startswith("gpt-4o,latency,1,1.0")
    for name in ("percentiles?by=colour", "distribution?measure=x", "agents?by=model", "errors?since=soon"):
        assert (await asked("GET", f"/v2/analytics/{name}")).status_code == 400, name


def test_an_empty_store_has_nothing_to_measure(store):
    told = Measures(store).since(None, None)
    assert (told.percentiles("model"), told.distribution("cost"), told.agents(), told.errors()) == ([], [], [], [])
