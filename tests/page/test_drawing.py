"""The outline that the waterfall draws: every span in its place, whatever the records are like."""

from __future__ import annotations

import json

import pytest
from recorded_sessions import assistant
from span_records import SESSION, failed, llm, root, span, tool

from agentops_otel.server.page.drawing import Drawing


def drawing(records):
    """The drawing of all records, as it is answered."""
    drawn = Drawing.of(records)
    return {**drawn.whole, "spans": json.loads(drawn.window(0, len(drawn.rows)))}


FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"


def test_a_session_is_drawn_from_its_first_span_on():
    told = drawing(assistant(1, 10**18).records)
    shown = [(span["depth"], span["kind"], span["name"], span["offset"], span["seconds"]) for span in told["spans"][:4]]
    assert shown == [
        (0, "session", "session", 0, 9.4),
        (1, "agent", "desk", 0.1, 9.1),
        (2, "llm", "chat claude-sonnet-4-6", 0.2, 1.7),
        (2, "tool", "find_order", 1.95, 0.75),
    ]
    assert told["oddities"] == []


def test_figures_stand_where_they_are_counted():
    told = drawing([root(), llm(0.5), llm(None), tool()])
    costs = [span["figures"] and (span["figures"]["cost"], span["figures"]["unpriced_calls"]) for span in told["spans"]]
    assert costs == [("0.5", 1), ("0.5", 0), (None, 0), None]


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.25, 0.25), (0, 0), (-1, None), ("soon", None), (float("nan"), None), (float("inf"), None), (None, None)],
)
def test_the_first_chunk_is_a_time_or_nothing(value, told):
    assert drawing([root(), llm(attributes={FIRST_CHUNK: value})])["spans"][1]["first_chunk"] == told


def test_errors_are_told_where_they_arose():
    told = drawing([root(), failed(tool(), "no such page")])["spans"][1]
    assert (told["has_failed"], told["error"]) == (True, "ValueError: no such page")


def circle(length):
    """Spans of which each is the parent of the one before, and the first that of the last."""
    return [span(span_id=f"{at + 1}" * 16, parent_id=f"{(at + 1) % length + 1}" * 16) for at in range(length)]


@pytest.mark.parametrize(
    ("records", "oddity"),
    [
        ([span()], "No session span has arrived"),
        ([root(), span(parent_id="b" * 16)], "1 span names a parent that never arrived"),
        ([root(), span(parent_id="b" * 16), span(parent_id="c" * 16)], "2 spans name parents that never arrived"),
        ([root(), span(start=-1.0)], "1 span begins before the one above"),
        ([root(), span(start=-1.0), span(start=-2.0)], "2 spans begin before the one above"),
        ([root(), span(start=2.0, end=1.0)], "1 span ends before it began"),
        ([root(), span(start=2.0, end=1.0), span(start=2.0, end=1.0)], "2 spans end before"),
        ([root(), *circle(2)], "2 spans are below themselves"),
        ([root(), *circle(3), span(parent_id="1" * 16)], "3 spans are below themselves"),
        ([root(), span(span_id="5" * 16, parent_id="5" * 16)], "1 span is below itself"),
    ],
)
def test_what_is_odd_is_told(records, oddity):
    assert any(told.startswith(oddity) for told in drawing(records)["oddities"])


def test_a_circle_of_parents_is_drawn_once():
    one, other = span(span_id="1" * 16, parent_id="2" * 16), span(span_id="2" * 16, parent_id="1" * 16)
    told = drawing([root(), one, other])
    assert sorted(span["id"] for span in told["spans"]) == sorted(["a" * 16, "1" * 16, "2" * 16])


def test_what_makes_a_circle_is_no_orphan():
    told = drawing([root(), *circle(3)])
    assert not any(row["is_orphan"] for row in told["spans"])
    assert [oddity for oddity in told["oddities"] if "never arrived" in oddity] == []


@pytest.mark.parametrize(
    ("records", "folds"),
    [
        ([root(), span(), span(parent_id=None, span_id="9" * 16)], []),
        ([root(), span(span_id="1" * 16), span(span_id="2" * 16, parent_id="1" * 16)], ["1" * 16]),
        ([span(span_id="1" * 16, parent_id="b" * 16), span(span_id="2" * 16, parent_id="1" * 16)], ["1" * 16]),
    ],
)
def test_what_folds_when_all_is_folded(records, folds):
    assert [span_id for _, span_id, _ in drawing(records)["folds"]] == folds


def test_open_spans_have_no_length_and_nothing_is_before_the_first():
    told = drawing([root(end=None), llm(start=-2.0, end=None)])
    assert [(span["offset"], span["seconds"]) for span in told["spans"]] == [(2, None), (0, None)]


def test_no_records_are_an_empty_drawing():
    assert drawing([])["spans"] == []


async def test_the_outline_is_answered_over_http(asked, store):
    store.insert([root(), llm(0.5)])
    told = (await asked(f"/v2/sessions/{SESSION}/outline")).json()
    assert (told["session"]["id"], len(told["spans"])) == (SESSION, 2)
    missing = await asked("/v2/sessions/none/outline")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert (await asked(f"/v2/sessions/{SESSION}/outline?x=1")).status_code == 400
