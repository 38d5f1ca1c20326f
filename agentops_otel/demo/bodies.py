"""Bodies that OpenAI and Anthropic answer with, built from a few words and figures.

`streams` takes them apart into what is streamed. Figures of usage are in the provider's own way of
counting: Anthropic's input excludes what was cached. Ids are made from the content: the same content has
the same id. A tool call is given as `(name, arguments)`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from array import array
from typing import TYPE_CHECKING, Any, TypeAlias

from agentops_otel.demo.provider import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Body: TypeAlias = dict[str, Any]
Calls: TypeAlias = "Sequence[tuple[str, Mapping[str, Any]]]"

CHAT_MODEL = "gpt-4o-mini-2024-07-18"
RESPONSE_MODEL = "gpt-4.1-2025-04-14"
EMBEDDING_MODEL = "text-embedding-3-small"
MESSAGE_MODEL = "claude-sonnet-4-6"

_CREATED = 1_760_000_000

# --- OpenAI: chat completions ----------------------------------------------------------------------


def chat_usage(
    prompt_tokens: int = 20,
    completion_tokens: int = 10,
    *,
    cached_tokens: int = 0,
    reasoning_tokens: int = 0,
) -> Body:
    """Usage of a chat completion: cached tokens are part of the prompt, reasoning of the completion."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat(text: str | None = None, *, tools: Calls = (), model: str = CHAT_MODEL, usage: Body | None = None) -> Body:
    """A chat completion of one choice: a text, tool calls, or both."""
    message: Body = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if tools:
        message["tool_calls"] = [
            {
                "id": _id("call_", name, arguments),
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for name, arguments in tools
        ]
    finish = "tool_calls" if tools else "stop"
    return {
        "id": _id("chatcmpl-", message, model),
        "object": "chat.completion",
        "created": _CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage or chat_usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_0a1b2c3d4e",
    }


# --- OpenAI: responses -----------------------------------------------------------------------------


def response_usage(
    input_tokens: int = 20, output_tokens: int = 10, *, cached_tokens: int = 0, reasoning_tokens: int = 0
) -> Body:
    """Usage of a response: cached tokens are part of the input, reasoning is part of the output."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": input_tokens + output_tokens,
    }


def response(
    text: str | None = None,
    *,
    reasoning: str | None = None,
    tools: Calls = (),
    model: str = RESPONSE_MODEL,
    usage: Body | None = None,
) -> Body:
    """A completed response: a reasoning summary, a text and function calls, whichever are given."""
    output = list(_response_items(text, reasoning, tools))
    return {
        "id": _id("resp_", output, model),
        "object": "response",
        "created_at": _CREATED,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage or response_usage(),
        "user": None,
        "metadata": {},
    }


def _response_items(text: str | None, reasoning: str | None, tools: Calls) -> Iterator[Body]:
    if reasoning is not None:
        summary = [{"type": "summary_text", "text": reasoning}]
        yield {"id": _id("rs_", reasoning), "type": "reasoning", "summary": summary}
    if text is not None:
        yield {
            "id": _id("msg_", text),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
        }
    for name, arguments in tools:
        yield {
            "id": _id("fc_", name, arguments),
            "type": "function_call",
            "status": "completed",
            "arguments": json.dumps(arguments),
            "call_id": _id("call_", name, arguments),
            "name": name,
        }


# --- OpenAI: embeddings, errors --------------------------------------------------------------------


def embeddings(
    count: int = 1,
    *,
    dimensions: int = 8,
    encoded: bool = False,
    model: str = EMBEDDING_MODEL,
    prompt_tokens: int = 8,
) -> Body:
    """`count` vectors as lists of floats, which every client reads, or `encoded` in base64.

    New clients ask for base64 by themselves; openai 1 asks for it, and reads it, only where numpy is.
    """
    vectors = [array("f", ((i + j) % 7 / 10 - 0.3 for j in range(dimensions))) for i in range(count)]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.tobytes()).decode() if encoded else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


_OPENAI_ERRORS: Mapping[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "Invalid value for 'temperature': expected at most 2."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests per minute: try again in 1s."),
    500: ("server_error", None, "The server had an error while processing your request."),
}


def openai_error(status: int, message: str | None = None) -> Answer:
    """The answer to a request that OpenAI refuses: 400, 401, 404, 429 or 500."""
    headers = {"x-request-id": _id("req_", status, message)}
    if status == 429:  # noqa: PLR2004 - as plain a name as any
        headers |= {"retry-after": "1", "retry-after-ms": "20"}
    return Answer.json(openai_error_body(status, message), status=status, headers=headers)


def openai_error_body(status: int, message: str | None = None) -> Body:
    """The error alone, as it stands in a body, or in the middle of a chat stream."""
    kind, code, words = _OPENAI_ERRORS[status]
    return {"error": {"message": message or words, "type": kind, "param": None, "code": code}}


# --- Anthropic: messages ---------------------------------------------------------------------------


def message_usage(
    input_tokens: int = 20,
    output_tokens: int = 10,
    *,
    cache_read: int = 0,
    cache_5m: int = 0,
    cache_1h: int = 0,
    thinking: int = 0,
    tier: str = "standard",
) -> Body:
    """Usage of a message: what is read from a cache, or written to it, comes on top of the input."""
    details = {"output_tokens_details": {"thinking_tokens": thinking}} if thinking else {}
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": cache_5m + cache_1h,
        "cache_read_input_tokens": cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": cache_5m, "ephemeral_1h_input_tokens": cache_1h},
        "output_tokens": output_tokens,
        "service_tier": tier,
    } | details


def message(
    text: str | None = None,
    *,
    thinking: str | None = None,
    tools: Calls = (),
    model: str = MESSAGE_MODEL,
    usage: Body | None = None,
) -> Body:
    """A message: thinking, a text and tool uses, whichever are given."""
    content: list[Body] = []
    if thinking is not None:
        content.append({"type": "thinking", "thinking": thinking, "signature": _id("sig_", thinking)})
    if text is not None:
        content.append({"type": "text", "text": text})
    content += [
        {"type": "tool_use", "id": _id("toolu_", name, arguments), "name": name, "input": dict(arguments)}
        for name, arguments in tools
    ]
    return {
        "id": _id("msg_", content, model),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "tool_use" if tools else "end_turn",
        "stop_sequence": None,
        "usage": usage or message_usage(),
    }


_ANTHROPIC_ERRORS = {
    400: ("invalid_request_error", "max_tokens: must be at least 1"),
    401: ("authentication_error", "invalid x-api-key"),
    404: ("not_found_error", "model: no such model"),
    429: ("rate_limit_error", "This request would exceed the rate limit: please try again later."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}


def anthropic_error(status: int, message: str | None = None) -> Answer:
    """The answer to a request that Anthropic refuses: 400, 401, 404, 429, 500 or 529."""
    body = anthropic_error_body(status, message)
    return Answer.json(body, status=status, headers={"request-id": body["request_id"]})


def anthropic_error_body(status: int, message: str | None = None) -> Body:
    """The error alone, as it stands in a body, or as an event in the middle of a stream."""
    kind, words = _ANTHROPIC_ERRORS[status]
    error = {"type": kind, "message": message or words}
    return {"type": "error", "error": error, "request_id": _id("req_", status, message)}


def _id(prefix: str, *content: Any) -> str:
    return f"{prefix}{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]}"
