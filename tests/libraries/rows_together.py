"""together as rows; cached tokens are beside the others."""

from __future__ import annotations

import together
from openai_shaped import chat_row, completion_row, embeddings_row, expected
from rows import Row

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "together"
MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
USAGE = {"prompt_tokens": 21, "completion_tokens": 19, "total_tokens": 40, "cached_tokens": 5}


def _client(url, is_async):
    base = url if int(together.__version__.partition(".")[0]) >= 3 else url + "/v1"
    return (together.AsyncTogether if is_async else together.Together)(api_key="k", base_url=base, max_retries=0)


ROWS = [
    chat_row(
        "together-chat",
        _client,
        lambda client, **asked: client.chat.completions.create(**asked),
        provider="together",
        model=MODEL,
        usage=USAGE,
        expected=expected("together", MODEL, **{names.REASONING_TOKENS: None}),
    ),
    completion_row(
        "together-completion",
        _client,
        lambda client, **asked: client.completions.create(**asked),
        provider="together",
        model=MODEL,
    ),
    embeddings_row(
        "together-embeddings",
        _client,
        lambda client, **asked: client.embeddings.create(**asked),
        provider="together",
        model="BAAI/bge-large-en-v1.5",
    ),
    Row(
        id="together-rerank",
        make=_client,
        call=lambda client: client.rerank.create(model="Salesforce/Llama-Rank-V1", query="ferry", documents=["a", "b"]),
        whole=Answer.json(
            {
                "object": "rerank",
                "id": "r-1",
                "model": "Salesforce/Llama-Rank-V1",
                "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}],
                "usage": {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8},
            }
        ),
        expected={
            names.PROVIDER_NAME: "together",
            names.REQUEST_MODEL: "Salesforce/Llama-Rank-V1",
            names.INPUT_TOKENS: 8,
            names.RETRIEVAL_QUERY: "ferry",
            names.RETRIEVAL_DOCUMENTS: '[{"id":"1","score":0.9}]',
        },
    ),
]
