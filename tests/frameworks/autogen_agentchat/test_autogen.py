"""AutoGen: the tree is teams, agents and tools; each model call in it is counted once."""

from __future__ import annotations

import asyncio

import openai
import pytest
from agentops_otel_instrumentors import autogen_agentchat as instrumentor
from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, SocietyOfMindAgent
from autogen_agentchat.base import Handoff, Response
from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_agentchat.tools import AgentTool
from autogen_core import FunctionCall
from autogen_core.tools import FunctionTool
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

POEM = "openai/testteam-test-team-run-2678e1b8.json"


async def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


async def get_time(city: str) -> str:
    """The time."""
    return f"noon in {city}"


async def _run(thing, task="x"):
    return await thing.run(task=task)


async def _stream(thing, task="x"):
    return [item async for item in thing.run_stream(task=task)][-1]


WAYS = {"run": _run, "stream": _stream}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@ways
async def test_a_team_that_writes_a_poem(watched, recorded, chat, way):
    recording = recorded(POEM)
    model = chat("gpt-4o-2024-08-06")
    primary = AssistantAgent("primary", model, system_message="You are a helpful AI assistant.")
    critic = AssistantAgent("critic", model, system_message="Provide constructive feedback.")
    team = RoundRobinGroupChat([primary, critic], termination_condition=TextMentionTermination("APPROVE"))
    await way(team, "Write a short poem about the fall season.")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow RoundRobinGroupChat
  invoke_agent primary
    chat gpt-4o-2024-08-06 28->111 tokens $0.00118
  invoke_agent critic
    chat gpt-4o-2024-08-06 160->170 tokens $0.0021
  invoke_agent primary
    chat gpt-4o-2024-08-06 321->147 tokens $0.0022725
  invoke_agent critic
    chat gpt-4o-2024-08-06 489->77 tokens $0.0019925\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (flow,) = [span for span in watched.spans if span.name.startswith("invoke_workflow")]
    assert "APPROVE" in flow.attributes[names.OUTPUT_MESSAGES]
    first = watched.spans[1]
    assert "Golden leaves" in first.attributes[names.OUTPUT_MESSAGES]
    assert "fall season" in first.attributes[names.INPUT_MESSAGES]


@ways
@pytest.mark.parametrize("streams", [False, True])
async def test_tools_in_parallel(watched, answering, chat, way, streams):
    calls = [("get_weather", {"city": "Rome"}), ("get_time", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})]
    answer = streamed if streams else completion
    answering(answer("", *calls), answer())
    agent = AssistantAgent(
        "guide", chat(), tools=[get_weather, get_time], reflect_on_tool_use=True, model_client_stream=streams
    )
    await way(agent)
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
    assert {span.attributes[names.TOOL_CALL_RESULT] for span in used} == snapshot(
        {'"noon in Rome"', '"sunny in Oslo"', '"sunny in Rome"'}
    )
    assert {span.attributes[names.TOOL_CALL_ARGUMENTS] for span in used} == snapshot(
        {'{"city":"Oslo"}', '{"city":"Rome"}'}
    )


@ways
async def test_a_tool_that_fails(watched, answering, chat, way):
    async def broken(city: str) -> str:
        """Broken."""
        raise ValueError(city)

    answering(completion("", ("broken", {"city": "Rome"})), completion())
    result = await way(AssistantAgent("unlucky", chat(), tools=[broken], reflect_on_tool_use=True))
    assert result.messages[-1].content == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent unlucky
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR ValueError
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_an_agent_as_a_tool_is_below_the_tool(watched, answering, chat, way):
    answering(completion("", ("inner", {"task": "x"})), completion("", ("get_weather", {"city": "Rome"})), completion())
    inner = AssistantAgent("inner", chat(), tools=[get_weather])
    outer = AssistantAgent("outer", chat(), tools=[AgentTool(inner)], reflect_on_tool_use=True)
    await way(outer)
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool inner
    invoke_agent inner
      chat gpt-4o 100->10 tokens $0.00035
      execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")


