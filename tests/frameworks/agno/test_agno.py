"""Agno: the tree is workflows, steps, teams, agents and tools; each model call in it is counted once."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest
from agentops_otel_instrumentors import agno as instrumentor
from agno.agent import Agent
from agno.metrics import MessageMetrics
from agno.models.base import Model
from agno.models.message import Message
from agno.models.openai import OpenAIChat
from agno.models.response import ModelResponse
from agno.team import Team
from agno.workflow import Step, Workflow
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

MULTIPLY = "openai/test-agent-arun-streaming-with-tools-f0439831.json"
COORDINATED = "openai/team-coordinate-run-ca514302.json"
DISCUSSION = "openai/test-team-discussion-8a33f5a3.json"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("AGNO_TELEMETRY", "false")


def chat(model="gpt-4o", **settings):
    return OpenAIChat(id=model, **settings)


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


def get_time(city: str) -> str:
    """The time."""
    return f"noon in {city}"


async def _run(thing, told="x"):
    return thing.run(told)


async def _arun(thing, told="x"):
    return await thing.arun(told)


async def _stream(thing, told="x"):
    return list(thing.run(told, stream=True))[-1]


async def _astream(thing, told="x"):
    return [item async for item in thing.arun(told, stream=True)][-1]


WAYS = {"run": _run, "arun": _arun, "stream": _stream, "astream": _astream}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
STREAMS = (_stream, _astream)


def answers(way, *steps):
    return [(streamed if way in STREAMS else completion)(*step) for step in steps]


async def test_a_recorded_stream_with_a_tool(watched, recorded):
    def multiply(a: float, b: float) -> str:
        """Multiply two numbers."""
        return str(int(a * b))

    recording = recorded(MULTIPLY)
    await _astream(Agent(name="Calculator", model=chat("gpt-4o-mini"), tools=[multiply]), "What is 6 times 7?")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Calculator
  chat gpt-4o-mini 58->17 tokens $0.0000189
  execute_tool multiply
  chat gpt-4o-mini 83->9 tokens $0.00001785\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (used,) = [span for span in watched.spans if span.name.startswith("execute_tool")]
    assert used.attributes[names.TOOL_CALL_ID] == "call_fvsP35x2Oga1cEKZEOPqYNeO"
    assert used.attributes[names.TOOL_CALL_RESULT] == '"42"'


async def test_a_recorded_team(watched, recorded):
    recording = recorded(DISCUSSION)
    members = [Agent(name=name, model=chat("gpt-4o-mini")) for name in ("TechnicalExpert", "BusinessExpert")]
    team = Team(name="Discussion", model=chat("gpt-4o-mini"), members=members, delegate_to_all_members=True)
    await _run(team, "Should we use microservices? Brief answer only.")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Discussion
  chat gpt-4o-mini 350->41 tokens $0.0000771
  execute_tool delegate_task_to_members
  invoke_agent TechnicalExpert
    chat gpt-4o-mini 78->375 tokens $0.0002367
  invoke_agent BusinessExpert
    chat gpt-4o-mini 78->381 tokens $0.0002403
  chat gpt-4o-mini 1164->232 tokens $0.0003138\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


async def test_a_recorded_team_that_is_coordinated(watched, recorded):
    def tool_named(name):
        def look(symbol: str, num_stories: int = 10) -> str:
            return f"{name} of {symbol}"

        look.__name__ = name
        return look

    looks = ("get_income_statements", "get_key_financial_ratios", "get_analyst_recommendations", "get_company_news")
    finance = Agent(
        id="finance-agent", name="Finance Agent", model=chat("gpt-4o-mini"), tools=[*map(tool_named, looks)]
    )
    web = Agent(id="web-agent", name="Web Agent", model=chat("gpt-4o-mini"))
    recording = recorded(COORDINATED)
    await _run(Team(name="Team", model=chat("gpt-4o-mini"), members=[web, finance]), "What of NVIDIA?")
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Team
  chat gpt-4o-mini 616->82 tokens $0.0001416
  execute_tool delegate_task_to_member
  invoke_agent Finance Agent
    chat gpt-4o-mini 598->52 tokens $0.0001209
    execute_tool get_income_statements
    execute_tool get_key_financial_ratios
    chat gpt-4o-mini 6244->478 tokens $0.0012234
  execute_tool delegate_task_to_member
  invoke_agent Finance Agent
    chat gpt-4o-mini 592->58 tokens $0.0001236
    execute_tool get_analyst_recommendations
    execute_tool get_company_news
    chat gpt-4o-mini 5382->877 tokens $0.0013335
  chat gpt-4o-mini 2140->1180 tokens $0.001029\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    asked, used = {}, {}
    for span in watched.spans:
        if span.name.startswith("execute_tool"):
            used[span.attributes[names.TOOL_CALL_ID]] = span.attributes[names.TOOL_NAME]
        for message in json.loads(span.attributes.get(names.OUTPUT_MESSAGES, "[]")) if "chat" in span.name else ():
            asked |= {part["id"]: part["name"] for part in message["parts"] if part["type"] == "tool_call"}
    assert used == asked


@ways
async def test_tools_in_parallel(watched, answering, way):
    calls = [("get_weather", {"city": "Rome"}), ("get_time", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})]
    answering(*answers(way, ("", *calls), ("done",)))
    await way(Agent(name="guide", model=chat(), tools=[get_weather, get_time]))
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
    assert {span.attributes[names.TOOL_CALL_ARGUMENTS] for span in used} == snapshot(
        {'{"city":"Oslo"}', '{"city":"Rome"}'}
    )
    agent = next(span for span in watched.spans if span.name == "invoke_agent guide")
    assert "done" in agent.attributes[names.OUTPUT_MESSAGES]


@ways
async def test_a_tool_that_fails(watched, answering, way):
    def broken(city: str) -> str:
        """Broken."""
        raise ValueError(city)

    answering(*answers(way, ("", ("broken", {"city": "Rome"})), ("done",)))
    await way(Agent(name="unlucky", model=chat(), tools=[broken]))
    assert tree(watched.spans) == snapshot("""\
