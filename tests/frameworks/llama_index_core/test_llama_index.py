"""LlamaIndex: the tree is agents, workflows, queries, tools and retrievals; each model call in it is counted once."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from inline_snapshot import snapshot
from llama_index.core import Document, MockEmbedding, SummaryIndex, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import MockLLM
from llama_index.core.schema import TextNode
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from scripted import waiting
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

AGENTS = "openai/test-agents-and-tools-84aeb64a.json"
PIPELINE = "openai/test-query-pipeline-80ac5211.json"
pytestmark = pytest.mark.filterwarnings("ignore")  # LlamaIndex warns of its own fields


def runs(watched):
    return watched.client.registry._active["llama_index.core"].runs


def completion(text="done", *calls, stream=False):
    body = bodies.chat(text, model="gpt-4o-mini", usage=bodies.chat_usage(100, 10), tools=calls)
    return Answer.sse(streams.chat_chunks(body)) if stream else Answer.json(body)


def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


CALL = ("multiply", {"a": 2, "b": 3})


@pytest.fixture
def answering():
    """`answering(answer, ...)`: a model whose provider gives these answers."""
    opened = []

    def made(*answers, model="gpt-4o-mini", max_retries=0):
        opened.append(Provider(list(answers)).start())
        return OpenAI(model=model, api_base=opened[-1].openai_url, api_key="x", max_retries=max_retries)

    yield made
    for provider in opened:
        assert not provider.unanswered
        provider.close()


@pytest.mark.parametrize("exchanges", [(0, 1), (3, 4), (5, 6)])
async def test_an_agent_that_reasons_in_words(watched, recorded, exchanges):
    recording = recorded(AGENTS, *exchanges)
    model = OpenAI(model="gpt-4o-mini", api_base=recording.provider.openai_url, api_key="x", max_retries=0)
    agent = ReActAgent(name="calculator", tools=[multiply], llm=model, streaming=False)
    assert "6" in str(await agent.run("What is 2 times 3?"))
    shown = [line.split(" gpt")[0] for line in tree(watched.spans).splitlines()]
    assert shown == ["invoke_agent calculator", "  chat", "  execute_tool multiply", "  chat"]
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_in_parallel(watched, answering, stream):
    model = answering(completion("", CALL, ("multiply", {"a": 4, "b": 5}), stream=stream), completion(stream=stream))
    await FunctionAgent(name="calculator", tools=[multiply], llm=model, streaming=stream).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent calculator
  chat gpt-4o-mini 100->10 tokens $0.000021
  execute_tool multiply
  execute_tool multiply
  chat gpt-4o-mini 100->10 tokens $0.000021\
""")
    used = [span for span in watched.spans if span.name.startswith("execute_tool")]
    assert sorted(span.attributes[names.TOOL_CALL_RESULT] for span in used) == ["20", "6"]
    assert all(span.attributes[names.TOOL_CALL_ID].startswith("call_") for span in used)
    assert not len(runs(watched))


def a_team(model, **more):
    told = {"llm": model, "tools": [multiply], "streaming": False}
    first = FunctionAgent(name="a", description="a", can_handoff_to=["b"], **told)
    second = FunctionAgent(name="b", description="b", **told)
    return AgentWorkflow(agents=[first, second], root_agent="a", **more)


HAND_OVER = ("handoff", {"to_agent": "b", "reason": "x"})


async def test_agents_that_hand_over(watched, answering):
    model = answering(completion("", CALL), completion("", HAND_OVER), completion("", CALL, CALL), completion())
    await a_team(model).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow AgentWorkflow
  invoke_agent a
    chat gpt-4o-mini 100->10 tokens $0.000021
    execute_tool multiply
    chat gpt-4o-mini 100->10 tokens $0.000021
    execute_tool handoff
  invoke_agent b
    chat gpt-4o-mini 100->10 tokens $0.000021
    execute_tool multiply
    execute_tool multiply
    chat gpt-4o-mini 100->10 tokens $0.000021\