@ways
async def test_a_team_within_an_agent(watched, answering, chat, way):
    answering(completion("one"), completion("two"), completion("sum"))
    team = RoundRobinGroupChat(
        [AssistantAgent("ann", chat()), AssistantAgent("bob", chat())], termination_condition=MaxMessageTermination(3)
    )
    await way(SocietyOfMindAgent("society", team, chat()))
    assert tree(watched.spans) == snapshot("""\
invoke_agent society
  invoke_workflow RoundRobinGroupChat
    invoke_agent ann
      chat gpt-4o 100->10 tokens $0.00035
    invoke_agent bob
      chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")


@ways
async def test_a_team_within_a_team(watched, answering, chat, way):
    answering(completion("one"), completion("two"))
    inner = RoundRobinGroupChat(
        [AssistantAgent("ann", chat())], name="inner", termination_condition=MaxMessageTermination(2)
    )
    outer = RoundRobinGroupChat([inner, AssistantAgent("bob", chat())], name="outer", max_turns=2)
    await way(outer)
    assert tree(watched.spans) == snapshot("""\
invoke_workflow outer
  invoke_workflow inner
    invoke_agent ann
      chat gpt-4o 100->10 tokens $0.00035
  invoke_agent bob
    chat gpt-4o 100->10 tokens $0.00035\
""")


@ways
async def test_a_hand_off(watched, answering, chat, way):
    answering(completion("", ("Over", {})), completion("", ("transfer_to_user", {})))
    ann = AssistantAgent("ann", chat(), handoffs=[Handoff(target="bob", name="Over")])
    bob = AssistantAgent("bob", chat(), handoffs=["user"])
    await way(Swarm([ann, bob], termination_condition=HandoffTermination(target="user")))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Swarm
  invoke_agent ann
    chat gpt-4o 100->10 tokens $0.00035
    handoff bob
  invoke_agent bob
    chat gpt-4o 100->10 tokens $0.00035
    handoff user\
""")


@ways
async def test_a_team_that_a_model_leads(watched, answering, chat, way):
    answering(completion("bob"), completion("hello"))
    team = SelectorGroupChat([AssistantAgent("ann", chat()), AssistantAgent("bob", chat())], chat(), max_turns=1)
    await way(team)
    assert tree(watched.spans) == snapshot("""\
invoke_workflow SelectorGroupChat
  chat gpt-4o 100->10 tokens $0.00035
  invoke_agent bob
    chat gpt-4o 100->10 tokens $0.00035\
""")


class Custom(BaseChatAgent):
    """An agent that asks its model by itself, and only once."""

    produced_message_types = (TextMessage,)

    def __init__(self, name, client):
        super().__init__(name, "An agent of the program's own.")
        self._client = client

    async def on_messages(self, messages, cancellation_token):
        answer = await self._client.create([message.to_model_message() for message in messages])
        return Response(chat_message=TextMessage(content=answer.content, source=self.name))

    async def on_reset(self, cancellation_token):
        pass


class Louder(AssistantAgent):
    """An agent made of another."""

    async def on_messages_stream(self, messages, cancellation_token):
        async for item in super().on_messages_stream(messages, cancellation_token):
            yield item


@ways
@pytest.mark.parametrize("kind", [Custom, Louder])
@pytest.mark.parametrize("alone", [True, False])
async def test_an_agent_of_the_programs_own_is_told_once(watched, answering, chat, way, kind, alone):
    answering(completion())
    agent = kind("own", chat())
    await way(agent if alone else RoundRobinGroupChat([agent], max_turns=1, name="team"))
    lines = ["invoke_agent own", "  chat gpt-4o 100->10 tokens $0.00035"]
    assert tree(watched.spans).splitlines() == (
        lines if alone else ["invoke_workflow team", *[f"  {line}" for line in lines]]
    )


# --- models that no client tells of -----------------------------------------------------------------------


@ways
@pytest.mark.parametrize("streams", [False, True])
async def test_a_model_that_no_client_tells_of_is_told_by_autogen(watched, local, way, streams):
    call = FunctionCall(id="call_1", name="get_weather", arguments='{"city": "Rome"}')
    agent = AssistantAgent(
        "guide",
        local([call], "sunny"),
        tools=[get_weather],
        reflect_on_tool_use=True,
        model_client_stream=streams,
    )
    await way(agent)
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat 20->7 tokens
  execute_tool get_weather
  chat 20->7 tokens\
