"""Pydantic AI: its own spans are adopted; each model call in them is shown and counted once."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest
from agentops_otel_instrumentors import pydantic_ai as instrumentor
from inline_snapshot import snapshot
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from programs import run as run_program
from programs import stored
from pydantic_ai import Agent, Embedder, ModelHTTPError, ModelRetry
from pydantic_ai.embeddings import TestEmbeddingModel
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider
from recorded import totals
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.engine import AdoptingProvider


def completion(text="done", *calls, stream=False):
    body = bodies.chat(text, model="gpt-4o", usage=bodies.chat_usage(100, 10))
    if calls:
        message = body["choices"][0]["message"]
        message["tool_calls"] = [
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(told)}}
            for number, (name, told) in enumerate(calls)
        ]
    return Answer.sse(streams.chat_chunks(body)) if stream else Answer.json(body)


ROME = ("get_weather", {"city": "Rome"})


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


async def get_time(city: str) -> str:
    """The time."""
    return f"noon in {city}"


async def _run(agent):
    return (await agent.run("x")).output


async def _iterate(agent):
    async with agent.iter("x") as steps:
        async for _ in steps:
            pass
    return steps.result.output


WAYS = {"run": _run, "iter": _iterate}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_tools_in_parallel(watched, chat_of, way):
    model = await chat_of(completion("", ROME, ("get_time", {"city": "Rome"}), ROME), completion())
    agent = Agent(model, name="guide", tools=[get_weather, get_time])
    assert await way(agent) == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  execute_tool get_time
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    used = [span for span in watched.spans if span.name.startswith("execute_tool")]
    assert {span.attributes[names.TOOL_CALL_ID] for span in used} == {"call_0", "call_1", "call_2"}
    assert {span.attributes[names.TOOL_CALL_RESULT] for span in used} == {"sunny in Rome", "noon in Rome"}
    assert totals(watched.session) == (2, 200, 20)


@pytest.mark.parametrize("left", [False, True])
async def test_a_stream(watched, chat_of, left):
    model = await chat_of(completion("", ROME, stream=True), completion("well done", stream=True))
    agent = Agent(model, name="guide", tools=[get_weather])
    async with agent.run_stream("x") as answer:
        async for _ in answer.stream_text(delta=True):
            if left:
                break
    if left:
        assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    else:
        assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
        assert totals(watched.session) == (2, 200, 20)


async def test_an_agent_that_a_tool_asks_is_below_the_tool(watched, chat_of):
    model = await chat_of(completion("", ("ask", {"text": "?"})), completion("", ROME), completion(), completion())
    inner = Agent(model, name="inner", tools=[get_weather])
    outer = Agent(model, name="outer")

    @outer.tool_plain
    async def ask(text: str) -> str:
        watched.session.record(ToolEvent(name="by hand"))
        return (await inner.run(text)).output

    await outer.run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool ask
    execute_tool by hand
    invoke_agent inner
      chat gpt-4o 100->10 tokens $0.00035
      execute_tool get_weather
      chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (4, 400, 40)


async def test_a_tool_that_asks_to_be_called_again(watched, chat_of):
    model = await chat_of(completion("", ROME), completion("", ROME), completion())
    tries = iter([ModelRetry("once more"), None])

    def get_weather(city: str) -> str:
        error = next(tries)
        if error is not None:
            raise error
        return city

    await Agent(model, name="guide", tools=[get_weather]).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather ERROR
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")


async def test_a_tool_that_fails(watched, chat_of):
    model = await chat_of(completion("", ROME))

    def get_weather(city: str) -> str:
        raise LookupError(city)

    with pytest.raises(LookupError, match="Rome"):
        await Agent(model, name="guide", tools=[get_weather]).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide ERROR
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather ERROR\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_call_that_fails(watched, chat_of):
    model = await chat_of(Answer.json({"error": {"message": "no"}}, status=401))
    with pytest.raises(ModelHTTPError):
        await Agent(model, name="guide").run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide ERROR
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_model_that_no_client_tells_of_is_told_by_pydantic_ai(watched):
    await Agent(TestModel(), name="guide", tools=[get_weather]).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat test 51->5 tokens
  execute_tool get_weather
  chat test 54->11 tokens\
""")
    told = watched.session.get_analytics(detailed=True)
    assert (told["LLM calls"], told["Tool calls"]) == (2, 1)


