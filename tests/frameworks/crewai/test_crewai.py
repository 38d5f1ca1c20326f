"""CrewAI: the tree is crews, flows, tasks, agents and tools; each model call in it is counted once."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from agentops_otel_instrumentors import crewai as instrumentor
from crewai import LLM, Agent, Crew, Process, Task
from crewai.flow.flow import Flow, listen, start
from crewai.tools import tool
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from trees import tree

from agentops_otel import ToolEvent
from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

SCRAPE_IN_FLOW = "openai/test-flow-crew-spans-in-same-trace-3c7460d2.json"
SCRAPE_AND_QUOTE = "openai/test-tool-spans-nested-under-agent-span-d2ac4d30.json"
MODEL = "openai/gpt-4.1-nano"
pytestmark = pytest.mark.filterwarnings("ignore")  # CrewAI warns of its own fields


@pytest.fixture(autouse=True)
def _nothing_stays_open(request):
    watched = request.getfixturevalue("watched") if "watched" in request.fixturenames else None
    yield
    assert watched is None or not len(runs(watched))


def runs(watched):
    return watched.client.registry._active["crewai"]._runs


@tool("scrape_website")
def scrape(url: str) -> str:
    """Scrape."""
    return "The world as we have created it."


def scraping(*more, tools=(scrape,), llm=MODEL, run_async=False):
    agent = Agent(
        role="Website Scraper", goal="Scrape", backstory="You.", tools=list(tools), llm=llm, max_retry_limit=0
    )
    task = Task(
        name="scrape", description="Call the tool", expected_output="Text", agent=agent, async_execution=run_async
    )
    others = [make(task) for make in more]
    return Crew(
        name="quotes",
        agents=[agent, *(item.agent for item in others)],
        tasks=[task, *others],
        process=Process.sequential,
    )


def quoting(task):
    agent = Agent(role="Content Analyzer", goal="Extract", backstory="You.", llm=MODEL)
    return Task(name="quote", description="Extract", expected_output="Quote", agent=agent, context=[task])


async def _kickoff(crew):
    return await asyncio.to_thread(crew.kickoff)


async def _kickoff_async(crew):
    return await crew.kickoff_async()


async def _akickoff(crew):
    return await crew.akickoff()


WAYS = {"kickoff": _kickoff, "kickoff_async": _kickoff_async, "akickoff": _akickoff}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@ways
async def test_a_crew_of_two(watched, recorded, way):
    recording = recorded(SCRAPE_AND_QUOTE)
    await way(scraping(quoting))
    assert tree(watched.spans) == snapshot("""\
invoke_workflow quotes
  task scrape
    invoke_agent Website Scraper
      chat gpt-4.1-nano 140->24 tokens $0.0000236
      execute_tool scrape_website
      chat gpt-4.1-nano 235->24 tokens $0.0000331
  task quote
    invoke_agent Content Analyzer
      chat gpt-4.1-nano 109->23 tokens $0.0000201\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    (used,) = [span for span in watched.spans if span.name.startswith("execute_tool")]
    assert used.attributes[names.TOOL_CALL_ID] == "call_pcZThQvZkeEekECbVMxHosaU"
    assert used.attributes[names.TOOL_CALL_ARGUMENTS] == '{"url":"http://quotes.toscrape.com/"}'
    assert used.attributes[names.TOOL_CALL_RESULT] == '"The world as we have created it."'


def test_a_crew_in_a_flow(watched, recorded):
    recording = recorded(SCRAPE_IN_FLOW)

    class Quotes(Flow):
        @start()
        def read(self):
            return scraping().kickoff().raw

        @listen(read)
        def write(self, text):
            watched.session.record(ToolEvent(name="by hand"))
            return text

    Quotes().kickoff()
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Quotes
  task read
    invoke_workflow quotes
      task scrape
        invoke_agent Website Scraper
          chat gpt-4.1-nano 140->24 tokens $0.0000236
          execute_tool scrape_website
          chat gpt-4.1-nano 235->35 tokens $0.0000375
  task write
    execute_tool by hand\
