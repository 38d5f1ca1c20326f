"""Tracer providers of others: what we see of them, and that our place in ours is taken once."""

from __future__ import annotations

import openai
import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider

from agentops_otel import Configuration
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider


@pytest.fixture
def ask():
    with (
        Provider({"/v1/chat/completions": lambda _: Answer.json(bodies.chat("hi"))}) as provider,
        openai.OpenAI(base_url=provider.openai_url, api_key="x") as client,
    ):
        yield lambda: client.chat.completions.create(model="gpt-4o-mini", messages=[])


KEYS = ["suppress_instrumentation", "opentelemetry.genai.client.inference.context"]


@pytest.mark.parametrize("key", KEYS)
def test_silence_that_another_provider_asks_for_loses_no_call(watched, ask, key):
    """As Logfire does, which records the call itself where our session does not see it."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("theirs")
    with tracer.start_as_current_span("theirs", context=watched.session.context) as span:
        token = otel_context.attach(otel_context.set_value(key, True))
        ask()
        otel_context.detach(token)
    assert watched.span.name == "chat gpt-4o-mini"
    assert watched.span.parent_id == f"{span.get_span_context().span_id:016x}"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("within", ["the session", "a span that is seen", "a span of no session"])
def test_silence_is_kept(watched, ask, key, within):
    provider = TracerProvider(shutdown_on_exit=False)
    spans = {
        "the session": watched.session.context,
        "a span that is seen": trace.set_span_in_context(
            watched.client.pipeline.tracer.start_span("ours", context=watched.session.context),
            watched.session.context,
        ),
        "a span of no session": trace.set_span_in_context(
            provider.get_tracer("theirs").start_span("theirs", context=Context())
        ),
    }
    token = otel_context.attach(otel_context.set_value(key, True, spans[within]))
    ask()
    otel_context.detach(token)
    assert watched.spans == []


def test_setting_up_anew_leaves_one_place(watched):
    watched.session.end_session("Success")
    provider = watched.client.pipeline.provider
    for number in range(1, 4):
        watched.client.init(Configuration.read(isolated=True, log_summary=False, max_wait_time=1000 + number))
        assert watched.client.pipeline.provider is provider
        (session,) = watched.client.sessions
        with watched.client.pipeline.tracer.start_as_current_span(str(number), context=session.context):
            pass
        session.end_session("Success")
    assert [span.name for span in watched.spans] == ["1", "2", "3"]
