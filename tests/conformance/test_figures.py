"""Figures over many sessions: always what the records add up to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from span_records import BEGIN, SECOND, SESSION, failed, llm, of_project, root, span, tool
from stored import DAY, fill_days

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, QuestionError, SessionQuery


@pytest.fixture(scope="module")
def filled(make):
    return fill_days(make())


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
    filled = fill_days(store)
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
