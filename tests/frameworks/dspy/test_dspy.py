"""DSPy: the tree is programs, modules, agents and tools; each model call is counted once, whoever tells of it."""

from __future__ import annotations

import asyncio
import json
import uuid

import dspy
import pytest
from agentops_otel_instrumentors import dspy as instrumentor
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from scripted import completion, refusal, streamed, waiting
from trees import tree as told_tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

REFUSED = "openai/testlm-test-exception-event-recorded-on-lm-error-548ba130.json"


def tree(records):
    """LiteLLM names a model after its provider, too."""
    return told_tree(records).replace("openai/", "")


def fields(**told):
    """An answer in the form that DSPy asks for."""
    return "\n\n".join([*[f"[[ ## {name} ## ]]\n{value}" for name, value in told.items()], "[[ ## completed ## ]]"])


@pytest.fixture(params=["lm15", "litellm"])
def lm(request, answering):
    """`lm(completion(...), ...)`: a model that answers so; by DSPy's own client, and by LiteLLM's."""

    def made(*answers, **settings):
        url = answering(*answers).openai_url
        told = {"api_key": "sk-none", "api_base": url, "cache": False, "num_retries": 0, "engine": request.param}
        return dspy.LM("openai/gpt-4o", **{**told, **settings})

    return made


async def _call(program, **told):
    return program(**told)


async def _acall(program, **told):
    return await program.acall(**told)


WAYS = {"call": _call, "acall": _acall}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


def step(tool, **told):
    return completion(fields(next_thought="hm", next_tool_name=tool, next_tool_args=json.dumps(told)))


