"""Haystack: pipelines, components, agents, tools and retrievals are the tree; each model call in it is counted once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import types

import pytest
from agentops_otel_instrumentors import _haystack_spans as shapes
from haystack import Document, Pipeline, SuperComponent, component, tracing
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.embedders import MockTextEmbedder, OpenAITextEmbedder
from haystack.components.extractors import LLMMetadataExtractor
from haystack.components.generators.chat import FallbackChatGenerator, MockChatGenerator, OpenAIChatGenerator
from haystack.components.rankers import LLMRanker
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import ComponentTool, tool
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

SEARCH = "openai/test-agent-run-component-spans-false-facd6c7f.json"
ROME = {"city": "Rome"}
WEATHER = ("weather", ROME)
ASKED = [ChatMessage.from_user("x")]


@tool
def weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


@pytest.fixture(autouse=True)
def tracing_is_as_it_was():
    yield
    assert not tracing.is_tracing_enabled()


def runs(watched):
    return watched.client.registry._active["haystack"].runs


def gpt(**settings):
    return OpenAIChatGenerator(model="gpt-4o", max_retries=0, **settings)


def guide(*tools, model=None, **settings):
    return Agent(chat_generator=model or gpt(), tools=list(tools or [weather]), **settings)


def store():
    kept = InMemoryDocumentStore()
    kept.write_documents([Document(id="a", content="Rome is sunny"), Document(id="b", content="Oslo is cold")])
    return kept


def questions(model=None):
    """A pipeline that looks something up and asks a model about it."""
    pipeline = Pipeline(metadata={"name": "questions"})
    pipeline.add_component("finder", InMemoryBM25Retriever(store(), top_k=1))
    template = [ChatMessage.from_user("{{documents}} {{question}}")]
    pipeline.add_component("prompt", ChatPromptBuilder(template, required_variables="*"))
    pipeline.add_component("model", model or gpt())
    pipeline.connect("finder.documents", "prompt.documents")
    pipeline.connect("prompt.prompt", "model.messages")
    return pipeline


QUESTION = {"finder": {"query": "Rome"}, "prompt": {"question": "Where is it sunny?"}}
QUESTIONS = snapshot("""\
invoke_workflow questions
  retrieval InMemoryBM25Retriever
  task prompt
  chat gpt-4o 100->10 tokens $0.00035\
