"""replicate beside the contract: streams, which take two requests, and predictions that fail or still run."""

from __future__ import annotations

import json

import pytest

replicate = pytest.importorskip("replicate")

from replicate.exceptions import ModelError  # noqa: E402
from rows_replicate import ASKED, MODEL, Client, prediction  # noqa: E402

from agentops_otel.conventions import names  # noqa: E402
from agentops_otel.demo.provider import Answer, Provider  # noqa: E402


class Case:
    """A client whose provider answers a prediction, then its stream."""

    @staticmethod
    def client(provider, *, asynchronous=False):
        return Client(provider.url, asynchronous)


def stream_of(*events):
    chunks = [f"event: {kind}\nid: 1\ndata: {data}\n\n".encode() for kind, data in events]

    def answer(request):
        if request.method == "GET":
            return Answer(headers={"content-type": "text/event-stream"}, chunks=chunks)
        url = f"http://{request.headers['host']}/stream"
        return Answer.json(prediction("starting", output=None, urls={"stream": url}), status=201)

    return answer


def read(case, client):
    return [str(event) for event in client.call("stream", MODEL, input=ASKED)]


async def aread(case, client):
    return [str(event) async for event in await client.call("stream", MODEL, input=ASKED)]


def leave(case, client):
    return str(next(iter(client.call("stream", MODEL, input=ASKED))))


def read_prediction(case, client):
    made = client.call("create", MODEL, ASKED, on="models.predictions", stream=True)
    return [str(event) for event in made.stream()]


SAID = (("output", "At "), ("output", "nine."), ("done", "{}"))


@pytest.mark.parametrize("scenario", [read, aread])
def test_a_stream_is_one_call(compare, scenario):
    span = compare(Case, scenario, stream_of(*SAID)).span
    assert (span.name, span.status) == (f"generate_content {MODEL}", "unset")
    assert span.attributes[names.REQUEST_STREAM] is True
    assert json.loads(span.attributes[names.OUTPUT_MESSAGES])[0]["parts"] == [{"type": "text", "content": "At nine."}]
    assert span.attributes[names.USAGE_MISSING] is True  # no event of a stream has any
    assert names.STREAM_OUTCOME not in span.attributes


def test_a_stream_left_early_is_abandoned(compare):
    span = compare(Case, leave, stream_of(*SAID)).span
    assert (span.status, span.attributes[names.STREAM_OUTCOME]) == ("unset", "abandoned")


@pytest.mark.parametrize(
    ("last", "error"),
    [(("error", "out of memory"), "RuntimeError"), (("done", '{"reason": "error"}'), "error")],
)
def test_a_stream_that_fails(compare, last, error):
    span = compare(Case, read, stream_of(SAID[0], last)).span
    assert (span.status, span.attributes[names.ERROR_TYPE]) == ("error", error)


def test_the_stream_of_a_prediction_is_fetched(compare):
    spans = compare(Case, read_prediction, stream_of(*SAID)).spans
    assert [span.name for span in spans] == [f"generate_content {MODEL}", "fetch_response"]
    made, fetched = spans
    assert made.attributes[names.RESPONSE_ID] == fetched.attributes[names.RESPONSE_ID] == "p-1"
    assert names.OUTPUT_MESSAGES not in made.attributes
    assert json.loads(fetched.attributes[names.OUTPUT_MESSAGES])[0]["parts"] == [
        {"type": "text", "content": "At nine."}
    ]


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_prediction_that_failed_is_an_error(watched, status):
    with Provider([Answer.json(prediction(status, output=None, error="no memory"), status=201)]) as provider:
        client = Client(provider.url, is_async=False)
        client.call("create", MODEL, ASKED, on="models.predictions")
        client.close()
    assert (watched.span.status, watched.span.attributes[names.ERROR_TYPE]) == ("error", status)


def test_a_run_that_failed_raises_and_is_one_error(watched):
    with Provider([Answer.json(prediction("failed", output=None, error="no memory"), status=201)]) as provider:
        client = Client(provider.url, is_async=False)
        with pytest.raises(ModelError):
            client.call("run", MODEL, ASKED)
        client.close()
    assert watched.span.status == "error"


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        (
            "https://replicate.delivery/a.png",
            [{"type": "uri", "modality": "file", "uri": "https://replicate.delivery/a.png"}],
        ),
        ("plain", [{"type": "text", "content": "plain"}]),
        (None, None),
        (7, None),
        ({"odd": 1}, None),
    ],
)
def test_outputs_of_all_kinds(watched, output, parts):
    with Provider([Answer.json(prediction(output=output), status=201)]) as provider:
        client = Client(provider.url, is_async=False)
        client.call("run", MODEL, ASKED, use_file_output=False)
        client.close()
    told = watched.span.attributes.get(names.OUTPUT_MESSAGES)
    assert (told and json.loads(told)[0]["parts"]) == parts


def test_module_functions_are_captured_though_they_were_bound_at_import(watched, monkeypatch):
    with Provider(stream_of(*SAID)) as provider:
        client = replicate.Client("k", base_url=provider.url)
        monkeypatch.setattr(replicate.default_client, "_base_url", provider.url)
        assert [str(event) for event in replicate.stream(MODEL, input=ASKED)][:2] == ["At ", "nine."]
        client._client.close()
        replicate.default_client._client.close()
        monkeypatch.setattr(replicate.default_client, "_Client__client", None)
    assert watched.span.name == f"generate_content {MODEL}"
