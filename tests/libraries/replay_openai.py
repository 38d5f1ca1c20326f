"""How the recordings of openai and anthropic are replayed: at the level at which every resource asks."""

from __future__ import annotations

import importlib
import json
from typing import Any

import anthropic
import openai
from replay import beside_cache

from agentops_otel.demo.provider import Provider

LIBRARY = "openai"
FAMILIES = ("openai", "azure-openai", "anthropic")
ERRORS = (openai.APIError, anthropic.APIError)
OPERATIONS = {
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
ELSEWHERE = ("api.openai.com", "api.anthropic.com")


def is_mine(exchange: dict[str, Any]) -> bool:
    """Whether an exchange is with a provider whose client is replayed here, through one of its clients."""
    url = exchange["request"]["url"]
    return any(host in url for host in ("api.openai.com", "openai.azure.com", "api.anthropic.com"))


def send(provider: Provider, exchange: dict[str, Any]) -> None:
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


def is_silent(exchange: dict[str, Any]) -> bool:
    """Whether it makes no span. Of assistants only their runs reach a model."""
    request = exchange["request"]
    path = request["url"].partition("/v1/")[2]
    return path.startswith(("assistants", "threads")) and not path.endswith("/runs")


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Anthropic prints cached tokens beside the input."""
    return beside_cache(want) if want["operation"] == "messages" else want
