"""ai21 as rows; its answers name no model."""

from __future__ import annotations

import ai21
import httpx
from ai21.models.chat import ChatMessage
from openai_shaped import Closed, chat_row, expected

from agentops_otel.conventions import names

LIBRARY = "ai21"
MODEL = "jamba-large"
USAGE = {"prompt_tokens": 21, "completion_tokens": 19, "total_tokens": 40}


def _client(url, is_async):
    http = httpx.AsyncClient() if is_async else httpx.Client()
    kind = ai21.AsyncAI21Client if is_async else ai21.AI21Client
    return Closed(kind(api_key="k", api_host=url, http_client=http), http)


def _chat(client, **asked):
    asked["messages"] = [ChatMessage(**message) for message in asked["messages"]]
    return client.chat.completions.create(**asked)


NOT_PRINTED = {names.RESPONSE_MODEL: None, names.CACHE_READ_TOKENS: None, names.REASONING_TOKENS: None}
ROWS = [
    chat_row(
        "ai21-chat",
        _client,
        _chat,
        provider="ai21",
        model=MODEL,
        usage=USAGE,
        expected=expected("ai21", MODEL, **NOT_PRINTED),
        broken=None,
        prints_model=False,
    )
]