invoke_agent unlucky
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool broken ERROR tool_error
  chat gpt-4o 100->10 tokens $0.00035\
""")
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_a_workflow_of_agents(watched, answering, way):
    answering(*[completion("one"), completion("two")] if way not in STREAMS else answers(way, ("one",), ("two",)))
    steps = [Step(name=name, agent=Agent(name=f"agent {name}", model=chat())) for name in ("plan", "write")]
    await way(Workflow(name="essay", steps=steps))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow essay
  task plan
    invoke_agent agent plan
      chat gpt-4o 100->10 tokens $0.00035
  task write
    invoke_agent agent write
      chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (2, 200, 20)


@ways
async def test_a_call_that_the_client_tries_again_is_one(watched, answering, way):
    answering(Answer.json({"error": {"message": "busy"}}, status=500), *answers(way, ("done",)))
    await way(Agent(name="patient", model=chat(max_retries=1)))
    assert totals(watched.session) == (1, 100, 10)


@ways
async def test_a_call_that_fails(watched, answering, way):
    answering(refusal())
    try:
        await way(Agent(name="locked out", model=chat()))
    except Exception as error:  # Agno raises, or answers that it failed, by its version
        assert not isinstance(error, AssertionError)
    assert sorted(line.partition(" ERROR")[0] for line in tree(watched.spans).splitlines()) == snapshot(
        ["  chat gpt-4o", "invoke_agent locked out"]
    )
    assert watched.session.get_analytics()["Errors"] == 1


class Local(Model):
    """A model in this process, of which no client tells."""

    def __init__(self, *texts):
        super().__init__(id="local", name="Local", provider="Here")
        self._texts = iter(texts)

    def _answer(self):
        usage = MessageMetrics(input_tokens=20, output_tokens=7, total_tokens=27)
        return ModelResponse(role="assistant", content=next(self._texts), response_usage=usage)

    def invoke(self, *args, **kwargs):
        return self._answer()

    async def ainvoke(self, *args, **kwargs):
        return self._answer()

    def invoke_stream(self, *args, **kwargs):
        yield self._answer()

    async def ainvoke_stream(self, *args, **kwargs):
        yield self._answer()

    def _parse_provider_response(self, response, **kwargs):
        return response

    def _parse_provider_response_delta(self, response):
        return response


@ways
async def test_a_model_that_no_client_tells_of_is_told_by_agno(watched, way):
    await way(Agent(name="guide", model=Local("sunny")))
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat local 20->7 tokens\
""")
    assert totals(watched.session) == (1, 20, 7)
    asked = next(span for span in watched.spans if span.name.startswith("chat"))
    assert "sunny" in asked.attributes[names.OUTPUT_MESSAGES]
    assert asked.attributes[names.PROVIDER_NAME] == "here"


async def test_what_comes_after_a_run_is_not_below_it(watched):
    before = trace.get_current_span()
    for way in WAYS.values():
        await way(Agent(name="guide", model=Local("sunny")))
        assert trace.get_current_span() is before
    assert tree(watched.spans).splitlines() == ["invoke_agent guide", "  chat local 20->7 tokens"] * 4


async def test_agents_at_once_are_beside_each_other(watched):
    await asyncio.gather(*[_astream(Agent(name="guide", model=Local("sunny"))) for _ in range(3)])
    assert sorted(tree(watched.spans).splitlines()) == ["  chat local 20->7 tokens"] * 3 + ["invoke_agent guide"] * 3


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_a_stream_that_is_left(watched, way):
    stream = getattr(Agent(name="left", model=Local("one", "two")), way)("x", stream=True, stream_events=True)
    if way == "run":
        next(stream)
        stream.close()
    else:
        await anext(stream)
        await stream.aclose()
    del stream
    gc.collect()
    assert tree(watched.spans).splitlines()[0] == "invoke_agent left abandoned"


