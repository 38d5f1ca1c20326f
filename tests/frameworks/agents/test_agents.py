"""OpenAI's Agents SDK: the tree is agents, tools, hand-offs and guardrails; each model call in it is counted once."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import agents
import openai
import pytest
from agentops_otel_instrumentors import agents as instrumentor
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    Runner,
    add_trace_processor,
    custom_span,
    function_tool,
    input_guardrail,
    trace,
)
from agents.tracing import get_trace_provider
from inline_snapshot import snapshot
from opentelemetry import trace as otel_trace
from programs import run as run_program
from programs import stored
from recorded import totals
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

FAILING = "openai/test-function-tool-exception-24d8d75d.json"
ROUTER = "openai/test-router-analytics-complete-workflow-a29dabcf.json"
MUSIC = "openai/test-music-composer-handoff-hierarchy-f41c352d.json"


async def run(agent, told, **settings):
    return await Runner.run(agent, told, **settings)


async def stream(agent, told, **settings):
    streamed = Runner.run_streamed(agent, told, **settings)
    async for _ in streamed.stream_events():
        pass
    return streamed


def music(model):
    @function_tool
    def compose_music(style: str, key: str) -> str:
        """Compose music in the specified style and key."""
        return f"Composed a beautiful {style} piece in {key}"

    composer = Agent(name="Symphony Composer", tools=[compose_music], model=model)
    return Agent(name="Conductor", handoffs=[composer], model=model)


async def test_a_hand_off_and_a_tool(watched, recorded, responses_of):
    recording = recorded(MUSIC)
    async with responses_of() as model:
        await stream(music(model), "Can you create a new symphony in D major?")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Conductor
  chat gpt-4o 75->16 tokens $0.0003475
  handoff Symphony Composer
invoke_agent Symphony Composer
  chat gpt-4o 119->38 tokens $0.0006775
  execute_tool compose_music
  chat gpt-4o 157->30 tokens $0.0006925\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


async def test_a_router(watched, recorded, responses_of):
    recording = recorded(ROUTER)

    @function_tool
    def analyze_data(data_request: str) -> str:
        return f"Analyzed data patterns for: {data_request}"

    @function_tool
    def process_results(analysis_data: str) -> str:
        return f"Processed results: {analysis_data}"

    @function_tool
    def generate_report(processed_data: str) -> str:
        return f"Report: {processed_data}"

    async with responses_of() as model:
        analytics = Agent(name="Analytics Agent", tools=[analyze_data, process_results, generate_report], model=model)
        router = Agent(name="Router", handoffs=[analytics], model=model)
        with trace("Quarterly"):
            await stream(router, "Can you analyze the sales data from last quarter and generate a report?")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Quarterly
  invoke_agent Router
    chat gpt-4o 72->14 tokens $0.00032
    handoff Analytics Agent
  invoke_agent Analytics Agent
    chat gpt-4o 181->21 tokens $0.0006625
    execute_tool analyze_data
    chat gpt-4o 222->26 tokens $0.000815
    execute_tool process_results
    chat gpt-4o 270->29 tokens $0.000965
    execute_tool generate_report
    chat gpt-4o 325->190 tokens $0.0027125\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


async def test_a_tool_that_fails(watched, recorded, responses_of):
    recording = recorded(FAILING)

    @function_tool(name_override="tool")
    def failing():
        raise ValueError("Ouch, don't do that again!")

    async with responses_of() as model:
        await run(Agent(name="Assistant", tools=[failing], model=model), "Call the tool.")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Assistant
  chat gpt-4o 244->10 tokens $0.00071
  execute_tool tool ERROR Error running tool (non-fatal)
  chat gpt-4o 283->30 tokens $0.0010075\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (used,) = [span for span in watched.spans if span.name.startswith("execute_tool")]
    assert used.attributes[names.TOOL_CALL_ID] == "call_OpJ32C09GImFzxYLe01MiOOd"


def completion(text="done", *calls):
    body = bodies.chat(text, model="gpt-4o", usage=bodies.chat_usage(100, 10))
    if calls:
        message = body["choices"][0]["message"]
        message["tool_calls"] = [
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(told)}}
            for number, (name, told) in enumerate(calls)
        ]
    return Answer.json(body)


@function_tool
def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


@function_tool
async def get_time(city: str) -> str:
    """The time."""
    return f"noon in {city}"


async def test_tools_in_parallel(watched, answering, chats_of):
    answering(
        completion(
            "", ("get_weather", {"city": "Rome"}), ("get_time", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})
        ),
        completion(),
    )
    async with chats_of() as model:
        await run(Agent(name="Guide", tools=[get_weather, get_time], model=model), "x")
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  execute_tool get_time",
            "  execute_tool get_weather",
            "  execute_tool get_weather",
            "invoke_agent Guide",
        ]
    )
    used = {
        span.attributes[names.TOOL_CALL_ID]: span.attributes[names.TOOL_CALL_ARGUMENTS]
        for span in watched.spans
        if span.name.startswith("execute_tool")
    }
    assert used == snapshot(
        {
            "call_1": '{"city":"Rome"}',
            "call_0": '{"city":"Rome"}',
            "call_2": '{"city":"Oslo"}',
        }
    )
    assert totals(watched.session) == (2, 200, 20)


async def test_an_agent_as_a_tool_is_below_the_tool(watched, answering, chats_of):
    answering(
        completion("", ("ask_inner", {"input": "x"})),
        completion("", ("get_weather", {"city": "Rome"})),
        completion(),
        completion(),
    )
    async with chats_of() as model:
        inner = Agent(name="Inner", tools=[get_weather], model=model)
        tool = inner.as_tool("ask_inner", "Ask.")
        await run(Agent(name="Outer", tools=[tool], model=model), "x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Outer
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool ask_inner
    invoke_agent Inner
      chat gpt-4o 100->10 tokens $0.00035
      execute_tool get_weather
      chat gpt-4o 100->10 tokens $0.00035
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (4, 400, 40)


async def test_a_guardrail_that_stops_an_agent(watched, answering, chats_of):
    @input_guardrail(run_in_parallel=False)
    async def no_secrets(context, agent, told):
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    answering(completion())
    async with chats_of() as model:
        agent = Agent(name="Careful", input_guardrails=[no_secrets], model=model)
        with pytest.raises(InputGuardrailTripwireTriggered):
            await run(agent, "x")
    (check,) = [span for span in watched.spans if span.name.startswith("guardrail")]
    assert check.name == "guardrail no_secrets"
    assert check.attributes[names.SPAN_KIND] == names.KIND_GUARDRAIL
    assert check.attributes[names.GUARDRAIL_TRIGGERED] is True
    assert sorted(tree(watched.spans).splitlines()) == snapshot(["  guardrail no_secrets", "invoke_agent Careful"])


async def test_an_agent_that_takes_too_many_turns(watched, answering, chats_of):
    answering(completion("", ("get_weather", {"city": "Rome"})))
    async with chats_of() as model:
        with pytest.raises(MaxTurnsExceeded):
            await run(Agent(name="Lost", tools=[get_weather], model=model), "x", max_turns=1)
    assert tree(watched.spans) == snapshot("""\
