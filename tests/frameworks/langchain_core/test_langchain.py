"""LangChain and LangGraph: the tree is the agent's structure, and each model call in it is counted once."""

from __future__ import annotations

import asyncio
import gc
import threading

import openai
import pytest
from agentops_otel_instrumentors import langchain_core as instrumentor
from agentops_otel_instrumentors.langchain_core import callbacks_class
from inline_snapshot import snapshot
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool, ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.types import interrupt
from opentelemetry import trace
from programs import run, stored
from recorded import totals
from trees import tree

import agentops_otel
from agentops_otel import ToolEvent
from agentops_otel.conventions import names

WEATHER = "openai/test-agent-with-raw-dict-messages-f6ccc4ef.json"
SEARCH = "openai/test-agents-with-events-with-content-4c434411.json"
GRAPH = "openai/test-langgraph-ainvoke-06fdfd0b.json"


class Model(GenericFakeChatModel):
    """A model in this process, of which no client tells."""

    def bind_tools(self, tools, **settings):
        return self


def model(*answers):
    return Model(messages=iter([AIMessage(item) if isinstance(item, str) else item for item in answers]))


def calling(*calls):
    return AIMessage(
        "",
        tool_calls=[{"name": name, "args": args, "id": f"call_{number}"} for number, (name, args) in enumerate(calls)],
    )


def runs_open():
    return len(instrumentor._RUNS)


def ask(text):
    return {"messages": [{"role": "user", "content": text}]}


@tool
def get_weather(location: str) -> str:
    """Get the weather for a location."""
    return f"The weather in {location} is sunny."


@tool
def tavily_search_results_json(query: str) -> str:
    """A search engine."""
    return f"results for {query}"


@tool
def broken(location: str) -> str:
    """A tool that fails."""
    raise ValueError(location)


# --- recordings ------------------------------------------------------------------------------------------


async def _invoke(runnable, told):
    return runnable.invoke(told)


async def _ainvoke(runnable, told):
    return await runnable.ainvoke(told)


async def _stream(runnable, told):
    return list(runnable.stream(told))


async def _astream(runnable, told):
    return [item async for item in runnable.astream(told)]


WAYS = {"invoke": _invoke, "ainvoke": _ainvoke, "stream": _stream, "astream": _astream}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@ways
async def test_an_agent_with_a_tool(watched, recorded, chat, way):
    recording = recorded(WEATHER)
    agent = create_agent(chat("gpt-4o-mini", streaming=True), [get_weather], name="forecaster")
    await way(agent, ask("What's the weather in London?"))
    assert tree(watched.spans) == snapshot("""\
invoke_agent forecaster
  chat gpt-4o-mini usage missing
  execute_tool get_weather
  chat gpt-4o-mini usage missing\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (used,) = [span for span in watched.spans if span.name.startswith("execute_tool")]
    (answered, _) = [span for span in watched.spans if span.name.startswith("chat")]
    assert used.attributes[names.TOOL_CALL_ID] in answered.attributes[names.OUTPUT_MESSAGES]
    assert "London" in used.attributes[names.TOOL_CALL_ARGUMENTS]
    assert "sunny" in used.attributes[names.TOOL_CALL_RESULT]


@pytest.mark.parametrize("first", [0, 2, 4])
async def test_a_search_agent(watched, recorded, chat, first):
    recording = recorded(SEARCH, first, first + 1)
    agent = create_agent(chat("gpt-3.5-turbo", streaming=True), [tavily_search_results_json])
    agent.invoke(ask("What is OpenLLMetry?"))
    assert tree(watched.spans) == snapshot("""\
invoke_agent LangGraph
  chat gpt-3.5-turbo usage missing
  execute_tool tavily_search_results_json
  chat gpt-3.5-turbo usage missing\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


@ways
async def test_a_graph_with_a_client_of_its_own(watched, recorded, way):
    recording = recorded(GRAPH)
    client = openai.OpenAI()
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}

    def plain(state):
        return {"messages": [("ai", client.chat.completions.create(**asked).choices[0].message.content)]}

    async def awaited(state):
        async with openai.AsyncOpenAI() as aclient:
            answer = await aclient.chat.completions.create(**asked)
        return {"messages": [("ai", answer.choices[0].message.content)]}

    graph = StateGraph(MessagesState)
    graph.add_node("calculate", RunnableLambda(plain, awaited))
    graph.set_entry_point("calculate")
    await way(graph.compile(name="sums"), ask("x"))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow sums
  task calculate
    chat gpt-4o 24->11 tokens $0.00017\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


# --- models of this process ------------------------------------------------------------------------------


