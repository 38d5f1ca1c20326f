"""Vertex AI over HTTP: contents, whole and streamed as pieces of one JSON list, and embeddings."""

from __future__ import annotations

from google.cloud.aiplatform_v1.types import Content, GenerateContentRequest, GenerationConfig
from rows import Row, answered
from vertexai_clients import EMBEDDER, MODEL, over_http

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "google.cloud.aiplatform_v1"

USAGE = {
    "promptTokenCount": 20,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 7,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 32,
    "trafficType": "ON_DEMAND",
}


def told(text, reason="STOP", usage=USAGE):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    answer = {"candidates": [candidate], "modelVersion": "gemini-2.5-flash-001", "responseId": "r1"}
    return {**answer, "usageMetadata": usage} if usage else answer


def asked():
    return GenerateContentRequest(
        model=MODEL,
        contents=[Content(role="user", parts=[{"text": "Hi"}])],
        system_instruction=Content(parts=[{"text": "Be brief."}]),
        generation_config=GenerationConfig(temperature=0.5, max_output_tokens=64),
    )


def _list(*items):
    pieces = [(b"," if number else b"[") + Answer.json(item).body.encode() for number, item in enumerate(items)]
    return Answer(headers={"content-type": "application/json"}, chunks=[*pieces, b"]"])


REFUSED = Answer.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, status=400)
ROWS = [
    Row(
        id="vertexai",
        make=lambda url, _: over_http(url),
        call=lambda client: client.generate_content(request=asked()),
        stream=lambda client: client.stream_generate_content(request=asked()),
        whole=Answer.json(told("Hello!")),
        streamed=_list(told("Hel", None, None), told("lo", None, None), told("!")),
        refused=REFUSED,
        expected={
            names.OPERATION_NAME: "generate_content",
            names.PROVIDER_NAME: "gcp.vertex_ai",
            names.SERVER_ADDRESS: "127.0.0.1",
            names.REQUEST_MODEL: "gemini-2.5-flash",
            names.RESPONSE_MODEL: "gemini-2.5-flash-001",
            names.RESPONSE_ID: "r1",
            names.REQUEST_TEMPERATURE: 0.5,
            names.REQUEST_MAX_TOKENS: 64,
            names.RESPONSE_FINISH_REASONS: ("STOP",),
            names.INPUT_TOKENS: 20,
            names.OUTPUT_TOKENS: 12,
            names.CACHE_READ_TOKENS: 4,
            names.REASONING_TOKENS: 7,
            names.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
            names.OUTPUT_MESSAGES: answered("stop", {"type": "text", "content": "Hello!"}),
        },
        stream_expected={names.REQUEST_STREAM: True},
        leaks=True,
        has_async=False,
        streams_async=False,
    ),
    Row(
        id="vertexai-embeddings",
        make=lambda url, _: over_http(url),
        call=lambda client: client.predict(endpoint=EMBEDDER, instances=[{"content": "a"}, {"content": "b"}]),
        whole=Answer.json(
            {"predictions": [{"embeddings": {"values": [0.1, 0.2, 0.3], "statistics": {"token_count": 1}}}] * 2}
        ),
        refused=REFUSED,
        expected={
            names.OPERATION_NAME: "embeddings",
            names.PROVIDER_NAME: "gcp.vertex_ai",
            names.REQUEST_MODEL: "text-embedding-005",
            names.INPUT_TOKENS: 2,
            names.EMBEDDINGS_DIMENSION_COUNT: 3,
        },
        has_async=False,
        streams_async=False,
    ),
]
