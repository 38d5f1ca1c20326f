"""SQLiteStore: the promise of Store, on real files."""

from __future__ import annotations

import json
import math
import sqlite3
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from span_records import SESSION, failed, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store.sqlite import SQLiteStore

ENDED = {
    names.END_STATE: names.SUCCESS,
    names.END_STATE_REASON: "all done",
    names.TAGS: ["nightly", "refund"],
}


def test_a_record_comes_back_as_it_went_in(store):
    sent = failed(
        llm(
            attributes={
                "text": "größe ✓ \x00",
                "yes": True,
                "whole": 2**62,
                "part": 0.1,
                "words": ["a", "b"],
                "numbers": [1, 2.5],
                names.INPUT_MESSAGES: '[{"role":"user"}]',
            },
            kind="client",
            resource={"service.name": "shop", "n": 1},
            links=[{"trace_id": "1" * 32, "span_id": "2" * 16, "attributes": {"a": 1}}],
            scope="openai",
            scope_version="1.2",
        )
    )
    store.insert([sent])
    assert store.spans(SESSION) == [sent]
    assert store.spans(SESSION)[0].attributes["yes"] is True


def test_what_is_sent_twice_counts_once(store, query):
    batch = [root(ENDED), llm(0.25, span_id="1" * 16)]
    store.insert(batch)
    before = query("SELECT changes FROM sessions")
    store.insert([*batch, llm(99.0, span_id="1" * 16)])
    row = store.session(SESSION)
    assert (row.llm_calls, row.cost) == (1, Decimal("0.25"))
    assert query("SELECT changes FROM sessions") == before, "a duplicate makes no roll-up stale"


def test_an_end_that_names_another_session_moves_the_record(store):
    store.insert([root(end=None, attributes={names.SESSION_ID: "first"})])
    assert [row.session_id for row in store.sessions()] == ["first"]
    store.insert([root({**ENDED, names.SESSION_ID: "second"}, end=1)])
    assert [row.session_id for row in store.sessions()] == ["second"]
    assert store.session("first") is None


def test_equal_resources_are_kept_once(store, query):
    store.insert([span(resource={"a": 1, "b": 2}), span(resource={"b": 2, "a": 1}), span(resource={"a": 2})])
    assert query("SELECT count(*) FROM resources") == [(2,)]
    assert [record.resource for record in store.spans(SESSION)] == [
        {"a": 1, "b": 2},
        {"a": 1, "b": 2},
        {"a": 2},
    ]


class Broken:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        "\ud800",
        "a\udfffb",
        b"bytes",
        2**70,
        Broken(),
        {"deep": {"er": "\ud800"}},
        None,
    ],
    ids=["nan", "inf", "-inf", "lone", "lone inside", "bytes", "huge", "no text", "deep", "None"],
)
def test_no_value_breaks_an_insert(store, value, query):
    bad = span("\ud800", {"bad": value, "\udc00": 1, "bads": [value]}, status_message="\ud83d", scope="\udc00")
    store.insert([bad, span("good"), span("alone", {"bad": value})])
    read = store.spans(SESSION)
    assert len(read) == 3
    json.dumps([record.attributes for record in read], allow_nan=False, ensure_ascii=False).encode()
    assert query("SELECT min(json_valid(attributes)) FROM spans") == [(1,)]


def test_deep_and_circular_values_are_cut(store):
    deep = nested = {}
    for _ in range(5000):
        nested["in"] = {}
        nested = nested["in"]
    circle = []
    circle.append(circle)
    store.insert([span(attributes={"deep": deep, "circle": circle})])
    assert len(store.spans(SESSION)) == 1


@pytest.mark.parametrize("time_", [-5, 2**63, 2**64])
def test_times_that_do_not_fit_are_bounded(store, time_):
    record = span()
    record.start_time = record.end_time = time_
    store.insert([record])
    assert 0 <= store.spans(SESSION)[0].start_time < 2**63


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_COUNTED = [value for name, value in vars(names).items() if isinstance(value, str) and name.isupper() and "." in value]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(_COUNTED), _ANY, max_size=6))
def test_no_attribute_makes_a_session_unreadable(tmp_path, attributes):
    store = SQLiteStore(tmp_path / "any.db")
    store.insert([span(attributes={**attributes, names.SESSION_ID: "any"})])
    assert "any" in [row.session_id for row in store.sessions()]
    store.close()
    store.path.unlink()


def test_the_kept_row_is_the_row_that_was_made(store, query):
    store.insert([root(ENDED), llm(0.1), llm(None), tool()])
    made = store.session(SESSION)
    assert query("SELECT counted = changes FROM sessions") == [(1,)]
    assert store.session(SESSION) == made
    assert store.sessions() == [made]


def test_a_kept_row_is_read_without_its_records(store):
    store.insert([root(ENDED), llm(0.1)])
    made = store.session(SESSION)
    connection = sqlite3.connect(store.path)
    connection.execute("DELETE FROM spans")
    connection.commit()
    connection.close()
    assert store.session(SESSION) == made


def test_rows_made_by_other_rules_are_made_again(store):
    store.insert([root(ENDED), llm(0.1)])
    made = store.session(SESSION)
    connection = sqlite3.connect(store.path)
    connection.execute("UPDATE sessions SET rules = 0, llm_calls = 77")
    connection.commit()
    connection.close()
    assert store.session(SESSION) == made
