"""Rows of the libraries that speak in OpenAI's shape: what they are answered is the same, what they are called differs."""

from __future__ import annotations

from rows import Row

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

ASK = [{"role": "user", "content": "Where to on Saturday?"}]
USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 19,
    "total_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 7},
}


def head(model):
    told = {"id": "c-1", "object": "chat.completion", "created": 1}
    return {**told, "model": model} if model else told


class Closed:
    """A client that has no way to be closed, with what is to be closed beneath it."""

    def __init__(self, client, closing):
        self._client, self._closing = client, closing

    def __getattr__(self, name):
        if name.startswith("__") or name == "aclose":
            raise AttributeError(name)
        return getattr(self._client, name)

    def close(self):
        return (self._closing.aclose if hasattr(self._closing, "aclose") else self._closing.close)()


def whole(model, usage=USAGE, **message):
    told = {"role": "assistant", "content": "The ferry.", **message}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": told}
    return {**head(model), "choices": [choice], "usage": usage}


def chunk(model, delta, reason=None, **more):
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**head(model), "object": "chat.completion.chunk", "choices": [choice], **more}


def chunks(model, **last):
    return [
        chunk(model, {"role": "assistant", "content": "The "}),
        chunk(model, {"role": "assistant", "content": "ferry."}),
        chunk(model, {"role": "assistant", "content": ""}, "stop", **last),
    ]


def broken(model):
    return Answer.sse([chunk(model, {"role": "assistant", "content": "The "}), {"error": {"message": "overloaded"}}])


def expected(provider, model, operation="chat", **more):
    return {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: provider,
        names.REQUEST_MODEL: model,
        names.REQUEST_MAX_TOKENS: 99,
        names.RESPONSE_ID: "c-1",
        names.RESPONSE_MODEL: model,
        names.RESPONSE_FINISH_REASONS: ("stop",),
        names.INPUT_TOKENS: 21,
        names.OUTPUT_TOKENS: 19,
        names.CACHE_READ_TOKENS: 5,
        names.REASONING_TOKENS: 7,
        names.OPENAI_API_TYPE: None,
        **more,
    }


def chat_row(
    name, make, call, *, provider, model, streamed=None, usage=USAGE, prints_model=True, answers_as="", **more
):
    """A chat; `call(client, **arguments)` asks for it."""
    asked = {"model": model, "messages": ASK, "max_tokens": 99}
    told = more.pop("expected", expected(provider, model))
    printed = (answers_as or model) if prints_model else None
    return Row(
        id=name,
        make=make,
        call=lambda client: call(client, **asked),
        stream=lambda client: call(client, stream=True, **asked),
        whole=Answer.json(whole(printed, usage)),
        streamed=streamed or Answer.sse(chunks(printed, usage=usage)),
        expected=told,
        stream_expected={names.REQUEST_STREAM: True},
        **{"broken": broken(printed), **more},
    )


def completion_row(name, make, call, *, provider, model, **more):
    """A legacy completion."""
    asked = {"model": model, "prompt": "Lisbon is", "max_tokens": 99}
    texts = [
        {**head(model), "choices": [{"index": 0, "text": text, "finish_reason": reason}], "usage": usage}
        for text, reason, usage in (("a ", None, None), ("city.", "stop", USAGE))
    ]
    answer = {**head(model), "choices": [{"index": 0, "text": "a city.", "finish_reason": "stop"}], "usage": USAGE}
    return Row(
        id=name,
        make=make,
        call=lambda client: call(client, **asked),
        stream=lambda client: call(client, stream=True, **asked),
        whole=Answer.json({**answer, "prompt": []}),
        streamed=Answer.sse(texts),
        expected=expected(provider, model, "text_completion"),
        stream_expected={names.REQUEST_STREAM: True},
        **more,
    )


def embeddings_row(name, make, call, *, provider, model, answers_as="", **more):
    """Embeddings."""
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}]
    return Row(
        id=name,
        make=make,
        call=lambda client: call(client, model=model, input="Lisbon"),
        whole=Answer.json(
            {
                "id": "e-1",
                "object": "list",
                "model": answers_as or model,
                "data": vectors,
                "usage": {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3},
            }
        ),
        expected={
            names.OPERATION_NAME: "embeddings",
            names.PROVIDER_NAME: provider,
            names.REQUEST_MODEL: model,
            names.RESPONSE_MODEL: answers_as or model,
            names.INPUT_TOKENS: 3,
            names.EMBEDDINGS_DIMENSION_COUNT: 3,
        },
        **more,
    )
