"""How the recordings of Voyage AI are replayed."""

from __future__ import annotations

import json

import voyageai

LIBRARY = "voyageai"
FAMILIES = ("voyage",)
OPERATIONS = {"embeddings", "rerank"}
ERRORS = (voyageai.error.InvalidRequestError,)


def send(provider, exchange):
    """Make the recorded request again."""
    request = exchange["request"]
    body = json.loads(request["body"])
    client = voyageai.Client(api_key="k", base_url=provider.url)
    if request["url"].endswith("/rerank"):
        client.rerank(body["query"], body["documents"], model=body["model"], top_k=body["top_k"])
    else:
        client.embed(body["input"], model=body["model"], input_type=body["input_type"])


def told(want):
    """The library keeps no model, and all that is counted is input."""
    return {**want, "model": None, "input": (want["raw"] or {}).get("total_tokens")}
