"""cerebras-cloud-sdk as rows."""

from __future__ import annotations

from cerebras.cloud import sdk
from openai_shaped import chat_row, completion_row

LIBRARY = "cerebras.cloud.sdk"
MODEL = "gpt-oss-120b"


def _client(url, is_async):
    client = sdk.AsyncCerebras if is_async else sdk.Cerebras
    return client(api_key="k", base_url=url, max_retries=0, warm_tcp_connection=False)


ROWS = [
    chat_row(
        "cerebras-chat",
        _client,
        lambda client, **asked: client.chat.completions.create(**asked),
        provider="cerebras",
        model=MODEL,
    ),
    completion_row(
        "cerebras-completion",
        _client,
        lambda client, **asked: client.completions.create(**asked),
        provider="cerebras",
        model=MODEL,
    ),
]