async def test_an_embedder(watched):
    told = {"object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    answer = Answer.json({**told, "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}]})
    with Provider([answer]) as provider:
        async with openai.AsyncOpenAI(api_key="x", base_url=provider.openai_url) as client:
            model = OpenAIEmbeddingModel("text-embedding-3-small", provider=OpenAIProvider(openai_client=client))
            await Embedder(model).embed_query("secret")
    await Embedder(TestEmbeddingModel()).embed_documents(["secret", "words"])
    assert tree(watched.spans) == snapshot("""\
embeddings text-embedding-3-small 4->None tokens $0.00000008
embeddings test 2->None tokens\
""")
    assert totals(watched.session)[0] == 2


async def test_what_an_embedder_is_given_is_left_out_where_it_is_not_wanted(make_watched):
    watched = make_watched(capture_content=False)
    await Embedder(TestEmbeddingModel()).embed_documents(["secret", "words"])
    assert "secret" not in str(watched.span.attributes)


async def test_a_call_that_the_client_tries_again_is_one(watched):
    answers = [Answer.json({"error": {"message": "busy"}}, status=500), completion()]
    with Provider(answers) as provider:
        async with openai.AsyncOpenAI(api_key="x", base_url=provider.openai_url, max_retries=1) as client:
            model = OpenAIChatModel("gpt-4o", provider=OpenAIProvider(openai_client=client))
            await Agent(model, name="guide").run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (1, 100, 10)


def test_a_run_without_a_loop(watched):
    loop = asyncio.new_event_loop()  # else it makes one that nobody closes
    asyncio.set_event_loop(loop)
    assert Agent(TestModel(custom_output_text="fine"), name="guide").run_sync("x").output == "fine"
    asyncio.set_event_loop(None)
    loop.close()
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat test 51->1 tokens\
""")


async def test_what_an_agent_was_asked_and_answered_in_this_run(watched):
    agent = Agent(TestModel(custom_output_text="fine"), name="guide")
    first = await agent.run("one")
    await agent.run("two", message_history=first.all_messages())
    last = watched.spans[-1].attributes
    assert json.loads(last[names.INPUT_MESSAGES]) == snapshot(
        [{"role": "user", "parts": [{"type": "text", "content": "two"}]}]
    )
    assert json.loads(last[names.OUTPUT_MESSAGES]) == snapshot(
        [{"role": "assistant", "parts": [{"type": "text", "content": "fine"}]}]
    )


async def test_a_run_that_is_cancelled(watched, chat_of):
    started = asyncio.Event()
    model = await chat_of(completion("", ("wait", {})))

    async def wait() -> str:
        started.set()
        await asyncio.sleep(30)

    task = asyncio.ensure_future(Agent(model, name="guide", tools=[wait]).run("x"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool wait ERROR\
""")


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, chat_of):
    model = await chat_of(completion("", ROME), completion())
    agent = Agent(model, name="guide", tools=[get_weather])
    steps = agent.iter("x")
    run = await steps.__aenter__()
    await anext(run)
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00
  invoke_agent guide abandoned\
""")
    await steps.__aexit__(None, None, None)


async def test_what_comes_after_a_run_is_not_below_it(watched):
    before = trace.get_current_span()
    for name in ("one", "two"):
        await Agent(TestModel(), name=name).run("x")
        assert trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("""\
invoke_agent one
  chat test 51->4 tokens
invoke_agent two
  chat test 51->4 tokens\
