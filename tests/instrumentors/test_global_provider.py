"""anthropic >= 2.11 traces itself once a tracer provider is set: each call must be one span all the same."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, gc, json, sys

import anthropic
import openai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

whose = sys.argv[1]
message = bodies.message("So.")
ASKED = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "Where to?"}]}
exported = InMemorySpanExporter()
records = []


class Receiver:
    name = "memory"

    def deliver(self, some):
        records.extend(some)
        return True

    def close(self):
        pass


def answer(request):
    if request.path.endswith("/chat/completions"):
        return Answer.json(bodies.chat("So."))
    if request.body["model"] == "broken":
        return bodies.anthropic_error(429)
    return Answer.sse(streams.message_events(message)) if request.body.get("stream") else Answer.json(message)


def own_provider():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    trace.set_tracer_provider(provider)


def calls(client):
    client.messages.create(**ASKED)
    list(client.messages.create(**ASKED, stream=True))
    with client.messages.stream(**ASKED) as stream:
        stream.get_final_text()
    client.messages.with_raw_response.create(**ASKED).parse()
    with client.messages.with_streaming_response.create(**ASKED, stream=True) as response:
        response.read()
    stream = client.beta.messages.create(**ASKED, stream=True)
    next(stream)
    del stream
    try:
        client.messages.create(**ASKED | {"model": "broken"})
    except anthropic.RateLimitError:
        pass


async def acalls(client):
    await client.messages.create(**ASKED)
    [event async for event in await client.messages.create(**ASKED, stream=True)]
    await client.close()


with Provider(answer) as provider:
    options = {"api_key": "x", "base_url": provider.anthropic_url, "max_retries": 0}
    early = anthropic.Anthropic(**options)
    if whose == "the program's own":
        own_provider()
    watched = Client([Receiver()])
    isolated = whose == "another beside it"
    session = watched.init(Configuration.read(isolated=isolated, log_summary=False))
    if isolated:
        own_provider()
    calls(early)
    calls(anthropic.Anthropic(**options))
    asyncio.run(acalls(anthropic.AsyncAnthropic(**options)))
    openai.OpenAI(api_key="x", base_url=provider.openai_url).chat.completions.create(
        model="gpt-4o-mini", messages=ASKED["messages"]
    )
    gc.collect()
    analytics = session.get_analytics()
    session.end_session("Success")
    assert watched.shut_down()
    assert not watched.faults.counts, watched.faults.counts
    print(json.dumps({
        "calls": len(provider.requests),
        "counted": analytics["LLM calls"],
        "recorded": [[r.name, r.scope, r.trace_id] for r in records if r.end_time and not r.is_session],
        "exported": [[s.name, s.instrumentation_scope.name] for s in exported.get_finished_spans()],
        "traced": ["traceparent" in r.headers for r in provider.requests],
    }))
"""


@pytest.mark.parametrize("whose", ["ours", "the program's own", "another beside it"])
def test_each_call_is_one_span(tmp_path, whose):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, whose],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["calls"] == 17
    assert told["counted"] == 17
    names, scopes, traces = zip(*told["recorded"], strict=True)
    assert sorted(names) == sorted(["chat claude-sonnet-4-6"] * 14 + ["chat broken"] * 2 + ["chat gpt-4o-mini"])
    assert all(scope.startswith("agentops_otel") for scope in scopes)
    assert len(set(traces)) == 1
    assert told["traced"] == [False] * 17
    if whose == "the program's own":
        exported = [name for name, scope in told["exported"] if scope.startswith("agentops_otel") and name != "session"]
        assert sorted(exported) == sorted(names)
    assert not [scope for _, scope in told["exported"] if scope.startswith("com.anthropic")]
