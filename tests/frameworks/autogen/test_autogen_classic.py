"""AG2 before 1.0: the tree is chats, the replies of agents and tools; each model call in it is counted once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import openai
import pytest
from agentops_otel_instrumentors import autogen as instrumentor
from autogen import ConversableAgent, GroupChat, GroupChatManager
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

ROME = ("get_weather", {"city": "Rome"})
OSLO = ("get_weather", {"city": "Oslo"})
END = ("Indeterminate", "the program ended")


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


def agent(name="guide", provider=None, **settings):
    """An agent that asks the provider, or none; it never asks a human."""
    config = False
    if provider is not None:
        told = {"model": "gpt-4o", "api_key": "sk-none", "base_url": provider.openai_url, "cache_seed": None}
        config = {"config_list": [told | settings.pop("config", {})]}
    return ConversableAgent(name, llm_config=config, **{"human_input_mode": "NEVER", **settings})


def pair(provider, *tools, **settings):
    """(the user, the guide): the guide may ask for these tools, and the user runs them."""
    guide, user = agent("guide", provider, **settings), agent("user", default_auto_reply="go on")
    for tool in tools or (get_weather,):
        guide.register_for_llm(description="x")(tool)
        user.register_for_execution()(tool)
    return user, guide


async def _chat(user, guide, told="x", turns=1):
    return user.initiate_chat(guide, message=told, max_turns=turns, silent=True)


async def _achat(user, guide, told="x", turns=1):
    return await user.a_initiate_chat(guide, message=told, max_turns=turns, silent=True)


WAYS = {"sync": _chat, "async": _achat}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@ways
@pytest.mark.parametrize("streams", [False, True])
async def test_a_chat_with_a_tool(watched, answering, way, streams):
    answer = streamed if streams else completion
    provider = answering(answer("", ROME), answer("It is sunny."))
    result = await way(*pair(provider, config={"stream": streams}, system_message="Be kind."), "hello", 2)
    assert result.chat_history[-1]["content"] == "It is sunny."
    assert tree(watched.spans) == snapshot("""\
invoke_workflow user, guide
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035
  invoke_agent user
    execute_tool get_weather
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)
    flow, first, _, _, used, _, _ = sorted(watched.spans, key=lambda span: span.start_time)
    assert "hello" in flow.attributes[names.INPUT_MESSAGES]
    assert "It is sunny." in flow.attributes[names.OUTPUT_MESSAGES]
    assert "get_weather" in first.attributes[names.OUTPUT_MESSAGES]
    assert used.attributes[names.TOOL_CALL_ARGUMENTS] == '{"city":"Rome"}'
    assert used.attributes[names.TOOL_CALL_RESULT] == '"sunny in Rome"'
    assert used.attributes[names.TOOL_CALL_ID] in first.attributes[names.OUTPUT_MESSAGES]


@ways
async def test_tools_in_parallel(watched, answering, way):
    provider = answering(completion("", ROME, OSLO), completion())
    await way(*pair(provider), turns=2)
    used = [span for span in watched.spans if span.name == "execute_tool get_weather"]
    assert len({span.attributes[names.TOOL_CALL_ID] for span in used}) == 2
    assert {span.attributes[names.TOOL_CALL_RESULT] for span in used} == {'"sunny in Rome"', '"sunny in Oslo"'}
    assert totals(watched.session) == (2, 200, 20)


