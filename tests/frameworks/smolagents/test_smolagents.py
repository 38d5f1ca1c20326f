"""smolagents: agents and tools are the tree, each model call in it is shown and counted once."""

from __future__ import annotations

import json
import threading

import pytest
from agentops_otel_instrumentors import smolagents as instrumentor
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from scripted import completion, refusal, streamed
from smolagents import CodeAgent, LiteLLMModel, OpenAIModel, ToolCallingAgent, tool
from smolagents.models import ChatMessage, ChatMessageStreamDelta, Model, TokenUsage
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

CLAUDE = "anthropic/testmodels-test-litellm-reasoning-model-has-expected-attribu-a87ac064.json"
DOG = "openai/testmodels-test-openai-server-model-with-chatmessage-image-u-b694ef7f.json"
ROME = {"city": "Rome"}
WEATHER = ("weather", ROME)
DONE = ("final_answer", {"answer": "It is sunny."})


@tool
def weather(city: str) -> str:
    """The weather.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


@pytest.fixture
def gpt():
    """A model that asks the provider of the test."""
    made = []

    def model(max_retries=0):
        made.append(OpenAIModel("gpt-4o", client_kwargs={"max_retries": max_retries}))
        return made[-1]

    yield model
    for item in made:
        item.client.close()


def guide(model, **settings):
    kind = settings.pop("kind", ToolCallingAgent)
    return kind(**{"tools": [weather], "model": model, "name": "guide", "verbosity_level": 0, **settings})


def test_a_tool(watched, answering, gpt):
    answering(completion("", WEATHER), completion("", DONE))
    assert guide(gpt()).run("x") == "It is sunny."
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool weather
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool final_answer\
""")
    assert totals(watched.session) == (2, 200, 20)
    (used,) = [span for span in watched.spans if span.name == "execute_tool weather"]
    assert json.loads(used.attributes[names.TOOL_CALL_ARGUMENTS]) == ROME
    assert json.loads(used.attributes[names.TOOL_CALL_RESULT]) == "sunny in Rome"
    (agent,) = [span for span in watched.spans if span.name == "invoke_agent guide"]
    assert "It is sunny." in agent.attributes[names.OUTPUT_MESSAGES]


def test_a_program_that_calls_tools_by_place(watched, answering, gpt):
    code = '<code>\nprint(weather("Rome"))\nprint(weather(city="Oslo"))\n</code>'
    answering(completion(code), completion('<code>\nfinal_answer("done")\n</code>'))
    assert guide(gpt(), kind=CodeAgent).run("x") == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool weather
  execute_tool weather
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool final_answer\
""")
    told = [span.attributes[names.TOOL_CALL_ARGUMENTS] for span in watched.spans if span.name == "execute_tool weather"]
    assert told == ['{"city":"Rome"}', '{"city":"Oslo"}']


def test_a_stream_of_steps(watched, answering, gpt):
    answering(streamed("", WEATHER), streamed("", DONE))
    before = trace.get_current_span()
    for _ in guide(gpt(), stream_outputs=True).run("x", stream=True):
        assert trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool weather
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool final_answer\
""")
    assert totals(watched.session) == (2, 200, 20)


def test_tools_in_parallel(watched, answering, gpt):
    answering(
        completion("", WEATHER, ("weather", {"city": "Oslo"}), ("weather", {"city": "Bonn"})), completion("", DONE)
    )
    guide(gpt()).run("x")
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  chat gpt-4o 100->10 tokens $0.00035",
            "  execute_tool final_answer",
            "  execute_tool weather",
            "  execute_tool weather",
            "  execute_tool weather",
            "invoke_agent guide",
        ]
    )
    assert totals(watched.session) == (2, 200, 20)
    assert watched.session.get_analytics()["Tool calls"] == 4
    asked = {
        part["id"]: part["arguments"]
        for span in watched.spans
        if span.name.startswith("chat")
        for part in json.loads(span.attributes[names.OUTPUT_MESSAGES])[0]["parts"]
    }
    used = {
        span.attributes[names.TOOL_CALL_ID]: json.loads(span.attributes[names.TOOL_CALL_ARGUMENTS])
        for span in watched.spans
        if span.name.startswith("execute_tool")
    }
    assert len(used) == 4
    assert used == asked