""")


class Odd:
    def __repr__(self):
        raise ValueError("no")


async def test_a_tool_may_return_anything(watched):
    def odd() -> object:
        return {"odd": Odd(), "text": "\ud800"}

    agent = Agent(TestModel(), name="guide", tools=[odd])
    told = {}
    for how in ("watched", "alone"):
        if how == "alone":
            watched.client.registry.uninstrument()
        try:
            told[how] = (await agent.run("x")).output
        except Exception as error:
            told[how] = (type(error), str(error))
    assert told["watched"] == told["alone"]
    watched.client.registry.instrument(watched.client.recorder)


async def test_content_is_left_out_where_it_is_not_wanted(make_watched, chat_of):
    watched = make_watched(capture_content=False)
    model = await chat_of(completion("", ROME), completion())
    await Agent(model, name="guide", tools=[get_weather], instructions="private").run("secret")
    assert len(watched.spans) == 4
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done", "private"))


async def test_nothing_is_told_after_uninstrument(watched, chat_of):
    model = await chat_of(completion(), completion())
    agent = Agent(model, name="guide")
    await agent.run("x")
    watched.client.registry.uninstrument()
    assert instrumentor._chosen(Agent) is instrumentor._chosen(Embedder) is None
    await agent.run("x")
    assert len(watched.spans) == 2
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_run_that_is_under_way_at_uninstrument_ends_well(watched, chat_of):
    model = await chat_of(completion("", ("stop", {})), completion())

    async def stop() -> str:
        watched.client.registry.uninstrument()
        return "stopped"

    assert (await Agent(model, name="guide", tools=[stop]).run("x")).output == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool stop\
""")
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_fault_of_ours_is_not_the_agents(make_watched, chat_of, monkeypatch):
    monkeypatch.delenv("AGENTOPS_STRICT")
    watched = make_watched()
    model = await chat_of(completion("", ROME), completion())

    def broken(*_, **__):
        raise RuntimeError("ours")

    tracer_of, watched.client.recorder.tracer_of = watched.client.recorder.tracer_of, broken
    assert (await Agent(model, name="guide", tools=[get_weather]).run("x")).output == "done"
    watched.client.recorder.tracer_of = tracer_of
    assert watched.client.faults.counts
    watched.client.faults.counts.clear()


async def test_what_the_program_has_chosen_stays(watched, chat_of):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    chosen = InstrumentationSettings(tracer_provider=provider, include_content=False)
    model = await chat_of(completion(), completion())
    watched.client.registry.uninstrument()
    Agent.instrument_all(chosen)
    try:
        watched.client.registry.instrument(watched.client.recorder)
        assert instrumentor._chosen(Agent) is chosen
        await Agent(model, name="guide").run("x")
        watched.client.registry.uninstrument()
        assert instrumentor._chosen(Agent) is chosen
        await Agent(model, name="guide").run("x")
    finally:
        Agent.instrument_all(False)
    assert [span.name for span in exporter.get_finished_spans()] == ["chat gpt-4o", "invoke_agent guide"] * 2
    watched.client.registry.instrument(watched.client.recorder)


def test_a_tracer_that_was_kept_tells_nothing_without_a_recorder():
    tracer = AdoptingProvider("pydantic_ai").get_tracer("pydantic-ai", "2")
    around = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False))
    with trace.use_span(around), tracer.start_as_current_span("x", kind=trace.SpanKind.CLIENT) as span:
        assert not span.is_recording()
        assert trace.get_current_span().get_span_context() == around.get_span_context()


OTHERS = {
    "switched on": "from pydantic_ai import Agent\nAgent.instrument_all()",
    "logfire": "import logfire\nlogfire.configure(send_to_logfire=False, console=False)\nlogfire.instrument_pydantic_ai()",
    "openinference": (
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from openinference.instrumentation.pydantic_ai import OpenInferenceSpanProcessor\n"
        "provider = TracerProvider()\n"
        "provider.add_span_processor(OpenInferenceSpanProcessor())\n"
        "trace.set_tracer_provider(provider)\n"
        "from pydantic_ai import Agent\n"
        "Agent.instrument_all()"
    ),
}
PROGRAM = """
import asyncio
{first}
{second}
import openai
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

def get_weather(city: str) -> str:
    "The weather."
    return "sunny"

async def main():
    async with openai.AsyncOpenAI() as client:
        model = OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(openai_client=client))
        await Agent(model, name="guide", tools=[get_weather]).run("x")

asyncio.run(main())
agentops.end_session("Success")
"""


@pytest.mark.parametrize("other", [*OTHERS, "switched on later"])
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, other):
    first, second = OTHERS.get(other, ""), "import agentops_otel as agentops\nagentops.init()"
    if other not in OTHERS:
        first, second = second, OTHERS["switched on"]
    with Provider([completion("", ROME), completion()]) as provider:
        run_program(PROGRAM.format(first=first, second=second), tmp_path, provider, PYTHONWARNINGS="ignore")
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (2, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, "0.00070")
    assert sorted(span.name for span in spans if not span.is_session) == snapshot(
        ["chat gpt-4o-mini", "chat gpt-4o-mini", "execute_tool get_weather", "invoke_agent guide"]
    )
