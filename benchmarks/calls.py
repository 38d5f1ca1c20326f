"""What a captured call costs beside the bare client, as a ratio to the least that one span can cost.

Contestants alternate in blocks within one process; a figure is the median over rounds of (block - bare block) in
process CPU time of all threads, delivery included. The floor is one SDK span by hand with the same attributes, and
with content on the JSON of the messages too. Quote ratios only: machines are noisy.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time

import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration
from agentops_otel.demo import bodies, streams

MESSAGES = [{"role": role, "content": "word " * 200} for role in ("system", "user", "user")]
USAGE = bodies.chat_usage(600, 200, cached_tokens=100)
CHUNKS = 200


class Drop(SpanExporter):
    """An exporter that reads what it is given and forgets it."""

    def export(self, spans):
        for span in spans:
            dict(span.attributes)
        return SpanExportResult.SUCCESS


class DropRecords:
    """The same for records."""

    name = "nowhere"

    def deliver(self, records):
        for record in records:
            dict(record.attributes)
        return True

    def close(self):
        pass

    def after_fork(self):
        pass


class Thin(openai.OpenAI):
    """The client with its HTTP and parsing cut away, so that what is around them shows."""


def thin_request(self, cast_to, options, *, stream=False, stream_cls=None):
    return ThinStream() if stream else ANSWER


class ThinStream:
    """A stream of ready-made chunks."""

    def __init__(self):
        self._chunks = iter(CHUNK_OBJECTS)

    def __iter__(self):
        yield from self._chunks

    def __next__(self):
        return next(self._chunks)

    def close(self):
        pass


ANSWER = openai.types.chat.ChatCompletion.model_validate(bodies.chat("word " * 200, usage=USAGE))
_whole = streams.chat_chunks(bodies.chat("word " * (CHUNKS - 3), usage=USAGE))
CHUNK_OBJECTS = [openai.types.chat.ChatCompletionChunk.model_validate(chunk) for chunk in _whole][:CHUNKS]


def floor(content):
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drop()))
    tracer = provider.get_tracer("floor")
    attributes = {f"gen_ai.request.setting_{number}": number for number in range(13)} | {"gen_ai.request.model": "m"}

    def around(call):
        told = dict(attributes)
        if content:
            told["gen_ai.input.messages"] = json.dumps(MESSAGES)
        span = tracer.start_span("chat m", kind=SpanKind.CLIENT, attributes=told)
        call()
        span.end()

    return around, provider.force_flush


BODY = {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0.5}


def ask(client):
    client.post("/chat/completions", cast_to=object, body=BODY)


def read(client):
    for _ in client.post("/chat/completions", cast_to=object, body=BODY, stream=True, stream_cls=ThinStream):
        pass


def measure(call, content, rounds=60, per_block=100):
    """(floor, ours) extra CPU for each call in microseconds."""
    original = openai.OpenAI.request
    openai.OpenAI.request = thin_request
    client = openai.OpenAI(api_key="x")
    around, flush = floor(content)
    agent = Client([DropRecords()])
    session = agent.init(Configuration.read(isolated=True, capture_content=content, log_summary=False))
    recorder = agent._recorder
    agent.registry.uninstrument()

    def bare():
        call(client)

    def by_hand():
        around(bare)

    def timed(what, prepare, finish):
        prepare()
        begin = time.process_time()
        for _ in range(per_block):
            what()
        finish()
        return (time.process_time() - begin) / per_block * 1e6

    def nothing():
        pass

    def on():
        agent.registry.instrument(recorder)

    def settle():
        agent.flush(10)

    def off():
        agent.registry.uninstrument()

    rows = {"bare": [], "floor": [], "ours": []}
    for number in range(rounds + 5):
        for name in random.sample(list(rows), 3):
            if name == "ours":
                spent = timed(bare, on, settle)
                off()
            else:
                spent = timed(bare if name == "bare" else by_hand, nothing, flush if name == "floor" else nothing)
            if number >= 5:
                rows[name].append(spent)
    session.end_session("Success")
    agent.shut_down()
    openai.OpenAI.request = original
    extra = {
        name: statistics.median(spent - bare for spent, bare in zip(rows[name], rows["bare"], strict=True))
        for name in ("floor", "ours")
    }
    return extra["floor"], extra["ours"]


def main():
    print(f"{'workload':<34}{'floor us':>10}{'ours us':>10}{'ratio':>8}")
    for label, call, content in (
        ("chat, content off", ask, False),
        ("chat, content on", ask, True),
        (f"stream of {CHUNKS} chunks, content off", read, False),
        (f"stream of {CHUNKS} chunks, content on", read, True),
    ):
        least, ours = measure(call, content)
        print(f"{label:<34}{least:>10.0f}{ours:>10.0f}{ours / least:>8.2f}")


if __name__ == "__main__":
    sys.exit(main())
