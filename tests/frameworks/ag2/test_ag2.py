"""AG2: the tree is turns of agents and tools; each model call in it is counted once."""

from __future__ import annotations

import asyncio

import openai
import pytest
from ag2 import Agent, MemoryStream, Plugin, TaskConfig, ToolResult
from ag2.config import OpenAIConfig
from ag2.events import ModelMessage, ModelRequest, ModelResponse, TextInput, ToolCallEvent, Usage
from ag2.knowledge import MemoryKnowledgeStore
from ag2.middleware import BaseMiddleware, Middleware
from ag2.network import Hub, HubClient, LocalLink
from ag2.testing import TestConfig
from agentops_otel_instrumentors import ag2 as instrumentor
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from scripted import completion, refusal, streamed
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

MULTIPLY = "openai/test-agent-arun-streaming-with-tools-f0439831.json"
CALLS = ("get_weather", {"city": "Rome"})


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


async def get_time(city: str) -> str:
    """The time."""
    return f"noon in {city}"


def chat(model="gpt-4o", **settings):
    return OpenAIConfig(model=model, api_key="sk-none", **settings)


def said(text):
    return ModelResponse(ModelMessage(text), usage=Usage(prompt_tokens=20, completion_tokens=7), model="local")


async def _ask(agent, told="x", **settings):
    return await agent.ask(told, **settings)


async def _run(agent, told="x", **settings):
    async with agent.run(told, **settings) as run:
        return await run.result()


async def _started(agent, told="x", **settings):
    async with agent.run(told, **settings) as run:
        run.start()
        await asyncio.sleep(0)
        return await run.result()


async def _resumed(agent, told="x", **settings):
    return await agent.resume(ModelRequest([TextInput(told)]), **settings)


WAYS = {"ask": _ask, "run": _run, "started": _started, "resumed": _resumed}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


async def test_a_recorded_stream_with_a_tool(watched, recorded):
    def multiply(a: float, b: float) -> str:
        """Multiply two numbers."""
        return str(int(a * b))

    recording = recorded(MULTIPLY)
    agent = Agent("Calculator", config=chat("gpt-4o-mini", streaming=True), tools=[multiply])
    reply = await agent.ask("What is 6 times 7?")
    assert "42" in reply.body
    assert tree(watched.spans) == snapshot("""\
invoke_agent Calculator
  chat gpt-4o-mini 58->17 tokens $0.0000189
  execute_tool multiply
  chat gpt-4o-mini 83->9 tokens $0.00001785\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (used,) = [span for span in watched.spans if span.name.startswith("execute_tool")]
    assert used.attributes[names.TOOL_CALL_ID] == "call_fvsP35x2Oga1cEKZEOPqYNeO"
    assert used.attributes[names.TOOL_CALL_RESULT] == '"42"'


@ways
@pytest.mark.parametrize("streams", [False, True])
async def test_tools_in_parallel(watched, answering, way, streams):
    calls = [("get_weather", {"city": "Rome"}), ("get_time", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})]
    answer = streamed if streams else completion
    answering(answer("", *calls), answer())
    agent = Agent("guide", "Be kind.", config=chat(streaming=streams), tools=[get_weather, get_time])
    assert (await way(agent, "hello")).body == "done"
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  execute_tool get_time",
            "  execute_tool get_weather",
            "  execute_tool get_weather",
            "invoke_agent guide",
        ]
    )
    used = [span for span in watched.spans if span.name.startswith("execute_tool")]
    asked = next(span for span in watched.spans if span.name.startswith("chat")).attributes[names.OUTPUT_MESSAGES]
    assert len({span.attributes[names.TOOL_CALL_ID] for span in used}) == 3
    assert all(span.attributes[names.TOOL_CALL_ID] in asked for span in used)
    assert {span.attributes[names.TOOL_CALL_ARGUMENTS] for span in used} == snapshot(
        {'{"city":"Oslo"}', '{"city":"Rome"}'}
    )
    assert {span.attributes[names.TOOL_CALL_RESULT] for span in used} == snapshot(
        {'"noon in Rome"', '"sunny in Oslo"', '"sunny in Rome"'}
    )
    (turn,) = [span for span in watched.spans if span.name == "invoke_agent guide"]
    assert "hello" in turn.attributes[names.INPUT_MESSAGES]
    assert "done" in turn.attributes[names.OUTPUT_MESSAGES]
    assert "Be kind." in turn.attributes[names.SYSTEM_INSTRUCTIONS]
    assert totals(watched.session) == (2, 200, 20)


async def test_what_is_asked_next_of_a_reply(watched, answering):
    answering(completion("one"), completion("two"), completion("three"))
    reply = await Agent("guide", config=chat()).ask("x")
    reply = await reply.ask("y")
    async with reply.run("z") as run:
        assert (await run.result()).body == "three"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035\
""")


