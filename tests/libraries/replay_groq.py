"""How the recordings of Groq are replayed."""

from __future__ import annotations

import json
from typing import Any

import groq

from agentops_otel.demo.provider import Provider

LIBRARY = "groq"
FAMILIES = ("groq",)
ERRORS = (groq.APIError,)
OPERATIONS = {"chat.completions"}


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    with groq.Groq(api_key="x", base_url=provider.url, max_retries=0) as client:
        answer = client.chat.completions.create(**json.loads(exchange["request"]["body"]))
        if isinstance(answer, groq.Stream):
            list(answer)


def told(want: dict[str, Any]) -> dict[str, Any]:
    """A choice whose reason never came, as the stream broke, has the word of the conventions for it."""
    return {**want, "finish": ["error"]} if want["error"] and want["stream"] else want
