"""Google's ADK: its own spans are the tree, each model call in it is shown and counted once, by its client's span."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings

import pytest
from agentops_otel_instrumentors import google_adk as instrumentor
from gemini import answered, failed, streamed
from google.adk.agents import LlmAgent, LoopAgent, ParallelAgent, SequentialAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models import BaseLlm, LlmResponse
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.genai import errors, types
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import start as start_program
from programs import stored
from recorded import totals
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

# ADK's flows of agents are deprecated in favour of its graphs, and say so.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*EXPERIMENTAL.*:UserWarning")
MATHS = "google-genai/agent-math-and-code-3cff4f06.json"


def weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


async def clock(city: str) -> str:
    """The time."""
    await asyncio.sleep(0)
    return f"noon in {city}"


def guide(model, **settings):
    return LlmAgent(**{"name": "guide", "model": model, "tools": [weather, clock], **settings})


def asked(text):
    return types.Content(role="user", parts=[types.Part(text=text)])


async def runner_of(agent):
    """A runner, and by whom and in which of ADK's sessions it is run."""
    runner = InMemoryRunner(agent=agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    return runner, {"user_id": "u", "session_id": session.id}


async def run(agent, text="x", *, stream=False):
    """All events of one turn of the agent."""
    runner, told = await runner_of(agent)
    config = RunConfig(streaming_mode=StreamingMode.SSE if stream else StreamingMode.NONE)
    return [event async for event in runner.run_async(new_message=asked(text), run_config=config, **told)]


ROME = {"city": "Rome"}
CALLS = ("weather", ROME)


async def test_a_tool(watched, recorded, model_at):
    recording = recorded(MATHS)

    def multiply(a: int, b: int) -> dict:
        """Multiply."""
        return {"product": a * b}

    model = model_at(recording.provider.url, "gemini-2.5-pro")
    events = await run(LlmAgent(name="test_agent", model=model, tools=[multiply]))
    assert events[-1].content.parts[0].text == "OK. 37 times 29 is 1073."
    assert tree(watched.spans) == snapshot("""\
invoke_workflow test_agent
  invoke_agent test_agent
    generate_content gemini-2.5-pro 189->112 tokens $0.00135625
    execute_tool multiply
    generate_content gemini-2.5-pro 225->16 tokens $0.00044125\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (used,) = [span for span in watched.spans if span.name == "execute_tool multiply"]
    assert json.loads(used.attributes[names.TOOL_CALL_ARGUMENTS]) == {"a": 37, "b": 29}
    assert json.loads(used.attributes[names.TOOL_CALL_RESULT]) == {"product": 1073}
    assert watched.session.get_analytics()["Tool calls"] == 1


async def test_a_stream(watched, answering):
    events = await run(guide(answering(streamed("It ", "is ", "sunny."))), stream=True)
    assert "".join(event.content.parts[0].text for event in events if event.partial) == "It is sunny."
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert totals(watched.session) == (1, 100, 10)


async def test_tools_in_parallel(watched, answering):
    model = answering(answered("", CALLS, ("clock", ROME), ("weather", {"city": "Oslo"})), answered())
    events = await run(guide(model))
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "    execute_tool clock",
            "    execute_tool weather",
            "    execute_tool weather",
            "    generate_content gemini-2.5-flash 100->10 tokens $0.000055",
            "    generate_content gemini-2.5-flash 100->10 tokens $0.000055",
            "  invoke_agent guide",
            "invoke_workflow guide",
        ]
    )
    asked_for = {call.id: dict(call.args) for event in events for call in event.get_function_calls()}
    used = {
        span.attributes[names.TOOL_CALL_ID]: json.loads(span.attributes[names.TOOL_CALL_ARGUMENTS])
        for span in watched.spans
        if span.name.startswith("execute_tool")
    }
    assert used == asked_for
    assert len(used) == 3
    assert watched.session.get_analytics()["Tool calls"] == 3


async def test_an_agent_that_hands_over(watched, answering):
    model = answering(
        answered("", ("transfer_to_agent", {"agent_name": "inner"})), answered("", CALLS), answered("done")
    )
    inner = guide(model, name="inner")
    await run(LlmAgent(name="outer", model=model, sub_agents=[inner]))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow outer
  invoke_agent outer
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool transfer_to_agent
  invoke_agent inner
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool weather
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert totals(watched.session) == (3, 300, 30)


async def test_an_agent_as_a_tool_is_below_the_tool(watched, answering):
    model = answering(answered("", ("inner", {"request": "x"})), answered("", CALLS), answered(), answered())
    await run(LlmAgent(name="outer", model=model, tools=[AgentTool(guide(model, name="inner"))]))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow outer
  invoke_agent outer
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool inner
      invoke_workflow inner
        invoke_agent inner
          generate_content gemini-2.5-flash 100->10 tokens $0.000055
          execute_tool weather
          generate_content gemini-2.5-flash 100->10 tokens $0.000055
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert totals(watched.session) == (4, 400, 40)


async def test_agents_one_after_another_and_at_once(watched, answering):
    model = answering(*[answered() for _ in range(4)])
    one, two, three, four = (guide(model, name=name) for name in ("one", "two", "three", "four"))
    both = ParallelAgent(name="both", sub_agents=[two, three])
    again = LoopAgent(name="again", max_iterations=1, sub_agents=[four])
    await run(SequentialAgent(name="all", sub_agents=[one, both, again]))
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "        generate_content gemini-2.5-flash 100->10 tokens $0.000055",
            "        generate_content gemini-2.5-flash 100->10 tokens $0.000055",
            "        generate_content gemini-2.5-flash 100->10 tokens $0.000055",
            "      generate_content gemini-2.5-flash 100->10 tokens $0.000055",
            "      invoke_agent four",
            "      invoke_agent three",
            "      invoke_agent two",
            "    invoke_agent again",
            "    invoke_agent both",
            "    invoke_agent one",
            "  invoke_agent all",
            "invoke_workflow all",
        ]
    )
    assert totals(watched.session) == (4, 400, 40)


async def test_a_tool_that_fails(watched, answering):
    def broken(city: str) -> str:
        """Break."""
        raise ValueError(f"no weather in {city}")

    with pytest.raises(ValueError, match="no weather in Rome"):
        await run(guide(answering(answered("", ("broken", ROME))), tools=[broken]))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide ERROR
  invoke_agent guide ERROR
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool broken ERROR ValueError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


class Odd:
    """What no JSON can be made of, nor a text."""

    def __repr__(self):
        raise RuntimeError("odd")


async def test_a_tool_that_returns_what_nobody_can_write(watched, answering):
    def odd(city: str):
        """Odd."""
        return Odd()

    # ADK itself cannot send it to the model; the error is its own.
    with pytest.raises(TypeError, match="not JSON serializable"):
        await run(guide(answering(answered("", ("odd", ROME))), tools=[odd]))
    (used,) = [span for span in watched.spans if span.name == "execute_tool odd"]
    assert used.attributes[names.TOOL_CALL_RESULT] == snapshot('{"result":"<Odd>"}')


async def test_a_call_that_fails(watched, answering):
    with pytest.raises(errors.ClientError):
        await run(guide(answering(failed())))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide ERROR
  invoke_agent guide ERROR
    generate_content gemini-2.5-flash ERROR google.genai.errors.ClientError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_call_that_the_client_tries_again_is_one(watched, answering):
    retrying = types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=2, initial_delay=0.01))
    model = answering(failed(503), answered("done"))
    await run(guide(model, generate_content_config=types.GenerateContentConfig(http_options=retrying)))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert totals(watched.session) == (1, 100, 10)


class Own(BaseLlm):
    """A model in this process."""

    async def generate_content_async(self, request, stream=False):
        del request, stream
        usage = {"prompt_token_count": 7, "candidates_token_count": 3}
        yield LlmResponse(
            content=types.Content(parts=[types.Part(text="hi")]), usage_metadata=usage, finish_reason="STOP"
        )


async def test_a_model_that_no_client_tells_of_is_told_by_adk(watched):
    await run(guide(Own(model="mine")))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content mine 7->3 tokens\
""")
    assert totals(watched.session) == (1, 7, 3)


async def test_a_client_that_is_left_alone_is_told_of_by_adk(make_watched, answering):
    watched = make_watched(disabled_instrumentations=("google.genai",))
    await run(guide(answering(answered("", CALLS), answered())))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool weather
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert totals(watched.session) == (2, 200, 20)


@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_litellm_in_between(watched, monkeypatch):
    with Provider([Answer.json(bodies.chat("hi", usage=bodies.chat_usage(100, 10)))]) as provider:
        model = LiteLlm(model="openai/gpt-4o-mini", api_key="x", api_base=provider.openai_url)
        await run(LlmAgent(name="guide", model=model))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    chat openai/gpt-4o-mini 100->10 tokens $0.000021\
""")
    assert totals(watched.session) == (1, 100, 10)


def test_a_run_from_a_thread_of_adks(watched, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "x")
    with Provider([answered("", CALLS), answered()]) as provider:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", provider.url)
        runner, told = asyncio.run(runner_of(guide("gemini-2.5-flash")))
        list(runner.run(new_message=asked("x"), **told))
    with warnings.catch_warnings():  # ADK leaves the client that it has made open
        warnings.simplefilter("ignore", ResourceWarning)
        del runner
        gc.collect()
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool weather
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert totals(watched.session) == (2, 200, 20)


async def test_a_reader_that_leaves(watched, answering):
    runner, told = await runner_of(guide(answering(answered("", CALLS))))
    before = trace.get_current_span()
    events = runner.run_async(new_message=asked("x"), **told)
    await anext(events)
    await events.aclose()
    assert trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")


async def test_a_run_that_is_cancelled(watched, answering):
    running = asyncio.Event()

    async def slow(city: str) -> str:
        """Wait."""
        running.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(run(guide(answering(answered("", ("slow", ROME))), tools=[slow])))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool slow\
""")
    assert totals(watched.session) == (1, 100, 10)


