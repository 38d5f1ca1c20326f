"""Who answers OpenAI's client is told by where it was pointed at; what they print of a call's cost is the cost."""

from __future__ import annotations

import json
from decimal import Decimal

import openai
import pytest
from agentops_otel_instrumentors import _openai_chat, _openai_responses
from agentops_otel_instrumentors._provider_cost import cost
from agentops_otel_instrumentors.openai import OpenAIInstrumentor
from openai_shaped import ASK, USAGE, whole
from replay import RECORDINGS

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

HOSTS = {
    "https://api.openai.com/v1": "openai",
    "https://gateway.example.com/v1": "openai",
    "https://r.openai.azure.com/openai": "azure.ai.openai",
    "https://api.deepseek.com": "deepseek",
    "https://api.x.ai/v1": "x_ai",
    "https://us-east-1.api.x.ai/v1": "x_ai",
    "https://openrouter.ai/api/v1": "openrouter",
    "https://api.perplexity.ai": "perplexity",
    "https://api.fireworks.ai/inference/v1": "fireworks",
    "https://api.together.xyz/v1": "together",
    "https://api.cerebras.ai/v1": "cerebras",
    "https://api.moonshot.ai/v1": "moonshot_ai",
    "https://api.portkey.ai/v1": "portkey",
    "https://api.z.ai/api/paas/v4": "zai",
    "https://api.groq.com/openai/v1": "groq",
    "https://generativelanguage.googleapis.com/v1beta/openai": "gcp.gemini",
    "http://localhost:11434/v1": "ollama",
    "http://127.0.0.1:1234/v1": "lm_studio",
    "http://[::1]:11434/v1": "ollama",
    "http://ollama:11434/v1": "ollama",
    "http://vllm:8000/v1": "vllm",
    "http://localhost:8000/v1": "openai",
    "http://localhost/v1": "openai",
}


@pytest.mark.parametrize("url", HOSTS, ids=str)
def test_provider(url):
    with openai.OpenAI(api_key="k", base_url=url) as client:
        assert OpenAIInstrumentor().server(client, {}).provider == HOSTS[url]


COSTS = {
    "nothing": ({}, None),
    "openai prints none": (USAGE, None),
    "openrouter": ({"cost": 0.00333825, "is_byok": False, "cost_details": {}}, "0.00333825"),
    "openrouter, for free": ({"cost": 0, "is_byok": False}, "0"),
    "openrouter, with the user's own key": (
        {"cost": 0.0002, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.00417}},
        "0.00437",
    ),
    "openrouter, own key and nothing known": ({"cost": 0.0002, "is_byok": True, "cost_details": {}}, None),
    "perplexity": ({"cost": {"total_cost": 0.006, "request_cost": 0.005}}, "0.006"),
    "perplexity in another currency": ({"cost": {"total_cost": 0.006, "currency": "EUR"}}, None),
    "xai": ({"cost_in_usd_ticks": 37756000}, "0.0037756"),
    "a cost of nobody knows whom": ({"cost": 0.5}, None),
    "a text": ({"cost": "0.5", "is_byok": False}, "0.5"),
    "no number": ({"cost": "half", "is_byok": False}, None),
    "true": ({"cost": True, "is_byok": False}, None),
    "less than nothing": ({"cost": -1, "is_byok": False}, None),
    "not a number": ({"cost": float("nan"), "is_byok": False}, None),
    "a list": ({"cost": [1], "is_byok": False}, None),
    "a trace of adding floats": ({"cost": 1.4174999999999999e-05, "is_byok": False}, "0.000014175"),
}


@pytest.mark.parametrize(("usage", "expected"), COSTS.values(), ids=COSTS)
def test_cost(usage, expected):
    told = cost(usage)
    assert told == (None if expected is None else Decimal(expected))


USAGES = {
    "reasoning within the completion": ({"completion_tokens": 9, "total_tokens": 41, "reasoning": 7}, 9),
    "reasoning beside it, as xAI counts": ({"completion_tokens": 9, "total_tokens": 135, "reasoning": 94}, 103),
    "no total": ({"completion_tokens": 9, "reasoning": 94}, 9),
    "a total that is no number": ({"completion_tokens": 9, "total_tokens": "135", "reasoning": 94}, 9),
    "reasoning that is no number": ({"completion_tokens": 9, "total_tokens": 135, "reasoning": "94"}, 9),
    "no reasoning": ({"completion_tokens": 9, "total_tokens": 41, "reasoning": 0}, 9),
}


@pytest.mark.parametrize(("told", "output"), USAGES.values(), ids=USAGES)
def test_output_counts_reasoning(told, output):
    printed = {"prompt_tokens": 32, **told, "completion_tokens_details": {"reasoning_tokens": told["reasoning"]}}
    assert _openai_chat.usage(printed).output_tokens == output


CACHED = {
    "openai": {"prompt_tokens_details": {"cached_tokens": 5}},
    "writer": {"prompt_token_details": {"cached_tokens": 5}},
    "together, moonshot": {"cached_tokens": 5},
    "deepseek": {"prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 16},
}


@pytest.mark.parametrize("printed", CACHED.values(), ids=CACHED)
def test_cached_tokens(printed):
    assert _openai_chat.usage({"prompt_tokens": 21, **printed}).cache_read_tokens == 5


def test_cost_of_responses_and_images():
    printed = {"input_tokens": 3, "output_tokens": 4, "cost": 0.1, "is_byok": False}
    assert _openai_responses.usage(printed).cost == Decimal("0.1")


def test_error_in_groqs_own_field():
    state = _openai_chat.fold(None, {"id": "1", "choices": [], "x_groq": {"error": "over_capacity"}}, True)
    assert _openai_chat.response(state).error == "over_capacity"


def test_printed_cost_is_the_cost(watched):
    usage = {**USAGE, "cost": 0.25, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}
    with Provider([Answer.json(whole("x-ai/grok-4", usage))]) as provider:
        client = openai.OpenAI(api_key="k", base_url=provider.openai_url, max_retries=0)
        client.chat.completions.create(model="x-ai/grok-4", messages=ASK)
    assert watched.span.attributes[names.COST] == 0.25
    assert watched.span.attributes[names.COST_SOURCE] == "provider"


PRINTED = {
    "completion-openrouter-byok-a8c63cbe": ["0.00417"],
    "test-openai-responses-raw-cot-stream-openrouter-98f74902": ["0.0000113"],
    "test-openrouter-cache-messages-anthropic-real-api-c8b233a6": ["0.01355025", "0.00219855"],
    "test-openrouter-google-nested-schema-f831ebe5": ["0.0003253", "0.0002265"],
    "test-openrouter-stream-with-native-options-92dca764": ["0.00333825"],
}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="test_recordings.py says when they must be here")
@pytest.mark.parametrize("name", PRINTED)
def test_costs_that_openrouter_printed(name):
    recording = json.loads((RECORDINGS / "openrouter" / f"{name}.json").read_text())
    assert [cost(item["raw"]) for item in recording["expected"]] == [Decimal(told) for told in PRINTED[name]]
