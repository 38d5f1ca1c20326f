"""One call is one span, counted once, whoever else instruments the client, and in whichever order."""

from __future__ import annotations

import pytest
from programs import run, stored

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

OTHERS = {
    ("official", "openai"): "from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as Other",
    (
        "official",
        "anthropic",
    ): "from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor as Other",
    ("openinference", "openai"): "from openinference.instrumentation.openai import OpenAIInstrumentor as Other",
    (
        "openinference",
        "anthropic",
    ): "from openinference.instrumentation.anthropic import AnthropicInstrumentor as Other",
}
ASK = {
    "openai": 'openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}], '
    "stream=stream)",
    "anthropic": 'anthropic.Anthropic().messages.create(model="claude-sonnet-4-6", max_tokens=9, '
    'messages=[{"role": "user", "content": "x"}], stream=stream)',
}


def _answer(request):
    streamed = request.body.get("stream")
    if request.path.endswith("messages"):
        body = bodies.message("hi", usage=bodies.message_usage(1000, 100, cache_read=50))
        return Answer.sse(streams.message_events(body)) if streamed else Answer.json(body)
    body = bodies.chat("hi", usage=bodies.chat_usage(1000, 100))
    return Answer.sse(streams.chat_chunks(body)) if streamed else Answer.json(body)


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize(("other", "library"), OTHERS)
def test_one_call_one_span(tmp_path, other, library, order):
    theirs = f"{OTHERS[other, library]}\nOther().instrument()\n"
    ours = "import agentops_otel as agentops\nagentops.init()\n"
    with Provider({"/v1/chat/completions": _answer, "/v1/messages": _answer}) as provider:
        run(
            (theirs + ours if order == "first" else ours + theirs)
            + f"import {library}\nfor stream in (False, True):\n    answer = {ASK[library]}\n    stream and list(answer)\n"
            + 'agentops.end_session("Success")\n',
            tmp_path,
            provider,
            PYTHONWARNINGS="ignore",
        )
    ((row, spans),) = stored(tmp_path)
    calls = [span for span in spans if not span.is_session]
    assert len(calls) == row.llm_calls == 2
    assert str(row.cost.normalize()) == ("0.00042" if library == "openai" else "0.00903")
    (root,) = [span for span in spans if span.is_session]
    assert {span.parent_id for span in calls} == {root.span_id}
