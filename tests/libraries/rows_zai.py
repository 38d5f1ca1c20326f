"""zai-sdk as rows: the chat shape of OpenAI, and no async client."""

from __future__ import annotations

import zai
from rows import Row

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "zai"
ASK = [{"role": "user", "content": "Where to on Saturday?"}]
USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 19,
    "total_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 7},
}
TOLD = {"id": "2026", "request_id": "2026", "created": 1, "model": "glm-4.7"}
EXPECTED = {
    names.OPERATION_NAME: "chat",
    names.PROVIDER_NAME: "zai",
    names.REQUEST_MODEL: "glm-4.7",
    names.REQUEST_MAX_TOKENS: 99,
    names.RESPONSE_ID: "2026",
    names.RESPONSE_MODEL: "glm-4.7",
    names.RESPONSE_FINISH_REASONS: ("stop",),
    names.INPUT_TOKENS: 21,
    names.OUTPUT_TOKENS: 19,
    names.CACHE_READ_TOKENS: 5,
    names.REASONING_TOKENS: 7,
    names.OPENAI_API_TYPE: None,
}


def _client(url, _):
    return zai.ZaiClient(api_key="id.secret", base_url=url, max_retries=0)


def _chunk(delta, reason=None, **more):
    return {**TOLD, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


ROWS = [
    Row(
        id="zai-chat",
        make=_client,
        call=lambda client: client.chat.completions.create(model="glm-4.7", messages=ASK, max_tokens=99),
        stream=lambda client: client.chat.completions.create(model="glm-4.7", messages=ASK, max_tokens=99, stream=True),
        whole=Answer.json(
            {
                **TOLD,
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "The ferry."}}
                ],
                "usage": USAGE,
            }
        ),
        streamed=Answer.sse(
            [
                _chunk({"role": "assistant", "reasoning_content": "Hm."}),
                _chunk({"content": "The "}),
                _chunk({"content": "ferry."}, "stop", usage=USAGE),
            ]
        ),
        broken=Answer.sse([_chunk({"content": "The "}), {"error": {"code": "1302", "message": "slow down"}}]),
        expected=EXPECTED,
        stream_expected={names.REQUEST_STREAM: True},
        has_async=False,
        streams_async=False,
    ),
    Row(
        id="zai-embeddings",
        make=_client,
        call=lambda client: client.embeddings.create(model="embedding-3", input="Lisbon"),
        whole=Answer.json(
            {
                "object": "list",
                "model": "embedding-3",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3},
            }
        ),
        expected={
            names.OPERATION_NAME: "embeddings",
            names.REQUEST_MODEL: "embedding-3",
            names.RESPONSE_MODEL: "embedding-3",
            names.INPUT_TOKENS: 3,
            names.EMBEDDINGS_DIMENSION_COUNT: 2,
        },
        has_async=False,
    ),
]
