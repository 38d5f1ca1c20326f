"""Strands Agents: its own spans are the tree, each model call in it is shown and counted once, by its client's span."""

from __future__ import annotations

import asyncio
import json

import pytest
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from scripted import refusal, streamed, waiting
from strands import Agent, tool
from strands.models import Model
from strands.multiagent import GraphBuilder, Swarm
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

ROME = {"city": "Rome"}
WEATHER = ("weather", ROME)


@tool
def weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


@tool
async def clock(city: str) -> str:
    """The time."""
    await asyncio.sleep(0)
    return f"noon in {city}"


def guide(model, **settings):
    return Agent(**{"name": "guide", "model": model, "tools": [weather, clock], "callback_handler": None, **settings})


def test_a_tool(watched, answering):
    result = guide(answering(streamed("", WEATHER), streamed("It is sunny.")))("x")
    assert str(result).strip() == "It is sunny."
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)
    (used,) = [span for span in watched.spans if span.name == "execute_tool weather"]
    assert json.loads(used.attributes[names.TOOL_CALL_ARGUMENTS]) == ROME
    assert json.loads(used.attributes[names.TOOL_CALL_RESULT]) == [{"text": "sunny in Rome"}]
    (asked,) = [
        span
        for span in watched.spans
        if names.TOOL_CALL_ID not in span.attributes and "tool_call" in str(span.attributes[names.OUTPUT_MESSAGES])
    ]
    (call,) = json.loads(asked.attributes[names.OUTPUT_MESSAGES])[0]["parts"]
    assert call["id"] == used.attributes[names.TOOL_CALL_ID]
    assert watched.session.get_analytics()["Tool calls"] == 1


async def test_a_stream_of_events(watched, answering):
    agent = guide(answering(streamed("", WEATHER), streamed("It is sunny.")))
    events = [event async for event in agent.stream_async("x")]
    assert "".join(event["data"] for event in events if "data" in event) == "It is sunny."
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)


async def test_tools_in_parallel(watched, answering):
    model = answering(streamed("", WEATHER, ("clock", ROME), ("weather", {"city": "Oslo"})), streamed())
    await guide(model).invoke_async("x")
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  execute_tool clock",
            "  execute_tool weather",
            "  execute_tool weather",
            "invoke_agent guide 200->20 tokens",
        ]
    )
    assert totals(watched.session) == (2, 200, 20)
    assert watched.session.get_analytics()["Tool calls"] == 3


def test_an_agent_as_a_tool_is_below_the_tool(watched, answering):
    model = answering(streamed("", ("ask_inner", {"question": "x"})), streamed("", WEATHER), streamed(), streamed())

    @tool
    def ask_inner(question: str) -> str:
        """Ask."""
        return str(guide(model, name="inner")(question))

    guide(model, name="outer", tools=[ask_inner])("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool ask_inner
    invoke_agent inner 200->20 tokens
      chat gpt-4o 100->10 tokens $0.00035
      execute_tool weather
      chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (4, 400, 40)


def test_a_graph_and_a_swarm(watched, answering):
    model = answering(streamed(), streamed(), streamed())
    builder = GraphBuilder()
    builder.add_node(guide(model, name="one"), "one")
    builder.add_node(guide(model, name="two"), "two")
    builder.add_edge("one", "two")
    builder.set_max_node_executions(2)
    builder.build()("x")
    Swarm([guide(model, name="three")])("x")
    assert tree(watched.spans) == snapshot("""\
invoke_graph
  invoke_agent one 100->10 tokens
    chat gpt-4o 100->10 tokens $0.00035
  invoke_agent two 100->10 tokens
    chat gpt-4o 100->10 tokens $0.00035
invoke_swarm
  invoke_agent three 100->10 tokens
    chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (3, 300, 30)
    flows = [span for span in watched.spans if span.attributes.get(names.SPAN_KIND) == names.KIND_WORKFLOW]
    assert [span.name for span in flows] == ["invoke_graph", "invoke_swarm"]


def test_a_tool_that_fails(watched, answering):
    @tool
    def broken(city: str) -> str:
        """Break."""
        raise ValueError(f"no weather in {city}")

    guide(answering(streamed("", ("broken", ROME)), streamed()), tools=[broken])("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR ValueError
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert watched.session.get_analytics()["Errors"] == 1


class Odd:
    """What no JSON can be made of, nor a text."""

    def __repr__(self):
        raise RuntimeError("odd")


def test_a_tool_that_returns_what_nobody_can_write(watched, answering):
    @tool
    def odd(city: str) -> object:
        """Odd."""
        return Odd()

    guide(answering(streamed("", ("odd", ROME)), streamed()), tools=[odd])("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool odd ERROR RuntimeError
  chat gpt-4o 100->10 tokens $0.00035\
""")


def test_a_call_that_fails(watched, answering):
    with pytest.raises(Exception, match="no"):
        guide(answering(refusal()))("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide ERROR
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_call_that_the_client_tries_again_is_one(watched, answering):
    busy = Answer.json({"error": {"message": "busy"}}, status=500)
    guide(answering(busy, streamed("It is sunny."), max_retries=1))("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 100->10 tokens
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (1, 100, 10)


class Own(Model):
    """A model in this process."""

    def update_config(self, **_):
        """Nothing to set."""

    def get_config(self):
        return {"model_id": "mine"}

    async def structured_output(self, *_, **__):
        yield {}

    async def stream(self, *_, **__):
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": "hi"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}
        usage = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 1}}}