def test_an_agent_of_an_agent_is_below_it(watched, answering, gpt):
    answering(
        completion("", ("inner", {"task": "x"})), completion("", WEATHER), completion("", DONE), completion("", DONE)
    )
    model = gpt()
    inner = guide(model, name="inner", description="Ask.")
    guide(model, name="outer", tools=[], managed_agents=[inner]).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent outer
  chat gpt-4o 100->10 tokens $0.00035
  invoke_agent inner
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool weather
    chat gpt-4o 100->10 tokens $0.00035
    execute_tool final_answer
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool final_answer\
""")
    assert totals(watched.session) == (4, 400, 40)


def test_a_tool_that_fails(watched, answering, gpt):
    @tool
    def broken(city: str) -> str:
        """Break.

        Args:
            city: Where.
        """
        raise ValueError(f"no weather in {city}")

    answering(completion("", ("broken", ROME)), completion("", DONE))
    guide(gpt(), tools=[broken]).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR ValueError
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool final_answer\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_tool_that_returns_what_nobody_can_write(watched, answering, gpt):
    @tool
    def odd(city: str) -> object:
        """Odd.

        Args:
            city: Where.
        """
        return threading.Lock()

    answering(completion("", ("odd", ROME)), completion("", DONE))
    assert guide(gpt(), tools=[odd]).run("x") == "It is sunny."
    (used,) = [span for span in watched.spans if span.name == "execute_tool odd"]
    assert "lock" in used.attributes[names.TOOL_CALL_RESULT]


def test_a_call_that_fails(watched, answering, gpt):
    answering(refusal())
    with pytest.raises(Exception, match="no"):
        guide(gpt()).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide ERROR smolagents.utils.AgentGenerationError
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_call_that_the_client_tries_again_is_one(watched, answering, gpt):
    answering(Answer.json({"error": {"message": "busy"}}, status=500), completion("", DONE))
    guide(gpt(max_retries=1)).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool final_answer\
""")
    assert totals(watched.session) == (1, 100, 10)


def test_an_agent_that_takes_too_many_steps(watched, answering, gpt):
    answering(completion("", WEATHER), completion("I give up."))
    guide(gpt(), max_steps=1).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)


class Own(Model):
    """A model in this process."""

    def generate(self, messages, **_):
        return ChatMessage(role="assistant", content="<code>\nfinal_answer(1)\n</code>", token_usage=TokenUsage(7, 3))

    def generate_stream(self, messages, **_):
        yield ChatMessageStreamDelta(content="<code>\nfinal_answer(1)", token_usage=TokenUsage(7, 1))
        yield ChatMessageStreamDelta(content="\n</code>", token_usage=TokenUsage(0, 2))


