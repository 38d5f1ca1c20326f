"""Words are found where they were said, in whichever store."""

from __future__ import annotations

import pytest
from span_records import SESSION, llm
from stored import SAID, fill_words, names_found

from agentops_otel.conventions import names
from agentops_otel.store import QuestionError, SessionQuery


@pytest.fixture(scope="module")
def filled(make):
    return fill_words(make())


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("refund", ["chat gpt-4o"]),
        ("REFUND order", ["chat gpt-4o"]),
        ("4711", ["chat gpt-4o"]),
        ("refu*", ["chat gpt-4o"]),
        ('"my refund"', ["chat gpt-4o"]),
        ('"refund my"', []),
        ("database gone", ["look_up"]),
        ("TimeoutError", ["look_up"]),
        ("größe", ["session"]),
        ("abcdef0123456789", ["plain"]),
        (SESSION, ["look_up", "chat gpt-4o", "session"]),
        ("nothing", []),
        ("refund nothing", []),
        ("refund OR nothing", []),
        ("NEAR(refund order)", []),
        ("told:refund", []),
        ("' OR 1=1", []),
        ('"', None),
        ("*", None),
        ("", None),
        ("\0", None),
    ],
)
def test_what_was_said_is_found(filled, text, hits):
    if hits is None:
        with pytest.raises(QuestionError, match="letters or digits"):
            filled.search(text)
    else:
        assert names_found(filled, text) == hits


def test_a_hit_shows_what_stands_around_it(filled):
    (hit,) = filled.search("refund")
    assert hit.excerpt == "Where is my refund for order 4711?"
    assert hit.session_id == SESSION


def test_names_of_fields_are_not_what_was_said(store):
    store.insert([llm(0.1, attributes={names.INPUT_MESSAGES: SAID})])
    assert names_found(store, "content") == names_found(store, "role") == []


def test_sessions_by_text_and_project(filled):
    assert [row.session_id for row in filled.sessions(SessionQuery(text="refund"))] == [SESSION]
    assert filled.sessions(SessionQuery(text="refund", project="else")) == []
    assert names_found(filled, "refund", project="else") == []
    assert names_found(filled, "refund", project="default") == ["chat gpt-4o"]
    assert len(filled.search(SESSION, limit=1)) == 1
