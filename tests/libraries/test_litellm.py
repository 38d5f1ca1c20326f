"""What litellm adds to the contract: its Router, its cache, its own words for providers."""

from __future__ import annotations

from decimal import Decimal

import pytest

litellm = pytest.importorskip("litellm")

from agentops_otel_instrumentors.litellm import LiteLLMInstrumentor  # noqa: E402
from openai_shaped import ASK, whole  # noqa: E402
from rows import installed  # noqa: E402

from agentops_otel.conventions import names  # noqa: E402
from agentops_otel.demo.provider import Answer, Provider  # noqa: E402

assert installed("openai")

PROVIDERS = {
    "gpt-4o": "openai",
    "openai/gpt-4o": "openai",
    "azure/my-deployment": "azure.ai.openai",
    "anthropic/claude-sonnet-4-5": "anthropic",
    "claude-sonnet-4-5": "anthropic",
    "bedrock/anthropic.claude-3-haiku-20240307-v1:0": "aws.bedrock",
    "vertex_ai/gemini-2.5-flash": "gcp.vertex_ai",
    "gemini/gemini-2.5-flash": "gcp.gemini",
    "mistral/mistral-large-latest": "mistral_ai",
    "xai/grok-4": "x_ai",
    "together_ai/some/model": "together",
    "ollama_chat/llama3.2": "ollama",
    "hosted_vllm/some-model": "vllm",
    "groq/some-model": "groq",
    "some/model-of-nobody": "litellm",
    "model-of-nobody": "litellm",
    "": "litellm",
}


@pytest.mark.parametrize("model", PROVIDERS)
def test_provider(model):
    assert LiteLLMInstrumentor().server(None, {"model": model}).provider == PROVIDERS[model]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"model": "x", "custom_llm_provider": "xai"}, ("x_ai", None, None)),
        ({"model": ["x"]}, ("litellm", None, None)),
        ({}, ("litellm", None, None)),
        ({"model": "gpt-4o", "api_base": "https://example.com/v1"}, ("openai", "example.com", 443)),
        ({"model": "gpt-4o", "base_url": "http://127.0.0.1:4000"}, ("openai", "127.0.0.1", 4000)),
        ({"model": "gpt-4o", "api_base": 7}, ("openai", None, None)),
    ],
)
def test_server(arguments, told):
    server = LiteLLMInstrumentor().server(None, arguments)
    assert (server.provider, server.address, server.port) == told


def test_each_attempt_of_the_router_is_one_call(watched):
    refused = Answer.json({"error": {"message": "slow down"}}, status=429)
    with Provider([refused, Answer.json(whole("gpt-4o-mini"))]) as provider:
        deployment = {"model": "openai/gpt-4o-mini", "api_base": provider.openai_url, "api_key": "k", "max_retries": 0}
        router = litellm.Router(
            model_list=[{"model_name": "mine", "litellm_params": deployment}], num_retries=1, retry_after=0
        )
        answer = router.completion(model="mine", messages=ASK)
    assert answer.choices[0].message.content == "The ferry."
    assert [(span.name, span.status) for span in watched.spans] == [
        ("chat openai/gpt-4o-mini", "error"),
        ("chat openai/gpt-4o-mini", "unset"),
    ]
    assert watched.session.get_analytics()["LLM calls"] == 2


def test_a_price_that_litellm_does_not_know_is_no_zero(watched):
    with Provider([Answer.json(whole("nobody-knows-it"))]) as provider:
        litellm.completion(
            model="openai/nobody-knows-it", messages=ASK, api_base=provider.openai_url, api_key="k", max_retries=0
        )
    assert names.COST not in watched.span.attributes
    assert names.PROVIDER_COST not in watched.span.attributes


COSTS = {
    "told": ({"hidden_params": {"response_cost": 0.25}}, "0.25"),
    "from its cache": ({"hidden_params": {"response_cost": 0.25, "cache_hit": True}}, "0"),
    "in the last chunk": ({"hidden_params": {"response_cost": 0.0}, "usage": {"cost": 0.25}}, "0.25"),
    "zero, for it knows no price": ({"hidden_params": {"response_cost": 0.0}, "usage": {"cost": 0.0}}, None),
    "none": ({"hidden_params": {"response_cost": None}}, None),
    "an older version": ({"usage": {}}, None),
    "odd": ({"hidden_params": [1], "usage": "many"}, None),
}


@pytest.mark.parametrize(("answer", "expected"), COSTS.values(), ids=COSTS)
def test_cost(answer, expected):
    operation = LiteLLMInstrumentor.targets["litellm:completion"]
    usage = operation.response(answer).usage
    assert (None if usage is None else usage.cost) == (None if expected is None else Decimal(expected))
