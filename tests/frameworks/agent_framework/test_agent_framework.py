"""Microsoft's Agent Framework: its own spans are the tree, each model call is shown and counted once, by its client's."""

from __future__ import annotations

import asyncio

import pytest
from agent_framework import Agent, tool
from agentops_otel_instrumentors import agent_framework as instrumentor
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from scripted import completion, refusal, streamed, waiting
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

RECORDED = "openai/test-agent-with-tool-calls-324b91e8.json"
ROME = ("get_weather", {"location": "Rome"})


def get_weather(location: str) -> str:
    """The weather."""
    return f"sunny in {location}"


def guide(client, *tools, name="guide"):
    return Agent(client, name=name, instructions="Be kind.", tools=list(tools or (get_weather,)))


async def _whole(agent, told="x"):
    return (await agent.run(told)).text


async def _stream(agent, told="x"):
    return "".join([update.text async for update in agent.run(told, stream=True)])


WAYS = {"whole": (_whole, completion), "stream": (_stream, streamed)}
ways = pytest.mark.parametrize(("way", "answer"), WAYS.values(), ids=WAYS)


async def test_a_recorded_agent_with_a_tool(watched, recorded, client_at):
    recording = recorded(RECORDED)
    agent = guide(client_at(recording.provider, responses=True, model="gpt-4o-mini"))
    await agent.run("What's the weather in San Francisco?")
    assert not recording.provider.unanswered
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 181->33 tokens
  chat gpt-4o-mini 73->16 tokens $0.00002055
  execute_tool get_weather
  chat gpt-4o-mini 108->17 tokens $0.0000264\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


@ways
async def test_a_tool(watched, answering, client_at, way, answer):
    assert await way(guide(client_at(answering(answer("", ROME), answer("It is sunny."))))) == "It is sunny."
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)
    (used,) = [span for span in watched.spans if span.name.startswith("execute_tool")]
    asked = min((span for span in watched.spans if span.name.startswith("chat")), key=lambda span: span.start_time)
    assert used.attributes[names.TOOL_CALL_ID] in asked.attributes[names.OUTPUT_MESSAGES]
    assert watched.session.get_analytics()["Tool calls"] == 1


@ways
async def test_tools_in_parallel(watched, answering, client_at, way, answer):
    provider = answering(answer("", ROME, ("get_weather", {"location": "Oslo"})), answer())
    await way(guide(client_at(provider)))
    used = [span for span in watched.spans if span.name == "execute_tool get_weather"]
    assert len({span.attributes[names.TOOL_CALL_ID] for span in used}) == 2
    assert totals(watched.session) == (2, 200, 20)


async def test_an_agent_as_a_tool_is_below_the_tool(watched, answering, client_at):
    client = client_at(answering(completion("", ("inner", {"task": "x"})), streamed("sunny"), completion()))
    inner = guide(client, name="inner")
    await guide(client, inner.as_tool(), name="outer").run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer 200->20 tokens
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool inner
    invoke_agent inner 100->10 tokens
      chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (3, 300, 30)


@ways
async def test_a_call_that_the_client_tries_again_is_one(watched, answering, client_at, way, answer):
    provider = answering(Answer.json({"error": {"message": "busy"}}, status=500), answer())
    await way(guide(client_at(provider, max_retries=1)))
    assert totals(watched.session) == (1, 100, 10)


@ways
async def test_a_tool_that_fails(watched, answering, client_at, way, answer):
    def broken(location: str) -> str:
        """Broken."""
        raise ValueError(location)

    await way(guide(client_at(answering(answer("", ("broken", ROME[1])), answer())), broken))
    assert "execute_tool broken ERROR ValueError" in tree(watched.spans)
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_a_call_that_fails(watched, answering, client_at, way, answer):
    with pytest.raises(Exception, match="no"):
        await way(guide(client_at(answering(refusal()))))
    assert watched.session.get_analytics()["Errors"] == 1
    assert totals(watched.session)[1:] == (0, 0)


