"""Notebooks: cells are run again, a loop runs already, and what is at the end of a cell is shown."""

from __future__ import annotations

import asyncio
import json
from xml.etree import ElementTree as ET

import openai
import pytest

from agentops_otel import Configuration, functions
from agentops_otel.conventions import names


def _text(html):
    """All that is read of it; it must be well formed."""
    return " ".join(" ".join(ET.fromstring(html.replace("&mdash;", "-")).itertext()).split())


def test_a_session_is_shown(watched):
    watched.session.add_tags(["<script>", "b"])
    shown = watched.session._repr_html_()
    assert "running session" in _text(shown)
    assert watched.session.session_id in shown
    assert "<script>" in _text(shown)
    assert "<script>" not in shown
    watched.session.end_session("Failure", "a < b")
    assert "Failure (a < b) session" in _text(watched.session._repr_html_())


@pytest.mark.parametrize("state", [names.SUCCESS, names.FAILURE, names.INDETERMINATE])
def test_each_end_state_is_shown(watched, state):
    watched.session.end_session(state)
    assert _text(watched.session._repr_html_()).startswith(state)


def test_figures_are_shown(watched):
    figures = watched.session.get_analytics(detailed=True)
    assert _text(figures._repr_html_()).startswith("LLM calls 0 Tool calls 0")
    assert "p50 -" in _text(figures._repr_html_())
    assert json.loads(json.dumps(figures)) == dict(figures)
    assert isinstance(figures, dict)


async def test_a_cell_that_is_run_again(captured_sessions):
    """In the loop that a notebook runs; each cell in a context of its own."""

    async def cell(**settings):
        return functions.init(log_summary=False, isolated=True, **settings)

    first = await asyncio.create_task(cell(tags=["a"]))
    assert await asyncio.create_task(cell(tags=["b"])) is first
    assert first.tags == ["a", "b"]
    assert not hasattr(openai.OpenAI.request.__wrapped__, "__wrapped__")
    assert functions.end_session("Success") == "0.00"
    assert len(captured_sessions) == 1


async def test_a_cell_that_is_changed_and_run_again(captured_sessions, caplog):
    functions.init(log_summary=False, isolated=True)
    functions.end_session("Success")
    second = functions.init(log_summary=False, isolated=True, trace_name="changed", default_tags=["new"])
    functions.end_session("Success")
    assert [session.name for session in captured_sessions] == ["session", "changed"]
    assert second.tags == ["new"]
    assert caplog.text == ""


def test_calls_are_not_wrapped_twice(captured_sessions):
    for name in ("a", "b", "c"):
        functions.init(log_summary=False, isolated=True, trace_name=name)
        functions.end_session("Success")
    assert not hasattr(openai.OpenAI.request.__wrapped__, "__wrapped__")
    assert functions.client.config == Configuration.read(log_summary=False, isolated=True, trace_name="c")