async def test_a_model_that_no_client_tells_of_is_told_by_langchain(watched):
    answer = AIMessage(
        "sunny",
        id="1",
        response_metadata={"model_name": "llama", "finish_reason": "stop"},
        usage_metadata={
            "input_tokens": 20,
            "output_tokens": 7,
            "total_tokens": 27,
            "input_token_details": {"cache_read": 5},
            "output_token_details": {"reasoning": 2},
        },
    )
    model(answer).invoke("x")
    assert tree(watched.spans) == snapshot("chat 20->7 tokens (5 cached)")
    assert watched.span.attributes[names.CACHE_READ_TOKENS] == 5
    assert watched.span.attributes[names.REASONING_TOKENS] == 2
    assert totals(watched.session) == (1, 20, 7)


async def test_what_comes_from_a_cache_is_no_call(watched):
    cache = InMemoryCache()
    answer = AIMessage("sunny", usage_metadata={"input_tokens": 20, "output_tokens": 7, "total_tokens": 27})
    asked = model(answer)
    asked.cache = cache
    assert asked.invoke("x").text == asked.invoke("x").text == "sunny"
    assert totals(watched.session) == (1, 20, 7)


async def test_a_model_without_messages(watched):
    FakeListLLM(responses=["one"]).invoke("x")
    assert tree(watched.spans) == snapshot("text_completion usage missing")


# --- structure -------------------------------------------------------------------------------------------


@ways
async def test_tools_in_parallel_one_of_which_fails(watched, way):
    @tool(response_format="content")
    def careful(location: str) -> str:
        """A tool whose failure is told to the model."""
        raise ToolException(location)

    careful.handle_tool_error = True
    wanted = [
        ("get_weather", {"location": "Rome"}),
        ("careful", {"location": "Oslo"}),
        ("get_weather", {"location": "Bern"}),
    ]
    agent = create_agent(model(calling(*wanted), "done"), [get_weather, careful], name="parallel")
    await way(agent, ask("x"))
    shown = sorted(tree(watched.spans).splitlines())
    assert shown == snapshot(
        [
            "  chat usage missing",
            "  chat usage missing",
            "  execute_tool careful ERROR tool_error",
            "  execute_tool get_weather",
            "  execute_tool get_weather",
            "invoke_agent parallel",
        ]
    )
    used = {span.attributes[names.TOOL_CALL_ID] for span in watched.spans if span.name.startswith("execute_tool")}
    assert used == {"call_0", "call_1", "call_2"}


@ways
async def test_a_tool_that_raises(watched, way):
    agent = create_agent(model(calling(("broken", {"location": "Rome"})), "done"), [broken], name="unlucky")
    with pytest.raises(ValueError, match="Rome"):
        await way(agent, ask("x"))
    assert tree(watched.spans) == snapshot("""\
invoke_agent unlucky ERROR ValueError
  chat usage missing
  execute_tool broken ERROR ValueError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_an_agent_that_asks_an_agent(watched, way):
    inner = create_agent(model(calling(("get_weather", {"location": "Rome"})), "sunny"), [get_weather], name="inner")

    def plain(question: str) -> str:
        """Ask."""
        return inner.invoke(ask(question))["messages"][-1].text

    async def awaited(question: str) -> str:
        """Ask."""
        return (await inner.ainvoke(ask(question)))["messages"][-1].text

    ask_inner = StructuredTool.from_function(plain, awaited, name="ask_inner", description="Ask.")
    outer = create_agent(model(calling(("ask_inner", {"question": "Rome?"})), "done"), [ask_inner], name="outer")
    await way(outer, ask("x"))
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer
  chat usage missing
  execute_tool ask_inner
    invoke_agent inner
      chat usage missing
      execute_tool get_weather
      chat usage missing
  chat usage missing\
""")


@ways
async def test_a_graph_of_agents_and_graphs(watched, way):
    deep = StateGraph(MessagesState)
    deep.add_node("dig", lambda _: {"messages": [("ai", "deep")]})
    deep.set_entry_point("dig")
    graph = StateGraph(MessagesState)
    graph.add_node("plan", lambda _: {"messages": [model("a plan").invoke("x")]})
    graph.add_node("work", create_agent(model("done"), [get_weather], name="worker"))
    graph.add_node("deep", deep.compile())
    graph.set_entry_point("plan")
    graph.add_conditional_edges("plan", lambda _: "work")
    graph.add_edge("work", "deep")
    await way(graph.compile(name="crew"), ask("x"))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow crew
  task plan
    chat usage missing
  task work
    invoke_agent worker
      chat usage missing
  task deep
    task dig\
""")


@ways
async def test_a_chain(watched, way):
    chain = ChatPromptTemplate.from_messages([("user", "{x}")]) | model("well") | StrOutputParser()
    await way(chain.with_config(run_name="joke"), {"x": "y"})
    assert tree(watched.spans) == snapshot("""\
invoke_workflow joke
  chat usage missing\