invoke_agent Lost ERROR Max turns exceeded
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather\
""")


async def test_a_call_that_the_client_tries_again_is_one(watched, answering, chats_of):
    answering(Answer.json({"error": {"message": "busy"}}, status=500), completion())
    async with chats_of(max_retries=1) as model:
        await run(Agent(name="Patient", model=model), "x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Patient
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (1, 100, 10)


async def test_a_call_that_fails(watched, answering, chats_of):
    answering(Answer.json({"error": {"message": "no"}}, status=401))
    async with chats_of() as model:
        with pytest.raises(openai.AuthenticationError):
            await run(Agent(name="Locked out", model=model), "x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Locked out ERROR Error in agent run
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_model_that_no_client_tells_of_is_told_by_the_sdk(make_watched, answering, chats_of):
    watched = make_watched(capture_content=True, disabled_instrumentations=("openai",))
    answering(completion("", ("get_weather", {"city": "Rome"})), completion())
    async with chats_of() as model:
        await run(Agent(name="Guide", tools=[get_weather], model=model), "x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)


def waiting():
    """A tool that waits, and the event that tells when it does."""
    started = asyncio.Event()

    @function_tool
    async def wait() -> str:
        """Wait."""
        started.set()
        await asyncio.sleep(30)

    return wait, started


@pytest.mark.parametrize("way", [run, stream])
async def test_a_run_that_is_cancelled(watched, answering, chats_of, way):
    wait, started = waiting()
    call = completion("", ("wait", {}))
    answering(call if way is run else Answer.sse(streams.chat_chunks(json.loads(call.body))))
    async with chats_of() as model:
        task = asyncio.ensure_future(way(Agent(name="Hasty", tools=[wait], model=model), "x"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)  # what the SDK runs beside it ends a moment later
    shown = [line.partition(" ERROR")[0] for line in tree(watched.spans).splitlines()]
    assert shown == ["invoke_agent Hasty", "  chat gpt-4o 100->10 tokens $0.00035", "  execute_tool wait"]
    assert not len(instrumentor._PROCESSOR.runs)


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, answering, chats_of):
    wait, started = waiting()
    answering(completion("", ("wait", {})))
    async with chats_of() as model:
        task = asyncio.ensure_future(run(Agent(name="Endless", tools=[wait], model=model), "x"))
        await started.wait()
        watched.client._end_all("Indeterminate", "the program ended")
        told = tree(watched.all)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert told == snapshot("""\