def test_a_group_of_agents(watched, answering):
    provider = answering(completion("one"), completion("two"))
    members = [agent("ann", provider), agent("bob", provider)]
    group = GroupChat(members, messages=[], max_round=3, speaker_selection_method="round_robin")
    agent("user").initiate_chat(GroupChatManager(group, llm_config=False), message="x", max_turns=1, silent=True)
    assert tree(watched.spans) == snapshot("""\
invoke_workflow user, chat_manager
  invoke_agent chat_manager
    invoke_agent ann
      chat gpt-4o 100->10 tokens $0.00035
    invoke_agent bob
      chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)


@ways
async def test_an_agent_that_asks_an_agent(watched, answering, way):
    provider = answering(completion("inner says"))
    user, outer = pair(provider)
    asked = {"recipient": agent("inner", provider), "message": "y", "max_turns": 1, "chat_id": 1}
    outer.register_nested_chats([asked], trigger=user, use_async=way is _achat)
    assert (await way(user, outer)).chat_history[-1]["content"] == "inner says"
    assert tree(watched.spans) == snapshot("""\
invoke_workflow user, guide
  invoke_agent guide
    invoke_workflow guide, inner
      invoke_agent inner
        chat gpt-4o 100->10 tokens $0.00035\
""")


@ways
async def test_a_tool_that_fails(watched, answering, way):
    def broken(city: str) -> str:
        """Broken."""
        raise ValueError(city)

    await way(*pair(answering(completion("", ("broken", {"city": "Rome"})), completion()), broken), turns=2)
    assert "execute_tool broken ERROR tool_error" in tree(watched.spans)
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_a_call_that_the_client_tries_again_is_one(watched, answering, way):
    provider = answering(Answer.json({"error": {"message": "busy"}}, status=500), completion())
    await way(*pair(provider, config={"max_retries": 1}))
    assert totals(watched.session) == (1, 100, 10)


@ways
async def test_a_call_that_fails(watched, answering, way):
    with pytest.raises(openai.AuthenticationError):
        await way(*pair(answering(refusal())))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow user, guide ERROR openai.AuthenticationError
  invoke_agent guide ERROR openai.AuthenticationError
    chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_run_that_is_cancelled(watched, answering):
    wait, started = waiting()
    told = pair(answering(completion("", ("wait", {}))), wait)
    task = asyncio.ensure_future(_achat(*told, turns=2))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(watched.spans) == snapshot("""\
invoke_workflow user, guide ERROR asyncio.exceptions.CancelledError
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035
  invoke_agent user ERROR asyncio.exceptions.CancelledError
    execute_tool wait ERROR asyncio.exceptions.CancelledError\
""")


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, answering):
    wait, started = waiting()
    told = pair(answering(completion("", ("wait", {}))), wait)
    task = asyncio.ensure_future(_achat(*told, turns=2))
    await started.wait()
    watched.client._end_all(*END)
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00035
  invoke_workflow user, guide abandoned
    invoke_agent guide
      chat gpt-4o 100->10 tokens $0.00035
    invoke_agent user abandoned
      execute_tool wait abandoned\
""")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# --- models that no client tells of -----------------------------------------------------------------------


class Local:
    """A client of the program's own, for a model in this process."""

    def __init__(self, config, **_):
        self.answer = config["answer"]

    def create(self, params):
        usage = SimpleNamespace(prompt_tokens=20, completion_tokens=7, total_tokens=27)
        message = SimpleNamespace(content=self.answer, role="assistant", tool_calls=None, function_call=None)
        choice = SimpleNamespace(message=message, finish_reason="stop", index=0)
        return SimpleNamespace(id="a", model="mine", choices=[choice], usage=usage, cost=0)

    def message_retrieval(self, response):
        return [choice.message.content for choice in response.choices]

    def cost(self, response):
        return 0

    @staticmethod
    def get_usage(response):
        return {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cost": 0, "model": "mine"}


def local(name="guide", answer="hi"):
    told = {"model": "mine", "model_client_cls": "Local", "answer": answer, "cache_seed": None, "api_key": "x"}
    made = ConversableAgent(name, llm_config={"config_list": [told]}, human_input_mode="NEVER")
    made.register_model_client(Local)
    return made


@ways
async def test_a_model_that_no_client_tells_of_is_told_by_its_own(watched, way):
    await way(agent("user"), local())
    assert tree(watched.spans) == snapshot("""\
invoke_workflow user, guide
  invoke_agent guide
    chat mine 20->7 tokens\
""")
    assert totals(watched.session) == (1, 20, 7)


# --- never in the way -------------------------------------------------------------------------------------


def test_what_comes_after_a_chat_is_not_below_it(watched):
    before = trace.get_current_span()
    for name in ("one", "two"):
        agent("user").initiate_chat(local(name), message="x", max_turns=1, silent=True)
        assert trace.get_current_span() is before
    roots = [line for line in tree(watched.spans).splitlines() if not line.startswith(" ")]
    assert roots == ["invoke_workflow user, one", "invoke_workflow user, two"]


async def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering):
    def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return "x"

    await _chat(*pair(answering(completion("", ("look", {"city": "Rome"})), completion()), look), turns=2)
    assert "    execute_tool look\n      execute_tool by hand" in tree(watched.spans)


