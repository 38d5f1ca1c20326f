"""How the recordings of AI21 are replayed."""

from __future__ import annotations

import json
from typing import Any

import ai21
import httpx
from ai21.errors import AI21APIError
from ai21.models.chat import ChatMessage

from agentops_otel.demo.provider import Provider

LIBRARY = "ai21"
FAMILIES = ("ai21",)
ERRORS = (AI21APIError,)
OPERATIONS = {"chat.completions"}


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    body = json.loads(exchange["request"]["body"])
    body["messages"] = [ChatMessage(**message) for message in body["messages"]]
    with httpx.Client() as http:
        answer = ai21.AI21Client(api_key="x", api_host=provider.url, http_client=http).chat.completions.create(**body)
        if body["stream"]:
            list(answer)