def test_a_model_that_no_client_tells_of_is_told_by_strands(watched):
    guide(Own())("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 7->3 tokens
  chat 7->3 tokens\
""")
    assert totals(watched.session) == (1, 7, 3)


def test_a_client_that_is_left_alone_is_told_of_by_strands(make_watched, answering):
    watched = make_watched(disabled_instrumentations=("openai",))
    guide(answering(streamed("", WEATHER), streamed()))("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 200->20 tokens
  chat 100->10 tokens $0.00035
  execute_tool weather
  chat 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)
    assert not any(names.PROVIDER_NAME in span.attributes for span in watched.spans)


def test_a_reader_that_leaves(watched, answering):
    model = answering(streamed("It is sunny."))

    async def leave():
        before = trace.get_current_span()
        events = guide(model).stream_async("x")
        async for event in events:
            if "data" in event:
                break
        await events.aclose()
        assert trace.get_current_span() is before

    asyncio.run(leave())  # Strands leaves the model's stream open until the loop ends
    agent, call = sorted(watched.spans, key=lambda span: span.start_time)
    assert (agent.name, call.name) == ("invoke_agent guide", "chat gpt-4o")
    assert call.attributes[names.STREAM_OUTCOME] == "abandoned"
    assert watched.session.get_analytics()["LLM calls"] == 1


async def test_a_run_that_is_cancelled(watched, answering):
    wait, running = waiting()
    task = asyncio.create_task(guide(answering(streamed("", ("wait", {}))), tools=[tool(wait)]).invoke_async("x"))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert totals(watched.session) == (1, 100, 10)
    assert "invoke_agent guide" in tree(watched.spans)


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, answering):
    wait, running = waiting()
    task = asyncio.create_task(guide(answering(streamed("", ("wait", {}))), tools=[tool(wait)]).invoke_async("x"))
    await running.wait()
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00035
  invoke_agent guide abandoned
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool wait abandoned\
""")
    assert totals(watched.session) == (1, 100, 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering):
    @tool
    def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return city

    guide(answering(streamed("", ("look", ROME)), streamed()), tools=[look])("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool look
    execute_tool by hand
  chat gpt-4o 100->10 tokens $0.00035\
""")


def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering):
    watched = make_watched(capture_content=False)

    @tool
    def broken(city: str) -> str:
        """Break."""
        raise ValueError(f"secret of {city}")

    guide(answering(streamed("", WEATHER, ("broken", ROME)), streamed()), tools=[weather, broken])("secret")
    told = " ".join(f"{span.attributes} {span.events} {span.status_message}" for span in watched.spans)
    assert len(watched.spans) == 5
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done"))
    assert "ValueError" in told


def test_after_uninstrument_strands_tells_of_its_calls_itself(watched, answering):
    model = answering(streamed("", WEATHER), streamed())
    watched.client.registry.uninstrument()
    guide(model)("x")
    assert totals(watched.session) == (2, 200, 20)
    assert not any(span.scope.startswith("agentops_otel") for span in watched.spans)
    watched.client.registry.instrument(watched.client.recorder)


PROGRAM = """
import warnings
warnings.simplefilter("ignore")
{first}
{second}
from strands import Agent, tool
from strands.models.openai import OpenAIModel

@tool
def weather(city: str) -> str:
    "The weather."
    return "sunny"

Agent(name="guide", model=OpenAIModel(model_id="gpt-4o"), tools=[weather], callback_handler=None)("x")
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
OTHER = "from openinference.instrumentation.openai import OpenAIInstrumentor as Other\nOther().instrument()"


READER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from openinference.instrumentation.strands_agents import StrandsAgentsToOpenInferenceProcessor
if not hasattr(trace.get_tracer_provider(), "add_span_processor"):
    trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(StrandsAgentsToOpenInferenceProcessor())
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(OURS, "", id="alone"),
        pytest.param(OTHER, OURS, id="openinference's of openai first"),
        pytest.param(OURS, OTHER, id="openinference's of openai second"),
        pytest.param(READER, OURS, id="openinference's of strands first"),
        pytest.param(OURS, READER, id="openinference's of strands second"),
    ],
)
def test_a_whole_program_counts_each_call_once(tmp_path, first, second):
    with Provider([streamed("", WEATHER), streamed()]) as provider:
        run_program(PROGRAM.format(first=first, second=second), tmp_path, provider)
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (2, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, snapshot("0.00070"))
    assert [line.split(" $")[0] for line in tree(span for span in spans if not span.is_session).splitlines()] == [
        "invoke_agent guide 200->20 tokens",
        "  chat gpt-4o 100->10 tokens",
        "  execute_tool weather",
        "  chat gpt-4o 100->10 tokens",
    ]
