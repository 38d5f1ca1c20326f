"""How the recordings of Vertex AI's own clients are replayed, through either version of the API."""

from __future__ import annotations

import json
import re
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import aiplatform_v1, aiplatform_v1beta1
from vertexai_clients import over_http

from agentops_otel.demo.provider import Provider

LIBRARY = "google.cloud.aiplatform_v1"
FAMILIES = ("vertex",)
ERRORS = (GoogleAPICallError,)
OPERATIONS = {"generateContent", "generateContent.stream"}

_METHOD = re.compile(r"/(v1|v1beta1)/(projects/[^:]+):(generateContent|streamGenerateContent)\?%24alt=json")


def is_mine(exchange: dict[str, Any]) -> bool:
    """Whether this library asked so: it wants numbers for Google's enumerations."""
    return _METHOD.search(exchange["request"]["url"]) is not None


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again."""
    found = _METHOD.search(exchange["request"]["url"])
    assert found is not None
    version = aiplatform_v1 if found[1] == "v1" else aiplatform_v1beta1
    asked = json.dumps({**json.loads(exchange["request"]["body"]), "model": found[2]})
    request = version.types.GenerateContentRequest.from_json(asked)
    client = over_http(provider.url, version)
    if found[3] == "generateContent":
        client.generate_content(request=request)
    else:
        list(client.stream_generate_content(request=request))


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Gemini prints thoughts beside the output; the client makes names of the wire's numbers."""
    if want["input"] is None:
        return want
    return {
        **want,
        "output": want["output"] + (want["reasoning"] or 0),
        "stream": want["operation"].endswith(".stream"),
        "finish": ["STOP" if reason == 1 else reason for reason in want["finish"]],
    }
