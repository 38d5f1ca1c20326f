"""Spans that are under way when the process ends: each is told of, once, by whoever made it and however it was made."""

from __future__ import annotations

import asyncio
import signal
import threading

import openai
import pytest
from conftest import Memory
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from programs import start, stored
from trees import tree

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration
from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.sessions import underway

END = ("Indeterminate", "the program ended")


@pytest.fixture
def slow():
    """A provider that does not answer before the test is over."""
    asked, over = threading.Event(), threading.Event()

    def answer(_):
        asked.set()
        over.wait(30)
        return Answer.json({"error": {"message": "late"}}, status=400)

    with Provider({"/v1/chat/completions": answer}) as provider:
        provider.asked = asked
        provider.over = over
        yield provider
        over.set()


PROGRAM = """
import asyncio, threading, agentops_otel as agentops, openai
from opentelemetry import trace

agentops.init()

@agentops.tool
async def look():
    print("ready", flush=True)
    await asyncio.sleep(60)

@agentops.agent
async def guide():
    with trace.get_tracer("the program's own").start_as_current_span("search"):
        await asyncio.gather(look(), {ask})

asyncio.run(guide())
"""
ASK = 'openai.AsyncOpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])'


def test_a_program_that_is_terminated_while_it_waits(tmp_path, slow):
    process = start(PROGRAM.format(ask=ASK), tmp_path, slow)
    assert process.stdout.readline() == "ready\n"
    assert slow.asked.wait(30)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    ((row, spans),) = stored(tmp_path)
    assert tree(spans).splitlines() == [
        "session Indeterminate",
        "  invoke_agent guide abandoned",
        "    search abandoned",
        "      execute_tool look abandoned",
        "      chat gpt-4o usage missing abandoned",
    ]
    assert (row.llm_calls, row.tool_calls, row.cost) == (1, 1, None)


def test_a_call_in_another_thread(watched, slow):
    client = openai.OpenAI(api_key="sk-x", base_url=slow.openai_url, max_retries=0)

    def ask():
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])

    thread = threading.Thread(target=ask)
    thread.start()
    assert slow.asked.wait(30)
    watched.client._end_all(*END)
    slow.over.set()
    thread.join()
    client.close()
    assert tree(watched.all) == "session Indeterminate\n  chat gpt-4o usage missing abandoned"
    assert "hello" in watched.span.attributes[names.INPUT_MESSAGES]
    assert watched.session.get_analytics()["LLM calls"] == 1


async def test_what_ends_after_all_is_told_once(watched):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def look():
        begun.set()
        await go_on.wait()
        return "seen"

    task = asyncio.ensure_future(watched.client.decorators.made(names.KIND_TOOL, look)())
    await begun.wait()
    watched.client._end_all(*END)
    go_on.set()
    assert await task == "seen"
    assert tree(watched.spans) == "execute_tool look abandoned"


def test_spans_of_the_programs_own_stay_open(monkeypatch):
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    memory = Memory()
    client = Client([memory])
    session = client.init(Configuration.read(log_summary=False))
    span = provider.get_tracer("own").start_span("job", context=session.context)
    client._end_all(*END)
    assert span.is_recording()
    span.set_attribute("late", True)
    span.end()
    assert client.flush(10)
    told = [record for record in memory.records if record.name == "job"]
    assert [(record.attributes[names.STREAM_OUTCOME], "late" in record.attributes) for record in told] == [
        (names.ABANDONED, False)
    ]
    session.deactivate()
    assert client.shut_down()


def test_a_session_that_has_ended_gets_what_it_left(watched):
    span = watched.client.pipeline.tracer.start_span("job", context=watched.session.context)
    watched.session.end_session("Success")
    assert watched.spans == []
    watched.client._end_all(*END)
    assert tree(watched.all) == "session Success $0.00\n  job abandoned"
    span.end()


def test_spans_that_end_are_not_followed_and_those_of_nobody_not_for_ever(watched, monkeypatch):
    monkeypatch.setattr(underway, "_MOST", 3)
    tracer, followed = watched.client.pipeline.tracer, watched.client.pipeline.processor._under_way._spans
    tracer.start_span("short", context=watched.session.context).end()
    assert not followed
    for number in range(5):
        tracer.start_span(f"job {number}", context=watched.session.context)
    assert [span.name for span in followed.values()] == ["job 2", "job 3", "job 4"]
    followed.clear()


def test_one_that_cannot_be_read_costs_no_other(make_watched, monkeypatch):
    monkeypatch.delenv("AGENTOPS_STRICT")
    watched = make_watched()
    read = underway.left
    monkeypatch.setattr(
        "agentops_otel.sessions.processor.left", lambda span: read(span if span.name != "bad" else None)
    )
    for name in ("good", "bad", "well"):
        watched.client.pipeline.tracer.start_span(name, context=watched.session.context)
    watched.client._end_all(*END)
    assert tree(watched.all) == "session Indeterminate $0.00\n  good abandoned\n  well abandoned"
    assert set(watched.client.faults.counts) == {"processor.abandon"}
    watched.client.faults.counts.clear()
