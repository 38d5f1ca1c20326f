"""Full-text search: what was said is found, what was deleted is not, with FTS5 and without."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from span_records import SESSION, llm, root, span
from stored import fill_words, names_found

from agentops_otel.conventions import names
from agentops_otel.store import texts
from agentops_otel.store.sqlite import SQLiteStore


@pytest.fixture(params=["FTS5", "no FTS5"])
def either(store, request, monkeypatch):
    if request.param == "no FTS5":
        monkeypatch.setattr(texts, "is_possible", lambda: False)
    return store


@pytest.fixture
def filled(either):
    return fill_words(either)


def test_the_index_follows(filled):
    assert names_found(filled, "later") == []
    filled.insert([span("later")])
    with contextlib.closing(SQLiteStore(filled.path)) as other:
        other.insert([span("later too")])
    assert names_found(filled, "later") == ["later too", "later"]


def test_an_end_is_found_by_its_own_words(filled):
    start = span("open", span_id="1" * 16, end=None)
    filled.insert([start])
    filled.search("refund")
    filled.insert([span("open", {"answer": "fortytwo"}, span_id="1" * 16)])
    assert names_found(filled, "fortytwo") == ["open"]
    filled.insert([span("open", {"answer": "fortytwo"}, span_id="1" * 16)])
    assert names_found(filled, "fortytwo") == ["open"]


def test_what_is_deleted_is_neither_found_nor_in_the_file(store):
    store.insert(
        [
            root(end=9),
            llm(0.1, attributes={names.INPUT_MESSAGES: '[{"content":"topsecret"}]'}, resource={"h": "topsecret"}),
        ]
    )
    store.insert([span("other", trace="2" * 32)])
    assert names_found(store, "topsecret") == ["chat gpt-4o"]
    assert store.delete(SESSION)
    assert names_found(store, "topsecret") == []
    assert names_found(store, "other") == ["other"]
    store.insert([span("new", {"a": "topmost"}, trace="3" * 32)])
    assert names_found(store, "topmost") == ["new"], "a number that is given again is indexed again"
    store._writer.run(lambda c: c.execute("INSERT INTO texts (texts) VALUES ('integrity-check')"), create=False)
    store._writer.run(lambda c: c.execute("INSERT INTO texts (texts) VALUES ('optimize')"), create=False)
    store._writer.run(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall(), create=False)
    store.close()
    connection = sqlite3.connect(store.path)
    connection.execute("VACUUM")
    connection.close()
    assert b"topsecret" not in store.path.read_bytes()


def test_rules_that_change_make_the_index_anew(store, monkeypatch):
    store.insert([span("before")])
    assert names_found(store, "before") == ["before"]
    monkeypatch.setattr(texts, "RULES", texts.RULES + 1)
    assert names_found(store, "before") == ["before"]


def test_who_has_no_fts5_deletes_all_the_same(store, monkeypatch):
    store.insert([span("gone"), span("kept", trace="2" * 32)])
    assert names_found(store, "gone") == ["gone"]
    monkeypatch.setattr(texts, "is_possible", lambda: False)
    store.delete(SESSION)
    monkeypatch.undo()
    assert (names_found(store, "gone"), names_found(store, "kept")) == ([], ["kept"])


@pytest.mark.parametrize(
    "text", ["\ud800 word", "a\0b", "x" * 300_000, '{"a": "\\ud800"}', "[" * 5000], ids=lambda t: ascii(t)[:20]
)
def test_no_text_breaks_the_index(store, text):
    store.insert([span("odd", {"text": text}), span("good")])
    assert names_found(store, "good") == ["good"]
    store.search(text[:50] + " word")
