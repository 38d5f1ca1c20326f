"""groq as rows: the usage of its streams is kept in `x_groq`."""

from __future__ import annotations

import groq
from openai_shaped import USAGE, chat_row, chunks, embeddings_row

from agentops_otel.demo.provider import Answer

LIBRARY = "groq"
MODEL = "openai/gpt-oss-120b"


def _client(url, is_async):
    return (groq.AsyncGroq if is_async else groq.Groq)(api_key="k", base_url=url, max_retries=0)


ROWS = [
    chat_row(
        "groq-chat",
        _client,
        lambda client, **asked: client.chat.completions.create(**asked),
        provider="groq",
        model=MODEL,
        streamed=Answer.sse(chunks(MODEL, x_groq={"id": "req_1", "usage": USAGE})),
    ),
    embeddings_row(
        "groq-embeddings",
        _client,
        lambda client, **asked: client.embeddings.create(**asked),
        provider="groq",
        model="nomic-embed-text-v1.5",
    ),
]
