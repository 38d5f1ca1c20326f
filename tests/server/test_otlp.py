"""OTLP over HTTP: what is taken, what is refused and how, and what is kept."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_requests import JSON, PROTOBUF, json_request, one_span, protobuf_request, short_id
from server.asking import asker, posted
from span_records import BEGIN, SESSION, TRACE, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server.app import make_app
from agentops_otel.server.intake import Intake
from agentops_otel.server.wire import BODY_LIMIT, Limits

DEFAULT = {"agentops.project.id": "default"}


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


# --- Batches that are good in parts -------------------------------------------------------------------------


def batch(*bad):
    """A JSON request of one good span and these bad ones, as changes to it."""
    whole = json.loads(one_span())
    spans = whole["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans.extend({**spans[0], "spanId": f"{number + 1:016x}", **changes} for number, changes in enumerate(bad))
    return json.dumps(whole).encode()


BAD = [
    {"startTimeUnixNano": "soon"},
    {"name": ["a"]},
    {"attributes": [{"key": "k", "value": {"intValue": "x"}}]},
    {"attributes": {"k": "v"}},
    {"attributes": [{"key": "k", "value": {"arrayValue": {"values": [{"stringValue": "a", "intValue": 1}]}}}]},
    {"spanId": "0" * 16},
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
async def test_the_good_spans_of_a_json_batch_are_kept(store, asked, bad):
    answer = await asked("POST", "/v1/traces", **posted(batch(bad), JSON))
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedSpans"]) == (200, "1")
    assert [record.span_id for record in store.spans(SESSION)] == ["b7ad6b7169203331"]


async def test_the_good_spans_of_a_protobuf_batch_are_kept(store, asked):
    good, bad = protobuf_request(span("good")), protobuf_request(span("AAA", resource={"r": 1}))
    # A lone surrogate, as a careless encoder writes it: it is not UTF-8.
    body = good + bad.replace(b"AAA", b"\xed\xa0\x80")
    answer = await asked("POST", "/v1/traces", **posted(body))
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert [record.name for record in store.spans(SESSION)] == ["good"]


async def test_a_resource_that_cannot_be_read_costs_no_span(store, asked):
    body = protobuf_request(span("kept", resource={"AAA": "x"})).replace(b"AAA", b"\xed\xa0\x80")
    answer = await asked("POST", "/v1/traces", **posted(body))
    assert answer.status_code == 200
    assert [(record.name, record.resource) for record in store.spans(SESSION)] == [("kept", DEFAULT)]


ODD = [
    {"name": "nul \u0000 in it"},
    {"attributes": [{"key": f"k{number}", "value": {"intValue": number}} for number in range(10_000)]},
    {"startTimeUnixNano": "0", "endTimeUnixNano": "0"},
    {"startTimeUnixNano": str(2**64 - 1), "endTimeUnixNano": "1"},
    {"traceState": "x" * 100_000},
    {"attributes": [{"key": "session.id", "value": {"stringValue": "\u0000"}}]},
    {"attributes": [{"key": "session.id", "value": {"arrayValue": {}}}]},
    {"events": [{"name": "\ud800", "timeUnixNano": "0"}] * 1000},
    {"flags": 2**32 - 1, "droppedAttributesCount": 5},
]


@pytest.mark.parametrize("changes", ODD, ids=range(len(ODD)))
async def test_odd_spans_are_kept_and_read_back(store, asked, changes):
    answer = await asked("POST", "/v1/traces", **posted(one_span(**changes), JSON))
    assert (answer.status_code, answer.content) == (200, b"{}")
    (listed,) = store.sessions()
    (record,) = store.spans(listed.session_id)
    assert record.name == changes.get("name", "s")
    assert (await asked("GET", "/v2/sessions")).status_code == 200
    if "startTimeUnixNano" in changes:
        assert record.start_time > BEGIN, "without a time it happened when it came"


# --- Logs and metrics ---------------------------------------------------------------------------------------


def logs(name="agentops.session.start", **fields):
    """A JSON request of one log record."""
    record = {
        "timeUnixNano": str(BEGIN),
        "eventName": name,
        "traceId": TRACE,
        "spanId": "a" * 16,
        "attributes": [{"key": names.TAGS, "value": {"arrayValue": {"values": [{"stringValue": "t"}]}}}],
        **fields,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}).encode()


@pytest.mark.parametrize("name", ["agentops.session.start", "agentops.session.heartbeat"])
async def test_a_session_is_seen_when_it_begins(store, asked, name):
    told = {"key": names.SESSION_START_TIME, "value": {"intValue": str(BEGIN - 5)}}
    for body in (logs(name, attributes=[told]), logs(name)):
        answer = await asked("POST", "/v1/logs", **posted(body, JSON))
        assert (answer.status_code, answer.content) == (200, b"{}")
    (row,) = store.sessions()
    assert (row.session_id, row.start_time, row.end_time) == (SESSION, BEGIN - 5, None)
    assert row.resource == {"service.name": "s", **DEFAULT}
    await asked("POST", "/v1/traces", **posted(protobuf_request(root({names.END_STATE: "Success"}))))
    assert store.session(SESSION).end_state == "Success"


async def test_older_emitters_name_an_event_in_an_attribute(store, asked):
    told = {"key": "event.name", "value": {"stringValue": "agentops.session.start"}}
    assert (await asked("POST", "/v1/logs", **posted(logs(None, attributes=[told]), JSON))).status_code == 200
    assert [row.session_id for row in store.sessions()] == [SESSION]


async def test_a_log_record_after_the_end_changes_nothing(store, asked):
    await asked("POST", "/v1/traces", **posted(protobuf_request(root({names.END_STATE: "Success"}))))
    await asked("POST", "/v1/logs", **posted(logs(), JSON))
    assert store.session(SESSION).end_state == "Success"


@pytest.mark.parametrize(
    "body", [logs("anything.else"), logs(None), logs(traceId=""), logs(spanId="0" * 16), logs(spanId=7), b"{}"]
)
async def test_other_log_records_are_taken_and_not_kept(store, asked, body):
    assert (await asked("POST", "/v1/logs", **posted(body, JSON))).status_code == 200
    assert store.sessions() == []


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@pytest.mark.parametrize(("content_type", "body", "answered"), [(PROTOBUF, b"", b""), (JSON, b"{}", b"{}")])
async def test_stock_exporters_are_answered_in_their_encoding(asked, signal, content_type, body, answered):
    answer = await asked("POST", f"/v1/{signal}", **posted(body, content_type))
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, content_type, answered)


# --- Time and room ------------------------------------------------------------------------------------------


async def dripping():
    while True:
        yield b"\n"
        await asyncio.sleep(0.05)


async def silent():
    yield b"\n"
    await asyncio.sleep(30)


@pytest.mark.parametrize(("body", "limits"), [(dripping, Limits(whole=0.3)), (silent, Limits(pause=0.2))])
async def test_a_body_that_does_not_come_is_not_waited_for(store, body, limits):
    ask = asker(make_app(store, intake=Intake(store, limits)))
    answer = await asyncio.wait_for(ask("POST", "/v1/traces", **posted(body())), 10)
    assert answer.status_code == 408
    assert "in time" in error_of(answer).message


async def test_who_comes_while_too_much_is_stored_is_told_when_to_come_again(store):
    intake = Intake(store, Limits(waiting=100_000))
    ask = asker(make_app(store, intake=intake))
    batch = posted(protobuf_request(root()))
    with intake.room(100_000):
        answer = await ask("POST", "/v1/traces", **batch)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert error_of(answer).code == 14
    assert (await ask("POST", "/v1/traces", **batch)).status_code == 200
    with intake.room(100_000):
        pass  # all that was taken has been given back
