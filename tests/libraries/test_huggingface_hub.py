"""huggingface_hub beside the contract: who answers, and a generation that is asked for twice."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from agentops_otel_instrumentors.huggingface_hub_inference import HuggingFaceInstrumentor  # noqa: E402

from agentops_otel.conventions import names  # noqa: E402
from agentops_otel.demo.provider import Answer, Provider  # noqa: E402


@pytest.mark.parametrize(
    ("client", "arguments", "expected"),
    [
        ({}, {}, ("huggingface", None, None)),
        ({"provider": None}, {}, ("huggingface", None, None)),
        ({"provider": "auto"}, {}, ("huggingface", None, None)),
        ({"provider": "cheapest"}, {}, ("huggingface", None, None)),
        ({"provider": "hf-inference"}, {}, ("huggingface", None, None)),
        ({"provider": "together"}, {}, ("huggingface_together", None, None)),
        ({"provider": "fireworks-ai"}, {}, ("huggingface_fireworks-ai", None, None)),
        ({"provider": "together", "model": "http://tgi:8080/v1"}, {}, ("huggingface", "tgi", 8080)),
        (
            {"provider": "auto"},
            {"model": "https://x.endpoints.huggingface.cloud"},
            ("huggingface", "x.endpoints.huggingface.cloud", 443),
        ),
        ({"model": 7}, {"model": None}, ("huggingface", None, None)),
    ],
)
def test_who_answers(client, arguments, expected):
    server = HuggingFaceInstrumentor().server(SimpleNamespace(**client), arguments)
    assert (server.provider, server.address, server.port) == expected


@pytest.mark.parametrize(
    ("client", "arguments", "model"),
    [
        ("m-1", {}, "m-1"),
        ("m-1", {"model": "m-2"}, "m-2"),
        ("http://tgi", {}, None),
        ("http://tgi", {"model": "m-2"}, "m-2"),
        (None, {"model": "https://tgi"}, None),
        ("m-1", {"extra_body": {"model": "m-3"}}, "m-3"),
    ],
)
def test_which_model_is_asked(client, arguments, model):
    instrumentor = HuggingFaceInstrumentor()
    operation = instrumentor.targets["huggingface_hub:InferenceClient.chat_completion"]
    sent = instrumentor.sent(operation, SimpleNamespace(model=client), arguments)
    assert operation.request(sent.arguments).model == model


def test_a_generation_that_is_asked_for_again_is_one_call(watched):
    refused = Answer.json(
        {"error": "The following `model_kwargs` are not used by the model: ['watermark']"}, status=400
    )
    with Provider([refused, Answer.json([{"generated_text": "At nine."}])]) as provider:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            client = huggingface_hub.InferenceClient(api_key="k")
            assert client.text_generation("When?", watermark=True, model=provider.url) == "At nine."
        assert len(provider.requests) == 2
    huggingface_hub.close_session()
    assert (watched.span.name, watched.span.status) == ("text_completion", "unset")
    assert names.ERROR_TYPE not in watched.span.attributes