""")
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


# --- structure -------------------------------------------------------------------------------------------


def completion(text="done", *calls):
    body = bodies.chat(text, model="gpt-4.1-nano", usage=bodies.chat_usage(100, 10), tools=calls)
    return Answer.json(body)


CALL = ("scrape_website", {"url": "x"})


@pytest.mark.parametrize("run_async", [False, True])
def test_tools_in_parallel(watched, answering, run_async):
    answering(completion("", CALL, ("scrape_website", {"url": "y"})), completion())
    scraping(run_async=run_async).kickoff()
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "      chat gpt-4.1-nano 100->10 tokens $0.000014",
            "      chat gpt-4.1-nano 100->10 tokens $0.000014",
            "      execute_tool scrape_website",
            "      execute_tool scrape_website",
            "    invoke_agent Website Scraper",
            "  task scrape",
            "invoke_workflow quotes",
        ]
    )
    used = [
        span.attributes[names.TOOL_CALL_ARGUMENTS] for span in watched.spans if span.name.startswith("execute_tool")
    ]
    assert sorted(used) == ['{"url":"x"}', '{"url":"y"}']
    assert totals(watched.session) == (2, 200, 20)


@ways
async def test_a_stream(watched, answering, way):
    answering(
        *[Answer.sse(streams.chat_chunks(json.loads(item.body))) for item in (completion("", CALL), completion())]
    )
    crew = scraping(llm=LLM(model=MODEL, stream=True))
    crew.stream = True
    streaming = await way(crew)
    if hasattr(streaming, "__aiter__") and way is not _kickoff:
        told = [chunk.content async for chunk in streaming]
    else:
        told = await asyncio.to_thread(lambda: [chunk.content for chunk in streaming])
    assert "".join(told).endswith("done")
    assert streaming.result.raw == "done"
    assert tree(watched.spans) == snapshot("""\
invoke_workflow quotes
  task scrape
    invoke_agent Website Scraper
      chat gpt-4.1-nano 100->10 tokens $0.000014
      execute_tool scrape_website
      chat gpt-4.1-nano 100->10 tokens $0.000014\
""")
    assert totals(watched.session) == (2, 200, 20)


def test_a_model_that_streams_within_a_crew_that_does_not(watched, answering):
    answering(
        *[Answer.sse(streams.chat_chunks(json.loads(item.body))) for item in (completion("", CALL), completion())]
    )
    assert scraping(llm=LLM(model=MODEL, stream=True)).kickoff().raw == "done"
    assert totals(watched.session) == (2, 200, 20)


def test_a_call_that_the_client_tries_again_is_one(watched, answering):
    answering(Answer.json({"error": {"message": "busy"}}, status=500), completion())
    scraping(llm=LLM(model=MODEL, max_retries=1)).kickoff()
    assert totals(watched.session) == (1, 100, 10)


def test_a_tool_may_return_anything(watched, answering):
    @tool("scrape_website")
    def odd(url: str) -> object:
        """Scrape."""
        return Odd()

    told = {}
    for how in ("watched", "alone"):
        if how == "alone":
            watched.client.registry.uninstrument()
        answering(completion("", CALL), completion())
        try:
            told[how] = scraping(tools=[odd]).kickoff().raw
        except Exception as error:
            told[how] = (type(error), str(error))
    assert told["watched"] == told["alone"]
    assert "execute_tool scrape_website" in tree(watched.spans)
    watched.client.registry.instrument(watched.client.recorder)


def endless():
    """A flow that does not end, and the event that tells when it waits."""
    started = asyncio.Event()

    class Endless(Flow):
        @start()
        async def wait(self):
            started.set()
            await asyncio.sleep(30)

    return Endless(), started


async def test_a_run_that_never_ends_leaves_the_session_whole(watched):
    flow, started = endless()
    task = asyncio.ensure_future(flow.kickoff_async())
    await started.wait()
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00
  invoke_workflow Endless abandoned
    task wait abandoned\
""")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    runs(watched).close()