async def test_an_agent_as_a_tool(watched, answering):
    inner = Agent("inner", config=chat(), tools=[get_weather])
    outer = Agent("outer", config=chat(), tools=[inner.as_tool(description="Knows the weather.")])
    answering(
        completion("", ("task_inner", {"objective": "the weather in Rome"})),
        completion("", CALLS),
        completion("sunny"),
        completion("done"),
    )
    assert (await outer.ask("x")).body == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool task_inner
    invoke_agent inner
      chat gpt-4o 100->10 tokens $0.00035
      execute_tool get_weather
      chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (4, 400, 40)


async def test_subtasks_that_an_agent_makes(watched, answering):
    answering(completion("", ("run_subtasks", {"tasks": ["a", "b"]})), completion("1"), completion("2"), completion())
    assert (await Agent("planner", config=chat(), tasks=TaskConfig()).ask("x")).body == "done"
    lines = [line.partition("-")[0] for line in tree(watched.spans).splitlines()]
    assert lines == snapshot(
        [
            "invoke_agent planner",
            "  chat gpt",
            "  execute_tool run_subtasks",
            "    invoke_agent subtask",
            "      chat gpt",
            "    invoke_agent subtask",
            "      chat gpt",
            "  chat gpt",
        ]
    )


@ways
async def test_a_tool_that_fails(watched, answering, way):
    def broken(city: str) -> str:
        """Broken."""
        raise ValueError(city)

    answering(completion("", ("broken", {"city": "Rome"})), completion())
    assert (await way(Agent("unlucky", config=chat(), tools=[broken]))).body == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent unlucky
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR tool_error
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_an_agent_that_delegates_over_a_network(watched):
    call = ToolCallEvent(name="delegate", arguments='{"target": "bob", "prompt": "the weather"}', id="call_1")
    ann, bob = Agent("ann", config=TestConfig(call, said("done"))), Agent("bob", config=TestConfig(said("sunny")))
    hub = await Hub.open(MemoryKnowledgeStore())
    async with HubClient(LocalLink(hub)) as client:
        for agent in (ann, bob):
            await client.register(agent)
        assert (await ann.ask("x")).body == "done"
    await hub.close()
    assert tree(watched.spans) == snapshot("""\
invoke_agent ann
  chat usage missing
  execute_tool delegate
  chat 20->7 tokens
invoke_agent bob
  chat 20->7 tokens\
""")


async def test_a_tool_that_is_not_there(watched, answering):
    answering(completion("", ("nowhere", {})), completion())
    assert (await Agent("guide", config=chat()).ask("x")).body == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")


# --- models that no client tells of -----------------------------------------------------------------------


@ways
async def test_a_model_that_no_client_tells_of_is_told_by_ag2(watched, way):
    call = ToolCallEvent(name="get_weather", arguments='{"city": "Rome"}', id="call_1")
    agent = Agent("guide", config=TestConfig(call, said("sunny")), tools=[get_weather])
    assert (await way(agent)).body == "sunny"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat usage missing
  execute_tool get_weather
  chat 20->7 tokens\