session Indeterminate $0.00035
  invoke_agent Endless abandoned
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool wait abandoned\
""")


async def test_tools_asked_for_in_runs_that_never_end_are_forgotten(watched, monkeypatch):
    monkeypatch.setattr(instrumentor, "_LIMIT", 3)
    asked = {"output": [{"tool_calls": [{"id": "c", "function": {"name": "get_weather", "arguments": "{}"}}]}]}
    for number in range(5):
        data = SimpleNamespace(type="generation", **asked)
        span = SimpleNamespace(trace_id=f"t{number}", span_id="s", span_data=data)
        instrumentor._PROCESSOR._completed(watched.client.recorder, span)
    assert list(instrumentor._PROCESSOR._tool_calls) == ["t2", "t3", "t4"]
    instrumentor._PROCESSOR._tool_calls.clear()


async def test_custom_spans_are_tasks_and_named_traces_workflows(watched, answering, chats_of):
    answering(completion())
    async with chats_of() as model:
        with trace("Trip", group_id="thread-1"), custom_span("plan"):
            await run(Agent(name="Guide", model=model), "x")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Trip
  task plan
    invoke_agent Guide
      chat gpt-4o 100->10 tokens $0.00035\
""")
    (flow,) = [span for span in watched.spans if span.name == "invoke_workflow Trip"]
    assert flow.attributes[names.CONVERSATION_ID] == "thread-1"


async def test_what_comes_after_a_run_is_not_below_it(watched, answering, chats_of):
    answering(*[completion() for _ in range(3)])
    before = otel_trace.get_current_span()
    async with chats_of() as model:
        for name in ("One", "Two"):
            await run(Agent(name=name, model=model), "x")
            assert otel_trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("""\
invoke_agent One
  chat gpt-4o 100->10 tokens $0.00035
invoke_agent Two
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert not len(instrumentor._PROCESSOR.runs)


async def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering, chats_of):
    @function_tool
    def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return "x"

    answering(completion("", ("look", {"city": "Rome"})), completion())
    async with chats_of() as model:
        await run(Agent(name="Guide", tools=[look], model=model), "x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool look
    execute_tool by hand
  chat gpt-4o 100->10 tokens $0.00035\
""")


async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering, chats_of):
    watched = make_watched(capture_content=False)
    answering(completion("", ("get_weather", {"city": "Rome"})), completion())
    async with chats_of() as model:
        await run(Agent(name="Guide", tools=[get_weather], model=model), "secret")
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 4
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done"))


