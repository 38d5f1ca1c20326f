"""writer-sdk as rows; its completions print no usage."""

from __future__ import annotations

import writerai
from openai_shaped import chat_row
from rows import Row

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "writerai"
MODEL = "palmyra-x5"
USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 19,
    "total_tokens": 40,
    "prompt_token_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 7},
}


def _client(url, is_async):
    return (writerai.AsyncWriter if is_async else writerai.Writer)(api_key="k", base_url=url, max_retries=0)


def _complete(client, **more):
    return client.completions.create(model="palmyra-x-003-instruct", prompt="Lisbon is", random_seed=7, **more)


ROWS = [
    chat_row(
        "writer-chat",
        _client,
        lambda client, **asked: client.chat.chat(**asked),
        provider="writer",
        model=MODEL,
        usage=USAGE,
    ),
    Row(
        id="writer-completion",
        make=_client,
        call=_complete,
        stream=lambda client: _complete(client, stream=True),
        whole=Answer.json({"choices": [{"text": "a city."}], "model": "palmyra-x-003-instruct"}),
        streamed=Answer.sse([{"value": "a "}, {"value": "city."}]),
        expected={
            names.OPERATION_NAME: "text_completion",
            names.PROVIDER_NAME: "writer",
            names.REQUEST_MODEL: "palmyra-x-003-instruct",
            names.RESPONSE_MODEL: "palmyra-x-003-instruct",
            names.REQUEST_SEED: 7,
            names.USAGE_MISSING: True,
        },
        stream_expected={names.REQUEST_STREAM: True, names.RESPONSE_MODEL: None},
    ),
    Row(
        id="writer-vision",
        make=_client,
        call=lambda client: client.vision.analyze(
            model="palmyra-vision", prompt="What is {{it}}?", variables=[{"name": "it", "file_id": "f-1"}]
        ),
        whole=Answer.json({"data": "A ferry."}),
        expected={
            names.OPERATION_NAME: "generate_content",
            names.PROVIDER_NAME: "writer",
            names.REQUEST_MODEL: "palmyra-vision",
            names.USAGE_MISSING: True,
        },
    ),
]