""")
    assert totals(watched.session) == (2, 20, 7)
    first, last = [span for span in watched.spans if span.name.startswith("chat")]
    assert "call_1" in first.attributes[names.OUTPUT_MESSAGES]
    assert "sunny in Rome" in last.attributes[names.INPUT_MESSAGES]
    assert last.attributes[names.RESPONSE_MODEL] == "local"


class Again(BaseMiddleware):
    """Asks a second time."""

    async def on_llm_call(self, call_next, events, context):
        await call_next(events, context)
        return await call_next(events, context)


class Instead(BaseMiddleware):
    """Answers by itself."""

    async def on_llm_call(self, call_next, events, context):
        return said("from a cache")


@pytest.mark.parametrize("place", ["agent", "turn", "plugin"])
@pytest.mark.parametrize(("kind", "calls"), [(Again, 2), (Instead, 0)])
async def test_a_middleware_that_asks_again_or_not_at_all(watched, place, kind, calls):
    given = [Middleware(kind)]
    agent = Agent("guide", config=TestConfig(said("a"), said("b")), middleware=given if place == "agent" else [])
    told = {"turn": {"middleware": iter(given)}, "plugin": {"plugins": [Plugin(middleware=given)]}}
    await agent.ask("x", **told.get(place, {}))
    assert totals(watched.session) == (calls, 20 * calls, 7 * calls)


# --- ends -------------------------------------------------------------------------------------------------


@ways
async def test_a_call_that_the_client_tries_again_is_one(watched, answering, way):
    answering(Answer.json({"error": {"message": "busy"}}, status=500), completion())
    await way(Agent("patient", config=chat(max_retries=1)))
    assert tree(watched.spans) == snapshot("""\
invoke_agent patient
  chat gpt-4o 100->10 tokens $0.00035\
""")


@ways
async def test_a_call_that_fails(watched, answering, way):
    answering(refusal())
    with pytest.raises(openai.AuthenticationError):
        await way(Agent("locked_out", config=chat()))
    assert tree(watched.spans) == snapshot("""\
invoke_agent locked_out ERROR openai.AuthenticationError
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_a_run_that_is_cancelled(watched, answering, way):
    started = asyncio.Event()

    async def slow(city: str) -> str:
        """Slow."""
        started.set()
        await asyncio.sleep(30)

    answering(completion("", ("slow", {"city": "Rome"})))
    task = asyncio.ensure_future(way(Agent("hasty", config=chat(), tools=[slow])))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(watched.spans) == snapshot("""\
invoke_agent hasty ERROR asyncio.exceptions.CancelledError
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool slow ERROR asyncio.exceptions.CancelledError\
""")


async def test_a_run_that_is_left(watched, answering):
    async def slow(city: str) -> str:
        """Slow."""
        await asyncio.sleep(30)

    answering(completion("", ("slow", {"city": "Rome"})))
    before = trace.get_current_span()
    async with Agent("left", config=chat(), tools=[slow]).run("x") as run:
        run.start()
        with run.stream.where(ToolCallEvent).join() as events:
            await anext(aiter(events))
    assert trace.get_current_span() is before
    assert tree(watched.spans).splitlines()[0] == snapshot("invoke_agent left ERROR asyncio.exceptions.CancelledError")


async def test_a_run_that_is_never_driven_tells_nothing(watched):
    async with Agent("idle", config=TestConfig("x")).run("x"):
        pass
    assert watched.spans == []


async def test_a_run_that_never_ends_leaves_the_session_whole(watched):
    begun, never = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        """Wait."""
        begun.set()
        await never.wait()

    call = ToolCallEvent(name="wait", id="call_1")
    task = asyncio.ensure_future(Agent("endless", config=TestConfig(call, said("x")), tools=[wait]).ask("x"))
    await begun.wait()
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate
  invoke_agent endless abandoned
    chat usage missing
    execute_tool wait abandoned\
""")
    never.set()
    assert (await task).body == "x"


async def test_what_comes_after_a_run_is_not_below_it(watched):
    before = trace.get_current_span()
    for way in WAYS.values():
        await way(Agent("guide", config=TestConfig(said("x"))))
        assert trace.get_current_span() is before
    assert tree(watched.spans).splitlines() == ["invoke_agent guide", "  chat 20->7 tokens"] * len(WAYS)


async def test_agents_at_once_are_beside_each_other(watched):
    agents = [Agent(name, config=TestConfig(said("x"))) for name in ("one", "two")]
    await asyncio.gather(*[agent.ask("x") for agent in agents])
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        ["  chat 20->7 tokens", "  chat 20->7 tokens", "invoke_agent one", "invoke_agent two"]
    )


# --- never in the way -------------------------------------------------------------------------------------


async def test_spans_of_the_users_within_a_tool_are_below_it(watched):
    async def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return "x"

    call = ToolCallEvent(name="look", arguments='{"city": "Rome"}', id="call_1")
    await Agent("guide", config=TestConfig(call, said("x")), tools=[look]).ask("x")
    assert "  execute_tool look\n    execute_tool by hand" in tree(watched.spans)


async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering):
    watched = make_watched(capture_content=False)
    answering(completion("", CALLS), completion())
    await Agent("guide", "Be kind.", config=chat(), tools=[get_weather]).ask("secret")
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 4
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done", "kind."))


async def test_a_fault_in_reading_is_ours_alone(watched, monkeypatch):
    monkeypatch.setattr(instrumentor, "_message", lambda _: 1 / 0)
    monkeypatch.setattr(instrumentor, "_answered", lambda _: 1 / 0)
    watched.client.faults.strict = False
    call = ToolCallEvent(name="get_weather", arguments='{"city": "Rome"}', id="call_1")
    agent = Agent("guide", config=TestConfig(call, said("x")), tools=[get_weather])
    assert (await agent.ask("x")).body == "x"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat usage missing
  execute_tool get_weather
  chat 20->7 tokens\
""")
    assert watched.client.faults.counts == {"engine.content": 3, "engine.output": 3}
    watched.client.faults.counts.clear()