async def test_a_run_that_never_ends_leaves_a_whole_session(make_watched, answering):
    watched = make_watched()
    runner, told = await runner_of(guide(answering(answered("", CALLS))))
    events = runner.run_async(new_message=asked("x"), **told)
    await anext(events)
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.000055
  invoke_workflow guide abandoned
    invoke_agent guide abandoned
      generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert totals(watched.session) == (1, 100, 10)
    await events.aclose()


async def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering):
    def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return city

    await run(guide(answering(answered("", ("look", ROME)), answered()), tools=[look]))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool look
      execute_tool by hand
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")


async def test_a_fault_of_ours_changes_nothing(watched, answering, monkeypatch):
    def broken(*_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(instrumentor, "_tell", broken)
    watched.client.faults.strict = False
    events = await run(guide(answering(answered("", CALLS), answered())))
    assert events[-1].content.parts[0].text == "done"
    assert len(watched.spans) == 5
    assert watched.client.faults.counts == {"engine.adopted": 1}
    watched.client.faults.counts.clear()


async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering):
    watched = make_watched(capture_content=False)
    await run(guide(answering(answered("", CALLS), answered())), "secret")
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 5
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done"))


async def test_nothing_of_ours_is_told_after_uninstrument(watched, answering):
    model = answering(answered("", CALLS), answered())
    watched.client.registry.uninstrument()
    await run(guide(model))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool weather
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
""")
    assert not any(names.TOOL_CALL_RESULT in span.attributes for span in watched.spans)
    watched.client.registry.instrument(watched.client.recorder)


PROGRAM = """
import asyncio, warnings
warnings.simplefilter("ignore")  # ADK and its client warn of themselves
{first}
{second}
from google.adk.agents import LlmAgent
from google.adk.runners import InMemoryRunner
from google.genai import types

