"""How the recordings of Together are replayed."""

from __future__ import annotations

import json
from typing import Any

import together

from agentops_otel.demo.provider import Provider

LIBRARY = "together"
FAMILIES = ("together",)
ERRORS = (together.APIError,)
OPERATIONS = {"chat.completions", "completions"}


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again; together 2 expects the version in its base URL, together 3 does not."""
    base = provider.url if int(together.__version__.partition(".")[0]) >= 3 else provider.openai_url
    body = {name: value for name, value in json.loads(exchange["request"]["body"]).items() if value is not None}
    with together.Together(api_key="x", base_url=base, max_retries=0) as client:
        resource = client.chat.completions if "messages" in body else client.completions
        answer = resource.create(**body)
        if body.get("stream"):
            list(answer)


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Together prints cached tokens beside the others, where the index does not look."""
    return {**want, "cached": want["raw"].get("cached_tokens")}