""")


@pytest.mark.parametrize("method", ["run", "run_async"])
async def test_a_recording_of_an_agent(watched, recorded, method):
    @tool
    def search(query: str, user_context: str = "Alice") -> dict:
        """Search documents."""
        return {"results": [f"Found results for '{query}' (user: {user_context})"]}

    recording = recorded(SEARCH)
    agent = guide(search, model=OpenAIChatGenerator(model="gpt-4o-mini", max_retries=0))
    asked = [ChatMessage.from_user("Search for Python tutorials")]
    said = await agent.run_async(asked) if method == "run_async" else agent.run(asked)
    assert said["last_message"].text.startswith("I found some results")
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat gpt-4o-mini 48->14 tokens $0.0000156
  execute_tool search
  chat gpt-4o-mini 87->19 tokens $0.00002445\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (agent,) = [span for span in watched.spans if span.name == "invoke_agent"]
    (used,) = [span for span in watched.spans if span.name == "execute_tool search"]
    assert "Python tutorials" in agent.attributes[names.INPUT_MESSAGES]
    assert "I found some results" in agent.attributes[names.OUTPUT_MESSAGES]
    assert used.attributes[names.TOOL_CALL_ID] == "call_BjOwGgWvcqqtxtVBYWjhPRfu"
    assert used.attributes[names.TOOL_DESCRIPTION] == "Search documents."
    assert json.loads(used.attributes[names.TOOL_CALL_ARGUMENTS]) == {"query": "Python tutorials"}
    assert "Found results" in used.attributes[names.TOOL_CALL_RESULT]
    assert not len(runs(watched))


def test_a_pipeline(watched, answering):
    answering(completion())
    assert questions().run(QUESTION)["model"]["replies"][0].text == "done"
    assert tree(watched.spans) == QUESTIONS
    (found,) = [span for span in watched.spans if span.name.startswith("retrieval")]
    assert found.attributes[names.RETRIEVAL_QUERY] == "Rome"
    assert '"a"' in found.attributes[names.RETRIEVAL_DOCUMENTS]
    (whole,) = [span for span in watched.spans if span.name == "invoke_workflow questions"]
    assert (
        "prompt.question: Where is it sunny?"
        in json.loads(whole.attributes[names.INPUT_MESSAGES])[0]["parts"][0]["content"]
    )
    assert "done" in whole.attributes[names.OUTPUT_MESSAGES]


async def test_an_asynchronous_pipeline(watched, answering):
    answering(completion())
    before = trace.get_current_span()
    await questions().run_async(QUESTION)
    assert trace.get_current_span() is before
    assert tree(watched.spans) == QUESTIONS


async def test_the_parts_of_a_pipeline_as_they_come(watched, answering):
    answering(completion())
    before = trace.get_current_span()
    async for _ in questions().run_async_generator(QUESTION):
        assert trace.get_current_span() is before
        watched.session.record(ToolEvent(name="by hand"))
    shown = [line for line in tree(watched.spans).splitlines() if line != "execute_tool by hand"]
    assert "\n".join(shown) == QUESTIONS


async def test_a_reader_that_leaves(watched):
    parts = questions(MockChatGenerator("done")).run_async_generator(QUESTION)
    async for _ in parts:
        break
    await parts.aclose()
    assert tree(watched.spans).splitlines()[0] == "invoke_workflow questions abandoned"
    assert not len(runs(watched))


async def test_parts_at_the_same_time(watched, answering):
    answering(completion(), completion())
    pipeline = Pipeline()
    pipeline.add_component("one", guide())
    pipeline.add_component("two", guide())
    await pipeline.run_async({"one": {"messages": ASKED}, "two": {"messages": ASKED}})
    lines = tree(watched.spans).splitlines()
    assert (lines[0], sorted(lines[1::2]), lines[2::2]) == snapshot(
        (
            "invoke_workflow",
            ["  invoke_agent one", "  invoke_agent two"],
            ["    chat gpt-4o 100->10 tokens $0.00035", "    chat gpt-4o 100->10 tokens $0.00035"],
        )
    )


@pytest.mark.parametrize("callback", [None, lambda _: None])
def test_tools_in_parallel(watched, answering, callback):
    made = completion if callback is None else streamed
    answering(made("", WEATHER, ("weather", {"city": "Oslo"}), ("weather", {"city": "Bonn"})), made())
    guide().run(ASKED, streaming_callback=callback)
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool weather
  execute_tool weather
  execute_tool weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    first = next(span for span in watched.spans if span.name == "chat gpt-4o")
    asked = {part["id"]: part["arguments"] for part in json.loads(first.attributes[names.OUTPUT_MESSAGES])[0]["parts"]}
    used = {
        span.attributes[names.TOOL_CALL_ID]: json.loads(span.attributes[names.TOOL_CALL_ARGUMENTS])
        for span in watched.spans
        if span.name.startswith("execute_tool")
    }
    assert used == asked
    assert len(used) == 3
    assert totals(watched.session) == (2, 200, 20)


def test_equal_calls_of_a_tool_are_told_apart(watched):
    calls = [ToolCall("weather", dict(ROME), id=name) for name in ("one", "two")]
    model = MockChatGenerator([ChatMessage.from_assistant(tool_calls=calls, meta=MINE), "done"])
    guide(model=model).run(ASKED)
    used = [span.attributes[names.TOOL_CALL_ID] for span in watched.spans if span.name == "execute_tool weather"]
    assert sorted(used) == ["one", "two"]
    asked = next(span for span in watched.spans if span.name == "chat mine")
    assert [part["id"] for part in json.loads(asked.attributes[names.OUTPUT_MESSAGES])[0]["parts"]] == ["one", "two"]


def test_an_agent_that_is_a_tool_of_another(watched, answering):
    answering(completion("", ("inner", {"messages": [{"role": "user", "content": "x"}]})), completion(), completion())
    inner = ComponentTool(component=guide(), name="inner", description="Ask.")
    guide(inner).run(ASKED)
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool inner
    invoke_agent inner
      chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (3, 300, 30)


def test_a_tool_that_fails(watched, answering):
    @tool
    def broken(city: str) -> str:
        """Break."""
        raise ValueError(f"no weather in {city}")

    answering(completion("", ("broken", ROME)), completion())
    assert guide(broken).run(ASKED)["last_message"].text == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR tool_error
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_tool_whose_failure_ends_the_run(watched, answering):
    @tool
    def broken(city: str) -> str:
        """Break."""
        raise ValueError(f"no weather in {city}")

    answering(completion("", ("broken", ROME)))
    with pytest.raises(Exception, match="no weather"):
        guide(broken, raise_on_tool_invocation_failure=True).run(ASKED)
    assert tree(watched.spans) == snapshot("""\