def weather(city: str) -> str:
    "The weather."
    return "sunny"

async def main():
    runner = InMemoryRunner(agent=LlmAgent(name="guide", model="gemini-2.5-flash", tools=[weather]), app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    asked = types.Content(role="user", parts=[types.Part(text="x")])
    async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=asked):
        pass

asyncio.run(main())
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
OTHER = "from openinference.instrumentation.google_adk import GoogleADKInstrumentor as Other\nOther().instrument()"


BESIDE_THEIRS = """\
invocation [app]
  invoke_workflow guide
    agent_run [guide]
      generate_content gemini-2.5-flash 100->10 tokens $0.000055
      execute_tool weather
      generate_content gemini-2.5-flash 100->10 tokens $0.000055\
"""
ALONE = """\
invoke_workflow guide
  invoke_agent guide
    generate_content gemini-2.5-flash 100->10 tokens $0.000055
    execute_tool weather
    generate_content gemini-2.5-flash 100->10 tokens $0.000055\
"""


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(OURS, "", ALONE, id="alone"),
        pytest.param(OTHER, OURS, BESIDE_THEIRS, id="openinference first"),
        pytest.param(OURS, OTHER, BESIDE_THEIRS, id="openinference second"),
    ],
)
def test_a_whole_program_counts_each_call_once(tmp_path, first, second, expected):
    with Provider([answered("", CALLS), answered()]) as provider:
        where = {"GOOGLE_GEMINI_BASE_URL": provider.url, "GOOGLE_API_KEY": "x"}
        process = start_program(PROGRAM.format(first=first, second=second), tmp_path, **where)
        _, err = process.communicate(timeout=300)  # ADK is slow to import
        assert process.returncode == 0, err
    ((row, spans),) = stored(tmp_path)
    told = next(span.attributes for span in spans if span.is_session)
    counts = (names.LLM_CALLS, names.TOOL_CALLS, names.TOTAL_INPUT_TOKENS, names.TOTAL_OUTPUT_TOKENS)
    assert [told[name] for name in counts] == [2, 1, 200, 20]
    assert row.llm_calls == 2
    assert tree(span for span in spans if not span.is_session) == expected