""")
    assert totals(watched.session) == (4, 400, 40)
    last = next(span for span in watched.spans if span.name == "invoke_agent b")
    assert "done" in last.attributes[names.OUTPUT_MESSAGES]
    assert '"role":"user","parts":[{"type":"text","content":"x"}]' in last.attributes[names.INPUT_MESSAGES]
    assert not len(runs(watched))


async def test_workflows_of_agents_at_once_are_beside_each_other(watched, answering):
    teams = [a_team(answering(completion("", HAND_OVER), completion())) for _ in range(2)]
    await asyncio.gather(*(team.run("x") for team in teams))
    shown = [line.strip().split(" gpt")[0] for line in tree(watched.spans).splitlines()]
    one = ["invoke_workflow AgentWorkflow", "invoke_agent a", "chat", "execute_tool handoff", "invoke_agent b", "chat"]
    assert shown == one * 2
    assert not len(runs(watched))


async def test_an_agent_of_several_that_fails(watched, answering):
    model = answering(completion("", HAND_OVER), Answer.json({"error": {"message": "no"}}, status=401))
    with pytest.raises(Exception, match="401"):
        await a_team(model).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow AgentWorkflow ERROR openai.AuthenticationError
  invoke_agent a
    chat gpt-4o-mini 100->10 tokens $0.000021
    execute_tool handoff
  invoke_agent b ERROR openai.AuthenticationError
    chat gpt-4o-mini ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1
    assert not len(runs(watched))


async def test_a_workflow_of_ones_own_and_an_agent_in_a_tool(watched, answering):
    model = answering(completion("", CALL), completion())
    agent = FunctionAgent(name="calculator", tools=[multiply], llm=model, streaming=False)

    class Sums(Workflow):
        @step
        async def ask(self, ev: StartEvent) -> StopEvent:
            watched.session.record(ToolEvent(name="by hand"))
            return StopEvent(result=str(await agent.run("x")))

    assert await Sums().run() == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Sums
  task ask
    execute_tool by hand
    invoke_agent calculator
      chat gpt-4o-mini 100->10 tokens $0.000021
      execute_tool multiply
      chat gpt-4o-mini 100->10 tokens $0.000021\
""")


async def test_a_tool_that_fails(watched, answering):
    def multiply(a: int, b: int) -> int:
        """Multiply."""
        raise LookupError(a)

    model = answering(completion("", CALL), completion())
    await FunctionAgent(name="calculator", tools=[multiply], llm=model, streaming=False).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent calculator
  chat gpt-4o-mini 100->10 tokens $0.000021
  execute_tool multiply ERROR tool_error
  chat gpt-4o-mini 100->10 tokens $0.000021\
""")


async def test_a_call_that_fails(watched, answering):
    model = answering(Answer.json({"error": {"message": "no"}}, status=401))
    with pytest.raises(Exception, match="401"):
        await FunctionAgent(name="calculator", tools=[multiply], llm=model, streaming=False).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent calculator ERROR openai.AuthenticationError
  chat gpt-4o-mini ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_call_that_the_client_tries_again_is_one(watched, answering):
    model = answering(Answer.json({"error": {"message": "busy"}}, status=500), completion(), max_retries=1)
    await FunctionAgent(name="patient", tools=[multiply], llm=model, streaming=False).run("x")
    assert totals(watched.session) == (1, 100, 10)


class Odd:
    def __repr__(self):
        raise ValueError("no")


async def test_a_tool_may_return_anything(watched, answering):
    def multiply(a: int, b: int) -> object:
        """Odd."""
        return Odd()

    told = {}
    for how in ("watched", "alone"):
        if how == "alone":
            watched.client.registry.uninstrument()
        model = answering(completion("", CALL), completion())
        try:
            told[how] = str(await FunctionAgent(name="one", tools=[multiply], llm=model, streaming=False).run("x"))
        except Exception as error:
            told[how] = (type(error), str(error))
    assert told["watched"] == told["alone"]
    assert "execute_tool multiply" in tree(watched.spans)
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, answering):
    wait, started = waiting()
    model = answering(completion("", ("wait", {})))
    agents = [FunctionAgent(name="endless", description="x", tools=[wait], llm=model, streaming=False)]
    running = AgentWorkflow(agents=agents).run("x")
    await started.wait()
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.000021
  invoke_workflow AgentWorkflow abandoned
    invoke_agent endless abandoned
      chat gpt-4o-mini 100->10 tokens $0.000021
      execute_tool wait abandoned\
""")
    await running.cancel_run()
    with suppress(Exception, asyncio.CancelledError):
        await running
    runs(watched).close()


