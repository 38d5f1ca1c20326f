"""mistralai beside the contract: counts as they were printed, odd deltas, servers, the library's own spans."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("mistralai")

from agentops_otel_instrumentors.mistralai_client import MistralInstrumentor
from mistralai.client import Mistral, models
from rows_mistralai import CHAT

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Provider

OPERATION = MistralInstrumentor.targets["mistralai.client.chat:Chat.stream"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3}, (9, 3, None, None)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "num_cached_tokens": 8}, (9, 3, 8, None)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}}, (9, 3, 0, None)),
        ({"prompt_tokens": 9}, (9, None, None, None)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_audio_seconds": 4}, (9, 3, None, 4)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_audio_seconds": None}, (9, 3, None, None)),
    ],
)
def test_counts_are_those_that_were_printed(told, expected):
    for usage in (told, models.UsageInfo(**told)):
        found = OPERATION.response({"usage": usage}).usage
        counts = (found.input_tokens, found.output_tokens, found.cache_read_tokens, found.audio_seconds)
        assert counts == expected


@pytest.mark.parametrize(
    "data", [None, {}, {"choices": None}, {"choices": [{"delta": {"content": [7, None, {"type": "odd"}]}}]}, "odd"]
)
def test_odd_events_spoil_nothing(data):
    state = None
    last = {
        "choices": [{"index": 0, "delta": {"content": "At nine."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9},
    }
    for item in (data, last):
        state = OPERATION.fold(state, SimpleNamespace(data=item), True)
    assert OPERATION.response(state).usage.input_tokens == 9
    assert [part.content for part in OPERATION.output(state)[0].parts] == ["At nine."]


@pytest.mark.parametrize(
    ("made", "arguments", "expected"),
    [
        ({}, {}, ("api.mistral.ai", 443)),
        ({"server_url": "http://gateway:8080/mistral"}, {}, ("gateway", 8080)),
        ({}, {"server_url": "http://other"}, ("other", 80)),
    ],
)
def test_servers(made, arguments, expected):
    with Mistral(api_key="k", **made) as client:
        server = MistralInstrumentor().server(client.chat, arguments)
    assert (server.address, server.port) == expected


def test_one_span_though_the_library_can_trace_itself(watched):
    with Provider([CHAT.whole]) as provider, Mistral(api_key="k", server_url=provider.url) as client:
        client.chat.complete(model="m-latest", messages=[{"role": "user", "content": "hi"}])
        assert "traceparent" not in provider.requests[0].headers
    assert watched.span.attributes[names.INPUT_TOKENS] == 26