@ways
async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering, way):
    watched = make_watched(capture_content=False)
    await way(*pair(answering(completion("", ROME), completion()), system_message="kind."), "secret", 2)
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 7
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done", "kind."))


async def test_a_fault_in_reading_is_ours_alone(watched, monkeypatch):
    monkeypatch.setattr(instrumentor, "_parties", lambda _: 1 / 0)
    monkeypatch.setattr(instrumentor, "message_of", lambda _: 1 / 0)
    watched.client.faults.strict = False
    result = await _chat(agent("user"), local())
    assert result.chat_history[-1]["content"] == "hi"
    assert len(watched.spans) == 3
    assert {"engine.request", "engine.content"} <= set(watched.client.faults.counts)
    watched.client.faults.counts.clear()


async def test_nothing_is_told_after_uninstrument(watched):
    user, guide = agent("user"), local()
    watched.client.registry.uninstrument()
    await _chat(user, guide)
    assert watched.spans == []
    watched.client.registry.instrument(watched.client.recorder)


class Odd:
    def __repr__(self):
        raise ValueError("no")


@pytest.mark.parametrize("answer", [Odd(), None, {"a": [1]}, b"\xff", "\ud800"])
def test_a_tool_may_return_anything(watched, answer):
    user = agent("user")
    user.register_function({"look": lambda: answer})
    watched.client.registry.uninstrument()
    before = outcome(user)
    watched.client.registry.instrument(watched.client.recorder)
    assert type(outcome(user)) is type(before)
    assert [span.name for span in watched.spans] == ["execute_tool look"]


def outcome(user):
    try:
        return user.execute_function({"name": "look", "arguments": "{}"})
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("told", ["", {"content": "x"}, {"content": [{"type": "text", "text": "x"}]}])
async def test_messages_of_any_form(watched, told):
    await _chat(agent("user"), local(), told)
    assert len(watched.spans) == 3


# --- beside others ----------------------------------------------------------------------------------------

PROGRAM = """
import warnings
warnings.simplefilter("ignore")
{first}
{second}
from autogen import ConversableAgent

def get_weather(city: str) -> str:
    "The weather."
    return "sunny"

config = {{"config_list": [{{"model": "gpt-4o", "cache_seed": None}}]}}
guide = ConversableAgent("guide", llm_config=config, human_input_mode="NEVER")
user = ConversableAgent("user", llm_config=False, human_input_mode="NEVER")
guide.register_for_llm(description="x")(get_weather)
user.register_for_execution()(get_weather)
{theirs}
user.initiate_chat(guide, message="x", max_turns=2, silent=True)
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
ITS_OWN = """
from opentelemetry import trace
from autogen.opentelemetry import instrument_agent, instrument_llm_wrapper
instrument_llm_wrapper(tracer_provider=trace.get_tracer_provider())
for one in (guide, user):
    instrument_agent(one, tracer_provider=trace.get_tracer_provider())
"""
OTHER = """
from openinference.instrumentation.autogen import AutogenInstrumentor
AutogenInstrumentor().instrument()
"""


@pytest.mark.parametrize(
    ("first", "second", "theirs"),
    [(OURS, "", ""), (OURS, "", ITS_OWN), (OURS, OTHER, ""), (OTHER, OURS, "")],
    ids=["alone", "its own", "openinference second", "openinference first"],
)
def test_beside_others_each_call_counts_once(tmp_path, first, second, theirs):
    with Provider([completion("", ROME), completion()]) as provider:
        text = PROGRAM.format(first=first, second=second, theirs=theirs)
        run_program(text, tmp_path, provider)
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls, row.errors) == (2, 1, 0)
    assert tree([span for span in spans if not span.is_session]) == snapshot("""\
invoke_workflow user, guide
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035
  invoke_agent user
    execute_tool get_weather
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035\
""")
