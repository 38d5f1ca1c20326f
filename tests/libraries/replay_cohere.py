"""How the recordings of Cohere are replayed: by the client of the API's generation that was asked."""

from __future__ import annotations

import json
from typing import Any

import cohere
from cohere.core.api_error import ApiError

from agentops_otel.demo.provider import Provider

LIBRARY = "cohere"
FAMILIES = ("cohere",)
OPERATIONS = {"v1.chat", "v2.chat", "v2.embed", "rerank"}
ERRORS = (ApiError,)
ELSEWHERE = ("api.cohere.com",)


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    url, body = exchange["request"]["url"], json.loads(exchange["request"]["body"])
    asked = {
        name: value for name, value in body.items() if name not in {"stream", "num_generations"} and value is not None
    }
    kind = cohere.ClientV2 if "/v2/" in url else cohere.Client
    method = url.rpartition("/")[2]
    with kind("x", base_url=provider.url) as client:
        if body.get("stream"):
            for _ in client.chat_stream(**asked):
                pass
        else:
            getattr(client, method)(**asked)


def told(want: dict[str, Any]) -> dict[str, Any]:
    """The conventions want what is billed, where both are printed."""
    billed = (want["raw"] or {}).get("billed_units", {})
    return {
        **want,
        "input": billed.get("input_tokens", want["input"]),
        "output": billed.get("output_tokens", want["output"]),
    }
