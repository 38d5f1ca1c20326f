"""cohere as rows: chat of both generations, raw responses, embeddings, reranking."""

from __future__ import annotations

import json
from typing import Any

import cohere
from rows import Row, answered

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "cohere"
META = {"billed_units": {"input_tokens": 6, "output_tokens": 7}, "tokens": {"input_tokens": 501, "output_tokens": 35}}
TOOL = {"type": "function", "function": {"name": "ferry", "parameters": {"type": "object"}}}
SAID = (
    {"type": "reasoning", "content": "I will look."},
    {"type": "reasoning", "content": "A ferry."},
    {"type": "text", "content": "At nine."},
    {"type": "tool_call", "name": "ferry", "id": "ferry_1", "arguments": {"to": "Lisbon"}},
)


def _client(generation: str) -> Any:
    def make(url: str, is_async: bool) -> Any:
        client = getattr(cohere, f"{'Async' if is_async else ''}Client{generation}")("k", base_url=url)
        if is_async:
            client.aclose = client._client_wrapper.httpx_client.httpx_client.aclose  # it has no way of its own
        return client

    return make


def _expected(operation: str, **more: Any) -> dict[str, Any]:
    return {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: "cohere",
        names.REQUEST_MODEL: "command-a",
        names.INPUT_TOKENS: 6,
        names.OUTPUT_TOKENS: 7,
        names.CACHE_READ_TOKENS: None,
        **more,
    }


def _event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


def _said(**message: Any) -> dict[str, Any]:
    return {"message": message}


V2_ARGUMENTS = {
    "model": "command-a",
    "messages": [{"role": "user", "content": "When is the ferry?"}],
    "tools": [TOOL],
    "p": 0.9,
    "k": 3,
    "max_tokens": 64,
    "seed": 3,
    "stop_sequences": ["."],
}
V2_WHOLE = {
    "id": "c-1",
    "finish_reason": "TOOL_CALL",
    "message": {
        "role": "assistant",
        "tool_plan": "I will look.",
        "content": [{"type": "thinking", "thinking": "A ferry."}, {"type": "text", "text": "At nine."}],
        "tool_calls": [
            {"id": "ferry_1", "type": "function", "function": {"name": "ferry", "arguments": '{"to": "Lisbon"}'}}
        ],
    },
    "usage": {**META, "cached_tokens": 480},
}
V2_EXPECTED = _expected(
    "chat",
    **{
        names.REQUEST_TOP_P: 0.9,
        names.REQUEST_TOP_K: 3,
        names.REQUEST_MAX_TOKENS: 64,
        names.REQUEST_SEED: 3,
        names.REQUEST_STOP_SEQUENCES: (".",),
        names.RESPONSE_ID: "c-1",
        names.RESPONSE_FINISH_REASONS: ("TOOL_CALL",),
        names.OUTPUT_MESSAGES: answered("tool_call", *SAID),
        names.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"When is the ferry?"}]}]',
    },
)
V2_EVENTS = [
    _event("message-start", id="c-1", delta=_said(role="assistant", content=[], tool_plan="", tool_calls=[])),
    _event("tool-plan-delta", delta=_said(tool_plan="I will ")),
    _event("tool-plan-delta", delta=_said(tool_plan="look.")),
    _event("content-start", index=0, delta=_said(content={"type": "thinking", "thinking": ""})),
    _event("content-delta", index=0, delta=_said(content={"thinking": "A ferry."})),
    _event("content-end", index=0),
    _event("content-start", index=1, delta=_said(content={"type": "text", "text": ""})),
    _event("content-delta", index=1, delta=_said(content={"text": "At "})),
    _event("content-delta", index=1, delta=_said(content={"text": "nine."})),
    _event("content-end", index=1),
    _event(
        "tool-call-start",
        index=0,
        delta=_said(tool_calls={"id": "ferry_1", "type": "function", "function": {"name": "ferry", "arguments": ""}}),
    ),
    _event("tool-call-delta", index=0, delta=_said(tool_calls={"function": {"arguments": '{"to": '}})),
    _event("tool-call-delta", index=0, delta=_said(tool_calls={"function": {"arguments": '"Lisbon"}'}})),
    _event("tool-call-end", index=0),
    _event("message-end", delta={"finish_reason": "TOOL_CALL", "usage": META}),
]
FAILED = [*V2_EVENTS[:3], _event("message-end", delta={"error": "overloaded", "finish_reason": "ERROR", "usage": META})]