async def test_nothing_is_told_after_uninstrument(watched):
    agent = Agent("guide", config=TestConfig(said("one")))
    async with agent.run("x") as begun:
        watched.client.registry.uninstrument()
        await begun.result()
    await agent.ask("x")
    assert watched.spans == []
    watched.client.registry.instrument(watched.client.recorder)


async def test_an_agent_that_was_made_before_is_told_of(watched):
    watched.client.registry.uninstrument()
    agent = Agent("early", config=TestConfig(said("one")))
    watched.client.registry.instrument(watched.client.recorder)
    await agent.ask("x")
    assert len(watched.spans) == 2


class Odd:
    def __repr__(self):
        raise ValueError("no")


@pytest.mark.parametrize("answer", [Odd(), None, {"a": [1]}, ToolResult("a", {"b": 1}), b"\xff", "\ud800"])
async def test_a_tool_may_return_anything(watched, answer):
    def look():
        """Look."""
        return answer

    call = ToolCallEvent(name="look", id="call_1")
    config = TestConfig(call, said("x"), raise_tool_errors=False)
    assert (await Agent("guide", config=config, tools=[look]).ask("x")).body == "x"
    assert [span.name for span in watched.spans if "tool" in span.name] == ["execute_tool look"]


@pytest.mark.parametrize("told", [(), ("",), ("a", "b"), ({"a": 1},), (TextInput("x"),)])
async def test_messages_of_any_form(watched, told):
    assert (await Agent("guide", config=TestConfig(said("x"))).ask(*told)).body == "x"
    assert len(watched.spans) == 2


async def test_what_a_program_sees_stays_as_it_is(watched):
    agent = Agent("guide", config=TestConfig(said("x")))
    stream = MemoryStream()
    reply = await agent.ask("x", stream=stream)
    assert type(reply).__name__ == "AgentReply"
    assert agent.middleware == ()
    assert [type(event).__name__ for event in await stream.history.get_events()] == snapshot(
        ["ModelRequest", "UsageEvent", "ModelResponse"]
    )


async def test_arguments_that_ag2_refuses_are_refused_as_before(watched):
    with pytest.raises(TypeError, match="nowhere"):
        await Agent("guide", config=TestConfig("x")).ask("x", nowhere=1)
    assert watched.spans == []


# --- beside others ----------------------------------------------------------------------------------------

PROGRAM = """
import asyncio
{first}
{second}
from ag2 import Agent
from ag2.config import OpenAIConfig

def get_weather(city: str) -> str:
    "The weather."
    return "sunny"

middleware = {middleware}
asyncio.run(Agent("guide", config=OpenAIConfig(model="gpt-4o"), tools=[get_weather], middleware=middleware).ask("x"))
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
THEIRS = "from ag2.middleware.builtin import TelemetryMiddleware"


@pytest.mark.parametrize(
    ("first", "second", "middleware"),
    [(OURS, "", "[]"), (OURS, THEIRS, "[TelemetryMiddleware()]"), (THEIRS, OURS, "[TelemetryMiddleware()]")],
    ids=["alone", "first", "second"],
)
def test_beside_spans_of_ag2s_own_each_call_counts_once(tmp_path, first, second, middleware):
    with Provider([completion("", CALLS), completion()]) as provider:
        text = PROGRAM.format(first=first, second=second, middleware=middleware)
        run_program(text, tmp_path, provider, PYTHONWARNINGS="ignore")
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls, row.errors) == (2, 1, 0)
    assert tree([span for span in spans if not span.is_session]) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
