"""Deleting sessions: what is asked, what goes, and what stays."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from span_records import SESSION, llm, root

from agentops_otel.cli import main
from agentops_otel.conventions import names

OTHER = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def two(store):
    store.insert([root({names.TAGS: ["nightly"]}), llm(), root(trace="1" * 32, start=-100)])
    return store


@pytest.fixture
def answer(two, monkeypatch):
    """Type this to the question."""

    def answer(typed, *arguments):
        monkeypatch.setattr("agentops_otel.cli.sessions._is_terminal", lambda stream: True)
        command = ["sessions", "rm", *arguments, "--store", str(two.path)]
        return CliRunner().invoke(main, command, input=typed)

    return answer


def left(store):
    return [row.session_id for row in store.sessions()]


def test_with_yes(two, run):
    assert run("rm", "@last", "--yes") == f"Deleted {SESSION}\n"
    assert left(two) == [OTHER]
    assert two.spans(SESSION) == []
    assert two.trace(SESSION.replace("-", "")) == []
    run("show", SESSION, code=3)


def test_several_and_the_same_twice(two, run):
    assert run("rm", "-y", "@last", "1111", SESSION) == f"Deleted {SESSION}\nDeleted {OTHER}\n"
    assert left(two) == []


def test_the_question(two, answer):
    result = answer("y\n", "@last", "@last~1")
    assert result.exit_code == 0
    assert f"Delete 2 sessions in {two.path}? [y/N]" in result.output
    assert f"  {SESSION}  " in result.output
    assert "nightly" in result.output
    assert left(two) == []


@pytest.mark.parametrize(("typed", "code", "told"), [("n\n", 1, "nothing is deleted"), ("", 1, "Aborted!")])
def test_another_answer(two, answer, typed, code, told):
    result = answer(typed, "@last")
    assert (result.exit_code, told in result.output) == (code, True)
    assert left(two) == [SESSION, OTHER]


def test_nobody_to_ask(two, run):
    assert "say --yes to delete" in run("rm", "@last", code=2)
    assert len(left(two)) == 2


def test_one_that_is_not_there_keeps_the_others(two, run):
    run("rm", "--yes", "@last", "abc", code=3)
    assert len(left(two)) == 2


def test_without_an_id(run):
    run("rm", "--yes", code=2)


def test_the_store_deletes_what_is_there_and_only_that(two):
    two.delete("nobody")
    two.delete(SESSION)
    two.delete(SESSION)
    assert left(two) == [OTHER]
    two.insert([llm()])
    assert left(two) == [SESSION, OTHER], "what comes later is a session again"


def test_a_store_that_is_not_there(store):
    store.delete(SESSION)
    assert not store.path.exists()
