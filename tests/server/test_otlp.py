"""OTLP over HTTP: what is taken, what is refused and how, and what is kept."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_requests import JSON, PROTOBUF, json_request, one_span, protobuf_request, short_id
from server.asking import posted
from span_records import SESSION, llm, root, tool

from agentops_otel.server.app import make_app
from agentops_otel.server.wire import BODY_LIMIT


def error_of(answer):
    """The google.rpc.Status of an answer, in whichever encoding it has."""
    if answer.headers["content-type"] == PROTOBUF:
        return Status.FromString(answer.content)
    return Parse(answer.content, Status())


@pytest.mark.parametrize(
    ("body", "content_type", "headers"),
    [
        (protobuf_request(root()), PROTOBUF, {}),
        (json_request(root()), JSON, {}),
        (gzip.compress(protobuf_request(root()), mtime=0), PROTOBUF, {"content-encoding": "gzip"}),
    ],
    ids=short_id,
)
async def test_what_is_answered_with_200_is_stored(store, asked, body, content_type, headers):
    answer = await asked("POST", "/v1/traces", **posted(body, content_type, **headers))
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.content == (b"{}" if content_type == JSON else b"")
    assert [row.session_id for row in store.sessions()] == [SESSION]


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_batch_that_is_sent_again_counts_once(store, asked, times):
    batch = posted(protobuf_request(root(), llm(0.5), tool()))
    answers = await asyncio.gather(*(asked("POST", "/v1/traces", **batch) for _ in range(times)))
    assert {answer.status_code for answer in answers} == {200}
    row = store.session(SESSION)
    assert (row.llm_calls, row.tool_calls, str(row.cost)) == (1, 1, "0.5")


async def test_spans_with_invalid_ids_are_told(store, asked):
    answer = await asked("POST", "/v1/traces", **posted(one_span(spanId="0" * 16), JSON))
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedSpans"]) == (200, "1")
    body = ExportTraceServiceResponse.FromString((await asked("POST", "/v1/traces", **posted(b""))).content)
    assert not body.HasField("partial_success")
    assert store.sessions() == []


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status", "told"),
    [
        (b"\xff", PROTOBUF, "", 400, "no ExportTraceServiceRequest"),
        (b"{", JSON, "", 400, "no ExportTraceServiceRequest"),
        (b"plain", PROTOBUF, "gzip", 400, "not gzip"),
        (b"x", PROTOBUF, "br", 415, "not as br"),
        (b"x", "text/plain", "", 415, "not text/plain"),
        (bytes(BODY_LIMIT + 1), PROTOBUF, "", 413, "send fewer spans"),
        (gzip.compress(bytes(BODY_LIMIT + 1), 1, mtime=0), PROTOBUF, "gzip", 413, "send fewer spans"),
    ],
    ids=short_id,
)
async def test_what_is_refused_is_told_and_not_stored(store, asked, body, content_type, encoding, status, told):
    answer = await asked("POST", "/v1/traces", **posted(body, content_type, **{"content-encoding": encoding}))
    assert answer.status_code == status
    assert told in error_of(answer).message
    assert error_of(answer).code > 0
    assert not store.path.exists()


async def test_an_endless_body_is_not_read_to_its_end(asked):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1
            yield bytes(1024 * 1024)

    answer = await asked("POST", "/v1/traces", **posted(endless()))
    assert answer.status_code == 413
    # httpx's transport reads on for itself, at most to the chunk that is one too many.
    assert sent <= BODY_LIMIT // (1024 * 1024) + 2


async def test_a_body_that_breaks_off(store):
    chunks = [{"type": "http.request", "body": b"\n", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return chunks.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", PROTOBUF.encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/traces", "query_string": b"", "headers": headers}
    await make_app(store)(scope, receive, send)
    assert sent[0]["status"] == 400
