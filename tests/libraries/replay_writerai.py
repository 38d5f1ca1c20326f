"""How the recordings of Writer are replayed."""

from __future__ import annotations

import json
from typing import Any

import writerai

from agentops_otel.demo.provider import Provider

LIBRARY = "writerai"
FAMILIES = ("writer",)
ERRORS = (writerai.APIError,)
OPERATIONS = {"v1.chat"}


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    with writerai.Writer(api_key="x", base_url=provider.url, max_retries=0) as client:
        answer = client.chat.chat(**json.loads(exchange["request"]["body"]))
        if isinstance(answer, writerai.Stream):
            list(answer)