""")


@ways
async def test_a_retriever(watched, way):
    class Library(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document("text", id="d1", metadata={"score": 0.5}), Document("more")]

    if way in {_stream, _astream}:
        await way(Library(), "where?")
    else:
        assert len(await way(Library(), "where?")) == 2
    assert tree(watched.spans) == snapshot("retrieval Library")
    assert watched.span.attributes[names.RETRIEVAL_QUERY] == "where?"
    assert watched.span.attributes[names.RETRIEVAL_DOCUMENTS] == '[{"id":"d1","score":0.5},{}]'


@pytest.mark.parametrize("way", [_invoke, _ainvoke])
async def test_a_chain_that_is_tried_again(watched, way):
    tries = iter([ValueError("first"), None])

    def flaky(told):
        error = next(tries)
        if error is not None:
            raise error
        return told

    chain = RunnableLambda(flaky).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    await way(chain.with_config(run_name="again"), "x")
    assert tree(watched.spans) == snapshot("invoke_workflow again")


async def test_an_interrupt_is_no_error(watched):
    graph = StateGraph(MessagesState)
    graph.add_node("human", lambda _: {"messages": [("user", interrupt("really?"))]})
    graph.set_entry_point("human")
    compiled = graph.compile(checkpointer=InMemorySaver())
    compiled.invoke(ask("x"), {"configurable": {"thread_id": "1"}})
    assert tree(watched.spans) == snapshot("""\
invoke_workflow LangGraph
  task human\
""")


# --- where it runs ---------------------------------------------------------------------------------------


@ways
async def test_what_comes_after_a_run_is_not_below_it(watched, way):
    before = trace.get_current_span()
    for text in ("one", "two"):
        await way(create_agent(model(text), [], name=text), ask("x"))
        assert trace.get_current_span() is before
    with watched.client.decorators._ground().tracer.start_as_current_span("mine"):
        pass
    assert tree(watched.spans) == snapshot("""\
invoke_agent one
  chat usage missing
invoke_agent two
  chat usage missing
mine\
""")


async def test_a_stream_that_is_left(watched):
    chain, again = (model("one two three") | StrOutputParser() for _ in range(2))
    for _ in chain.stream("x"):
        break
    async for _ in again.with_config(run_name="again").astream("x"):
        break
    gc.collect()
    await asyncio.sleep(0.05)
    create_agent(model("next"), [], name="next").invoke(ask("x"))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow RunnableSequence
  chat usage missing
invoke_workflow again
  chat usage missing
invoke_agent next
  chat usage missing\
""")
    assert not runs_open()