async def test_nothing_is_told_after_uninstrument(watched, answering, chats_of):
    answering(completion(), completion())
    async with chats_of() as model:
        await run(Agent(name="Guide", model=model), "x")
        watched.client.registry.uninstrument()
        await run(Agent(name="Guide", model=model), "x")
    assert len(watched.spans) == 2
    watched.client.registry.instrument(watched.client.recorder)


class Odd:
    def __repr__(self):
        raise ValueError("no")


async def test_a_tool_may_return_anything(watched, answering, chats_of):
    @function_tool
    def odd() -> object:
        """Odd."""
        return Odd()

    told = {}
    for how in ("watched", "alone"):
        if how == "alone":
            watched.client.registry.uninstrument()
        answering(completion("", ("odd", {})), completion())
        async with chats_of() as model:
            try:
                told[how] = (await run(Agent(name="Guide", tools=[odd], model=model), "x")).final_output
            except Exception as error:
                told[how] = (type(error), str(error))
    assert told["watched"] == told["alone"]
    assert "execute_tool odd" in tree(watched.spans)
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_fault_of_ours_is_not_the_agents(watched, answering, chats_of, monkeypatch):
    monkeypatch.setattr(instrumentor._PROCESSOR, "_begin", lambda *_: 1 / 0)
    monkeypatch.setattr(instrumentor._PROCESSOR, "_completed", lambda *_: 1 / 0)
    watched.client.faults.strict = False
    answering(completion("", ("get_weather", {"city": "Rome"})), completion())
    async with chats_of() as model:
        assert (await run(Agent(name="Guide", tools=[get_weather], model=model), "x")).final_output == "done"
    assert totals(watched.session) == (2, 200, 20)
    assert set(watched.client.faults.counts) == {"engine.run"}
    watched.client.faults.counts.clear()


class Elsewhere:
    """A processor of the user's."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *_: self.told.append(name)


async def test_processors_of_others_stay_and_so_does_ours(watched):
    theirs = [Elsewhere(), Elsewhere()]
    before = list(get_trace_provider()._multi_processor._processors)
    try:
        add_trace_processor(theirs[0])
        with trace("One"):
            pass
        agents.set_trace_processors([theirs[1]])  # as it is now: it was wrapped after this module was imported
        with trace("Two"):
            pass
    finally:
        get_trace_provider().set_processors(before)
    assert [processor.told for processor in theirs] == [["on_trace_start", "on_trace_end"]] * 2
    assert [span.name for span in watched.spans] == ["invoke_workflow One", "invoke_workflow Two"]


PROGRAM = """
import asyncio
{first}
{second}
from agents import Agent, Runner, OpenAIChatCompletionsModel, function_tool
import openai

@function_tool
def get_weather(city: str) -> str:
    "The weather."
    return "sunny"

async def main():
    async with openai.AsyncOpenAI(api_key="sk-x") as client:
        model = OpenAIChatCompletionsModel(model="gpt-4o-mini", openai_client=client)
        await Runner.run(Agent(name="Guide", tools=[get_weather], model=model), "x")

asyncio.run(main())
agentops.end_session("Success")
"""


OTHERS = {
    "openinference": "from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor as Other\n"
    "Other().instrument(exclusive_processor=False)",
    "openllmetry": "from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor as Other\n"
    "Other().instrument()",
}


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("other", OTHERS)
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, other, order):
    lines = [OTHERS[other], "import agentops_otel as agentops\nagentops.init()"]
    first, second = lines if order == "first" else lines[::-1]
    with Provider([completion("", ("get_weather", {"city": "Rome"})), completion()]) as provider:
        run_program(
            PROGRAM.format(first=first, second=second),
            tmp_path,
            provider,
            PYTHONWARNINGS="ignore",
            OPENAI_API_KEY="",
        )
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (2, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, snapshot("0.00070"))
    assert sorted(span.name for span in spans if not span.is_session) == snapshot(
        ["chat gpt-4o-mini", "chat gpt-4o-mini", "execute_tool get_weather", "invoke_agent Guide"]
    )