def test_a_recorded_pipeline(watched, recorded):
    recording = recorded(PIPELINE, 0, 1, 2, 4)  # between them Cohere's own client ranks
    told = {"api_base": recording.provider.openai_url, "api_key": "x", "max_retries": 0}
    given = json.loads(recording.exchanges[0]["request"]["body"])
    model = OpenAI(model="gpt-3.5-turbo", **told)
    index = VectorStoreIndex(
        [TextNode(text=text) for text in given["input"]], embed_model=OpenAIEmbedding(model=given["model"], **told)
    )
    question = model.complete("Please generate a question about Paul Graham's life")
    index.as_query_engine(llm=model).query(question.text)
    assert tree(watched.spans) == snapshot("""\
embeddings text-embedding-ada-002 21351->None tokens $0.0021351
chat gpt-3.5-turbo 24->29 tokens $0.0000555
invoke_workflow RetrieverQueryEngine
  retrieval VectorIndexRetriever
    embeddings text-embedding-ada-002 29->None tokens $0.0000029
  chat gpt-3.5-turbo 2112->143 tokens $0.0012705\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


def test_a_query(watched):
    index = SummaryIndex.from_documents([Document(text="hello", doc_id="d")], embed_model=MockEmbedding(4))
    index.as_query_engine(llm=MockLLM()).query("where?")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow RetrieverQueryEngine
  retrieval SummaryIndexRetriever
  chat unknown usage missing\
""")
    (found,) = [span for span in watched.spans if span.name.startswith("retrieval")]
    assert found.attributes[names.RETRIEVAL_QUERY] == "where?"
    assert not len(runs(watched))


async def test_a_run_that_is_cancelled(watched, answering):
    wait, started = waiting()
    model = answering(completion("", ("wait", {})))
    running = FunctionAgent(name="slow", tools=[wait], llm=model, streaming=False).run("x")
    await started.wait()
    await running.cancel_run()
    with suppress(Exception, asyncio.CancelledError):
        await running
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.000021
  invoke_agent slow
    chat gpt-4o-mini 100->10 tokens $0.000021
    execute_tool wait\
""")
    runs(watched).close()


async def test_what_comes_after_a_run_is_not_below_it(watched, answering):
    before = trace.get_current_span()
    for _ in range(2):
        await FunctionAgent(name="one", tools=[], llm=answering(completion()), streaming=False).run("x")
        assert trace.get_current_span() is before
    assert [line for line in tree(watched.spans).splitlines() if line[0] != " "] == ["invoke_agent one"] * 2


async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering):
    watched = make_watched(capture_content=False)
    model = answering(completion("", CALL), completion("secret"))
    await FunctionAgent(name="calculator", tools=[multiply], llm=model, streaming=False).run("private")
    assert len(watched.spans) == 4
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert not any(word in told for word in ("secret", "private", "'6'"))


async def test_nothing_is_told_after_uninstrument(watched, answering):
    listening = len(get_dispatcher().span_handlers)
    watched.client.registry.uninstrument()
    assert len(get_dispatcher().span_handlers) == listening - 1
    await FunctionAgent(name="one", tools=[], llm=answering(completion()), streaming=False).run("x")
    assert not watched.spans
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_fault_of_ours_is_not_the_agents(make_watched, answering, monkeypatch):
    monkeypatch.delenv("AGENTOPS_STRICT")
    watched = make_watched()

    def broken(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr(watched.client.registry._active["llama_index.core"], "begin", broken)
    model = answering(completion("", CALL), completion())
    assert str(await FunctionAgent(name="one", tools=[multiply], llm=model, streaming=False).run("x")) == "done"
    assert watched.client.faults.counts
    watched.client.faults.counts.clear()


OTHERS = {
    "openinference": "from openinference.instrumentation.llama_index import LlamaIndexInstrumentor as Other",
    "openllmetry": "from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor as Other",
}
PROGRAM = """
import warnings
warnings.simplefilter("ignore")
{first}
{second}
import asyncio
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI

def multiply(a: int, b: int) -> int:
    "Multiply."
    return a * b

async def main():
    llm = OpenAI(model="gpt-4o-mini", api_base="{url}", max_retries=0)
    await FunctionAgent(name="calculator", tools=[multiply], llm=llm, streaming=False).run("x")

asyncio.run(main())
agentops.end_session("Success")
"""


@pytest.mark.parametrize("other", OTHERS)
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, other):
    lines = [f"{OTHERS[other]}\nOther().instrument()", "import agentops_otel as agentops\nagentops.init()"]
    first, second = lines if other == "openinference" else lines[::-1]
    with Provider([completion("", CALL), completion()]) as provider:
        run_program(PROGRAM.format(first=first, second=second, url=provider.openai_url), tmp_path, provider)
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (2, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, snapshot("0.000042"))
    assert sorted(span.name for span in spans if not span.is_session) == snapshot(
        ["chat gpt-4o-mini", "chat gpt-4o-mini", "execute_tool multiply", "invoke_agent calculator"]
    )
