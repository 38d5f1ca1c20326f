"""Idle times, the critical path, the map, and windows of rows: against what is worked out by hand or anew."""

from __future__ import annotations

import json
import random

import pytest
from recorded_sessions import large
from span_records import SESSION, failed, llm, root, span, tool

from agentops_otel.server.page.drawing import Drawing
from agentops_otel.server.page.kept import Kept
from agentops_otel.server.page.routes import PREVIEW
from agentops_otel.server.page.shape import Bar, Idle, Shape

NOW = 1_795_000_000 * 10**9


def shape(*bars):
    """Bars as (depth, begin, end)."""
    return Shape.of([Bar(*bar, "span") for bar in bars])


def test_parents_and_sizes_follow_from_the_depths():
    told = shape((0, 0, 9), (1, 0, 4), (2, 0, 1), (2, 1, 2), (1, 5, 6), (0, 7, 8))
    assert told.parents == [None, 0, 1, 1, 0, None]
    assert told.sizes == [4, 2, 0, 0, 0, 0]


def test_shapes_of_any_depths_hold_together():
    chance = random.Random(5)
    depths = [0]
    for _ in range(400):
        depths.append(chance.randrange(depths[-1] + 2))
    told = shape(*((depth, 0, 1) for depth in depths))
    for number, above in enumerate(told.parents):
        assert depths[number] == (0 if above is None else depths[above] + 1)
        assert (above is None) or above < number <= above + told.sizes[above]
    assert sum(told.sizes) == sum(depths)


@pytest.mark.parametrize(
    ("bars", "idle"),
    [
        ([(0, 0, 100), (1, 0, 10), (1, 90, 100)], [(10, 90)]),
        ([(0, 0, 100), (1, 0, 10), (1, 5, 80), (1, 81, 100)], []),  # shorter than its share
        ([(0, 0, 1), (1, 0, 0.2), (1, 0.5, 1)], []),  # shorter than half a second
        ([(0, 0, 100), (1, 30, 40)], [(0, 30), (40, 100)]),  # before the first, and after the last
        ([(0, 0, 100)], []),  # a session without work is itself what ran
        ([(0, 0, 100), (1, 0, 100), (2, 0, 1)], [(1, 100)]),  # an agent that waits does not work
        ([], []),
    ],
)
def test_idle_times_are_those_in_which_nothing_ran(bars, idle):
    assert [(gap.begin, gap.end) for gap in shape(*bars).idle()] == idle


def test_idle_times_are_drawn_short_and_never_longer_than_they_are():
    (gap,) = shape((0, 0, 3700), (1, 0, 50), (1, 3650, 3700)).idle()
    assert gap.shown == pytest.approx(2)
    assert all(each.shown <= each.end - each.begin for each in shape((0, 0, 1e-3), (1, 0, 0)).idle())


@pytest.mark.parametrize(
    ("bars", "path"),
    [
        # One after the other: all of them.
        ([(0, 0, 10), (1, 0, 4), (1, 4, 10)], {0, 1, 2}),
        # Beside each other: only the one that ended last.
        ([(0, 0, 10), (1, 0, 9), (1, 0, 10)], {0, 2}),
        # The one before the last, and what it waited for.
        ([(0, 0, 10), (1, 0, 4), (2, 1, 3), (1, 2, 3), (1, 5, 10)], {0, 1, 2, 4}),
        # What outlives the span above it is cut there.
        ([(0, 0, 10), (1, 0, 8), (1, 8, 12)], {0, 1, 2}),
        ([], set()),
    ],
)
def test_the_critical_path_is_what_the_end_waited_for(bars, path):
    assert shape(*bars).critical() == path


def test_the_map_is_small_and_covers_what_is_drawn():
    bars = [
        Bar(0, 0.0, 1000.0, "session"),
        *(Bar(at % 40 + 1, at / 10, at / 10 + 0.05, "tool") for at in range(10_000)),
    ]
    cells = Shape.of(bars).cells([], [False] * len(bars))
    assert len(cells) < 1000
    assert {kind for kind, *_ in cells} == {"tool"}
    assert max(depth for _, depth, *_ in cells) == 12
    assert all(begin >= 0 and begin + length <= 1000 for *_, begin, length in cells)


