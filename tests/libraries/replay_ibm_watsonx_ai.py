"""How the recording of watsonx.ai is replayed."""

from __future__ import annotations

import contextlib
import json

from ibm_watsonx_ai.wml_client_error import WMLClientError
from watsonx import Client

LIBRARY = "ibm_watsonx_ai"
FAMILIES = ("watsonx",)
OPERATIONS = {"generate_text_stream"}
ERRORS = (WMLClientError,)


def is_mine(exchange):
    """Everything else is how the client of its day set itself up."""
    return exchange["request"]["url"].partition("?")[0].endswith("/generation/text_stream")


def send(provider, exchange):
    """Make the recorded request again; today's client asks another path."""
    body = json.loads(exchange["request"]["body"])
    with contextlib.closing(Client(provider.url, body["model_id"])) as client:
        for _ in client.model.generate_text_stream(body["input"], raw_response=True):
            pass


def told(want):
    """The index has the last chunk's count of the input, 0; the first chunk's is 8. The library hands on no event."""
    return {**want, "model": "google/flan-ul2", "input": 8}
