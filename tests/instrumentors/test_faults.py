"""Faults of our own: whatever of ours raises, the user's call is what it is uninstrumented, and its span ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from agentops_otel_instrumentors.anthropic import AnthropicInstrumentor
from agentops_otel_instrumentors.openai import OpenAIInstrumentor
from cases import CHAT, MESSAGES, STREAMED
from comparison import done
from opentelemetry.sdk.trace import SpanProcessor

from agentops_otel.conventions import names

INSTRUMENTORS = (OpenAIInstrumentor, AnthropicInstrumentor)
ERRORS = [ValueError, MemoryError, RecursionError]

one_of_each = pytest.mark.parametrize("case", [CHAT, MESSAGES], ids=lambda case: case.id)
both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
by_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)


def broken(error):
    def function(*_, **__):
        raise error("ours")

    return function


async def call(case, client):
    return await done(case.call(client))


async def stream(case, client):
    answer = await done(case.stream(client))
    return [item async for item in answer] if hasattr(answer, "__aiter__") else list(answer)


def quietly(watched):
    """As in a user's program: faults are counted and not raised."""
    watched.client.faults.strict = False


def counted(seen):
    """The fault was counted; the fixture need not see it."""
    counts = dict(seen.watched.client.faults.counts)
    seen.watched.client.faults.counts.clear()
    return counts


@one_of_each
@both
@streamed_or_not
@by_error
@pytest.mark.parametrize("part", ["request", "response", "fold", "content", "output"])
def test_a_reader_that_raises(compare, monkeypatch, case, asynchronous, streamed, error, part):
    for kind in INSTRUMENTORS:
        routes = {route: replace(found, **{part: broken(error)}) for route, found in kind.routes.items()}
        monkeypatch.setattr(kind, "routes", routes)
    scenario, answer = (stream, case.sse()) if streamed else (call, case.whole)
    seen = compare(case, scenario, [answer], asynchronous=asynchronous, prepare=quietly)
    assert seen.span.end_time is not None
    if part != "fold" or streamed:
        assert counted(seen)
    told = seen.span.attributes
    if part in {"request", "content", "output"}:
        assert told[names.OUTPUT_TOKENS] == 10
    if part in {"response", "output"}:
        assert told[names.REQUEST_MODEL] == case.arguments["model"]


@one_of_each
@both
@streamed_or_not
@pytest.mark.parametrize("part", ["parent", "enrich", "tracer_of"])
def test_a_recorder_that_raises(compare, case, asynchronous, streamed, part):
    def prepare(watched):
        quietly(watched)
        if part == "enrich":  # only spans that somebody else sees are enriched before they end
            watched.client.pipeline.provider.add_span_processor(SpanProcessor())
        setattr(watched.client._recorder, part, broken(ValueError))

    scenario, answer = (stream, case.sse()) if streamed else (call, case.whole)
    seen = compare(case, scenario, [answer], asynchronous=asynchronous, prepare=prepare)
    assert counted(seen)
    assert len(seen.spans) == (1 if part == "enrich" else 0)


class Broken:
    """Metrics that cannot be recorded."""

    record = broken(ValueError)


@one_of_each
@streamed_or_not
def test_metrics_that_raise(compare, case, streamed):
    def prepare(watched):
        quietly(watched)
        watched.client._recorder.metrics = Broken()

    scenario, answer = (stream, case.sse()) if streamed else (call, case.whole)
    seen = compare(case, scenario, [answer], prepare=prepare)
    assert counted(seen)
    assert seen.span.attributes[names.OUTPUT_TOKENS] == 10


@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.id)
@both
def test_a_stream_that_cannot_be_watched(compare, monkeypatch, case, asynchronous):
    monkeypatch.setattr("agentops_otel.engine.instrumentor.watch", broken(ValueError))
    seen = compare(case, stream, [case.sse()], asynchronous=asynchronous, prepare=quietly)
    assert counted(seen)
    assert seen.span.end_time is not None
