"""How the recordings of Portkey's gateway are replayed."""

from __future__ import annotations

import json
from typing import Any

import portkey_ai

from agentops_otel.demo.provider import Provider

LIBRARY = "portkey_ai"
FAMILIES = ("portkey",)
ERRORS = (Exception,)
OPERATIONS = {"chat.completions"}


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    client = portkey_ai.Portkey(api_key="x", base_url=provider.openai_url)
    client.chat.completions.create(**json.loads(exchange["request"]["body"]))
