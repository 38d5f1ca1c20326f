"""Which sessions are chosen, and what many of them add up to."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone

import pytest
from span_records import BEGIN, SECOND, SESSION, failed, llm, root, span, tool

from agentops_otel.cli.reader import cost_condition, nanoseconds, since_of
from agentops_otel.conventions import names
from agentops_otel.store import Owner

DAY = 86_400


def ended(state, *tags):
    return {names.END_STATE: state, names.TAGS: list(tags)}


@pytest.fixture
def many(store):
    """1 succeeded for $0.50, 2 failed for $2 a day later, 3 is of unknown price, 4 runs."""
    store.insert(
        [
            root(ended("Success", "a", "b"), trace="1" * 32),
            llm(0.5, trace="1" * 32),
            root(ended("Failure", "a"), trace="2" * 32, start=DAY, end=DAY + 1),
            llm(2, model="claude", trace="2" * 32, start=DAY, end=DAY + 1),
            failed(tool(trace="2" * 32, start=DAY, end=DAY + 1)),
            llm(None, model="odd", trace="3" * 32, start=DAY + 1, end=DAY + 2),
            root({names.OWNER: Owner.claim(store.owners).name}, trace="4" * 32, start=2 * DAY, end=None),
        ]
    )
    return store


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], "4321"),
        (["--limit", "2"], "43"),
        (["--end-state", "success"], "1"),
        (["--end-state", "FAILURE", "--end-state", "Indeterminate"], "32"),
        (["--end-state", "running"], "4"),
        (["--tag", "a"], "21"),
        (["--tag", "a", "--tag", "b"], "1"),
        (["--tag", "A"], ""),
        (["--model", "gpt-4o"], "1"),
        (["--model", "gpt-4o", "--model", "odd"], "31"),
        (["--cost", ">0.5"], "2"),
        (["--cost", ">=0.5"], "21"),
        (["--cost", "<1"], "41"),
        (["--cost", "<= $0.5"], "41"),
        (["--cost", "=2"], "2"),
        (["--tag", "a", "--cost", "<1"], "1"),
        (["--tag", "a", "--limit", "1"], "2"),
        (["--since", "2023-11-16T22:13:19Z"], "4"),
        (["--since", "1h"], ""),
        (["--since", "100w"], ""),
    ],
    ids=" ".join,
)
def test_filters(many, run, asked, found):
    many.insert([])
    if asked == ["--since", "100w"]:
        asked = ["--since", f"{int((time.time_ns() - BEGIN) / SECOND / 604_800) - 1}w"]
    assert "".join(row["id"][0] for row in json.loads(run("ls", "--json", *asked))) == found


def test_filters_look_beyond_the_newest(store, run):
    store.insert([root(ended("Success", "rare"), trace="f" * 32)])
    store.insert([root(trace=f"{number + 1:032x}", start=number + 1, end=9999) for number in range(300)])
    (row,) = json.loads(run("ls", "--json", "--tag", "rare", "--limit", "1"))
    assert row["tags"] == ["rare"]


def test_nothing_that_is_asked_for(many, run):
    told = run("ls", "--tag", "nobody")
    assert told == f"No session in {many.path} is like that: ask for less, or see all with agentops-otel sessions ls\n"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--end-state", "Won"], "Invalid value for '--end-state'"),
        (["--since", "soon"], "'soon' is not a time such as 30m, 2h, 3d or 2026-11-21"),
        (["--since", "0000-00-00"], "is not a time"),
        (["--since", ""], "is not a time"),
        (["--cost", "0.1"], "'0.1' is not a comparison such as '>0.1' or '<=2'"),
        (["--cost", ">much"], "is not a comparison"),
        (["--cost", ">1e999"], "is not a comparison"),
        (["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_filters_that_cannot_be_read(many, run, asked, told):
    assert told in run("ls", *asked, code=2)


@pytest.mark.parametrize(
    ("told", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("3d", 3 * DAY), ("1w", 7 * DAY)]
)
def test_times_ago(told, seconds):
    assert abs(time.time_ns() - seconds * SECOND - since_of(told)) < 10 * SECOND


def test_days_are_those_of_this_machine():
    here = datetime(2026, 11, 21).astimezone()
    assert since_of("2026-11-21") == int(here.timestamp()) * SECOND
    assert since_of("2026-11-21T12:00:00Z") == int(datetime(2026, 11, 21, 12, tzinfo=timezone.utc).timestamp()) * SECOND
    assert nanoseconds("2026-11-21T12:00:00.123+00:00") % SECOND == 123_000_000


def test_conditions():
    assert [str(part) for part in cost_condition(" >= $1.50 ")] == [">=", "1.50"]


# --- Sums -----------------------------------------------------------------------------------------------------


def test_sums_by_tag(many, run):
    assert run("stats", "--by", "tag").splitlines() == [
        "TAG     SESSIONS  FAILED     COST  LLMS  TOOLS  ERRORS  INPUT  CACHED  OUTPUT",
        "(none)         2       0  $0.00+?     1      0       0    100       0      20",
        "a              2       1    $2.50     2      1       1    200       0      40",
        "b              1       0    $0.50     1      0       0    100       0      20",
        "all            4       1  $2.50+?     3      1       1    300       0      60",
    ]


def test_sums_by_day_and_state_as_json(many, run):
    days = json.loads(run("stats", "--json"))
    assert [day["sessions"] for day in days] == [1, 2, 1, 4]
    assert datetime.fromisoformat(days[0]["name"]).year == 2023
    assert days[-1] == {
        "name": "all",
        "sessions": 4,
        "failed": 1,
        "cost": "2.5",
        "llm_calls": 3,
        "tool_calls": 1,
        "actions": 0,
        "errors": 1,
        "unpriced_calls": 1,
        "tokens": {
            "input_tokens": 300,
            "output_tokens": 60,
            "cache_read_tokens": 0,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
        },
    }
    states = json.loads(run("stats", "--json", "--by", "end-state", "--model", "odd"))
    assert [(state["name"], state["cost"], state["unpriced_calls"]) for state in states] == [
        ("Indeterminate", None, 1),
        ("all", None, 1),
    ]


def test_sums_of_nothing(store, run):
    assert json.loads(run("stats", "--json"))[0]["sessions"] == 0
    assert run("stats").splitlines()[1].split() == ["all", "0", "0", "?", "0", "0", "0", "0", "0", "0"]


def test_one_session_by_model(store, run):
    store.insert(
        [root(end=9), llm(0.5), llm(0.25), llm(None, model="odd"), failed(llm(None, model="lost", tokens=(0, 0)))]
    )
    told = run("stats", SESSION[:8]).splitlines()
    assert told[0] == f"Session {SESSION}"
    assert told[told.index("") + 1 :] == [
        "MODEL   CALLS     COST  INPUT  CACHED  OUTPUT",
        "gpt-4o      2    $0.75    200       0      40",
        "lost        1        -      0       0       0",
        "odd         1        ?    100       0      20",
        "all         4  $0.75+?    300       0      60",
    ]
    assert json.loads(run("stats", "@last", "--json"))["by_model"]["gpt-4o"]["calls"] == 2


def test_one_model_needs_no_sum(store, run):
    store.insert([root(), llm(0.5)])
    assert [line.split()[0] for line in run("stats", "@last").splitlines()[-2:]] == ["MODEL", "gpt-4o"]


def test_filters_are_for_all_sessions(many, run):
    assert "leave out the ID" in run("stats", "@last", "--tag", "a", code=2)


def test_foreign_tags_do_no_harm(store, run):
    store.insert([root({names.TAGS: ["\x1b[31mred\n"]}), span("s")])
    assert not {"\x1b"} & set(run("stats", "--by", "tag"))
