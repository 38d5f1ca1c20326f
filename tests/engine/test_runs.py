"""Runs: found by their ids, carried in the context, believed only while they are open, and never kept."""

from __future__ import annotations

import threading

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from trees import tree

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response
from agentops_otel.engine import Operation, Runs, Sent, Server, runs

TASK = Operation(
    name=names.TASK,
    request=lambda told: Request(name=told["name"]),
    response=lambda _: Response(),
    kind=names.KIND_TASK,
)
CHAT = Operation(name=names.CHAT, request=lambda told: Request(model=told["name"]), response=lambda _: Response())


def sent(name, operation=TASK):
    return Sent(operation, {"name": name}, Server(""), "framework")


@pytest.fixture
def tell(watched):
    """`tell(id, parent)`: a run begins."""
    open_runs = Runs()

    def begin(run_id, parent_id=None, told=None, **settings):
        return open_runs.begin(watched.client.recorder, run_id, parent_id, told or sent(run_id), **settings)

    begin.runs, begin.recorder = open_runs, watched.client.recorder
    yield begin
    open_runs.close()


def test_parents_are_found_by_id_not_by_what_is_current(watched, tell):
    for run_id, parent in (("a", None), ("b", "a"), ("c", "b"), ("d", "a")):
        tell(run_id, parent)
    for run_id in "abcd":  # children may end after their parents
        tell.runs.finish(tell.recorder, run_id, None)
    assert tree(watched.spans) == "task a\n  task b\n    task c\n  task d"
    assert len(tell.runs) == 0


def test_what_is_not_shown_belongs_to_the_run_above(watched, tell):
    tell("a")
    tell.runs.begin(tell.recorder, "hidden", "a", None)
    tell("b", "hidden")
    for run_id in ("b", "hidden", "a"):
        tell.runs.finish(tell.recorder, run_id, None)
    assert tree(watched.spans) == "task a\n  task b"


@pytest.mark.parametrize("current", [True, False])
def test_what_happens_in_a_run_is_below_it_and_what_comes_after_is_not(watched, tell, current):
    before = otel_context.get_current()
    tell("a").enter(current=current)
    watched.client.recorder.begin(sent("inside")).finish(None)
    tell.runs.finish(tell.recorder, "a", None)
    assert otel_context.get_current() is before
    watched.client.recorder.begin(sent("after")).finish(None)
    assert tree(watched.spans) == "task a\n  task inside\ntask after"


def test_a_run_that_ended_elsewhere_is_not_believed(watched, tell):
    run = tell("a")
    run.enter(current=False)
    thread = threading.Thread(target=tell.runs.finish, args=(tell.recorder, "a", None))
    thread.start()
    thread.join()
    watched.client.recorder.begin(sent("after")).finish(None)
    left = otel_context.get_current()
    tell("b").enter(current=True)
    tell.runs.finish(tell.recorder, "b", None)
    assert otel_context.get_current() is not left, "what was left over is taken away with the next"
    assert tree(watched.spans) == "task a\ntask after\ntask b"


def test_a_span_of_the_users_within_a_run_is_deeper(watched, tell):
    tell("a").enter(current=False)
    mine = watched.client.recorder.begin(sent("mine"))
    with trace.use_span(mine.span):
        tell("b", "a")
        tell.runs.finish(tell.recorder, "b", None)
    mine.finish(None)
    tell.runs.finish(tell.recorder, "a", None)
    assert tree(watched.spans) == "task a\n  task mine\n    task b"


@pytest.mark.parametrize("seen", [True, False])
def test_a_models_run_is_shown_only_if_no_client_tells_of_the_call(watched, tell, seen):
    tell("a")
    tell("m", "a", sent("gpt", CHAT), model=True).enter(current=False)
    if seen:
        watched.client.recorder.begin(sent("client", CHAT)).finish(None)
    tell.runs.finish(tell.recorder, "m", None)
    tell.runs.finish(tell.recorder, "a", None)
    assert tree(watched.spans) == f"task a\n  chat {'client' if seen else 'gpt'} usage missing"
    assert watched.session.get_analytics()["LLM calls"] == 1


def test_of_several_models_asked_at_once_none_is_shown_beside_the_client(watched, tell):
    tell("a")
    for name in "mn":
        tell(name, "a", sent("gpt", CHAT), model=True).enter(current=False)
    watched.client.recorder.begin(sent("client", CHAT)).finish(None)
    for name in "mna":
        tell.runs.finish(tell.recorder, name, None)
    assert tree(watched.spans) == "task a\n  chat client usage missing"


def test_a_second_beginning_and_an_end_without_one_do_nothing(watched, tell):
    assert tell("a") is not None
    assert tell("a") is None
    tell.runs.finish(tell.recorder, "a", None)
    tell.runs.finish(tell.recorder, "a", None)
    tell.runs.fail(tell.recorder, "never", ValueError())
    tell.runs.drop("never")
    assert tree(watched.spans) == "task a"


def test_runs_that_never_end_are_bounded(watched, tell, monkeypatch):
    monkeypatch.setattr(runs, "_LIMIT", 10)
    for number in range(25):
        tell(str(number))
    assert len(tell.runs) == 10
    tell.runs.close()
    assert len(tell.runs) == 0
    assert len(watched.spans) == 25
