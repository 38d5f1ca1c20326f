"""How the recordings of Z.ai are replayed."""

from __future__ import annotations

import json

import zai
from zai.core import APIStatusError

LIBRARY = "zai"
FAMILIES = ("zai",)
OPERATIONS = {"chat.completions"}
ERRORS = (APIStatusError,)


def send(provider, exchange):
    """Make the recorded request again."""
    with zai.ZaiClient(api_key="id.secret", base_url=provider.url, max_retries=0) as client:
        client.chat.completions.create(**json.loads(exchange["request"]["body"]))
