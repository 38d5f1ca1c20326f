"""How the recordings of Hugging Face's router are replayed: as those of an endpoint."""

from __future__ import annotations

import json
from typing import Any

from huggingface_hub import InferenceClient, close_session
from huggingface_hub.errors import HfHubHTTPError

from agentops_otel.demo.provider import Provider

LIBRARY = "huggingface_hub"
FAMILIES = ("huggingface",)
OPERATIONS = {"chat.completions"}
ERRORS = (HfHubHTTPError,)


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    answer = InferenceClient(base_url=provider.openai_url, api_key="x").chat_completion(
        **json.loads(exchange["request"]["body"])
    )
    close_session()  # the library's own, for all clients
    assert answer.choices


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Together, to which all were routed, prints cached tokens beside the others; the index does not know them there."""
    return {**want, "cached": want["raw"].get("cached_tokens", want["cached"])}
