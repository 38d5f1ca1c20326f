"""How the recordings of Cerebras are replayed."""

from __future__ import annotations

import json
from typing import Any

from cerebras.cloud import sdk

from agentops_otel.demo.provider import Provider

LIBRARY = "cerebras.cloud.sdk"
FAMILIES = ("cerebras",)
ERRORS = (sdk.APIError,)
OPERATIONS = {"chat.completions"}


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    body = json.loads(exchange["request"]["body"])
    with sdk.Cerebras(api_key="x", base_url=provider.url, max_retries=0, warm_tcp_connection=False) as client:
        client.post("/v1/chat/completions", cast_to=sdk.types.chat.ChatCompletion, body=body)
