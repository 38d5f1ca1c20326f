"""litellm as rows: over OpenAI's client, which is instrumented too, and over its own HTTP client."""

from __future__ import annotations

import os
from types import SimpleNamespace

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would be fetched when the library is imported

import litellm
from openai_shaped import USAGE, chat_row, chunks, embeddings_row, expected, head

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "litellm"
MODEL = "openai/gpt-4o-mini"
CREATED = r"created(=|': )\d{10}"
litellm.suppress_debug_info = True
litellm.disable_streaming_logging = True  # its threads would hold streams for a while after they were dropped


def _client(url, is_async):
    return SimpleNamespace(url=url, prefix="a" if is_async else "")


def _asked(function):
    def ask(client, **asked):
        if asked.get("stream"):
            asked["stream_options"] = {"include_usage": True}
        call = getattr(litellm, client.prefix + function)
        return call(api_base=client.url + "/v1", api_key="k", max_retries=0, **asked)

    return ask


ROWS = [
    chat_row(
        "litellm-chat",
        _client,
        _asked("completion"),
        clock=CREATED,
        provider="openai",
        model=MODEL,
        answers_as="gpt-4o-mini",
        streamed=Answer.sse([*chunks("gpt-4o-mini"), {**head("gpt-4o-mini"), "choices": [], "usage": USAGE}]),
        expected=expected(
            "openai",
            MODEL,
            **{
                names.RESPONSE_MODEL: "gpt-4o-mini",
                # 16 + 5 cached tokens in, 19 out, by LiteLLM's own table
                names.PROVIDER_COST: "0.000014175",
                names.COST: 0.000014175,
                names.COST_SOURCE: "provider",
            },
        ),
    ),
    chat_row(
        "litellm-deepseek",  # one that LiteLLM asks by itself
        _client,
        _asked("completion"),
        clock=CREATED,
        provider="deepseek",
        model="deepseek/some-model",
        answers_as="some-model",
        streamed=Answer.sse([*chunks("some-model"), {**head("some-model"), "choices": [], "usage": USAGE}]),
        expected=expected("deepseek", "deepseek/some-model", **{names.RESPONSE_MODEL: "some-model", names.COST: None}),
    ),
    embeddings_row(
        "litellm-embeddings",
        _client,
        _asked("embedding"),
        clock=CREATED,
        provider="openai",
        model="openai/text-embedding-3-small",
        answers_as="text-embedding-3-small",
    ),
]
