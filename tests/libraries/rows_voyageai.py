"""voyageai as rows: embeddings of three kinds, and reranking."""

from __future__ import annotations

import requests
import voyageai
from rows import Row

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "voyageai"
VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25, 0.125]}]}
# The library keeps a session for each thread and closes none; one of ours outlives the tests.
voyageai.requestssession = requests.Session()


def _client(url, is_async):
    return (voyageai.AsyncClient if is_async else voyageai.Client)(api_key="k", base_url=url)


def _row(method, call, body, expected):
    return Row(
        id=f"voyageai-{method}",
        make=_client,
        call=call,
        whole=Answer.json(body),
        refused=Answer.json({"detail": "no such model"}, status=400),
        leaks=True,  # up to 0.4 where a call is cancelled
        expected={names.PROVIDER_NAME: "voyageai", names.RESPONSE_MODEL: None, **expected},
    )


def _embedded(model, dimensions=3):
    return {
        names.OPERATION_NAME: "embeddings",
        names.REQUEST_MODEL: model,
        names.EMBEDDINGS_DIMENSION_COUNT: dimensions,
    }


ROWS = [
    _row(
        "embed",
        lambda client: client.embed(["Lisbon"], model="voyage-3.5", output_dtype="float"),
        {**VECTORS, "model": "voyage-3.5", "usage": {"total_tokens": 4}},
        {**_embedded("voyage-3.5"), names.INPUT_TOKENS: 4, names.REQUEST_ENCODING_FORMATS: ("float",)},
    ),
    _row(
        "rerank",
        lambda client: client.rerank("ferry", ["a ferry", "a train"], model="rerank-2-lite"),
        {
            "object": "list",
            "data": [{"relevance_score": 0.75, "index": 1}, {"relevance_score": 0.25, "index": 0}],
            "model": "rerank-2-lite",
            "usage": {"total_tokens": 57},
        },
        {
            names.OPERATION_NAME: None,
            names.REQUEST_MODEL: "rerank-2-lite",
            names.INPUT_TOKENS: 57,
            names.COST: None,
            names.RETRIEVAL_QUERY: "ferry",
            names.RETRIEVAL_DOCUMENTS: '[{"id":"1","score":0.75},{"id":"0","score":0.25}]',
        },
    ),
]
if hasattr(voyageai.Client, "multimodal_embed"):
    ROWS.append(
        _row(
            "multimodal",
            lambda client: client.multimodal_embed([["Lisbon"]], model="voyage-multimodal-3"),
            {
                **VECTORS,
                "model": "voyage-multimodal-3",
                "usage": {"text_tokens": 4, "image_pixels": 0, "video_pixels": 0, "total_tokens": 4},
            },
            {**_embedded("voyage-multimodal-3"), names.INPUT_TOKENS: 4, names.TEXT_INPUT_TOKENS: 4},
        )
    )
if hasattr(voyageai.Client, "contextualized_embed"):
    ROWS.append(
        _row(
            "contextualized",
            lambda client: client.contextualized_embed([["Lisbon", "Porto"]], model="voyage-context-3"),
            {
                "object": "list",
                "data": [{"object": "list", "index": 0, "data": VECTORS["data"]}],
                "model": "voyage-context-3",
                "usage": {"total_tokens": 9},
            },
            {**_embedded("voyage-context-3"), names.INPUT_TOKENS: 9},
        )
    )
