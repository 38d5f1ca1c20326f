"""How the recordings of those who answer in OpenAI's shape are replayed: through OpenAI's client."""

from __future__ import annotations

import json
from typing import Any

import openai
from replay_openai import _openai_types

from agentops_otel.demo.provider import Provider

LIBRARY = "openai"
FAMILIES = ("deepseek", "openrouter", "openai-compatible", "zai")
ERRORS = (openai.APIError,)
OPERATIONS = {"chat.completions", "responses"}
ELSEWHERE = ("bedrock-mantle.", "generativelanguage.googleapis.com/v1beta/openai/", "openrouter.ai")


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again, at the level at which every resource makes it."""
    request = exchange["request"]
    path = "/" + request["url"][request["url"].rindex("responses" if "/responses" in request["url"] else "chat/") :]
    whole, stream_of = _openai_types(path)
    body = json.loads(request["body"])
    with openai.OpenAI(api_key="x", base_url=provider.openai_url, max_retries=0) as client:
        if body.get("stream"):
            list(client.post(path, cast_to=whole, body=body, stream=True, stream_cls=stream_of))
        else:
            client.post(path, cast_to=whole, body=body)


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Where an answer names no reason for its end, as Snowflake's, the conventions want the word `error`."""
    return want if want["finish"] or want["error"] else {**want, "finish": ["error"]}
