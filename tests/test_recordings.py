"""Real provider exchanges, replayed through the real client libraries: tokens, models and finish reasons as printed."""

from __future__ import annotations

import base64
import importlib
import json
import os
from typing import Any

import anthropic
import openai
import pytest
from conftest import SHARED

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

RECORDINGS = SHARED / "recordings"
FAMILIES = ("openai", "azure-openai", "anthropic")
CLAIMED = {
    "chat.completions",
    "completions",
    "responses",
    "responses.retrieve",
    "responses.compact",
    "embeddings",
    "images",
    "moderations",
    "messages",
    "assistants",
}
FILES = (
    sorted(file for family in FAMILIES for file in (RECORDINGS / family).glob("*.json")) if RECORDINGS.is_dir() else []
)


def test_recordings_are_here_in_ci():
    """In CI the recordings are beside the checkout; a run without them must not look like a pass."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no recordings in {RECORDINGS}")
        pytest.skip(
            "the recordings are not beside this checkout; tests/instrumentors covers the same cases with bodies of its own"
        )
    assert len(FILES) > 90


def _answer(exchange: dict[str, Any]) -> Answer:
    told = exchange["response"]
    body = base64.b64decode(told["body_base64"]) if "body_base64" in told else told["body"].encode()
    return Answer(status=told["status"], headers=told["headers"], body=body)


def _mine(exchange: dict[str, Any]) -> bool:
    """Whether an exchange is with a provider whose client is replayed here, through one of its clients."""
    url = exchange["request"]["url"]
    return any(host in url for host in ("api.openai.com", "openai.azure.com", "api.anthropic.com"))


def _send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again with the client library, at the level at which every resource makes it."""
    request = exchange["request"]
    url = request["url"].split("?")[0]
    body = json.loads(request["body"]) if str(request.get("body") or "").startswith("{") else {}
    if "anthropic" in url:
        client: Any = anthropic.Anthropic(api_key="x", base_url=provider.anthropic_url, max_retries=0)
        path, types = "/v1/" + url.partition("/v1/")[2], _anthropic_types(url)
    elif "azure" in url:
        client = openai.AzureOpenAI(api_key="x", api_version="2024-10-21", base_url=provider.openai_url, max_retries=0)
        path = (
            "/" + url.partition("/v1/")[2]
            if "/v1/" in url
            else "/" + url.partition("/deployments/")[2].partition("/")[2]
        )
        types = _openai_types(path)
    else:
        client = openai.OpenAI(api_key="x", base_url=provider.openai_url, max_retries=0)
        path = "/" + url.partition("/v1/")[2]
        types = _openai_types(path)
    whole, stream_of = types
    with client:
        if request["method"] == "GET":
            client.get(path, cast_to=whole)
        elif "event-stream" in str(exchange["response"]["headers"].get("content-type")) or body.get("stream"):
            for _ in client.post(path, cast_to=whole, body=body, stream=True, stream_cls=stream_of):
                pass
        else:
            client.post(path, cast_to=whole, body=body)


def _type(name: str) -> Any:
    """A type of the client library by its path; `object`, which is read as plain dicts, where this version has none."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(f"openai.types{module and '.'}{module}"), attribute)
    except (ImportError, AttributeError):
        return object


def _openai_types(path: str) -> tuple[Any, Any]:
    rows = (
        ("/chat/completions", "chat.ChatCompletion", "chat.ChatCompletionChunk"),
        ("/completions", "Completion", "Completion"),
        ("/responses/compact", "responses.CompactedResponse", "responses.ResponseStreamEvent"),
        ("/responses", "responses.Response", "responses.ResponseStreamEvent"),
        ("/embeddings", "CreateEmbeddingResponse", "CreateEmbeddingResponse"),
        ("/images/generations", "ImagesResponse", "ImagesResponse"),
        ("/moderations", "ModerationCreateResponse", "ModerationCreateResponse"),
        ("/threads/", "beta.threads.Run", "beta.AssistantStreamEvent"),
    )
    found = next(((whole, chunk) for start, whole, chunk in rows if path.startswith(start)), None)
    if found is None:
        return object, None
    return _type(found[0]), openai.Stream[_type(found[1])]


def _anthropic_types(url: str) -> tuple[Any, Any]:
    from anthropic.types import Message, RawMessageStreamEvent  # noqa: PLC0415

    if url.endswith("/v1/messages"):
        return Message, anthropic.Stream[RawMessageStreamEvent]
    return object, anthropic.Stream[object]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_replay(file, watched):
    recording = json.loads(file.read_text())
    if recording["kind"] != "http":
        assert recording["kind"] == "websocket"  # realtime speaks through no HTTP client
        return
    exchanges = recording["exchanges"]
    expected = {item["exchange"]: item for item in recording["expected"]}
    for number, exchange in enumerate(exchanges):
        if not _mine(exchange):
            continue
        before = len(watched.spans)
        with Provider([_answer(exchange)]) as provider:
            try:
                _send(provider, exchange)
            except (openai.APIError, anthropic.APIError):
                assert expected[number]["error"], "the recorded answer is no error"
        made = watched.spans[before:]
        want = expected.get(number)
        if want is None or want["operation"] not in CLAIMED or _is_untracked(exchange):
            assert made == []
            continue
        assert len(made) == 1, f"exchange {number}: {[span.name for span in made]}"
        _compare(made[0], want)


def _is_untracked(exchange: dict[str, Any]) -> bool:
    """Assistants: only their runs reach a model."""
    request = exchange["request"]
    path = request["url"].partition("/v1/")[2]
    return path.startswith(("assistants", "threads")) and not path.endswith("/runs")


def _compare(span: Any, want: dict[str, Any]) -> None:
    told = span.attributes
    prefix = names.FETCHED if told.get(names.OPERATION_NAME) == names.FETCH_RESPONSE else ""
    cached, cache_write, read = want["cached"], want["cache_write"], want["input"]
    if read is not None and "anthropic" in told[names.PROVIDER_NAME]:
        read += (cached or 0) + (cache_write or 0)  # Anthropic prints them beside the input
    figures = {
        names.INPUT_TOKENS: read,
        names.OUTPUT_TOKENS: want["output"],
        names.CACHE_READ_TOKENS: cached,
        names.CACHE_WRITE_TOKENS: cache_write,
        names.REASONING_TOKENS: want["reasoning"],
    }
    assert {name: told.get(prefix + name) for name in figures} == figures
    assert told.get(names.RESPONSE_MODEL) == want["model"] or want["error"]
    assert list(told.get(names.RESPONSE_FINISH_REASONS) or []) == want["finish"]
    assert (span.status == "error") == bool(want["error"])
    assert told.get(names.REQUEST_STREAM, False) == want["stream"] or want["error"]
    if want["output"] is None and want["input"] is None and not want["error"] and want["operation"] != "moderations":
        assert told.get(names.USAGE_MISSING) is True
        assert names.COST not in told