@pytest.mark.parametrize("streams", [False, True])
def test_a_model_that_no_client_tells_of_is_told_by_smolagents(watched, streams):
    guide(Own(model_id="mine"), kind=CodeAgent, stream_outputs=streams).run("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat mine 7->3 tokens
  execute_tool final_answer\
""")
    assert totals(watched.session) == (1, 7, 3)
    (call,) = [span for span in watched.spans if span.name == "chat mine"]
    assert "final_answer(1)" in call.attributes[names.OUTPUT_MESSAGES]


def test_a_client_that_is_left_alone_is_told_of_by_smolagents(make_watched, answering, gpt):
    watched = make_watched(disabled_instrumentations=("openai",))
    answering(completion("", WEATHER), completion("", DONE))
    guide(gpt()).run("x")
    assert totals(watched.session) == (2, 200, 20)
    assert [span.scope for span in watched.spans if span.name == "chat gpt-4o"] == ["agentops_otel.smolagents"] * 2


def test_a_recording_of_an_image(watched, recorded, gpt):
    recording = recorded(DOG)
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/dog.jpg"}}
    gpt().generate([ChatMessage(role="user", content=[{"type": "text", "text": "What breed?"}, picture])])
    assert tree(watched.spans) == snapshot("chat gpt-4o 268->18 tokens $0.00085")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


def test_a_recording_through_litellm(watched, recorded):
    recording = recorded(CLAUDE)
    model = LiteLLMModel("anthropic/claude-3-7-sonnet-20250219", api_key="x", api_base=recording.provider.anthropic_url)
    model.generate([ChatMessage(role="user", content=[{"type": "text", "text": "Who won?"}])])
    assert tree(watched.spans) == snapshot("chat anthropic/claude-3-7-sonnet-20250219 54->65 tokens $0.001137")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


def test_a_reader_that_leaves(watched, answering, gpt):
    answering(completion("", WEATHER))
    before = trace.get_current_span()
    steps = guide(gpt()).run("x", stream=True)
    next(steps)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):  # as smolagents' own generator does
        steps.close()
    assert trace.get_current_span() is before
    assert tree(watched.spans).splitlines()[0] == "invoke_agent guide abandoned"
    assert totals(watched.session) == (1, 100, 10)


def test_a_run_that_never_ends_leaves_the_session_whole(watched, answering, gpt):
    answering(completion("", WEATHER))
    steps = guide(gpt()).run("x", stream=True)
    next(steps)
    watched.client._end_all("Indeterminate", "the program ended")
    told = tree(watched.all).splitlines()
    assert told[0].startswith("session Indeterminate")
    assert told[1] == "  invoke_agent guide abandoned"
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):  # as smolagents' own generator does
        steps.close()


def test_a_run_that_is_interrupted(watched, answering, gpt):
    answering(completion("", WEATHER))
    agent = guide(gpt())
    agent.step_callbacks.register(type(agent.memory.system_prompt).__mro__[1], lambda *_, **__: agent.interrupt())
    with pytest.raises(Exception, match="interrupted"):
        agent.run("x")
    assert tree(watched.spans).splitlines()[0].startswith("invoke_agent guide ERROR")
    assert totals(watched.session) == (1, 100, 10)


def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering, gpt):
    @tool
    def look(city: str) -> str:
        """Look.

        Args:
            city: Where.
        """
        watched.session.record(ToolEvent(name="by hand"))
        return city

    answering(completion("", ("look", ROME)), completion("", DONE))
    guide(gpt(), tools=[look]).run("x")
    assert "  execute_tool look\n    execute_tool by hand" in tree(watched.spans)


def test_a_fault_of_ours_changes_nothing(watched, answering, gpt, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(instrumentor, "_arguments", broken)
    watched.client.faults.strict = False
    answering(completion("", WEATHER), completion("", DONE))
    assert guide(gpt()).run("x") == "It is sunny."
    assert len(watched.spans) == 5
    assert watched.client.faults.counts == {"engine.call": 2, "engine.content": 2}
    watched.client.faults.counts.clear()


def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering, gpt):
    watched = make_watched(capture_content=False)
    answering(completion("", WEATHER), completion("", DONE))
    guide(gpt()).run("secret")
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 5
    assert not any(word in told for word in ("secret", "Rome", "sunny"))


def test_nothing_is_told_after_uninstrument(watched, answering, gpt):
    answering(completion("", WEATHER), completion("", DONE))
    agent = guide(gpt())
    watched.client.registry.uninstrument()
    assert agent.run("x") == "It is sunny."
    assert not watched.spans
    watched.client.registry.instrument(watched.client.recorder)


PROGRAM = """
import warnings
warnings.simplefilter("ignore")
{first}
{second}
from smolagents import CodeAgent, OpenAIModel
CodeAgent(tools=[], model=OpenAIModel("gpt-4o"), name="guide", verbosity_level=0).run("x")
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
OTHER = "from openinference.instrumentation.smolagents import SmolagentsInstrumentor as Other\nOther().instrument()"


@pytest.mark.parametrize(("first", "second"), [(OTHER, OURS), (OURS, OTHER)])
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, first, second):
    with Provider([completion('<code>\nfinal_answer("done")\n</code>')]) as provider:
        run_program(PROGRAM.format(first=first, second=second), tmp_path, provider)
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (1, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (100, 10, snapshot("0.00035"))
    assert [span.name for span in spans if not span.is_session] == snapshot(
        ["invoke_agent guide", "chat gpt-4o", "execute_tool final_answer"]
    )