def test_the_map_draws_idle_times_short_and_errors_as_errors():
    bars = [Bar(0, 0.0, 100.0, "session"), Bar(1, 0.0, 5.0, "tool"), Bar(1, 95.0, 100.0, "tool")]
    told = Shape.of(bars).cells([Idle(5.0, 95.0, 2.5)], [False, False, True])
    assert told == [["tool", 1, 0, 400], ["error", 1, 600, 400]]


# --- Windows ------------------------------------------------------------------------------------------------


async def test_windows_together_are_the_whole(asked, store):
    run = large(3, NOW, 1234)
    store.insert(run.records)
    path = f"/v2/sessions/{run.session}/outline"
    whole = (await asked(path)).json()
    assert (whole["total"], len(whole["spans"]), whole["is_whole"]) == (1234, 1234, True)
    windows = [(await asked(f"{path}?from={begin}&limit=500")).json() for begin in (0, 500, 1000, 1500)]
    assert [span for window in windows for span in window["spans"]] == whole["spans"]
    assert [window["is_whole"] for window in windows] == [False] * 4
    assert ["map" in window for window in windows] == [True, False, False, False]


async def test_a_window_is_found_by_a_span_in_it(asked, store):
    run = large(3, NOW, 1234)
    store.insert(run.records)
    path = f"/v2/sessions/{run.session}/outline"
    told = (await asked(f"{path}?around={run.records[700].span_id}&limit=500")).json()
    assert (told["from"], told["total"]) == (500, 1234)
    assert run.records[700].span_id in {span["id"] for span in told["spans"]}
    assert (await asked(f"{path}?around=none&limit=500")).json()["from"] == 0


async def test_a_first_look_reads_the_first_spans_alone(asked, store, monkeypatch):
    run = large(3, NOW, 1234)
    store.insert(run.records)
    path = f"/v2/sessions/{run.session}/outline?preview=true"
    store.session(run.session)
    for name in ("spans", "bare_spans"):
        monkeypatch.setattr(type(store), name, lambda *_: pytest.fail("the whole session was read"))
    told = (await asked(path)).json()
    assert (told["is_whole"], len(told["spans"])) == (False, PREVIEW)
    assert told["session"]["llm_calls"] == store.session(run.session).llm_calls


@pytest.mark.parametrize(("more", "is_whole"), [(0, True), (1, False)])
async def test_a_first_look_says_whether_there_is_more(asked, store, more, is_whole):
    store.insert([root(), *(llm(start=at / 100) for at in range(PREVIEW - 1 + more))])
    assert (await asked(f"/v2/sessions/{SESSION}/outline?preview=true")).json()["is_whole"] is is_whole


async def test_errors_are_listed_by_themselves(asked, store):
    store.insert([root(), llm(), failed(tool()), failed(llm())])
    told = (await asked(f"/v2/sessions/{SESSION}/outline?only=errors")).json()
    assert [span["error"] for span in told["spans"]] == ["ValueError: it broke"] * 2 or len(told["spans"]) == 2
    assert [span["number"] for span in told["spans"]] == told["errors"]


@pytest.mark.parametrize("query", ["from=-1", "limit=0", "only=all", "preview=maybe", "from=1&from=2", "around=a&x=1"])
async def test_a_window_that_makes_no_sense_is_refused(asked, store, query):
    store.insert([root()])
    assert (await asked(f"/v2/sessions/{SESSION}/outline?{query}")).status_code == 400


# --- What is kept -------------------------------------------------------------------------------------------


def test_a_drawing_is_made_once_until_its_session_changes(store):
    made = []
    kept = Kept(
        store,
        lambda session_id, _: made.append(session_id) or Drawing.of(store.bare_spans(session_id)),
        lambda told: len(told.rows),
        100,
    )
    store.insert([root(), llm()])
    assert kept.of(SESSION, None) is kept.of(SESSION, None)
    store.insert([llm()])
    assert len(kept.of(SESSION, None).rows) == 3
    assert len(made) == 2


def test_no_more_is_kept_than_may_be(store):
    made = []
    kept = Kept(store, lambda session_id, _: made.append(session_id) or session_id, len, 2)
    for session_id in ("a", "b", "c", "c", "b", "a"):
        assert kept.of(session_id, None) == session_id
    assert made == ["a", "b", "c", "a"]
    kept.of("much more than two", None)
    kept.of("much more than two", None)
    assert made[-2:] == ["a", "much more than two"]


def test_rows_are_json_whatever_they_hold():
    told = Drawing.of([root(), span("\ud800", {"gen_ai.request.model": float("nan")})])
    assert len(json.loads(told.window(0, 9))) == 2
