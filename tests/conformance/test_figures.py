"""Figures over many sessions: always what the records add up to."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import strategies as st
from span_records import BEGIN, SECOND, SESSION, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, QuestionError, SessionQuery

DAY = 86_400
PARTS = [("day",), ("end_state",), ("project",), ("day", "end_state"), ("tag",), ("day", "tag")]


def session(number, *records, end_state="Success", tags=(), project="p", start=0.0):
    """The records of a session of its own."""
    trace = f"{number:032x}"
    told = {names.END_STATE: end_state, **({names.TAGS: list(tags)} if tags else {})}
    made = [root(told, trace=trace, start=start, end=start + 10)]
    for place, (make, options) in enumerate(records):
        made.append(make(trace=trace, start=start, end=start + 1, span_id=f"{number:08x}{place:08x}", **options))
    return of_project(project, *made)


def by_hand(store, by):
    """The sums of all sessions, one by one."""
    sums = defaultdict(lambda: [0, Decimal(0), 0, 0])
    for row in store.sessions(SessionQuery(limit=1000)):
        keys = {"day": [row.start_time // (DAY * SECOND)], "end_state": [row.end_state], "project": [row.project_id]}
        keys["tag"] = sorted(set(row.tags))
        groups = [()]
        for name in by:
            groups = [(*group, key) for group in groups for key in keys[name]]
        for group in groups:
            sums[group][0] += 1
            sums[group][1] += row.cost or 0
            sums[group][2] += row.llm_calls
            sums[group][3] += row.errors
    return sorted(map(tuple, sums.values()))


def told(store, by):
    figures = store.figures(FiguresQuery(by=by))
    return sorted((each.sessions, each.cost or Decimal(0), each.llm_calls, each.errors) for each in figures)


_SESSIONS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.lists(st.sampled_from([0.1, 0.25, None, 1e-9, 3.3]), max_size=3),
        st.sampled_from(["Success", "Failure", "Indeterminate"]),
        st.lists(st.sampled_from(["a", "b"]), max_size=2),
        st.sampled_from(["p", "q"]),
        st.integers(0, 3),
        st.sampled_from(["insert", "insert", "read", "delete"]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def filled(make):
    return fill(make())


def fill(store):
    store.insert(
        [
            *session(1, (llm, {"cost": 0.1, "model": "m"}), (llm, {"cost": 0.2, "model": "n"}), tags=["a"]),
            *session(2, (llm, {"cost": None, "model": "m"}), tags=["a", "b"], end_state="Failure", start=DAY),
            *session(3, project="q", start=2 * DAY),
        ]
    )
    return store


def test_cost_by_day_and_model(filled):
    found = filled.figures(FiguresQuery(by=("day", "model")))
    assert [(dict(each.keys), each.cost, each.llm_calls, each.unpriced_calls) for each in found] == [
        ({"day": "2023-11-14", "model": "m"}, Decimal("0.1"), 1, 0),
        ({"day": "2023-11-14", "model": "n"}, Decimal("0.2"), 1, 0),
        ({"day": "2023-11-15", "model": "m"}, None, 1, 1),
    ]


@pytest.mark.parametrize(
    ("query", "sessions"),
    [
        ({"by": ("project",)}, {"p": 2, "q": 1}),
        ({"by": ("tag",)}, {"a": 2, "b": 1}),
        ({"by": ("end_state",)}, {"Success": 2, "Failure": 1}),
        ({"by": ("end_state",), "tag": "b"}, {"Failure": 1}),
        ({"by": ("end_state",), "project": "q"}, {"Success": 1}),
        ({"by": ("end_state",), "model": "n"}, {"Success": 1}),
        ({"by": ("model",), "end_state": "Failure"}, {"m": 1}),
        ({"by": ("day",), "since": BEGIN + DAY * SECOND}, {"2023-11-15": 1, "2023-11-16": 1}),
        ({"by": ("day",), "until": BEGIN}, {"2023-11-14": 1}),
        ({"by": ("day",), "since": BEGIN + 9 * DAY * SECOND}, {}),
        ({"by": ("tag",), "tag": "'; DROP TABLE days"}, {}),
    ],
    ids=str,
)
def test_figures_are_filtered(filled, query, sessions):
    assert {each.keys[query["by"][0]]: each.sessions for each in filled.figures(FiguresQuery(**query))} == sessions


@pytest.mark.parametrize("by", [(), ("weekday",), ("day", "day"), ("tag", "model")], ids=str)
def test_figures_that_make_no_sense(store, by):
    with pytest.raises(QuestionError):
        store.figures(FiguresQuery(by=by))


def test_late_spans_move_the_sums(store):
    filled = fill(store)
    filled.figures(FiguresQuery())
    filled.insert(of_project("p", llm(0.3, trace=f"{1:032x}", model="m", start=400, end=401)))
    (first, *_) = filled.figures(FiguresQuery(by=("day",)))
    assert (first.cost, first.llm_calls, first.sessions) == (Decimal("0.6"), 3, 1)


def test_two_providers_of_one_model_are_kept_apart(store):
    for provider, cost in (("openai", 0.1), ("azure", 0.2)):
        store.insert([llm(cost, model="gpt", attributes={names.PROVIDER_NAME: provider})])
    by_provider = store.figures(FiguresQuery(by=("provider", "model")))
    assert [(dict(each.keys), each.cost) for each in by_provider] == [
        ({"provider": "azure", "model": "gpt"}, Decimal("0.2")),
        ({"provider": "openai", "model": "gpt"}, Decimal("0.1")),
    ]
    (together,) = store.figures(FiguresQuery(by=("model",)))
    assert (together.sessions, together.cost) == (1, Decimal("0.3"))


def test_a_session_of_several_processes_adds_up(store):
    own, other = {"process.pid": 1}, {"process.pid": 2}
    store.insert([llm(0.1, resource=other), root(end=None, resource=own)])
    store.sessions()
    store.insert([root({names.END_STATE: names.SUCCESS}, end=5, resource=own), failed(tool(resource=other))])
    store.insert([llm(0.2, resource=other, start=7, end=8)])
    row = store.session(SESSION)
    assert (row.end_state, row.llm_calls, row.tool_calls, row.errors, row.cost) == ("Success", 2, 1, 1, Decimal("0.3"))
    (day,) = store.figures(FiguresQuery(by=("day",)))
    assert (day.sessions, day.llm_calls, day.errors, day.cost) == (1, 2, 1, Decimal("0.3"))


@pytest.mark.parametrize("words", ["\ud800", 'grö\n"ße', "x" * 5000], ids=["lone", "odd", "long"])
def test_any_words_can_be_a_tag_a_model_or_a_provider(store, words):
    store.insert(
        [
            root({names.TAGS: [words], names.END_STATE: names.SUCCESS}),
            llm(0.1, model=words, attributes={names.PROVIDER_NAME: words}),
        ]
    )
    for query in ({"tags": (words,)}, {"model": words}, {"provider": words}):
        assert len(store.sessions(SessionQuery(**query))) == 1, query


def test_one_span_is_enough_for_a_session(store):
    store.insert([span()])
    (day,) = store.figures(FiguresQuery(by=("end_state",)))
    assert (day.sessions, day.cost) == (1, Decimal(0))