async def test_a_run_that_is_cancelled(watched):
    started = asyncio.Event()

    async def slow(_):
        started.set()
        await asyncio.sleep(30)

    graph = StateGraph(MessagesState)
    graph.add_node("slow", slow)
    graph.set_entry_point("slow")
    task = asyncio.ensure_future(graph.compile().ainvoke(ask("x")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(watched.spans) == snapshot("""\
invoke_workflow LangGraph ERROR asyncio.exceptions.CancelledError
  task slow ERROR asyncio.exceptions.CancelledError\
""")
    assert not runs_open()


async def test_a_batch_in_threads_keeps_its_session(watched):
    chain = (RunnableLambda(lambda told: told) | RunnableLambda(get_weather.invoke)).with_config(run_name="batch")
    chain.batch([{"location": str(number)} for number in range(8)])
    shown = sorted(tree(watched.spans).splitlines())
    assert shown == ["  execute_tool get_weather"] * 8 + ["invoke_workflow batch"] * 8
    assert not runs_open()


async def test_a_thread_of_ones_own(watched):
    thread = threading.Thread(target=lambda: create_agent(model("x"), [], name="there").invoke(ask("x")))
    thread.start()
    thread.join()
    assert tree(watched.spans) == snapshot("""\
invoke_agent there
  chat usage missing\
""")


@ways
async def test_spans_of_the_users_within_a_tool_are_below_it(watched, way):
    def spanned(location: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        with trace.use_span(
            watched.client._ground.tracer.start_span("mine", context=watched.session.parent()), end_on_exit=True
        ):
            return model("inside").invoke("x").text

    async def awaited(location: str) -> str:
        """Look."""
        return spanned(location)

    look = StructuredTool.from_function(spanned, awaited, name="look", description="Look.")
    agent = create_agent(model(calling(("look", {"location": "Rome"})), "done"), [look], name="outer")
    await way(agent, ask("x"))
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer
  chat usage missing
  execute_tool look
    execute_tool by hand
    mine
      chat usage missing
  chat usage missing\
""")


# --- never in the way ------------------------------------------------------------------------------------


async def test_content_is_left_out_where_it_is_not_wanted(make_watched):
    watched = make_watched(capture_content=False)
    agent = create_agent(model(calling(("get_weather", {"location": "Rome"})), "done"), [get_weather], name="quiet")
    agent.invoke(ask("secret"))
    assert len(watched.spans) == 4
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done"))


async def test_nothing_is_told_after_uninstrument(watched):
    agent = create_agent(model("one", "two"), [], name="agent")
    agent.invoke(ask("x"))
    watched.client.registry.uninstrument()
    agent.invoke(ask("x"))
    assert len(watched.spans) == 2
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_tool_may_return_anything(watched):
    class Odd:
        def __repr__(self):
            raise ValueError("no")

        __str__ = __repr__

    @tool(response_format="content_and_artifact")
    def odd(location: str):
        """Odd."""
        return "odd", Odd()

    agent = create_agent(model(calling(("odd", {"location": "x"})), "done"), [odd], name="agent")
    assert agent.invoke(ask("x"))["messages"][-1].text == "done"
    assert len(watched.spans) == 4


@ways
async def test_a_fault_of_ours_is_not_the_agents(watched, monkeypatch, way):
    monkeypatch.setattr(instrumentor, "_begin", lambda *_: 1 / 0)
    monkeypatch.setattr(instrumentor._RUNS, "finish", lambda *_: 1 / 0)
    watched.client.faults.strict = False
    calls = model(calling(("get_weather", {"location": "Rome"})), "done")
    answer = await way(create_agent(calls, [get_weather], name="agent"), ask("x"))
    assert "done" in str(answer)
    assert set(watched.client.faults.counts) == {"engine.run"}
    watched.client.faults.counts.clear()


@pytest.mark.parametrize("told", [None, 3, object(), {"messages": 3}, {"messages": [object(), None, 4]}, [b"x"]])
async def test_chains_may_take_and_return_anything(watched, told):
    assert RunnableLambda(lambda given: given).invoke(told) is told
    assert watched.span.name == "invoke_workflow RunnableLambda"


async def test_ends_without_beginnings_tell_nothing(watched):
    callbacks = callbacks_class()(lambda: watched.client.recorder)
    callbacks.on_chain_end({}, run_id="never")
    callbacks.on_tool_error(ValueError(), run_id="never")
    callbacks.on_llm_new_token("x", run_id="never")
    assert not watched.spans


async def test_a_run_that_never_ends_leaves_the_session_whole(watched):
    callbacks = callbacks_class()(lambda: watched.client.recorder)
    callbacks.on_chain_start({"name": "endless"}, {}, run_id="r1", parent_run_id=None)
    create_agent(model("x"), [], name="agent").invoke(ask("x"))
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate
  invoke_workflow endless abandoned
    invoke_agent agent
      chat usage missing\
""")


# --- by hand, and beside others --------------------------------------------------------------------------


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize("name", ["LangchainCallbackHandler", "AsyncLangchainCallbackHandler"])
@ways
async def test_callbacks_by_hand_never_double(make_default, name, automatic, way):
    watched = make_default(instrument_llm_calls=automatic)
    by_hand = getattr(agentops_otel, name)()
    assert isinstance(by_hand, agentops_otel.LangchainCallbackHandler)
    assert by_hand.current_session_ids == [watched.session.session_id]
    agent = create_agent(model(calling(("get_weather", {"location": "Rome"})), "done"), [get_weather], name="agent")
    await way(agent.with_config(callbacks=[by_hand]), ask("x"))
    assert tree(watched.spans) == snapshot("""\
invoke_agent agent
  chat usage missing
  execute_tool get_weather
  chat usage missing\
""")


OTHERS = {
    "openinference": "from openinference.instrumentation.langchain import LangChainInstrumentor as Other",
    "openllmetry": "from opentelemetry.instrumentation.langchain import LangchainInstrumentor as Other",
}
PROGRAM = """
import sys
{first}
{second}
import openai
from langchain.agents import create_agent
from langchain_core.tools import StructuredTool, ToolException, tool
from langchain_openai import ChatOpenAI

@tool
def get_weather(location: str) -> str:
    "The weather."
    return "sunny"

agent = create_agent(ChatOpenAI(model="gpt-4o-mini", streaming=True), [get_weather], name="forecaster")
agent.invoke({{"messages": [("user", "x")]}})
agentops.end_session("Success")
"""


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("other", OTHERS)
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, recorded, other, order):
    recording = recorded(WEATHER)
    lines = [f"{OTHERS[other]}\nOther().instrument()", "import agentops_otel as agentops\nagentops.init()"]
    first, second = lines if order == "first" else lines[::-1]
    run(PROGRAM.format(first=first, second=second), tmp_path, recording.provider, PYTHONWARNINGS="ignore")
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (recording.calls, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"]) == (
        recording.input_tokens,
        recording.output_tokens,
    )
    assert sorted(span.name for span in spans if not span.is_session) == snapshot(
        ["chat gpt-4o-mini", "chat gpt-4o-mini", "execute_tool get_weather", "invoke_agent forecaster"]
    )
