"""What stores are filled with where they are asked for figures, lists, words and traces; and how answers are read."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal

from span_records import BEGIN, SECOND, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, SessionQuery

DAY = 86_400
PARTS = [("day",), ("end_state",), ("project",), ("day", "end_state"), ("tag",), ("day", "tag")]
COSTS = [0.5, None, 0.1, 0.1, 2.0, None, 0.3, 0.1]
ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32
SAID = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Where is my refund for\norder 4711?"}]}])


# --- Figures ---


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


def fill_days(store):
    """Three sessions of three days: of two projects, with tags and models, one without a price."""
    store.insert(
        [
            *session(1, (llm, {"cost": 0.1, "model": "m"}), (llm, {"cost": 0.2, "model": "n"}), tags=["a"]),
            *session(2, (llm, {"cost": None, "model": "m"}), tags=["a", "b"], end_state="Failure", start=DAY),
            *session(3, project="q", start=2 * DAY),
        ]
    )
    return store


# --- Lists ---


def of(number):
    return {"trace": f"{number:032x}"}


def fill_list(store):
    """Eight sessions: number 0 began first; odd ones failed, every fourth is tagged b too."""
    for number, cost in enumerate(COSTS):
        begin = number * 10
        told = {
            names.END_STATE: names.FAILURE if number % 2 else names.SUCCESS,
            names.TAGS: ["all", "b"] if number % 4 == 0 else ["all"],
        }
        store.insert(
            of_project(
                "p" if number < 6 else "q",
                root(told, start=begin, end=begin + number, **of(number)),
                llm(cost, model=f"m{number % 3}", attributes={names.PROVIDER_NAME: "x"}, start=begin, **of(number)),
                *([failed(tool(start=begin, **of(number)), kind="KeyError")] if number % 2 else []),
            )
        )
    return store


def numbers(page):
    return [int(row.session_id.replace("-", ""), 16) for row in page]


# --- Words ---


def fill_words(store):
    """A model call that was asked something, a tool that failed, and a span of another trace."""
    store.insert(
        [
            root({names.TAGS: ["größe"], names.END_STATE: names.SUCCESS}),
            llm(0.1, attributes={names.INPUT_MESSAGES: SAID}),
            failed(tool("look_up"), message="the database was gone", kind="TimeoutError"),
            span("plain", trace="1" * 32, span_id="abcdef0123456789"),
        ]
    )
    return store


def names_found(store, text, **options):
    return [hit.name for hit in store.search(text, **options)]


# --- Traces ---


def of_service(service, project=None):
    told = {"service.name": service, names.PROJECT_ID: project}
    return {"resource": {name: value for name, value in told.items() if value is not None}}


def fill_traces(store, end=200):
    """Trace 1 of the shop with a failed model call, 2 of the bank with a slow span, 3 of no service, which may be open."""
    first = {"trace": ONE, **of_service("shop", "red")}
    store.insert(
        [
            root({names.TAGS: ["nightly", "b"], "n": 7, "ratio": 1e-05, "flag": True}, **first),
            failed(llm(attributes={"http.route": "/a:b", 'odd"key': "x"}, start=1, end=1.5, **first)),
            span("buy", {"who": "größe"}, kind="client", status="ok", scope="s.hop", **first),
            span("buy", trace=TWO, start=100, end=103, **of_service("bank", "blue")),
            span("wait", trace=THREE, start=200, end=end),
        ]
    )
    return store


def at(seconds):
    return BEGIN + int(seconds * SECOND)