""")
    assert totals(watched.session) == (2, 40, 14)
    asked = next(span for span in watched.spans if span.name == "chat")
    assert "call_1" in asked.attributes[names.OUTPUT_MESSAGES]
    assert "You are a helpful AI assistant" in asked.attributes[names.INPUT_MESSAGES]


async def test_what_comes_from_a_cache_is_no_call(watched, local):
    await AssistantAgent("guide", local("sunny", cached=True)).run(task="x")
    assert tree(watched.spans) == snapshot("invoke_agent guide")


async def test_a_client_that_fails_before_it_asks_anybody(watched, local):
    with pytest.raises(ValueError, match="No more"):
        await AssistantAgent("guide", local()).run(task="x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide ERROR ValueError
  chat ERROR ValueError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


# --- ends -------------------------------------------------------------------------------------------------


@ways
async def test_a_call_that_the_client_tries_again_is_one(watched, answering, chat, way):
    answering(Answer.json({"error": {"message": "busy"}}, status=500), completion())
    await way(AssistantAgent("patient", chat(max_retries=1)))
    assert tree(watched.spans) == snapshot("""\
invoke_agent patient
  chat gpt-4o 100->10 tokens $0.00035\
""")


@ways
async def test_a_call_that_fails(watched, answering, chat, way):
    answering(refusal())
    with pytest.raises(openai.AuthenticationError):
        await way(AssistantAgent("locked_out", chat()))
    assert tree(watched.spans) == snapshot("""\
invoke_agent locked_out ERROR openai.AuthenticationError
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_a_team_in_which_a_call_fails(watched, answering, chat, way):
    answering(refusal())
    with pytest.raises(RuntimeError, match="AuthenticationError"):
        await way(RoundRobinGroupChat([AssistantAgent("locked_out", chat())]))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow RoundRobinGroupChat ERROR RuntimeError
  invoke_agent locked_out ERROR openai.AuthenticationError
    chat gpt-4o ERROR openai.AuthenticationError\
""")


@ways
async def test_a_run_that_is_cancelled(watched, answering, chat, way):
    started = asyncio.Event()

    async def slow(city: str) -> str:
        """Slow."""
        started.set()
        await asyncio.sleep(30)

    answering(completion("", ("slow", {"city": "Rome"})))
    task = asyncio.ensure_future(way(AssistantAgent("hasty", chat(), tools=[slow])))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(watched.spans) == snapshot("""\
invoke_agent hasty ERROR asyncio.exceptions.CancelledError
  chat gpt-4o 100->10 tokens $0.00035\
""")


async def test_a_stream_that_is_left(watched, answering, chat):
    answering(completion())
    before = trace.get_current_span()
    stream = AssistantAgent("left", chat()).run_stream(task="x")
    async for item in stream:
        if item.source == "left":
            break
    await stream.aclose()
    assert trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("""\
invoke_agent left abandoned
  chat gpt-4o 100->10 tokens $0.00035\
""")


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, answering, chat):
    answering(completion())
    stream = AssistantAgent("endless", chat()).run_stream(task="x")
    await anext(stream)
    await anext(stream)
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00035
  invoke_agent endless abandoned
    chat gpt-4o 100->10 tokens $0.00035\
""")
    await stream.aclose()


async def test_what_comes_after_a_run_is_not_below_it(watched, local):
    before = trace.get_current_span()
    for name in ("one", "two"):
        await AssistantAgent(name, local("x")).run(task="x")
        assert trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("""\
invoke_agent one
  chat 20->7 tokens
invoke_agent two
  chat 20->7 tokens\
""")


async def test_agents_at_once_are_beside_each_other(watched, local):
    agents = [AssistantAgent(name, local("x")) for name in ("one", "two")]
    await asyncio.gather(*[_stream(agent) for agent in agents])
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        ["  chat 20->7 tokens", "  chat 20->7 tokens", "invoke_agent one", "invoke_agent two"]
    )


# --- never in the way -------------------------------------------------------------------------------------


