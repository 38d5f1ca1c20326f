"""portkey-ai as rows."""

from __future__ import annotations

import portkey_ai
from openai_shaped import Closed, chat_row, embeddings_row, expected

from agentops_otel.conventions import names

LIBRARY = "portkey_ai"
MODEL = "gpt-4o-mini"


def _client(url, is_async):
    client = (portkey_ai.AsyncPortkey if is_async else portkey_ai.Portkey)(api_key="k", base_url=url + "/v1")
    return Closed(client, client.openai_client)


ROWS = [
    chat_row(
        "portkey-chat",
        _client,
        lambda client, **asked: client.chat.completions.create(**asked),
        provider="portkey",
        model=MODEL,
        expected=expected("portkey", MODEL, **{names.OPENAI_API_TYPE: "chat_completions"}),
    ),
    embeddings_row(
        "portkey-embeddings",
        _client,
        lambda client, **asked: client.embeddings.create(**asked),
        provider="portkey",
        model="text-embedding-3-small",
    ),
]
