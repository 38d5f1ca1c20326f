"""The tree of a session's spans, whatever the spans."""

from __future__ import annotations

import re

from span_records import ROOT_ID, failed, llm, root, span, tool

from agentops_otel.cli import tree
from agentops_otel.conventions import names


def test_spans_without_a_parent_and_in_circles_are_all_there():
    records = [
        span("orphan", parent_id="9" * 16, start=1),
        span("self", span_id="3" * 16, parent_id="3" * 16, start=2),
        span("one", span_id="1" * 16, parent_id="2" * 16, start=3),
        span("two", span_id="2" * 16, parent_id="1" * 16, start=4),
    ]
    lines = tree.render(records, colour=False)
    assert [re.search("orphan|self|one|two", line)[0] for line in lines] == ["orphan", "self", "one", "two"]
    assert lines[0].endswith("parent not received")
    assert lines[3].startswith("└─ ")
    assert tree.render([], colour=False) == []


def test_a_deep_tree_is_drawn_without_end():
    records = [span(f"n{i}", span_id=f"{i + 1:016x}", parent_id=f"{i:016x}") for i in range(3000)]
    lines = tree.render(records, colour=False)
    assert len(lines) == 3000
    assert max(map(len, lines)) < 200


def test_figures_stand_where_they_are_counted():
    outer = llm(9.0, model="outer", span_id="1" * 16, parent_id=None, end=3)
    inner = llm(0.5, model="inner", parent_id="1" * 16, start=1, end=2)
    lines = tree.render([outer, inner], colour=False)
    assert "$" not in lines[0]
    assert lines[1].endswith("100→20  $0.50")


def test_a_tool_with_a_price_shows_it():
    lines = tree.render([root(end=3), tool(attributes={names.COST: 0.5}, parent_id=ROOT_ID)], colour=False)
    assert [line[-5:] for line in lines] == ["$0.50", "$0.50"]


def test_an_error_is_told_where_it_arose():
    outer = failed(span("outer", span_id="1" * 16, parent_id=None, end=3))
    inner = failed(tool(parent_id="1" * 16, start=1, end=2), "x" * 500)
    lines = tree.render([outer, inner], colour=False)
    assert lines[0].endswith(" ✗")
    assert re.search("✗ ValueError: x{60,}…$", lines[1])


def test_an_open_span_has_no_duration():
    (line,) = tree.render([span("work", parent_id=None, end=None)], colour=False)
    assert line == "span work  …"