async def test_a_run_that_is_cancelled(watched, answering, client_at):
    wait, begun = waiting()
    task = asyncio.ensure_future(guide(client_at(answering(completion("", ("wait", {})))), wait).run("x"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool wait\
""")


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, answering, client_at):
    wait, begun = waiting()
    task = asyncio.ensure_future(guide(client_at(answering(completion("", ("wait", {})))), wait).run("x"))
    await begun.wait()
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00035
  invoke_agent guide abandoned
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool wait abandoned\
""")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Odd:
    def __repr__(self):
        raise ValueError("no")


@pytest.mark.parametrize("answer", [Odd(), None, {"a": [1]}, b"\xff", "\ud800"])
async def test_a_tool_may_return_anything(watched, answer):
    async def told():
        try:
            return type(await tool(lambda: answer, name="look").invoke(arguments={}))
        except Exception as error:
            return type(error)

    watched.client.registry.uninstrument()
    before = await told()
    watched.client.registry.instrument(watched.client.recorder)
    assert await told() is before


async def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering, client_at):
    def look(location: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return "x"

    await guide(client_at(answering(completion("", ("look", ROME[1])), completion())), look).run("x")
    assert "  execute_tool look\n    execute_tool by hand" in tree(watched.spans)


async def test_what_comes_after_a_run_is_not_below_it(watched, answering, client_at):
    client, before = client_at(answering(completion(), completion())), trace.get_current_span()
    for name in ("one", "two"):
        await guide(client, name=name).run("x")
        assert trace.get_current_span() is before
    roots = [line.split(" ")[:2] for line in tree(watched.spans).splitlines() if not line.startswith(" ")]
    assert roots == [["invoke_agent", "one"], ["invoke_agent", "two"]]


@ways
async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering, client_at, way, answer):
    watched = make_watched(capture_content=False)
    await way(guide(client_at(answering(answer("", ROME), answer()))), "secret")
    told = " ".join(f"{span.attributes} {span.events}" for span in watched.spans)
    assert len(watched.spans) == 4
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done", "kind."))


async def test_after_uninstrument_it_tells_of_its_calls_itself(watched, answering, client_at):
    client = client_at(answering(completion()))
    watched.client.registry.uninstrument()
    await guide(client).run("x")
    assert totals(watched.session) == (1, 100, 10)
    watched.client.registry.instrument(watched.client.recorder)


def test_nothing_of_it_is_wrapped():
    assert not instrumentor.AgentFrameworkInstrumentor.targets


PROGRAM = """
import warnings
warnings.simplefilter("ignore")
import asyncio
{first}
{second}
from agent_framework import Agent
from agent_framework.openai import OpenAIChatCompletionClient

def get_weather(location: str) -> str:
    "The weather."
    return "sunny"

agent = Agent(OpenAIChatCompletionClient("gpt-4o"), name="guide", tools=[get_weather])
asyncio.run(agent.run("x"))
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
READER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from openinference.instrumentation.agent_framework import AgentFrameworkToOpenInferenceProcessor
if not hasattr(trace.get_tracer_provider(), "add_span_processor"):
    trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(AgentFrameworkToOpenInferenceProcessor())
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [(OURS, ""), (READER, OURS), (OURS, READER)],
    ids=["alone", "openinference first", "openinference second"],
)
def test_a_whole_program_counts_each_call_once(tmp_path, first, second):
    with Provider([completion("", ROME), completion()]) as provider:
        run_program(PROGRAM.format(first=first, second=second), tmp_path, provider)
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (2, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, "0.00070")
    kept = tree(span for span in spans if not span.is_session).splitlines()
    assert [line.split(" $")[0].split(" 200")[0] for line in kept] == snapshot(
        [
            "invoke_agent guide",
            "  chat gpt-4o 100->10 tokens",
            "  execute_tool get_weather",
            "  chat gpt-4o 100->10 tokens",
        ]
    )
