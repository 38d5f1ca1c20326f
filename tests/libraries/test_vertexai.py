"""Vertex AI over gRPC, sync and async; the vertexai SDK above it; tools; what is no embedding."""

from __future__ import annotations

import asyncio
import gc
import json
import threading

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as api
from rows_vertexai import ROWS, USAGE, asked, told
from vertexai_clients import MODEL, Service, over_grpc, serve

from agentops_otel.conventions import names

WANTED = {
    name: value for name, value in ROWS[0].expected.items() if name not in {names.SERVER_ADDRESS, names.OUTPUT_MESSAGES}
}


def message(text="Hello!", reason="STOP", usage=USAGE):
    return api.GenerateContentResponse.from_json(json.dumps(told(text, reason, usage)), ignore_unknown_fields=True)


PIECES = [message("Hel", None, None), message("lo", None, None), message("!")]


@pytest.fixture(scope="module")
def served():
    service = Service()
    server, service.address = serve(service)
    yield service
    server.stop(None)


def as_told(span, **more):
    wanted = {**WANTED, **more}
    assert {name: span.attributes.get(name) for name in wanted} == wanted
    assert span.status == "unset"


async def _acall(address, method):
    client = over_grpc(address, asynchronous=True)
    try:
        answer = await getattr(client, method)(request=asked())
        if method == "generate_content":
            return answer
        return [chunk async for chunk in answer]
    finally:
        await client.transport.close()


def test_whole(served, watched):
    served.answers.append([message()])
    answer = over_grpc(served.address).generate_content(request=asked())
    assert answer == message()
    assert served.requests[-1] == asked()
    as_told(watched.span)


def test_whole_async(served, watched):
    served.answers.append([message()])
    assert asyncio.run(_acall(served.address, "generate_content")) == message()
    as_told(watched.span)


def test_stream(served, watched):
    served.answers.append(PIECES)
    assert list(over_grpc(served.address).stream_generate_content(request=asked())) == PIECES
    as_told(watched.span, **{names.REQUEST_STREAM: True})


def test_stream_async(served, watched):
    served.answers.append(PIECES)
    assert asyncio.run(_acall(served.address, "stream_generate_content")) == PIECES
    as_told(watched.span, **{names.REQUEST_STREAM: True})


def test_stream_that_is_left(served, watched):
    served.answers.append(PIECES)
    for _ in over_grpc(served.address).stream_generate_content(request=asked()):
        break
    gc.collect()
    assert watched.span.attributes[names.STREAM_OUTCOME] == "abandoned"


def test_async_stream_that_is_left(served, watched):
    async def leave():
        client = over_grpc(served.address, asynchronous=True)
        stream = await client.stream_generate_content(request=asked())
        async for _ in stream:
            stream.cancel()
            break
        del stream
        await client.transport.close()

    served.answers.append(PIECES)
    asyncio.run(leave())
    assert watched.span.attributes[names.STREAM_OUTCOME] == "abandoned"


def ask(served, method, *, asynchronous):
    if asynchronous:
        return asyncio.run(_acall(served.address, method))
    answer = getattr(over_grpc(served.address), method)(request=asked())
    return answer if method == "generate_content" else list(answer)


@pytest.mark.parametrize("method", ["generate_content", "stream_generate_content"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_refused(served, watched, method, asynchronous):
    served.answers.append([grpc.StatusCode.UNAUTHENTICATED])
    with pytest.raises(GoogleAPICallError) as raised:
        ask(served, method, asynchronous=asynchronous)
    assert watched.span.status == "error"
    kind = type(raised.value)
    assert watched.span.attributes[names.ERROR_TYPE] == f"{kind.__module__}.{kind.__qualname__}"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_stream_that_breaks(served, watched, asynchronous):
    served.answers.append([PIECES[0], PIECES[1], grpc.StatusCode.DATA_LOSS])
    with pytest.raises(GoogleAPICallError):
        ask(served, "stream_generate_content", asynchronous=asynchronous)
    assert watched.span.status == "error"
    assert "Hello" in watched.span.attributes[names.OUTPUT_MESSAGES]


def test_cancelled(served, watched):
    never = threading.Event()

    async def cancel():
        task = asyncio.ensure_future(_acall(served.address, "generate_content"))
        await asyncio.to_thread(served.asked.acquire, timeout=5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    served.asked = threading.Semaphore(0)
    served.answers.append([never, message()])
    asyncio.run(cancel())
    never.set()
    assert watched.span.attributes[names.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


def test_fields_one_by_one_are_read_as_a_request_is(served, watched):
    served.answers.append([message()])
    contents = [api.Content(role="user", parts=[{"text": "Hi"}])]
    over_grpc(served.address).generate_content(model=MODEL, contents=contents)
    assert watched.span.attributes[names.REQUEST_MODEL] == "gemini-2.5-flash"
    assert watched.span.attributes[names.INPUT_MESSAGES] == WANTED[names.INPUT_MESSAGES]


def test_tools(served, watched):
    called = {
        "candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}}]
    }
    served.answers.append([api.GenerateContentResponse.from_json(json.dumps(called))])
    schema = api.Schema(type_=api.Type.OBJECT, properties={"a": api.Schema(type_=api.Type.NUMBER)})
    declared = api.Tool(
        function_declarations=[api.FunctionDeclaration(name="f", description="does", parameters=schema)]
    )
    over_grpc(served.address).generate_content(
        request={"model": MODEL, "contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "tools": [declared]}
    )
    attributes = watched.span.attributes
    assert json.loads(attributes[names.TOOL_DEFINITIONS])[0]["name"] == "f"
    (part,) = json.loads(attributes[names.OUTPUT_MESSAGES])[0]["parts"]
    assert (part["name"], part["arguments"]) == ("f", {"a": 1})
    assert attributes[names.USAGE_MISSING] is True


def test_a_prediction_that_is_no_embedding_makes_no_span(served, watched):
    served.answers.append([api.PredictResponse()])
    over_grpc(served.address).predict(endpoint="projects/p/locations/l/endpoints/1", instances=[{"x": 1}])
    assert watched.spans == []


@pytest.mark.filterwarnings("ignore:This feature is deprecated")
def test_the_vertexai_sdk_asks_through_these_clients(served, watched, monkeypatch):
    vertexai = pytest.importorskip("vertexai")
    generative_models = pytest.importorskip("vertexai.generative_models")
    vertexai.init(project="p", location="us-central1", credentials=AnonymousCredentials())
    model = generative_models.GenerativeModel("projects/p/locations/l/publishers/google/models/gemini-2.5-flash")
    monkeypatch.setattr(type(model), "_prediction_client", over_grpc(served.address))
    served.answers += [[message()], PIECES]
    assert model.generate_content("Hi").text == "Hello!"
    assert "".join(chunk.text for chunk in model.generate_content("Hi", stream=True)) == "Hello!"
    assert [span.attributes[names.OUTPUT_TOKENS] for span in watched.spans] == [12, 12]