async def test_spans_of_the_users_within_a_tool_are_below_it(watched, local):
    async def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return "x"

    call = FunctionCall(id="call_1", name="look", arguments='{"city": "Rome"}')
    await AssistantAgent("guide", local([call], "x"), tools=[look]).run(task="x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat 20->7 tokens
  execute_tool look
    execute_tool by hand\
""")


async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering, chat):
    watched = make_watched(capture_content=False)
    answering(completion("", ("get_weather", {"city": "Rome"})), completion())
    team = RoundRobinGroupChat(
        [AssistantAgent("guide", chat(), tools=[get_weather], reflect_on_tool_use=True)], max_turns=1
    )
    await _stream(team, "secret")
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 5
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done"))


async def test_nothing_is_told_after_uninstrument(watched, local):
    agent = AssistantAgent("guide", local("one", "two"))
    await agent.run(task="x")
    watched.client.registry.uninstrument()
    await agent.run(task="x")
    assert len(watched.spans) == 2
    watched.client.registry.instrument(watched.client.recorder)


class Odd:
    def __repr__(self):
        raise ValueError("no")


async def test_a_tool_may_return_anything(watched, local):
    odd = Odd()

    async def look(city: str) -> Odd:
        """Look."""
        return odd

    tool = FunctionTool(look, "Look.")
    tool.return_value_as_string = lambda _: "odd"
    call = FunctionCall(id="call_1", name="look", arguments='{"city": "Rome"}')
    agent = AssistantAgent("guide", local([call]), tools=[tool])
    assert (await agent.run(task="x")).messages[-1].content == "odd"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat 20->7 tokens
  execute_tool look\
""")


async def test_a_fault_in_reading_is_ours_alone(watched, local, monkeypatch):
    monkeypatch.setattr(instrumentor, "_messages", lambda _: 1 / 0)
    monkeypatch.setattr(instrumentor, "_parts", lambda _: 1 / 0)
    watched.client.faults.strict = False
    assert (await AssistantAgent("guide", local("sunny")).run(task="x")).messages[-1].content == "sunny"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat 20->7 tokens\
""")
    assert watched.client.faults.counts == snapshot({"engine.content": 2, "engine.output": 2})
    watched.client.faults.counts.clear()


@pytest.mark.parametrize("task", [None, [TextMessage(content="x", source="user")], TextMessage(content="", source="u")])
async def test_tasks_of_any_form(watched, local, task):
    assert (await AssistantAgent("guide", local("x")).run(task=task)).messages[-1].content == "x"
    assert len(watched.spans) == 2


async def test_types_stay_what_they_are(watched, local):
    agent = AssistantAgent("guide", local("x", "y"))
    stream = agent.run_stream(task="x")
    assert type(stream).__name__ == "async_generator"
    await stream.aclose()
    assert type(await agent.run(task="x")).__name__ == "TaskResult"


# --- beside others ----------------------------------------------------------------------------------------

PROGRAM = """
import asyncio
{first}
{second}
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient

async def get_weather(city: str) -> str:
    "The weather."
    return "sunny"

async def main():
    client = OpenAIChatCompletionClient(model="gpt-4o")
    agent = AssistantAgent("guide", client, tools=[get_weather], reflect_on_tool_use=True)
    await RoundRobinGroupChat([agent], max_turns=1, name="team").run(task="x")
    await client.close()

asyncio.run(main())
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
THEIRS = """from openinference.instrumentation.autogen_agentchat import AutogenAgentChatInstrumentor as Other
Other().instrument()"""


@pytest.mark.parametrize(
    ("first", "second"), [(OURS, ""), (OURS, THEIRS), (THEIRS, OURS)], ids=["alone", "first", "second"]
)
def test_beside_spans_of_others_each_call_counts_once(tmp_path, first, second):
    with Provider([completion("", ("get_weather", {"city": "Rome"})), completion()]) as provider:
        run_program(PROGRAM.format(first=first, second=second), tmp_path, provider, PYTHONWARNINGS="ignore")
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls, row.errors) == (2, 1, 0)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, snapshot("0.00070"))
    assert tree([span for span in spans if not span.is_session]) == snapshot("""\
invoke_workflow team
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool get_weather
    chat gpt-4o 100->10 tokens $0.00035\
""")