def test_an_agent_that_asks_an_agent(watched, answering):
    ask = ("ask_question_to_coworker", {"question": "?", "context": "c", "coworker": "Helper"})
    answering(completion("", ask), completion("42"), completion())
    told = {"goal": "Help", "backstory": "You.", "llm": MODEL}
    boss = Agent(role="Boss", allow_delegation=True, **told)
    task = Task(name="ask", description="Ask", expected_output="Text", agent=boss)
    Crew(name="office", agents=[boss, Agent(role="Helper", **told)], tasks=[task]).kickoff()
    assert tree(watched.spans) == snapshot("""\
invoke_workflow office
  task ask
    invoke_agent Boss
      chat gpt-4.1-nano 100->10 tokens $0.000014
      execute_tool ask_question_to_coworker
        invoke_agent Helper
          chat gpt-4.1-nano 100->10 tokens $0.000014
      chat gpt-4.1-nano 100->10 tokens $0.000014\
""")
    assert totals(watched.session) == (3, 300, 30)


def test_an_agent_without_a_crew(watched, answering):
    answering(completion("", CALL), completion())
    Agent(role="Alone", goal="Help", backstory="You.", tools=[scrape], llm=MODEL).kickoff("x")
    assert tree(watched.spans) == snapshot("""\
invoke_agent Alone
  chat gpt-4.1-nano 100->10 tokens $0.000014
  execute_tool scrape_website
  chat gpt-4.1-nano 100->10 tokens $0.000014\
""")


def test_a_tool_that_fails(watched, answering):
    @tool("scrape_website")
    def broken(url: str) -> str:
        """Scrape."""
        raise LookupError(url)

    answering(completion("", CALL), completion())
    scraping(tools=[broken]).kickoff()
    assert tree(watched.spans) == snapshot("""\
invoke_workflow quotes
  task scrape
    invoke_agent Website Scraper
      chat gpt-4.1-nano 100->10 tokens $0.000014
      execute_tool scrape_website ERROR LookupError
      chat gpt-4.1-nano 100->10 tokens $0.000014\
""")


