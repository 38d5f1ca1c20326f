"""ibm-watsonx-ai as rows: chats, texts, embeddings, reranking."""

from __future__ import annotations

from rows import Row
from watsonx import Client

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "ibm_watsonx_ai"
ASK = [{"role": "user", "content": "Where to on Saturday?"}]
MODEL = "ibm/granite-3-8b-instruct"
USAGE = {"prompt_tokens": 21, "completion_tokens": 19, "total_tokens": 40}
REFUSED = Answer.json({"errors": [{"code": "no", "message": "no"}], "trace": "t"}, status=400)
COUNTED = {
    names.PROVIDER_NAME: "ibm.watsonx.ai",
    names.REQUEST_MODEL: MODEL,
    names.REQUEST_TEMPERATURE: 0.5,
    names.REQUEST_MAX_TOKENS: 99,
    names.RESPONSE_MODEL: MODEL,
    names.INPUT_TOKENS: 21,
    names.OUTPUT_TOKENS: 19,
    names.COST: None,
}
CHAT = {
    **COUNTED,
    names.OPERATION_NAME: "chat",
    names.RESPONSE_ID: "c-1",
    names.RESPONSE_FINISH_REASONS: ("stop",),
    names.OPENAI_API_TYPE: None,
}
TEXT = {
    **COUNTED,
    names.OPERATION_NAME: "text_completion",
    names.RESPONSE_FINISH_REASONS: ("eos_token",),
    names.OUTPUT_MESSAGES: (
        '[{"role":"assistant","parts":[{"type":"text","content":"The ferry."}],"finish_reason":"stop"}]'
    ),
}


def _make(url, is_async):
    return Client(url, is_async=is_async)


def _chat(client):
    return client.ask("chat", "achat", ASK, {"max_tokens": 99})


def _chat_stream(client):
    return client.ask("chat_stream", "achat_stream", ASK, {"max_tokens": 99})


def _generate(client):
    return client.ask("generate", "agenerate", "Hi", {"max_new_tokens": 99})


def _generate_stream(client):
    if client.is_async:
        return client.model.agenerate_stream("Hi", {"max_new_tokens": 99})
    return client.model.generate_text_stream("Hi", {"max_new_tokens": 99}, raw_response=True)


def _chunk(delta, reason=None, **more):
    return {
        "id": "c-1",
        "model_id": MODEL,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        **more,
    }


def _text(text, generated, read, reason):
    told = {
        "generated_text": text,
        "generated_token_count": generated,
        "input_token_count": read,
        "stop_reason": reason,
    }
    return {"model_id": MODEL, "results": [told]}


def _failure(message):
    return b"event: error\ndata: " + message + b"\n\n"


def _events(*bodies):
    """Events as watsonx.ai sends them: no `[DONE]` after the last."""
    return [answer for body in bodies for answer in list(Answer.sse([{"type": "message", **body}]).chunks)]


CHUNKS = _events(
    _chunk({"role": "assistant", "content": ""}),
    _chunk({"content": "The ferry."}, "stop"),
    {"id": "c-1", "model_id": MODEL, "model": MODEL, "choices": [], "usage": USAGE},
)
TEXTS = _events(
    _text("", 0, 21, "not_finished"),
    _text("The ", 9, 0, "not_finished"),
    _text("ferry.", 19, 0, "eos_token"),
)

ROWS = [
    Row(
        id="watsonx-chat",
        make=_make,
        call=_chat,
        stream=_chat_stream,
        whole=Answer.json(
            {
                "id": "c-1",
                "model_id": MODEL,
                "model": MODEL,
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
                "usage": USAGE,
            }
        ),
        streamed=Answer(chunks=CHUNKS),
        broken=Answer(chunks=[CHUNKS[0], _failure(b"overloaded")]),
        refused=REFUSED,
        expected=CHAT,
        stream_expected={names.REQUEST_STREAM: True},
    ),
    Row(
        id="watsonx-generate",
        make=_make,
        call=_generate,
        stream=_generate_stream,
        whole=Answer.json(_text("The ferry.", 19, 21, "eos_token")),
        streamed=Answer(chunks=TEXTS),
        broken=Answer(chunks=[TEXTS[0], _failure(b"overloaded")]),
        refused=REFUSED,
        expected=TEXT,
        stream_expected={names.REQUEST_STREAM: True},
    ),
    Row(
        id="watsonx-text-stream-of-bare-texts",
        make=_make,
        call=lambda client: client.model.generate_text("Hi", {"max_new_tokens": 99}),
        stream=lambda client: client.model.generate_text_stream("Hi", {"max_new_tokens": 99}),
        whole=Answer.json(_text("The ferry.", 19, 21, "eos_token")),
        streamed=Answer(chunks=TEXTS),
        refused=REFUSED,
        expected=TEXT,
        stream_expected={
            names.REQUEST_STREAM: True,
            names.INPUT_TOKENS: None,
            names.OUTPUT_TOKENS: None,
            names.USAGE_MISSING: True,
            names.RESPONSE_MODEL: None,
            names.RESPONSE_FINISH_REASONS: ("error",),
            names.OUTPUT_MESSAGES: TEXT[names.OUTPUT_MESSAGES].replace('"stop"', '"error"'),
        },
        has_async=False,
        streams_async=False,
    ),
    Row(
        id="watsonx-embeddings",
        make=_make,
        call=lambda client: client.embeddings.generate(["Lisbon"]),
        whole=Answer.json(
            {"model_id": "ibm/slate-30m", "results": [{"embedding": [0.5, 0.25]}], "input_token_count": 3}
        ),
        refused=REFUSED,
        expected={
            names.OPERATION_NAME: "embeddings",
            names.REQUEST_MODEL: "ibm/slate-30m",
            names.INPUT_TOKENS: 3,
            names.EMBEDDINGS_DIMENSION_COUNT: 2,
        },
        has_async=False,
    ),
    Row(
        id="watsonx-rerank",
        make=_make,
        call=lambda client: client.rerank.generate("ferry", ["a ferry", "a train"]),
        whole=Answer.json({"model_id": "ibm/ranker", "results": [{"index": 1, "score": 0.75}], "input_token_count": 9}),
        refused=REFUSED,
        expected={
            names.OPERATION_NAME: None,
            names.REQUEST_MODEL: "ibm/ranker",
            names.INPUT_TOKENS: 9,
            names.RETRIEVAL_DOCUMENTS: '[{"id":"1","score":0.75}]',
        },
        has_async=False,
    ),
]