invoke_agent ERROR haystack.tools.errors.ToolInvocationError
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR tool_error\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_component_of_ones_own_that_fails_in_a_pipeline_within_another(watched):
    @component
    class Broken:
        @component.output_types(text=str)
        def run(self, text: str):
            raise LookupError(text)

    inner = Pipeline(metadata={"name": "inner"})
    inner.add_component("broken", Broken())
    outer = Pipeline(metadata={"name": "outer"})
    outer.add_component("part", SuperComponent(inner))
    with pytest.raises(Exception, match="secret"):
        outer.run({"part": {"text": "secret"}})
    assert tree(watched.spans) == snapshot("""\
invoke_workflow outer ERROR haystack.core.errors.PipelineRuntimeError
  task part ERROR haystack.core.errors.PipelineRuntimeError
    invoke_workflow inner ERROR haystack.core.errors.PipelineRuntimeError
      task broken ERROR haystack.core.errors.PipelineRuntimeError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_tool_that_returns_what_nobody_can_write(watched, answering):
    @tool
    def odd(city: str) -> object:
        """Odd."""
        return threading.Lock()

    answering(completion("", ("odd", ROME)), completion())
    assert guide(odd).run(ASKED)["last_message"].text == "done"
    (used,) = [span for span in watched.spans if span.name == "execute_tool odd"]
    assert "lock" in used.attributes[names.TOOL_CALL_RESULT]


def test_a_call_that_fails(watched, answering):
    answering(refusal())
    with pytest.raises(Exception, match="401"):
        questions().run(QUESTION)
    assert tree(watched.spans) == snapshot("""\
invoke_workflow questions ERROR haystack.core.errors.PipelineRuntimeError
  retrieval InMemoryBM25Retriever
  task prompt
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_call_that_is_tried_again(watched, answering):
    answering(Answer.json({"error": {"message": "busy"}}, status=503), completion())
    model = OpenAIChatGenerator(model="gpt-4o", max_retries=1)
    guide(model=model).run(ASKED)
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat gpt-4o 100->10 tokens $0.00035\
""")


def test_a_model_that_stands_in_for_another(watched, answering):
    answering(refusal(), completion())
    guide(model=FallbackChatGenerator([gpt(), gpt()])).run(ASKED)
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat gpt-4o ERROR openai.AuthenticationError
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 100, 10)


def test_models_within_a_component_are_below_it(watched, answering):
    answering(completion('{"documents": [{"index": 1}]}'))
    pipeline = Pipeline()
    pipeline.add_component("ranker", LLMRanker(chat_generator=gpt()))
    pipeline.run({"ranker": {"query": "x", "documents": [Document(content="a")]}})
    assert tree(watched.spans) == snapshot("""\
invoke_workflow
  task ranker
    chat gpt-4o 100->10 tokens $0.00035\
""")


def test_models_that_are_asked_in_threads_are_below_their_component(watched, answering):
    answering(completion('{"title": "a"}'), completion('{"title": "b"}'))
    extractor = LLMMetadataExtractor(prompt="{{document.content}}", chat_generator=gpt(), expected_keys=["title"])
    pipeline = Pipeline()
    pipeline.add_component("titles", extractor)
    pipeline.run({"titles": {"documents": [Document(content="a"), Document(content="b")]}})
    assert tree(watched.spans) == snapshot("""\
invoke_workflow
  task titles
    chat gpt-4o 100->10 tokens $0.00035
    chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)


