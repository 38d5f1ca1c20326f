"""How the recordings of google-genai are replayed, of Gemini's own API and of Vertex AI."""

from __future__ import annotations

import json
import re
from typing import Any

from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from agentops_otel.demo.provider import Provider

LIBRARY = "google.genai"
FAMILIES = ("google-genai", "vertex")
ERRORS = (errors.APIError,)
OPERATIONS = {"generateContent", "generateContent.stream", "embedContent", "interactions"}
ELSEWHERE = ("generativelanguage.googleapis.com/v1beta/models/",)

_METHOD = re.compile(
    r"/models/([^/:]+):(generateContent|streamGenerateContent\?alt=sse|batchEmbedContents|countTokens)$"
)


def is_mine(exchange: dict[str, Any]) -> bool:
    """Whether this library asks so; the rest is asked by others, or makes a cache."""
    url = exchange["request"]["url"]
    return _METHOD.search(url) is not None or url.endswith("/interactions")


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    found = _METHOD.search(exchange["request"]["url"])
    body = json.loads(exchange["request"]["body"])
    if found is None:
        with _client(provider, vertex=False) as client:
            client.interactions.create(**body)
        return
    model, method = found.groups()
    config = {**body.get("generationConfig", {}), "cachedContent": body.get("cachedContent")}
    if "systemInstruction" in body:
        config["systemInstruction"] = body["systemInstruction"]
    if "tools" in body:
        listed = body["tools"] if isinstance(body["tools"], list) else [body["tools"]]
        config["tools"] = [types.Tool.model_validate(tool) for tool in listed]
    with _client(provider, vertex="aiplatform" in exchange["request"]["url"]) as client:
        if method == "batchEmbedContents":
            texts = [item["content"] for item in body["requests"]]
            client.models.embed_content(model=model, contents=texts)
        elif method == "countTokens":
            client.models.count_tokens(model=model, contents=body["contents"])
        elif method == "generateContent":
            client.models.generate_content(model=model, contents=body["contents"], config=config)
        else:
            for _ in client.models.generate_content_stream(model=model, contents=body["contents"], config=config):
                pass


def _client(provider: Provider, *, vertex: bool) -> Any:
    if vertex:
        where = {"vertexai": True, "project": "p", "location": "global", "credentials": Credentials("token")}
    else:
        where = {"api_key": "k"}
    return genai.Client(http_options={"base_url": provider.url}, **where)


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Gemini prints thoughts beside the output, and what tools brought in beside the input."""
    if want["input"] is None:
        return want
    if want["operation"] == "embedContent" and "usage_metadata" not in types.EmbedContentResponse.model_fields:
        return {**want, "input": None}  # older versions leave it out
    raw = want["raw"] or {}
    tools = raw.get("toolUsePromptTokenCount", 0) or raw.get("total_tool_use_tokens", 0)
    parts = [count for count in (want["output"], want["reasoning"]) if count is not None]
    return {**want, "input": want["input"] + tools, "output": sum(parts) if parts else None}