@ways
async def test_a_program(watched, lm, way):
    with dspy.context(lm=lm(completion(fields(reasoning="because", answer="42")))):
        assert (await way(dspy.ChainOfThought("question -> answer"), question="what?")).answer == "42"
    assert tree(watched.spans) == snapshot("""\
invoke_workflow ChainOfThought
  task Predict
    chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (1, 100, 10)
    program = next(span for span in watched.spans if span.name.startswith("invoke_workflow"))
    assert "what?" in program.attributes[names.INPUT_MESSAGES]
    assert "42" in program.attributes[names.OUTPUT_MESSAGES]
    call = next(span for span in watched.spans if span.name.startswith("chat"))
    assert call.attributes[names.PROVIDER_NAME] == "openai"
    assert call.attributes[names.RESPONSE_MODEL] == "gpt-4o-2024-08-06"
    assert "what?" in call.attributes[names.INPUT_MESSAGES]


@ways
async def test_an_agent_with_tools_one_of_which_fails(watched, lm, way):
    def broken(city: str) -> str:
        """Broken."""
        raise ValueError(city)

    answers = [step("get_weather", city="Rome"), step("broken", city="Rome"), step("finish")]
    with dspy.context(lm=lm(*answers, completion(fields(reasoning="x", answer="sunny")))):
        agent = dspy.ReAct("question -> answer", tools=[get_weather, broken])
        assert (await way(agent, question="x")).answer == "sunny"
    assert tree(watched.spans) == snapshot("""\
invoke_agent ReAct
  task Predict
    chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  task Predict
    chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR ValueError
  task Predict
    chat gpt-4o 100->10 tokens $0.00035
  execute_tool finish
  task ChainOfThought
    task Predict
      chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (4, 400, 40)
    used = next(span for span in watched.spans if span.name == "execute_tool get_weather")
    assert used.attributes[names.TOOL_CALL_ARGUMENTS] == '{"city":"Rome"}'
    assert used.attributes[names.TOOL_CALL_RESULT] == '"sunny in Rome"'


async def test_a_program_of_programs(watched, lm):
    class Both(dspy.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = dspy.Predict("a -> b"), dspy.Predict("b -> c")

        def forward(self, a):
            return self.second(b=self.first(a=a).b)

    with dspy.context(lm=lm(completion(fields(b="1")), completion(fields(c="2")))):
        assert Both()(a="x").c == "2"
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Both
  task Predict
    chat gpt-4o 100->10 tokens $0.00035
  task Predict
    chat gpt-4o 100->10 tokens $0.00035\
""")


async def test_what_is_kept_is_no_call(watched, lm):
    model, asked = lm(completion(fields(answer="42")), cache=True), str(uuid.uuid4())
    with dspy.context(lm=model):
        for _ in range(2):
            assert dspy.Predict("question -> answer")(question=asked).answer == "42"
    assert totals(watched.session) == (1, 100, 10)
    assert watched.session.get_analytics()["LLM calls"] == 1


async def test_programs_in_threads_count_each_for_itself(watched, lm):
    with dspy.context(lm=lm(*[completion(fields(answer="42")) for _ in range(4)])):
        predict = dspy.Predict("question -> answer")
        dspy.Parallel(num_threads=2, disable_progress_bar=True)(
            [(predict, dspy.Example(question=str(number)).with_inputs("question")) for number in range(4)]
        )
    assert totals(watched.session) == (4, 400, 40)


@ways
async def test_a_call_that_fails(watched, lm, way):
    with dspy.context(lm=lm(refusal())), pytest.raises(Exception, match=r".") as raised:
        await way(dspy.Predict("question -> answer"), question="x")
    assert not isinstance(raised.value, AssertionError)
    lines = [line.partition(" ERROR")[0] for line in tree(watched.spans).splitlines()]
    assert lines == ["invoke_workflow Predict", "  chat gpt-4o"]
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_recorded_refusal(watched, recorded):
    recording = recorded(REFUSED)
    model = dspy.LM("openai/gpt-4", api_key="x", api_base=recording.provider.openai_url, cache=False, num_retries=0)
    with pytest.raises(Exception, match="Incorrect API key"):
        model("Who won the World Cup in 2018?")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_call_that_dspy_tries_again(watched, lm):
    model = lm(Answer.json({"error": {"message": "busy"}}, status=500), completion(fields(answer="42")), num_retries=1)
    with dspy.context(lm=model):
        dspy.Predict("question -> answer")(question="x")
    assert totals(watched.session)[1:] == (100, 10)


async def test_a_run_that_is_cancelled(watched, lm):
    wait, started = waiting()
    with dspy.context(lm=lm(step("wait"))):
        task = asyncio.ensure_future(dspy.ReAct("question -> answer", tools=[wait]).acall(question="x"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [line.partition(" ERROR")[0] for line in tree(watched.spans).splitlines()] == snapshot(
        [
            "invoke_agent ReAct",
            "  task Predict",
            "    chat gpt-4o 100->10 tokens $0.00035",
            "  execute_tool wait",
        ]
    )


async def test_what_comes_after_a_run_is_not_below_it(watched, lm):
    before = trace.get_current_span()
    with dspy.context(lm=lm(*[completion(fields(answer="42")) for _ in range(2)])):
        for _ in range(2):
            dspy.Predict("question -> answer")(question="x")
            assert trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Predict
  chat gpt-4o 100->10 tokens $0.00035
invoke_workflow Predict
  chat gpt-4o 100->10 tokens $0.00035\
""")


async def test_a_stream(watched, lm):
    program = dspy.streamify(
        dspy.Predict("question -> answer"),
        stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")],
    )
    # LiteLLM's streams tell of their usage only where it is asked for.
    with dspy.context(lm=lm(streamed(fields(answer="It is sunny in Rome today."))), track_usage=True):
        told = [item async for item in program(question="x")]
    assert told[-1].answer == "It is sunny in Rome today."
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Predict
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (1, 100, 10)


async def test_a_run_that_never_ends_leaves_the_session_whole(watched, lm):
    wait, started = waiting()
    with dspy.context(lm=lm(step("wait"))):
        task = asyncio.ensure_future(dspy.ReAct("question -> answer", tools=[wait]).acall(question="x"))
        await started.wait()
        watched.client._end_all("Indeterminate", "the program ended")
        assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00035
  invoke_agent ReAct abandoned
    task Predict
      chat gpt-4o 100->10 tokens $0.00035
    execute_tool wait abandoned\
""")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@ways
async def test_a_fault_in_reading_is_ours_alone(watched, lm, way, monkeypatch):
    monkeypatch.setattr(instrumentor, "_given", lambda _: 1 / 0)
    watched.client.faults.strict = False
    with dspy.context(lm=lm(completion(fields(answer="42")))):
        assert (await way(dspy.Predict("question -> answer"), question="what?")).answer == "42"
    assert totals(watched.session) == (1, 100, 10)
    assert watched.client.faults.counts == {"engine.content": 1}
    watched.client.faults.counts.clear()


async def test_spans_of_the_users_within_a_tool_are_below_it(watched):
    def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return "x"

    dspy.Tool(look)(city="Rome")
    assert tree(watched.spans) == snapshot("""\
execute_tool look
  execute_tool by hand\
""")


async def test_content_is_left_out_where_it_is_not_wanted(make_watched, lm):
    watched = make_watched(capture_content=False)
    with dspy.context(lm=lm(completion(fields(answer="sunny")))):
        dspy.Predict("question -> answer")(question="secret")
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 2
    assert not any(word in told for word in ("secret", "sunny"))


async def test_nothing_is_told_after_uninstrument(watched, lm):
    with dspy.context(lm=lm(*[completion(fields(answer="42")) for _ in range(2)])):
        predict = dspy.Predict("question -> answer")
        predict(question="x")
        watched.client.registry.uninstrument()
        predict(question="y")
    assert len(watched.spans) == 2
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_tool_may_return_anything(watched):
    class Odd:
        def __repr__(self):
            raise ValueError("no")

    odd = Odd()
    assert dspy.Tool(lambda city: odd, name="odd")(city="x") is odd
    assert len(watched.spans) == 1


PROGRAM = """
{first}
{second}
import dspy, os
lm = dspy.LM("openai/gpt-4o", api_key="x", api_base=os.environ["OPENAI_BASE_URL"], cache=False, engine="{engine}")
dspy.configure(lm=lm)
dspy.Predict("question -> answer")(question="x")
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
THEIRS = "from openinference.instrumentation.dspy import DSPyInstrumentor as Other\nOther().instrument()"


@pytest.mark.parametrize("engine", ["lm15", "litellm"])
@pytest.mark.parametrize(("first", "second"), [(OURS, THEIRS), (THEIRS, OURS)], ids=["first", "second"])
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, first, second, engine):
    program = "import warnings\nwarnings.simplefilter('ignore')\n" + PROGRAM.format(
        first=first, second=second, engine=engine
    )
    with Provider([completion(fields(answer="42"))]) as provider:
        run_program(program, tmp_path, provider)
    ((row, spans),) = stored(tmp_path)
    assert row.llm_calls == 1
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (100, 10, snapshot("0.00035"))
    assert [span.name.replace("openai/", "") for span in spans if span.name.startswith("chat")] == ["chat gpt-4o"]