MINE = {"model": "mine", "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def test_a_model_that_no_client_tells_of_is_told_by_haystack(watched):
    model = MockChatGenerator([ChatMessage.from_assistant("done", meta=MINE)])
    guide(model=model).run(ASKED)
    questions(model).run(QUESTION)
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat mine 7->3 tokens
invoke_workflow questions
  retrieval InMemoryBM25Retriever
  task prompt
  chat mine 7->3 tokens\
""")
    assert totals(watched.session) == (2, 14, 6)
    assert all("done" in span.attributes[names.OUTPUT_MESSAGES] for span in watched.spans if span.name == "chat mine")


def test_a_client_that_is_left_alone_is_told_of_by_haystack(make_watched, answering):
    watched = make_watched(disabled_instrumentations=("openai",))
    answering(completion("", WEATHER), completion())
    guide().run(ASKED)
    assert totals(watched.session) == (2, 200, 20)
    assert [span.scope for span in watched.spans if span.name.startswith("chat")] == ["agentops_otel.haystack"] * 2


def test_embeddings(watched, answering):
    told = {"object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    answering(Answer.json({**told, "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}]}))
    pipeline = Pipeline()
    pipeline.add_component("told", OpenAITextEmbedder(model="text-embedding-3-small"))
    pipeline.add_component("untold", MockTextEmbedder())
    pipeline.run({"told": {"text": "x"}, "untold": {"text": "x"}})
    assert tree(watched.spans) == snapshot("""\
invoke_workflow
  embeddings text-embedding-3-small 4->None tokens $0.00000008
  embeddings mock-model 1->None tokens\
""")


def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering):
    @tool
    def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return city

    answering(completion("", ("look", ROME)), completion())
    guide(look).run(ASKED)
    assert "  execute_tool look\n    execute_tool by hand" in tree(watched.spans)


async def test_a_run_that_is_cancelled(watched, answering):
    started = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        started.set()
        await asyncio.sleep(30)

    answering(completion("", ("wait", {})))
    running = asyncio.create_task(guide(wait).run_async(ASKED))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert tree(watched.spans) == snapshot("""\
invoke_agent ERROR asyncio.exceptions.CancelledError
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool wait ERROR asyncio.exceptions.CancelledError\
""")
    assert not len(runs(watched))


async def test_a_run_that_never_ends(watched):
    parts = questions(MockChatGenerator("done")).run_async_generator(QUESTION)
    await anext(parts)
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all).splitlines()[:2] == snapshot(
        ["session Indeterminate", "  invoke_workflow questions abandoned"]
    )
    runs(watched).close()
    await parts.aclose()


class Heard(tracing.Span):
    def __init__(self, name, parent):
        self.name, self.parent, self.tags = name, parent, {}

    def set_tag(self, key, value):
        self.tags[key] = value


class Tracer(tracing.Tracer):
    """A tracer of the program's own."""

    def __init__(self):
        self.spans = []

    @contextlib.contextmanager
    def trace(self, operation_name, tags=None, parent_span=None):
        assert parent_span is None or type(parent_span) is Heard
        self.spans.append(Heard(operation_name, parent_span))
        self.spans[-1].set_tags(tags or {})
        yield self.spans[-1]

    def current_span(self):
        return self.spans[-1] if self.spans else None


@pytest.fixture
def their_tracer(monkeypatch):
    made = Tracer()
    tracing.enable_tracing(made)
    yield made
    tracing.disable_tracing()


@pytest.mark.parametrize("content", [False, True])
def test_a_tracer_of_the_programs_hears_the_same(watched, answering, their_tracer, monkeypatch, content):
    monkeypatch.setattr(tracing.tracer, "is_content_tracing_enabled", content)
    heard = []
    for ours in (True, False):
        if not ours:
            watched.client.registry.uninstrument()
        answering(completion("", WEATHER), completion())
        guide().run(ASKED)
        heard.append([(span.name, span.parent and span.parent.name, sorted(span.tags)) for span in their_tracer.spans])
        their_tracer.spans.clear()
    watched.client.registry.instrument(watched.client.recorder)
    assert heard[0] == heard[1]
    assert any("haystack.agent.input" in tags for _, _, tags in heard[0]) is content
    assert tracing.tracer.actual_tracer is their_tracer
    assert len(watched.spans) == 4


def test_spans_of_the_programs_own_are_its_own(watched, their_tracer):
    with tracing.tracer.trace("mine") as span:
        assert type(span) is Heard
    with tracing.tracer.trace("haystack.agent.run") as span:
        assert isinstance(span, Heard)
        assert span.raw_span() is their_tracer.spans[-1]


def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering):
    watched = make_watched(capture_content=False)
    answering(completion("", WEATHER), completion("private"))
    pipeline = Pipeline()
    pipeline.add_component("guide", guide())
    pipeline.run({"guide": {"messages": [ChatMessage.from_user("secret")]}})
    questions(MockChatGenerator("private")).run(QUESTION)
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 9
    assert not any(word in told for word in ("secret", "private", "Rome", "sunny"))


