"""How the recordings of Ollama are replayed."""

from __future__ import annotations

import json
from typing import Any

import ollama
from comparison import held

from agentops_otel.demo.provider import Provider

LIBRARY = "ollama"
LEAKS = not hasattr(ollama.Client, "close")
FAMILIES = ("ollama",)
OPERATIONS = {"api.chat", "api.generate", "api.embed", "api.embeddings"}
ERRORS = (ollama.ResponseError,)


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    body = json.loads(exchange["request"]["body"])
    with held(ollama.Client(provider.url)) as client:
        answer = getattr(client, exchange["request"]["url"].rpartition("/")[2])(**body)
        if body.get("stream"):
            for _ in answer:
                pass
