"""How the recordings of Replicate are replayed; what a stream says after its prediction is tested with the rows."""

from __future__ import annotations

import json
from typing import Any

from replicate.client import Client
from replicate.exceptions import ReplicateError

from agentops_otel.demo.provider import Provider

LIBRARY = "replicate"
FAMILIES = ("replicate",)
OPERATIONS = {"predictions"}
ERRORS = (ReplicateError,)


def is_mine(exchange: dict[str, Any]) -> bool:
    """Whether a prediction is made."""
    return exchange["request"]["method"] == "POST"


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    url, body = exchange["request"]["url"], json.loads(exchange["request"]["body"])
    name = url.partition("/models/")[2].removesuffix("/predictions")
    client = Client("x", base_url=provider.url)
    client.models.predictions.create(name, **body)
    client._client.close()  # it has no way of its own
