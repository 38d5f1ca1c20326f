"""replicate as rows: predictions, and `run`, which makes one. Streams take two requests: they are in test_replicate."""

from __future__ import annotations

from typing import Any

import replicate
from rows import Row, answered

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "replicate"
MODEL = "meta/meta-llama-3-70b-instruct"
ASKED = {"prompt": "When is the ferry?", "system_prompt": "Be short.", "temperature": 0.5, "max_tokens": 64}


class Client:
    """One client for both kinds of methods: those of an asynchronous program have their own names."""

    def __init__(self, url: str, is_async: bool) -> None:
        self.replicate = replicate.Client("k", base_url=url)
        self.is_async = is_async

    def call(self, method: str, *arguments: Any, on: str = "", **more: Any) -> Any:
        place = self.replicate
        for name in filter(None, on.split(".")):
            place = getattr(place, name)
        return getattr(place, f"async_{method}" if self.is_async else method)(*arguments, **more)

    def close(self) -> Any:  # it has no way of its own
        return self.replicate._async_client.aclose() if self.is_async else self.replicate._client.close()


def prediction(status: str = "succeeded", **more: Any) -> dict[str, Any]:
    """A prediction as it is answered."""
    return {
        "id": "p-1",
        "model": MODEL,
        "version": "dp-1",
        "status": status,
        "input": ASKED,
        "output": ["At ", "nine."],
        "error": None,
        "urls": {"get": "https://api.replicate.com/v1/predictions/p-1"},
        **more,
    }


METRICS = {"input_token_count": 26, "output_token_count": 7, "predict_time": 0.4}
EXPECTED = {
    names.OPERATION_NAME: "generate_content",
    names.PROVIDER_NAME: "replicate",
    names.REQUEST_MODEL: MODEL,
    names.REQUEST_TEMPERATURE: 0.5,
    names.REQUEST_MAX_TOKENS: 64,
    names.RESPONSE_ID: "p-1",
    names.RESPONSE_MODEL: MODEL,
    names.INPUT_TOKENS: 26,
    names.OUTPUT_TOKENS: 7,
    names.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"When is the ferry?"}]}]',
    names.SYSTEM_INSTRUCTIONS: '[{"type":"text","content":"Be short."}]',
    names.OUTPUT_MESSAGES: answered("succeeded", {"type": "text", "content": "At nine."}),
}
REFUSED = Answer.json({"title": "Invalid", "detail": "no", "status": 422}, status=422)


def _row(kind: str, call: Any, **expected: Any) -> Row:
    return Row(
        id=f"replicate-{kind}",
        make=Client,
        call=call,
        whole=Answer.json(prediction(metrics=METRICS), status=201),
        refused=REFUSED,
        expected={**EXPECTED, **expected},
    )


ROWS = [
    _row("run", lambda client: client.call("run", MODEL, ASKED)),
    _row("model", lambda client: client.call("create", MODEL, ASKED, on="models.predictions", wait=True)),
    _row(
        "prediction", lambda client: client.call("create", on="predictions", model=tuple(MODEL.split("/")), input=ASKED)
    ),
    _row(
        "version",
        lambda client: client.call("create", on="predictions", version="5c7d5dc6", input=ASKED),
        **{names.REQUEST_MODEL: "5c7d5dc6"},
    ),
    _row(
        "deployment",
        lambda client: client.call("create", "me/ferries", ASKED, on="deployments.predictions"),
        **{names.REQUEST_MODEL: "me/ferries"},
    ),
]