async def test_a_run_that_is_cancelled(watched):
    started = asyncio.Event()

    async def slow(city: str) -> str:
        """Slow."""
        started.set()
        await asyncio.sleep(30)

    with Provider([completion("", ("slow", {"city": "Rome"}))]) as provider:
        agent = Agent(name="hasty", model=chat(base_url=provider.openai_url, api_key="sk-none"), tools=[slow])
        task = asyncio.ensure_future(agent.arun("x"))
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert sorted(line.partition(" ERROR")[0] for line in tree(watched.spans).splitlines()) == snapshot(
        ["  chat gpt-4o 100->10 tokens $0.00035", "  execute_tool slow", "invoke_agent hasty"]
    )


async def test_a_run_that_never_ends_leaves_the_session_whole(watched):
    stream = Agent(name="endless", model=Local("x")).run("x", stream=True, stream_events=True)
    next(stream)
    watched.client._end_all("Indeterminate", "the program ended")
    assert "  invoke_agent endless abandoned" in tree(watched.all)
    stream.close()


async def test_spans_of_the_users_within_a_tool_are_below_it(watched, answering):
    def look(city: str) -> str:
        """Look."""
        watched.session.record(ToolEvent(name="by hand"))
        return "x"

    answering(completion("", ("look", {"city": "Rome"})), completion())
    await _run(Agent(name="guide", model=chat(), tools=[look]))
    assert "  execute_tool look\n    execute_tool by hand" in tree(watched.spans)


@ways
async def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering, way):
    watched = make_watched(capture_content=False)
    answering(*answers(way, ("", ("get_weather", {"city": "Rome"})), ("done",)))
    await way(Agent(name="guide", model=chat(), tools=[get_weather]), "secret")
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 4
    assert not any(word in told for word in ("secret", "Rome", "sunny", "done"))


async def test_nothing_is_told_after_uninstrument(watched):
    agent = Agent(name="guide", model=Local("one", "two"))
    agent.run("x")
    watched.client.registry.uninstrument()
    agent.run("x")
    assert len(watched.spans) == 2
    watched.client.registry.instrument(watched.client.recorder)


async def test_a_tool_may_return_anything(watched, answering):
    class Odd:
        def __repr__(self):
            return "odd"

        @property
        def __dict__(self):
            raise ValueError("no")

    def look(city: str):
        """Look."""
        return Odd()

    answering(completion("", ("look", {"city": "Rome"})), completion())
    assert (await _run(Agent(name="guide", model=chat(), tools=[look]))).content == "done"
    assert len(watched.spans) == 4


@ways
async def test_a_fault_in_reading_is_ours_alone(watched, monkeypatch, way):
    monkeypatch.setattr(instrumentor, "_messages", lambda _: 1 / 0)
    monkeypatch.setattr(instrumentor, "_said", lambda _: 1 / 0)
    watched.client.faults.strict = False
    assert (await way(Agent(name="guide", model=Local("sunny")))).content in {"sunny", None}
    assert tree(watched.spans) == snapshot("""\
invoke_agent guide
  chat local 20->7 tokens\
""")
    assert watched.client.faults.counts == {"engine.content": 2, "engine.output": 1}
    watched.client.faults.counts.clear()


@pytest.mark.parametrize("told", ["", ["x"], {"a": 1}, Message(role="user", content="x"), [Message(role="user")]])
async def test_input_of_any_form(watched, told):
    assert (await _run(Agent(name="guide", model=Local("x")), told)).content == "x"
    assert len(watched.spans) == 2


PROGRAM = """
{first}
{second}
from agno.agent import Agent
from agno.models.openai import OpenAIChat

def get_weather(city: str) -> str:
    "The weather."
    return "sunny"

Agent(name="guide", model=OpenAIChat(id="gpt-4o"), tools=[get_weather], telemetry=False).run("x")
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
THEIRS = "from openinference.instrumentation.agno import AgnoInstrumentor as Other\nOther().instrument()"
OPENLLMETRY = "from opentelemetry.instrumentation.agno import AgnoInstrumentor as Other\nOther().instrument()"


@pytest.mark.parametrize(
    ("first", "second"), [(OURS, THEIRS), (THEIRS, OURS), (OURS, OPENLLMETRY), (OPENLLMETRY, OURS)]
)
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, first, second):
    with Provider([completion("", ("get_weather", {"city": "Rome"})), completion()]) as provider:
        run_program(
            PROGRAM.format(first=first, second=second),
            tmp_path,
            provider,
            PYTHONWARNINGS="ignore",
            AGNO_TELEMETRY="false",
        )
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (2, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, snapshot("0.00070"))
    assert tree([span for span in spans if not span.is_session]) == snapshot("""\
invoke_agent guide
  chat gpt-4o 100->10 tokens $0.00035
  execute_tool get_weather
  chat gpt-4o 100->10 tokens $0.00035\
""")
