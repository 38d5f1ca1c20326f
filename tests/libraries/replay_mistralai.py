"""How the recordings of Mistral are replayed."""

from __future__ import annotations

import json
from typing import Any

from mistralai.client import Mistral, errors

from agentops_otel.demo.provider import Provider

LIBRARY = "mistralai"
FAMILIES = ("mistral",)
OPERATIONS = {"chat.completions", "embeddings"}
ERRORS = (errors.MistralError,)


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    body = json.loads(exchange["request"]["body"])
    streamed = body.pop("stream", False)
    with Mistral(api_key="x", server_url=provider.url) as client:
        if exchange["request"]["url"].endswith("/embeddings"):
            client.embeddings.create(model=body["model"], inputs=body["input"])
        elif streamed:
            for _ in client.chat.stream(**body):
                pass
        else:
            client.chat.complete(**body)


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Cached tokens have had two places; the index knows one."""
    cached = want["raw"].get("num_cached_tokens", want["cached"])
    return {**want, "cached": cached}
