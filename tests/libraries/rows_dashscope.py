"""dashscope as rows: the functions of version 1, whose refusals are answers, and the clients of version 2."""

from __future__ import annotations

from functools import partial

import dashscope
from rows import Row

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "dashscope"
ASK = [{"role": "user", "content": "Where to on Saturday?"}]
USAGE = {
    "input_tokens": 21,
    "output_tokens": 19,
    "total_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 5},
    "output_tokens_details": {"reasoning_tokens": 7},
}
EXPECTED = {
    names.OPERATION_NAME: "chat",
    names.PROVIDER_NAME: "dashscope",
    names.REQUEST_MODEL: "qwen-plus",
    names.REQUEST_TOP_K: 9,
    names.RESPONSE_ID: "r-1",
    names.RESPONSE_FINISH_REASONS: ("stop",),
    names.INPUT_TOKENS: 21,
    names.OUTPUT_TOKENS: 19,
    names.CACHE_READ_TOKENS: 5,
    names.REASONING_TOKENS: 7,
    names.COST: None,
    names.OUTPUT_MESSAGES: (
        '[{"role":"assistant","parts":[{"type":"text","content":"The ferry."}],"finish_reason":"stop"}]'
    ),
}


def _output(text, reason="stop"):
    message = {"role": "assistant", "content": text}
    return {"request_id": "r-1", "output": {"choices": [{"finish_reason": reason, "message": message}]}}


def _streamed(*texts):
    events = [{**_output(text, "null"), "usage": {"input_tokens": 21, "output_tokens": 1}} for text in texts[:-1]]
    events.append({**_output(texts[-1]), "usage": USAGE})
    return Answer.sse([{"type": "result", **event} for event in events])


class _Functions:
    """Version 1: functions that ask an address."""

    def __init__(self, url, is_async):
        self.told = {"api_key": "k", "base_address": url}
        self.generate = dashscope.aigc.generation.AioGeneration if is_async else dashscope.Generation
        self.is_async = is_async

    def close(self):
        """What the library keeps open for all its functions."""
        if hasattr(dashscope, "close_shared_aio_session"):
            return dashscope.close_shared_aio_session() if self.is_async else dashscope.close_shared_sync_session()
        return None


def _generate(client, **more):
    told = {"model": "qwen-plus", "messages": ASK, "result_format": "message", "top_k": 9}
    return client.generate.call(**told, **client.told, **more)


def _embed(client):
    return dashscope.TextEmbedding.call("text-embedding-v4", ["Lisbon"], **client.told)


def _rerank(client):
    return dashscope.TextReRank.call("gte-rerank-v2", "ferry", ["a ferry", "a train"], **client.told)


EMBEDDED = {"request_id": "r-2", "output": {"embeddings": [{"text_index": 0, "embedding": [0.5, 0.25]}]}}
RANKED = {"request_id": "r-3", "output": {"results": [{"index": 1, "relevance_score": 0.75}]}}
EMBEDDED["usage"] = RANKED["usage"] = {"total_tokens": 3}
EMBEDDING = {
    names.OPERATION_NAME: "embeddings",
    names.REQUEST_MODEL: "text-embedding-v4",
    names.RESPONSE_ID: "r-2",
    names.INPUT_TOKENS: 3,
    names.EMBEDDINGS_DIMENSION_COUNT: 2,
}
RERANKING = {
    names.OPERATION_NAME: None,
    names.REQUEST_MODEL: "gte-rerank-v2",
    names.RESPONSE_ID: "r-3",
    names.INPUT_TOKENS: 3,
    names.RETRIEVAL_DOCUMENTS: '[{"id":"1","score":0.75}]',
}

ROWS = [
    Row(
        id="dashscope-generation",
        make=_Functions,
        call=_generate,
        stream=partial(_generate, stream=True, incremental_output=True),
        whole=Answer.json({**_output("The ferry."), "usage": USAGE}),
        streamed=_streamed("The ", "ferry."),
        refused=None,
        expected=EXPECTED,
        stream_expected={names.REQUEST_STREAM: True},
    ),
    Row(
        id="dashscope-generation-cumulative",
        make=_Functions,
        call=_generate,
        stream=partial(_generate, stream=True),
        whole=Answer.json({**_output("The ferry."), "usage": USAGE}),
        streamed=_streamed("The ", "The ferry."),
        refused=None,
        expected=EXPECTED,
        stream_expected={names.REQUEST_STREAM: True},
    ),
    Row(
        id="dashscope-embedding",
        make=_Functions,
        call=_embed,
        whole=Answer.json(EMBEDDED),
        refused=None,
        expected=EMBEDDING,
        has_async=False,
    ),
    Row(
        id="dashscope-rerank",
        make=_Functions,
        call=_rerank,
        whole=Answer.json(RANKED),
        refused=None,
        expected=RERANKING,
        has_async=False,
    ),
]


def _client(url, is_async):
    return (dashscope.AsyncClient if is_async else dashscope.Client)(api_key="k", base_url=url, max_retries=0)


def _chat(client, **more):
    return client.chat.completions.create(model="qwen-plus", messages=ASK, top_k=9, **more)


if hasattr(dashscope, "Client"):
    ROWS += [
        Row(
            id="dashscope-2-chat",
            make=_client,
            call=_chat,
            stream=partial(_chat, stream=True),
            whole=Answer.json({**_output("The ferry."), "usage": USAGE}),
            streamed=_streamed("The ", "ferry."),
            refused=Answer.json({"code": "InvalidParameter", "message": "no", "request_id": "r-9"}, status=400),
            expected=EXPECTED,
            stream_expected={names.REQUEST_STREAM: True},
        ),
        Row(
            id="dashscope-2-embeddings",
            make=_client,
            call=lambda client: client.embeddings.create(model="text-embedding-v4", input="Lisbon"),
            whole=Answer.json(EMBEDDED),
            refused=Answer.json({"code": "InvalidParameter", "message": "no"}, status=400),
            expected=EMBEDDING,
        ),
        Row(
            id="dashscope-2-rerank",
            make=_client,
            call=lambda client: client.rerank.create(
                model="gte-rerank-v2", query="ferry", documents=["a ferry", "a train"]
            ),
            whole=Answer.json(RANKED),
            refused=Answer.json({"code": "InvalidParameter", "message": "no"}, status=400),
            expected=RERANKING,
        ),
    ]