def test_a_call_that_fails(watched, answering):
    answering(Answer.json({"error": {"message": "no"}}, status=401))
    with pytest.raises(Exception, match="401"):
        scraping().kickoff()
    assert tree(watched.spans) == snapshot("""\
invoke_workflow quotes ERROR openai.AuthenticationError
  task scrape ERROR openai.AuthenticationError
    invoke_agent Website Scraper ERROR openai.AuthenticationError
      chat gpt-4.1-nano ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


def test_a_model_that_no_client_tells_of_is_told_by_crewai(make_watched, answering):
    watched = make_watched(capture_content=True, disabled_instrumentations=("openai",))
    answering(completion("", CALL), completion())
    scraping().kickoff()
    assert tree(watched.spans) == snapshot("""\
invoke_workflow quotes
  task scrape
    invoke_agent Website Scraper
      chat gpt-4.1-nano 100->10 tokens $0.000014
      execute_tool scrape_website
      chat gpt-4.1-nano 100->10 tokens $0.000014\
""")
    assert totals(watched.session) == (2, 200, 20)


def test_a_flow_that_fails(watched):
    class Broken(Flow):
        @start()
        def read(self):
            raise LookupError("x")

    with pytest.raises(LookupError):
        Broken().kickoff()
    assert tree(watched.spans) == snapshot("""\
invoke_workflow Broken ERROR LookupError
  task read ERROR LookupError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


async def test_a_flow_that_is_cancelled(watched):
    flow, started = endless()
    task = asyncio.ensure_future(flow.kickoff_async())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = len(runs(watched))
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00
  invoke_workflow Endless abandoned
    task wait abandoned\
""")
    assert left == snapshot(2)
    runs(watched).close()


# --- never in the way ------------------------------------------------------------------------------------


def test_what_comes_after_a_crew_is_not_below_it(watched, answering):
    answering(completion(), completion())
    before = trace.get_current_span()
    for _ in range(2):
        scraping().kickoff()
        assert trace.get_current_span() is before
    assert [line for line in tree(watched.spans).splitlines() if line[0] != " "] == ["invoke_workflow quotes"] * 2


def test_content_is_left_out_where_it_is_not_wanted(make_watched, answering):
    watched = make_watched(capture_content=False)
    answering(completion("", CALL), completion("secret"))
    scraping().kickoff()
    assert len(watched.spans) == 6
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert not any(word in told for word in ("secret", "The world", "Scrape.", "Call the tool"))


def test_nothing_is_told_after_uninstrument(watched, answering):
    answering(completion(), completion())
    scraping().kickoff()
    told = len(watched.spans)
    watched.client.registry.uninstrument()
    scraping().kickoff()
    assert len(watched.spans) == told
    watched.client.registry.instrument(watched.client.recorder)


class Odd:
    def __repr__(self):
        raise ValueError("no")

    __str__ = __repr__


def test_events_may_hold_anything(watched, answering):
    for told in (
        None,
        3,
        Odd(),
        SimpleNamespace(type=3),
        SimpleNamespace(type="tool_usage_finished", started_event_id="never"),
    ):
        watched.client.registry._active["crewai"]._told(watched.client.recorder, Odd(), told)
    assert not watched.spans


def test_tools_asked_for_in_runs_that_never_end_are_forgotten(watched, monkeypatch):
    monkeypatch.setattr(instrumentor, "_LIMIT", 3)
    told = watched.client.registry._active["crewai"]
    asked = [{"id": "c", "function": {"name": "scrape_website", "arguments": "{}"}}]
    for number in range(5):
        event = SimpleNamespace(
            type="llm_call_completed", started_event_id="x", parent_event_id=f"p{number}", response=asked
        )
        told._told(watched.client.recorder, Odd(), event)
    assert list(told._waiting) == ["p2", "p3", "p4"]


def test_a_fault_of_ours_is_not_the_crews(make_watched, answering, monkeypatch):
    monkeypatch.delenv("AGENTOPS_STRICT")
    watched = make_watched()
    answering(completion("", CALL), completion())

    def broken(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr(watched.client.registry._active["crewai"], "_told", broken)
    assert scraping().kickoff().raw == "done"
    assert watched.client.faults.counts
    watched.client.faults.counts.clear()


OTHERS = {
    "openinference": "from openinference.instrumentation.crewai import CrewAIInstrumentor as Other",
    "openllmetry": "from opentelemetry.instrumentation.crewai import CrewAIInstrumentor as Other",
}
PROGRAM = """
{first}
{second}
from crewai import Agent, Crew, Task
from crewai.tools import tool

@tool("scrape_website")
def scrape(url: str) -> str:
    "Scrape."
    return "text"

agent = Agent(role="Scraper", goal="Scrape", backstory="You.", tools=[scrape], llm="openai/gpt-4.1-nano")
task = Task(name="scrape", description="Call", expected_output="Text", agent=agent)
Crew(name="quotes", agents=[agent], tasks=[task]).kickoff()
agentops.end_session("Success")
"""


@pytest.mark.parametrize("other", OTHERS)
def test_beside_another_instrumentation_each_call_counts_once(tmp_path, other):
    lines = [f"{OTHERS[other]}\nOther().instrument()", "import agentops_otel as agentops\nagentops.init()"]
    first, second = lines if other == "openinference" else lines[::-1]
    with Provider([completion("", CALL), completion()]) as provider:
        program = PROGRAM.format(first=first, second=second)
        run_program(
            "import warnings\nwarnings.simplefilter('ignore')\n" + program,
            tmp_path,
            provider,
            CREWAI_DISABLE_TELEMETRY="true",
            CREWAI_TRACING_ENABLED="false",
            CREWAI_STORAGE_DIR=str(tmp_path / "crew"),
        )
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (2, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (200, 20, snapshot("0.000028"))
    assert sorted(span.name for span in spans if not span.is_session) == snapshot(
        [
            "chat gpt-4.1-nano",
            "chat gpt-4.1-nano",
            "execute_tool scrape_website",
            "invoke_agent Scraper",
            "invoke_workflow quotes",
            "task scrape",
        ]
    )
