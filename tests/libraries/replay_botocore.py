"""How the recordings of Bedrock are replayed, through boto3."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from replay import beside_cache

from agentops_otel.demo.provider import Provider

LIBRARY = "boto3"
FAMILIES = ("bedrock",)
ERRORS = (ClientError,)
OPERATIONS = {
    "converse",
    "converse_stream",
    "invoke_model",
    "invoke_model_with_response_stream",
    "retrieve_and_generate",
}
ELSEWHERE = ("bedrock-runtime.",)

_MODEL = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)$")


def is_mine(exchange: dict[str, Any]) -> bool:
    """Whether boto3 asks so and a model answers; agents and retrievals have a test of their own."""
    url = exchange["request"]["url"]
    return _MODEL.search(url) is not None or url.endswith("/retrieveAndGenerateStream")


def client(service: str, url: str) -> Any:
    """A client of this service that asks this address, once."""
    config = Config(retries={"total_max_attempts": 1}, signature_version=UNSIGNED, user_agent="tests")
    made = boto3.client(service, region_name="us-east-1", endpoint_url=url, config=config)
    made.meta.events.register("before-send", _forget)
    return made


def _forget(request: Any, **_: Any) -> None:
    """Leave out what is different in each request by itself."""
    request.headers.pop("amz-sdk-invocation-id", None)


def send(provider: Provider, exchange: dict[str, Any]) -> None:
    """Make the recorded request again, and read what is answered."""
    url, body = exchange["request"]["url"], exchange["request"]["body"]
    found = _MODEL.search(url)
    if found is None:
        answer = client("bedrock-agent-runtime", provider.url).retrieve_and_generate_stream(**json.loads(body))
        list(answer["stream"])
        return
    runtime = client("bedrock-runtime", provider.url)
    model, method = unquote(found[1]), found[2]
    if method == "converse":
        runtime.converse(modelId=model, **_known(runtime, body))
    elif method == "converse-stream":
        list(runtime.converse_stream(modelId=model, **_known(runtime, body))["stream"])
    elif method == "invoke":
        runtime.invoke_model(modelId=model, body=body)["body"].read()
    else:
        list(runtime.invoke_model_with_response_stream(modelId=model, body=body)["body"])


def _known(runtime: Any, body: str) -> dict[str, Any]:
    """What is asked, as far as this version of the client can."""
    known = runtime.meta.service_model.operation_model("Converse").input_shape.members
    return {name: value for name, value in json.loads(body).items() if name in known}


def told(want: dict[str, Any]) -> dict[str, Any]:
    """Bedrock prints cached tokens beside the input."""
    return beside_cache(want)
