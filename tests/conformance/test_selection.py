"""Sessions as they are asked for: every filter, every order, page by page."""

from __future__ import annotations

from decimal import Decimal

import pytest
from span_records import BEGIN, SECOND, root
from stored import fill_list, numbers

from agentops_otel.store import QuestionError, SessionQuery
from agentops_otel.store.questions import SORTS


@pytest.fixture(scope="module")
def filled(make):
    return fill_list(make())


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1, 0]),
        ({"descending": False}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"end_state": "Failure"}, [7, 5, 3, 1]),
        ({"end_state": "Nothing"}, []),
        ({"tags": ("b",)}, [4, 0]),
        ({"tags": ("all", "b")}, [4, 0]),
        ({"tags": ("b", "none")}, []),
        ({"tags": ("all",), "end_state": "Failure"}, [7, 5, 3, 1]),
        ({"model": "m1"}, [7, 4, 1]),
        ({"provider": "x", "model": "m2"}, [5, 2]),
        ({"error_type": "KeyError"}, [7, 5, 3, 1]),
        ({"since": BEGIN + 50 * SECOND}, [7, 6, 5]),
        ({"until": BEGIN + 20 * SECOND}, [1, 0]),
        ({"since": BEGIN + 20 * SECOND, "until": BEGIN + 40 * SECOND, "tags": ("all",)}, [3, 2]),
        ({"min_cost": Decimal("0.3")}, [6, 4, 0]),
        ({"max_cost": Decimal("0.1")}, [7, 3, 2]),
        ({"min_cost": Decimal(0)}, [7, 6, 4, 3, 2, 0]),
        ({"min_duration": 6.0}, [7, 6]),
        ({"max_duration": 1.0}, [1, 0]),
        ({"project": "q"}, [7, 6]),
        ({"project": "p", "tags": ("b",)}, [4, 0]),
        ({"project": "nobody"}, []),
        ({"is_running": True}, []),
        ({"is_running": False, "limit": 2}, [7, 6]),
        ({"text": "chat m2"}, [5, 2]),
        ({"text": "KeyError", "project": "q"}, [7]),
        ({"sort": "cost"}, [4, 0, 6, 7, 3, 2, 5, 1]),
        ({"sort": "cost", "descending": False, "min_cost": Decimal(0)}, [2, 3, 7, 6, 0, 4]),
        ({"sort": "duration", "limit": 3}, [7, 6, 5]),
        ({"sort": "errors", "limit": 4}, [7, 5, 3, 1]),
        ({"sort": "cost", "tags": ("b",)}, [4, 0]),
    ],
    ids=str,
)
def test_sessions_are_found(filled, query, found):
    assert numbers(filled.sessions(SessionQuery(**query))) == found


@pytest.mark.parametrize("query", [{}, {"tags": ("all",)}, {"project": "p"}, {"text": "chat"}], ids=str)
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_follow_each_other_without_gap_or_overlap(filled, sort, descending, query):
    whole = numbers(filled.sessions(SessionQuery(sort=sort, descending=descending, **query)))
    for limit in (1, 3, 8):
        pages, cursor = [], None
        while True:
            asked = SessionQuery(sort=sort, descending=descending, limit=limit, cursor=cursor, **query)
            page = filled.sessions(asked)
            pages += numbers(page)
            assert len(page) <= limit
            cursor = page.cursor
            if cursor is None:
                break
        assert pages == whole


def test_what_comes_meanwhile_does_not_shift_the_pages(store):
    filled = fill_list(store)
    first = filled.sessions(SessionQuery(limit=4))
    filled.insert([root(start=999, end=1000, trace="f" * 32)])
    second = filled.sessions(SessionQuery(limit=4, cursor=first.cursor))
    assert numbers(second) == [3, 2, 1, 0]


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "colour"},
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "nonsense"},
        {"cursor": ""},
        {"cursor": "é"},
        {"cursor": "WzEsMl0"},
        {"cursor": "WyJzdGFydCIsdHJ1ZSwiYSIsMV0"},
        {"cursor": "W" * 100_000},
        {"text": "--- ***"},
        {"text": ""},
    ],
    ids=lambda query: str(query)[:40],
)
def test_what_makes_no_sense_is_told(filled, query):
    with pytest.raises(QuestionError):
        filled.sessions(SessionQuery(**query))


def test_a_cursor_of_another_order_is_told(filled):
    cursor = filled.sessions(SessionQuery(limit=1)).cursor
    with pytest.raises(QuestionError, match="another order"):
        filled.sessions(SessionQuery(limit=1, sort="cost", cursor=cursor))


PARENT = """
import sys
from span_records import *
from agentops_otel.store import SQLiteStore, Owner
store = SQLiteStore(sys.argv[1])
store.insert([root({names.OWNER: Owner.claim(store.owners).name, names.TAGS: ["killed"]}, end=None), llm(0.5)])
print("written", flush=True)
sys.stdin.read()
"""