def test_a_fault_of_ours_changes_nothing(watched, answering, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(shapes, "kind", broken)
    watched.client.faults.strict = False
    answering(completion("", WEATHER), completion())
    assert guide().run(ASKED)["last_message"].text == "done"
    assert totals(watched.session) == (2, 200, 20)
    assert watched.client.faults.counts == {"engine.run": 4}
    watched.client.faults.counts.clear()


def test_nothing_is_told_after_uninstrument(watched, answering):
    answering(completion("", WEATHER), completion())
    watched.client.registry.uninstrument()
    assert guide().run(ASKED)["last_message"].text == "done"
    assert type(type(tracing.tracer).trace) is types.FunctionType
    assert not watched.spans
    watched.client.registry.instrument(watched.client.recorder)


def test_an_agent_that_is_uninstrumented_while_it_runs(watched, answering):
    @tool
    def stop(city: str) -> str:
        """Stop."""
        watched.client.registry.uninstrument()
        return city

    answering(completion("", ("stop", ROME)), completion())
    assert guide(stop).run(ASKED)["last_message"].text == "done"
    assert tree(watched.spans).startswith("invoke_agent abandoned")
    watched.client.registry.instrument(watched.client.recorder)


PROGRAM = """
import warnings
warnings.simplefilter("ignore")
{first}
{second}
import asyncio
from haystack import Pipeline, tracing
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool

@tool
def weather(city: str) -> str:
    "The weather."
    if tracing.is_tracing_enabled():
        tracing.tracer.current_span().set_tag("mine", city)
    return city

pipeline = Pipeline()
pipeline.add_component("guide", Agent(chat_generator=OpenAIChatGenerator(model="gpt-4o"), tools=[weather]))
asked = {{"guide": {{"messages": [ChatMessage.from_user("x")]}}}}
pipeline.run(asked)
asyncio.run(pipeline.run_async(asked))
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
OPENINFERENCE = "from openinference.instrumentation.haystack import HaystackInstrumentor as Other\nOther().instrument()"
CONNECTOR = """
from haystack_integrations.components.connectors.opentelemetry import OpenTelemetryConnector
OpenTelemetryConnector()
"""


# OpenLLMetry's cannot be set up at all: haystack 3 has no longer what it wraps.
@pytest.mark.parametrize(("first", "second"), [(OPENINFERENCE, OURS), (OURS, OPENINFERENCE), (OURS, CONNECTOR)])
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, first, second):
    answers = [completion("", WEATHER), completion()]
    with Provider([*answers, *answers]) as provider:
        run_program(PROGRAM.format(first=first, second=second), tmp_path, provider)
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (4, 2)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (400, 40, "0.00140")
    assert not any("mine" in span.attributes for span in spans)  # what the program tells its own span stays there
    assert tree(span for span in spans if not span.is_session) == snapshot("""\
invoke_workflow
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool weather
    chat gpt-4o 100->10 tokens $0.00035
invoke_workflow
  invoke_agent guide
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool weather
    chat gpt-4o 100->10 tokens $0.00035\
""")
