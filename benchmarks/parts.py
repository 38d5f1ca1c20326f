"""What the rest costs: a session, an event, a decorated function, a price; growth over many calls; nothing dropped.

Each beside the least that does the same, in one run. `python benchmarks/parts.py`
"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import openai
import thin
import wrapt
from contestants import DropRecords
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from workloads import MESSAGES

import agentops_otel as agentops
from agentops_otel.accounting.prices import Prices
from agentops_otel.client import Client
from agentops_otel.configuration import Configuration
from agentops_otel.conventions.model import Usage


class _Drop(SpanExporter):
    def export(self, spans):
        for span in spans:
            dict(span.attributes)
        return SpanExportResult.SUCCESS


def timed(what, number, finish=lambda: None):
    """Median CPU microseconds of one, all threads, what follows included."""
    took = []
    for _ in range(9):
        gc.collect()
        begin = time.process_time()
        for _ in range(number):
            what()
        finish()
        took.append((time.process_time() - begin) / number * 1e6)
    return statistics.median(took)


def row(name, least, ours):
    print(f"{name:<52}{least:>10.1f}{ours:>10.1f}{ours / least:>8.2f}", flush=True)


def client_of(receivers, **settings):
    client = Client(receivers)
    session = client.init(Configuration.read(isolated=True, log_summary=False, **settings))
    return client, session


def main():
    print(f"{'CPU of one, in microseconds':<52}{'least':>10}{'ours':>10}{'ratio':>8}")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Drop(), max_queue_size=65_536))
    tracer = provider.get_tracer("floor")

    def span():
        with tracer.start_as_current_span("step") as made:
            made.set_attribute("kind", "step")

    least = timed(span, 500, provider.force_flush)
    client, session = client_of([DropRecords()])

    def whole_session():
        client.start_session().end_session("Success")

    row("a session, begun and ended, beside one span", least, timed(whole_session, 200, lambda: client.flush(10)))
    event = agentops.ActionEvent

    def recorded():
        session.record(event(action_type="step"))

    row("an event, made and recorded, beside one span", least, timed(recorded, 500, lambda: client.flush(10)))
    decorated = client.decorators.made("operation", _nothing)
    row("a decorated function, beside one span", least, timed(decorated, 500, lambda: client.flush(10)))
    _prices()
    _growth(client)
    session.end_session("Success")
    client.shut_down()
    client.registry.uninstrument()
    _paths()
    _dropped()


def _nothing():
    pass


def _paths():
    """The ways on which nothing is recorded, beside a bare wrapper."""

    class Asked:
        def request(self, cast_to, options, **rest):
            return None

    def through(wrapped, instance, args, kwargs):
        return wrapped(*args, **kwargs)

    asked = Asked()
    alone = timed(lambda: asked.request(object, None), 20_000)
    Asked.request = wrapt.FunctionWrapper(Asked.request, through)
    least = timed(lambda: asked.request(object, None), 20_000) - alone
    client = openai.OpenAI(api_key="x")
    body = {"model": "gpt-4o-mini", "messages": MESSAGES}

    def call():
        client.post("/chat/completions", cast_to=object, body=body)

    without = timed(call, 5_000)
    for name, variable, value in (
        ("a call that is not sampled, beside a bare wrapper", "OTEL_TRACES_SAMPLER", "always_off"),
        ("a call with OTEL_SDK_DISABLED, beside a bare wrapper", "OTEL_SDK_DISABLED", "true"),
    ):
        os.environ[variable] = value
        off, session = client_of([DropRecords()])
        row(name, least, max(timed(call, 5_000) - without, 0.0))
        if session is not None:
            session.end_session("Success")
        off.shut_down()
        off.registry.uninstrument()
        del os.environ[variable]


def _prices():
    import genai_prices  # noqa: PLC0415

    prices = Prices()
    prices.load()
    usage, used = Usage(600, 200, 100), genai_prices.Usage(input_tokens=600, output_tokens=200, cache_read_tokens=100)
    least = timed(lambda: genai_prices.calc_price(used, "gpt-4o-mini", provider_id="openai"), 300)
    ours = timed(lambda: prices.quote("openai", "gpt-4o-mini", usage), 3_000)
    assert prices.quote("openai", "gpt-4o-mini", usage).cost > Decimal(0)
    row("the price of a call, beside genai-prices alone", least, ours)


def _growth(client):
    session = client.start_session()
    asked = openai.OpenAI(api_key="x")

    def calls(number):
        for _ in range(number):
            asked.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        client.flush(10)
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = calls(5_000)
    print(f"peak memory after 5,000 and 55,000 calls of one session: {before / 1024:.1f}, ", end="")
    print(f"{calls(50_000) / 1024:.1f} MB")
    session.end_session("Success")


def _dropped():
    with tempfile.TemporaryDirectory() as place:
        client, session = client_of(None, store=str(Path(place) / "sessions.db"))
        asked, number = openai.OpenAI(api_key="x"), 20_000
        begin, cpu = time.monotonic(), time.process_time()
        for _ in range(number):
            asked.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        made = time.monotonic() - begin
        client.flush(60)
        cpu = (time.process_time() - cpu) / number * 1e6
        counts = client.pipeline.delivery.counts()
        print(f"{number:,} calls at full speed into the local store: {number / made:,.0f} a second made,", end=" ")
        print(f"{counts.dropped.total()} dropped, {counts.waiting} waiting, {cpu:.0f} us of CPU each, calls included")
        session.end_session("Success")
        client.shut_down()


if __name__ == "__main__":
    thin.make_thin()
    sys.exit(main())