V1_WHOLE = {
    "response_id": "c-2",
    "generation_id": "g-1",
    "text": "At nine.",
    "finish_reason": "COMPLETE",
    "tool_calls": [{"name": "ferry", "parameters": {"to": "Lisbon"}}],
    "meta": META,
}
V1_ARGUMENTS = {
    "message": "When is the ferry?",
    "model": "command-a",
    "preamble": "Be short.",
    "chat_history": [{"role": "CHATBOT", "message": "Hello."}],
}
V1_EVENTS = [
    {"event_type": "stream-start", "is_finished": False, "generation_id": "g-1"},
    {"event_type": "text-generation", "is_finished": False, "text": "At "},
    {"event_type": "text-generation", "is_finished": False, "text": "nine."},
    {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE", "response": V1_WHOLE},
]
REFUSED = Answer.json({"message": "no"}, status=400)
EMBEDDED = {"id": "c-3", "texts": ["Lisbon"], "meta": {"billed_units": {"input_tokens": 6, "image_tokens": 0}}}
EMBED_EXPECTED = _expected(
    "embeddings",
    **{
        names.REQUEST_MODEL: "embed-v4.0",
        names.OUTPUT_TOKENS: None,
        names.EMBEDDINGS_DIMENSION_COUNT: 2,
        names.REQUEST_ENCODING_FORMATS: ("float",),
    },
)
EMBED_ARGUMENTS = {
    "model": "embed-v4.0",
    "texts": ["Lisbon"],
    "input_type": "search_query",
    "embedding_types": ["float"],
}
RANKED = {
    "id": "c-4",
    "results": [{"index": 1, "relevance_score": 0.75}],
    "meta": {"billed_units": {"search_units": 1}},
}


def _ranking(generation: str) -> Row:
    return Row(
        id=f"cohere-rerank{generation}",
        make=_client(generation),
        call=lambda client: client.rerank(model="rerank-v3.5", query="ferry", documents=["a train", "a ferry"]),
        whole=Answer.json(RANKED),
        refused=REFUSED,
        expected={
            names.PROVIDER_NAME: "cohere",
            names.REQUEST_MODEL: "rerank-v3.5",
            names.INPUT_TOKENS: None,
            names.USAGE_MISSING: None,
            names.SEARCH_UNITS: 1,
            names.RETRIEVAL_QUERY: "ferry",
            names.RETRIEVAL_DOCUMENTS: '[{"id":"1","score":0.75}]',
        },
    )


ROWS = [
    Row(
        id="cohere-chat",
        make=_client("V2"),
        call=lambda client: client.chat(**V2_ARGUMENTS),
        stream=lambda client: client.chat_stream(**V2_ARGUMENTS),
        whole=Answer.json(V2_WHOLE),
        streamed=Answer.sse(V2_EVENTS),
        refused=REFUSED,
        broken=Answer.sse(FAILED),
        expected=V2_EXPECTED,
    ),
    Row(
        id="cohere-chat-raw",
        make=_client("V2"),
        call=lambda client: client.v2.with_raw_response.chat(**V2_ARGUMENTS),
        whole=Answer.json(V2_WHOLE),
        refused=REFUSED,
        expected=V2_EXPECTED,
    ),
    Row(
        id="cohere-chat-v1",
        make=_client(""),
        call=lambda client: client.chat(**V1_ARGUMENTS),
        stream=lambda client: client.chat_stream(**V1_ARGUMENTS),
        whole=Answer.json(V1_WHOLE),
        streamed=Answer(
            headers={"content-type": "application/stream+json"},
            chunks=[json.dumps(event).encode() + b"\n" for event in V1_EVENTS],
        ),
        refused=REFUSED,
        expected=_expected(
            "chat",
            **{
                names.RESPONSE_ID: "c-2",
                names.RESPONSE_FINISH_REASONS: ("COMPLETE",),
                names.SYSTEM_INSTRUCTIONS: '[{"type":"text","content":"Be short."}]',
                names.OUTPUT_MESSAGES: answered(
                    "stop",
                    {"type": "text", "content": "At nine."},
                    {"type": "tool_call", "name": "ferry", "id": None, "arguments": {"to": "Lisbon"}},
                ),
            },
        ),
    ),
    Row(
        id="cohere-embed",
        make=_client("V2"),
        call=lambda client: client.embed(**EMBED_ARGUMENTS),
        whole=Answer.json({**EMBEDDED, "embeddings": {"float": [[0.5, 0.25]]}, "response_type": "embeddings_by_type"}),
        refused=REFUSED,
        expected=EMBED_EXPECTED,
    ),
    Row(
        id="cohere-embed-v1",
        make=_client(""),
        call=lambda client: client.embed(**EMBED_ARGUMENTS),
        whole=Answer.json({**EMBEDDED, "embeddings": {"float": [[0.5, 0.25]]}, "response_type": "embeddings_by_type"}),
        refused=REFUSED,
        expected=EMBED_EXPECTED,
    ),
    _ranking("V2"),
    _ranking(""),
]
