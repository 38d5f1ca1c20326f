"""Narrow terminals: what is shown fits, and what matters stays."""

from __future__ import annotations

import pytest
from span_records import ROOT_ID, SESSION, failed, llm, root, span, tool

from agentops_otel.cli import text, tree
from agentops_otel.conventions import names


@pytest.fixture
def filled(store):
    told = {names.END_STATE: names.FAILURE, names.END_STATE_REASON: "no", names.TAGS: ["a tag of some length", "返金"]}
    store.insert(
        [
            root(told, end=4),
            llm(0.00123, tokens=(12_400, 950), model="a-model-with-a-name-of-some-length"),
            failed(tool(parent_id=ROOT_ID), "it broke in a way that takes long to tell, very long indeed"),
        ]
    )
    return store


@pytest.mark.parametrize("columns", [1, 20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("command", [["ls"], ["stats", "--by", "tag"]])
def test_tables_fit(filled, run, monkeypatch, columns, command):
    monkeypatch.setattr(text, "columns", lambda: max(columns, 20))
    lines = run(*command).splitlines()
    needed = 34 if command == ["ls"] else 62
    assert max(map(text.width, lines)) <= max(columns, needed)
    if command == ["ls"]:
        assert lines[1].startswith(SESSION[:8])
        assert {"ID", "STATE", "COST"} <= set(lines[0].split())


def test_what_has_room_is_shown(filled, run, monkeypatch):
    wide = run("ls")
    monkeypatch.setattr(text, "columns", lambda: 300)
    assert run("ls") == wide
    monkeypatch.setattr(text, "columns", lambda: 80)
    assert run("ls").split("\n")[0].split() == ["ID", "STARTED", "STATE", "TIME", "COST", "LLMS", "TOOLS", "ERRORS"]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_trees_fit(filled, columns):
    lines = tree.render(filled.spans(SESSION), colour=False, room=columns)
    assert max(map(text.width, lines)) <= columns
    assert any("✗" in line for line in lines)


def test_a_deep_tree_fits():
    records = [span(f"n{i}", span_id=f"{i + 1:016x}", parent_id=f"{i:016x}") for i in range(200)]
    assert max(map(text.width, tree.render(records, colour=False, room=80))) <= 80


def test_colours_take_no_room(filled):
    plain = tree.render(filled.spans(SESSION), colour=False, room=70)
    painted = tree.render(filled.spans(SESSION), colour=True, room=70)
    assert [text.width(line) for line in painted] == [text.width(line) for line in plain]


def test_a_pipe_has_all_the_room(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert text.columns() is None
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "50")
    assert text.columns() == 50
    monkeypatch.setenv("COLUMNS", "3")
    assert text.columns() == 20
