"""Decorators: what they record, and that they change nothing else."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
import warnings

import pytest
from inline_snapshot import snapshot
from opentelemetry import trace
from trees import tree

from agentops_otel.conventions import names
from agentops_otel.sessions.events import ActionEvent


@pytest.fixture
def made(watched):
    """`made("tool", name=...)` is the decorator of the watched client."""
    return lambda kind, **settings: watched.client.decorators.made(kind, None, **settings)


def test_nesting_follows_the_context(watched, made):
    @made("tool", name="search", cost=0.25)
    def search(query):
        return [query]

    @made("task")
    async def think(number):
        await asyncio.sleep(0)
        return number

    @made("agent")
    async def planner():
        search("x")
        return await asyncio.gather(think(1), think(2))

    @made("workflow", name="trip")
    def trip():
        return asyncio.run(planner())

    assert trip() == [1, 2]
    assert watched.session.end_session("Success") == "0.25"
    assert tree(watched.all) == snapshot(
        """\
session Success $0.25
  invoke_workflow trip
    invoke_agent planner
      execute_tool search $0.25
      task think
      task think\
"""
    )
    assert watched.session.event_counts == {"llms": 0, "tools": 1, "actions": 2, "errors": 0, "apis": 0}


def test_arguments_and_results_are_told(watched, made):
    class Searcher:
        @made("tool")
        def search(self, query, *more, limit=3, **rest):
            return {"found": [query, *more]}

        @classmethod
        @made("action")
        def build(cls, size):
            return size

        @staticmethod
        @made("action")
        def twice(number):
            return number * 2

    Searcher().search("a", "b", limit=5, extra=True)
    assert (Searcher.build(3), Searcher.twice(4)) == (3, 8)
    tool, build, twice = watched.spans
    assert tool.attributes[names.TOOL_CALL_ARGUMENTS] == '{"query":"a","more":["b"],"limit":5,"extra":true}'
    assert tool.attributes[names.TOOL_CALL_RESULT] == '{"found":["a","b"]}'
    assert build.attributes[names.EVENT_PARAMS] == '{"size":3}'
    assert twice.attributes[names.EVENT_RETURNS] == "8"


def test_content_may_stay_out(make_watched):
    watched = make_watched(capture_content=False)
    decorate = watched.client.decorators.made

    @decorate("tool", None)
    def search(query):
        raise ValueError(f"nothing for {query}")

    with pytest.raises(ValueError, match="secret"):
        search("secret")
    told = str(watched.span.attributes) + str(watched.span.status_message)
    assert "secret" not in told


@pytest.mark.parametrize("kind", ["agent", "workflow", "task", "operation", "tool", "guardrail", "action"])
def test_an_exception_ends_the_span_and_goes_on(watched, made, kind):
    error = RuntimeError("broken")

    @made(kind)
    def work():
        raise error

    with pytest.raises(RuntimeError) as caught:
        work()
    assert caught.value is error
    assert watched.span.status == "error"
    assert watched.span.attributes[names.ERROR_TYPE] == "RuntimeError"
    assert watched.session.event_counts["errors"] == 1


def test_an_exception_counts_once_on_its_way_up(watched, made):
    @made("tool")
    def inner():
        raise KeyError("x")

    @made("agent")
    def outer():
        inner()

    with pytest.raises(KeyError):
        outer()
    assert watched.session.event_counts["errors"] == 1


def test_generators(watched, made):
    before = trace.get_current_span()

    @made("operation")
    def count(limit):
        got = []
        for number in range(limit):
            watched.session.record(ActionEvent(action_type=str(number)))
            got.append((yield number))
        return got

    items = count(2)
    assert next(items) == 0
    assert trace.get_current_span() is before
    assert items.send("a") == 1
    with pytest.raises(StopIteration) as stop:
        items.send("b")
    assert stop.value.value == ["a", "b"]
    assert tree(watched.spans) == "operation count\n  action 0\n  action 1"


def test_a_generator_left_early_ends(watched, made):
    closed = []

    @made("operation")
    def count():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    for number in count():
        assert number == 1
        break
    gc.collect()
    assert closed == [True]
    assert watched.span.status == "unset"


def test_a_generator_gets_what_is_thrown_in(watched, made):
    @made("operation")
    def count():
        try:
            yield 1
        except LookupError:
            yield "caught"

    items = count()
    next(items)
    assert items.throw(LookupError()) == "caught"
    items.close()
    assert watched.span.status == "unset"


async def test_async_generators(watched, made, caplog):
    @made("operation")
    async def count():
        for number in range(3):
            await asyncio.sleep(0)
            watched.session.record(ActionEvent(action_type=str(number)))
            yield number

    before = trace.get_current_span()
    items = count()
    async for number in items:
        if number == 1:
            break
    await items.aclose()
    assert trace.get_current_span() is before
    assert [number async for number in count()] == [0, 1, 2]
    assert "detach" not in caplog.text
    lines = tree(watched.spans).splitlines()
    assert lines == [
        "operation count", "  action 0", "  action 1",
        "operation count", "  action 0", "  action 1", "  action 2",
    ]  # fmt: skip


async def test_a_cancelled_coroutine(watched, made):
    @made("task")
    async def wait():
        await asyncio.sleep(10)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watched.span.status == "error"


def test_a_coroutine_dropped_half_way_leaks_no_context(watched, made, caplog):
    class Never:
        def __await__(self):
            yield

    @made("task")
    async def wait():
        await Never()

    before = trace.get_current_span()
    coroutine = wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coroutine.send(None)
        coroutine.close()
    assert trace.get_current_span() is before
    assert "detach" not in caplog.text


@pytest.mark.parametrize(
    ("function", "check"),
    [
        (lambda a, b=1: a, inspect.isfunction),
        (eval("lambda: (yield)"), inspect.isgeneratorfunction),
    ],
)
def test_kinds_of_functions_stay(made, function, check):
    decorated = made("task")(function)
    assert check(decorated)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert decorated.__name__ == function.__name__


def test_coroutine_functions_stay(made):
    async def one(x: int) -> int:
        """Doc."""
        return x

    async def two():
        yield 1

    assert inspect.iscoroutinefunction(made("task")(one))
    assert inspect.isasyncgenfunction(made("task")(two))
    assert made("task")(one).__doc__ == "Doc."


class Point:
    def __init__(self, x):
        self.x = x


def test_classes_stay_themselves(watched):
    decorated = watched.client.decorators.made("agent", Point)
    assert decorated is Point
    point = Point(3)
    assert pickle.loads(pickle.dumps(point)).x == 3
    assert type(point) is Point
    assert watched.span.name == "invoke_agent Point"

    class Sub(Point):
        def __init__(self):
            super().__init__(4)

    assert Sub().x == 4


def test_agents(watched):
    track = watched.client.decorators.track_agent

    @track("researcher")
    class Researcher:
        def work(self):
            watched.session.record(ActionEvent(action_type="read"))

    @track
    class Writer:
        role = "editor"

        def __init__(self, style):
            self.style = style

        async def work(self):
            watched.session.record(ActionEvent(action_type="write"))

    first, second = Researcher(), Writer("plain", agentops_name="ann")
    first.work()
    asyncio.run(second.work())
    watched.session.record(ActionEvent(action_type="nobody"))
    assert [span.attributes.get(names.AGENT_NAME) for span in watched.spans] == ["researcher", "ann", None]
    assert watched.spans[0].attributes[names.AGENT_ID] == first.agentops_agent_id
    assert Writer("x").agentops_agent_name == "editor"


def test_a_session_for_each_call(watched):
    decorate = watched.client.decorators.made

    @decorate("session", None, name="job", tags=["nightly"])
    def job(fail):
        watched.client.current().record(ActionEvent(action_type="step"))
        if fail:
            raise ValueError("no luck")
        return 7

    assert job(False) == 7
    with pytest.raises(ValueError, match="no luck"):
        job(True)
    roots = [record for record in watched.all if record.is_session]
    assert [
        (root.name, root.attributes[names.END_STATE], root.attributes.get(names.END_STATE_REASON)) for root in roots
    ] == [
        ("job", "Success", None),
        ("job", "Failure", "ValueError: no luck"),
    ]
    assert watched.client.current() is watched.session
    assert [span.session_id for span in watched.spans] == [root.session_id for root in roots]


def test_the_session_may_be_named_by_the_caller(watched, made):
    other = watched.client.open_session(tags="other")

    @made("action")
    def plain(x):
        return x

    @made("action")
    def takes_it(x, session=None):
        return session

    assert plain(1, session=other) == 1
    assert takes_it(1, session=other) is other
    other.end_session("Success")
    assert {span.session_id for span in watched.spans} == {other.session_id}


def test_without_a_session_functions_just_run(watched, made):
    @made("tool")
    def work(x):
        return x

    watched.session.end_session("Success")
    assert work(3) == 3
    assert watched.spans == []


def test_arguments_that_are_generators_are_not_read(watched, made):
    @made("tool")
    def total(numbers):
        return sum(numbers)

    assert total(number for number in range(4)) == 6
