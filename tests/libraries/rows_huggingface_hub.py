"""huggingface_hub as rows: chat, text generation with and without its details, embeddings, all at an endpoint."""

from __future__ import annotations

import json
from typing import Any

import huggingface_hub
from rows import Row, answered

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "huggingface_hub"
USAGE = {
    "prompt_tokens": 26,
    "completion_tokens": 7,
    "total_tokens": 33,
    "prompt_tokens_details": {"cached_tokens": 16},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "ferry", "arguments": '{"to": "Lisbon"}'}}


def _client(url: str, is_async: bool) -> Any:
    kind = huggingface_hub.AsyncInferenceClient if is_async else huggingface_hub.InferenceClient
    # The library gives each request an id of its own, unless it has one.
    return kind(base_url=url, api_key="k", headers={"x-amzn-trace-id": "1", "X-Amzn-Trace-Id": "1"})


def _expected(operation: str, **more: Any) -> dict[str, Any]:
    return {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: "huggingface",
        names.SERVER_ADDRESS: "127.0.0.1",
        **more,
    }


def _chunk(delta: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "h-1", "created": 1, "model": "m-2", "system_fingerprint": "f", "choices": choices, **more}


def _tokens(*texts: str) -> Answer:
    events: list[dict[str, Any]] = [
        {"index": index, "token": {"id": index, "text": text, "logprob": 0.0, "special": False}}
        for index, text in enumerate(texts)
    ]
    events[-1]["details"] = {"finish_reason": "length", "generated_tokens": len(texts), "input_length": 26}
    return Answer(chunks=[f"data:{json.dumps(event)}\n\n".encode() for event in events])


CHAT_ARGUMENTS = {
    "model": "m-latest",
    "messages": [{"role": "user", "content": "When is the ferry?"}],
    "max_tokens": 64,
    "seed": 3,
    "extra_body": {"reasoning_effort": "low"},
}
REFUSED = Answer.json({"error": "no"}, status=400)
GENERATED = {"finish_reason": "length", "generated_tokens": 2, "prefill": [], "tokens": []}

ROWS = [
    Row(
        id="huggingface-chat",
        make=_client,
        call=lambda client: client.chat_completion(**CHAT_ARGUMENTS),
        stream=lambda client: client.chat.completions.create(**CHAT_ARGUMENTS, stream=True),
        whole=Answer.json(
            {
                "id": "h-1",
                "created": 1,
                "model": "m-2",
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "At nine.",
                            "reasoning_content": "A ferry.",
                            "tool_calls": [CALL],
                        },
                        "finish_reason": "tool_calls",
                    }
                ],
                "usage": USAGE,
            }
        ),
        streamed=Answer.sse(
            [
                _chunk({"role": "assistant", "reasoning_content": "A "}),
                _chunk({"reasoning_content": "ferry."}),
                _chunk({"content": "At nine."}),
                _chunk({"tool_calls": [{"index": 0, **CALL}]}, "tool_calls"),
                {**_chunk({}), "choices": [], "usage": USAGE},
            ]
        ),
        refused=REFUSED,
        broken=Answer.sse([_chunk({"content": "At"}), {"error": "overloaded", "error_type": "overloaded"}]),
        expected=_expected(
            "chat",
            **{
                names.REQUEST_MODEL: "m-latest",
                names.RESPONSE_MODEL: "m-2",
                names.REQUEST_MAX_TOKENS: 64,
                names.REQUEST_SEED: 3,
                names.REQUEST_REASONING_LEVEL: "low",
                names.INPUT_TOKENS: 26,
                names.OUTPUT_TOKENS: 7,
                names.CACHE_READ_TOKENS: 16,
                names.RESPONSE_FINISH_REASONS: ("tool_calls",),
                names.OUTPUT_MESSAGES: answered(
                    "tool_call",
                    {"type": "reasoning", "content": "A ferry."},
                    {"type": "text", "content": "At nine."},
                    {"type": "tool_call", "name": "ferry", "id": "call_1", "arguments": {"to": "Lisbon"}},
                ),
            },
        ),
    ),
    Row(
        id="huggingface-generation",
        make=_client,
        call=lambda client: client.text_generation("When?", max_new_tokens=64),
        stream=lambda client: client.text_generation("When?", max_new_tokens=64, stream=True),
        whole=Answer.json([{"generated_text": "At nine."}]),
        streamed=_tokens("At ", "nine."),
        refused=REFUSED,
        expected=_expected(
            "text_completion",
            **{
                names.REQUEST_MODEL: None,
                names.REQUEST_MAX_TOKENS: 64,
                names.USAGE_MISSING: True,
                names.OUTPUT_MESSAGES: answered("stop", {"type": "text", "content": "At nine."}),
            },
        ),
    ),
    Row(
        id="huggingface-generation-details",
        make=_client,
        call=lambda client: client.text_generation("When?", details=True),
        stream=lambda client: client.text_generation("When?", details=True, stream=True),
        whole=Answer.json([{"generated_text": "At nine.", "details": GENERATED}]),
        streamed=_tokens("At ", "nine."),
        refused=REFUSED,
        expected=_expected(
            "text_completion",
            **{
                names.REQUEST_MODEL: None,
                names.OUTPUT_TOKENS: 2,
                names.RESPONSE_FINISH_REASONS: ("length",),
                names.OUTPUT_MESSAGES: answered("length", {"type": "text", "content": "At nine."}),
            },
        ),
        stream_expected={names.INPUT_TOKENS: 26},
    ),
    Row(
        id="huggingface-embeddings",
        make=_client,
        call=lambda client: client.feature_extraction("Lisbon"),
        whole=Answer.json([[0.5, 0.25, 0.125]]),
        refused=REFUSED,
        expected=_expected(
            "embeddings",
            **{names.REQUEST_MODEL: None, names.EMBEDDINGS_DIMENSION_COUNT: 3, names.USAGE_MISSING: True},
        ),
    ),
]
