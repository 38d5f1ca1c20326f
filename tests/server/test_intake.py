"""OTLP requests into records: whole ones, odd ones, and those that are none."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
import tracemalloc
import zlib
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_requests import JSON, PROTOBUF, json_request, one_span, protobuf_request, short_id
from span_records import BEGIN, TRACE, failed, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server import intake
from agentops_otel.server.wire import IntakeError, inflated, media_type
from agentops_otel.store.rows import row_of

EXAMPLES = 10_000 if os.environ.get("FAULTS_ALL") else 200


def records_of_request(body, content_type):
    return intake.records_of_request(body, media_type(content_type))


def read(body, content_type=JSON):
    (record,) = records_of_request(body, content_type).records
    return record


def told(records):
    """The records as plain JSON by their ids, for a tuple is as good as a list."""
    return {record.span_id: json.loads(json.dumps(asdict(record))) for record in records}


def valued(value):
    """What becomes of one attribute with this AnyValue."""
    return read(one_span(attributes=[{"key": "k", "value": value}])).attributes.get("k")


@pytest.mark.parametrize(
    ("write", "content_type"),
    [(protobuf_request, PROTOBUF), (json_request, JSON), (json_request, "application/JSON; charset=utf-8")],
)
def test_what_is_sent_is_what_comes_out(write, content_type):
    resource = {"service.name": "s", "n": 3}
    sent = [
        root({names.TAGS: ["a", "返金"], names.END_STATE: names.SUCCESS}, resource=resource),
        failed(tool(resource=resource, scope="lib", scope_version="1.2")),
        llm(
            0.25,
            resource=resource,
            kind="client",
            attributes={"flag": True, "ratio": 0.5, "many": [1, 2]},
            links=[{"trace_id": "1" * 32, "span_id": "2" * 16, "attributes": {"why": "because"}}],
        ),
    ]
    taken = records_of_request(write(*sent), content_type)
    assert taken.rejected == 0
    assert told(taken.records) == told(sent)


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ({"stringValue": "text"}, "text"),
        ({"stringValue": ""}, ""),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": 7}, 7),
        ({"doubleValue": 0.1}, 0.1),
        ({"doubleValue": "Infinity"}, math.inf),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}, ["a", "b"]),
        ({"arrayValue": {}}, []),
        ({"arrayValue": {"values": [{"arrayValue": {"values": [{"intValue": 1}]}}]}}, "[[1]]"),
        ({"arrayValue": {"values": [{}, {"intValue": 1}]}}, "[null,1]"),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}, '{"a":1}'),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"doubleValue": "NaN"}}]}}, '{"a":"nan"}'),
        ({"kvlistValue": {"values": [{"key": "b", "value": {"bytesValue": "AQI="}}]}}, '{"b":"AQI="}'),
        ({"bytesValue": "AQI="}, "AQI="),
        ({}, None),
        ({"thingValue": 1}, None),
    ],
)
def test_values(value, read_as):
    found = valued(value)
    assert found == read_as
    assert type(found) is type(read_as)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"parentSpanId": "00f067aa0ba902b7"}, {"parent_id": "00f067aa0ba902b7"}),
        ({"parentSpanId": ""}, {"parent_id": None}),
        ({"parentSpanId": "0" * 16}, {"parent_id": None}),
        ({"parentSpanId": "no hex"}, {"parent_id": None}),
        ({"traceId": TRACE.upper()}, {"trace_id": TRACE}),
        ({"kind": 2}, {"kind": "server"}),
        ({"kind": "SPAN_KIND_PRODUCER"}, {"kind": "producer"}),
        ({"kind": 77}, {"kind": "internal"}),
        ({"status": {"code": 2, "message": "it broke"}}, {"status": "error", "status_message": "it broke"}),
        ({"status": {"code": "STATUS_CODE_OK"}}, {"status": "ok", "status_message": None}),
        ({"status": {"code": 9}}, {"status": "unset"}),
        ({"endTimeUnixNano": None}, {"end_time": BEGIN}),
        ({"startTimeUnixNano": str(2**64 - 1)}, {"start_time": 2**64 - 1}),
        ({"name": "lone \ud800"}, {"name": "lone ?"}),
        ({"links": [{"traceId": "x", "spanId": "y"}]}, {"links": []}),
        ({"attributes": [{"key": "", "value": {"intValue": 1}}]}, {"attributes": {}}),
        ({"somethingNew": {"a": [1]}}, {"name": "s"}),
    ],
)
def test_odd_spans(fields, expected):
    record = read(one_span(**fields))
    assert {name: getattr(record, name) for name in expected} == expected
    assert row_of(record)


@pytest.mark.parametrize(
    "fields",
    [
        {"traceId": None},
        {"traceId": "0" * 32},
        {"traceId": TRACE[:-2]},
        {"traceId": "W47/95gDgQPSabYzgT/GDA=="},
        {"traceId": 17},
        {"spanId": ""},
        {"spanId": "0" * 16},
        {"spanId": "b7ad6b716920333g"},
        {"spanId": ["b7ad6b7169203331"]},
    ],
)
def test_a_span_with_invalid_ids_is_left_out_and_counted(fields):
    assert records_of_request(one_span(**fields), JSON) == ([], 1)


def test_the_others_of_the_request_are_kept():
    request = ExportTraceServiceRequest.FromString(protobuf_request(span("good")))
    request.resource_spans[0].scope_spans[0].spans.add(name="bad", trace_id=b"x")
    taken = records_of_request(request.SerializeToString(), PROTOBUF)
    assert ([record.name for record in taken.records], taken.rejected) == (["good"], 1)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "told"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400, "no ExportTraceServiceRequest"),
        (protobuf_request(span())[:-3], PROTOBUF, 400, "no ExportTraceServiceRequest"),
        (json_request(span()), PROTOBUF, 400, "no ExportTraceServiceRequest"),
        (b"", JSON, 400, "no ExportTraceServiceRequest"),
        (b"{", JSON, 400, "no ExportTraceServiceRequest"),
        (b"\xff{}", JSON, 400, "no ExportTraceServiceRequest"),
        (b"[]", JSON, 400, "no object"),
        (b"[" * 100_000, JSON, 400, "no ExportTraceServiceRequest"),
        (b'{"a":' * 100_000, JSON, 400, "no ExportTraceServiceRequest"),
        (b'{"resourceSpans": 5}', JSON, 400, "no ExportTraceServiceRequest"),
        (b'{"resourceSpans": [5]}', JSON, 400, "no ExportTraceServiceRequest"),
        (b'{"resourceSpans": {"scopeSpans": []}}', JSON, 400, "no ExportTraceServiceRequest"),
        (b'{"resourceSpans": [null]}', JSON, 400, "no ExportTraceServiceRequest"),
        (one_span(startTimeUnixNano="soon"), JSON, 400, "soon"),
        (one_span(startTimeUnixNano=-1), JSON, 400, "-1"),
        (one_span(attributes=[{"key": "k", "value": {"intValue": "9" * 5000}}]), JSON, 400, "no Export"),
        (one_span(attributes=[{"key": "k", "value": {"stringValue": "a", "intValue": 1}}]), JSON, 400, "no Export"),
        (protobuf_request(span()), "text/plain", 415, "not text/plain"),
        (protobuf_request(span()), "", 415, "of no type"),
    ],
    ids=short_id,
)
def test_malformed_requests(body, content_type, status, told):
    with pytest.raises(IntakeError, match=told) as raised:
        records_of_request(body, content_type)
    assert raised.value.status == status
    assert len(str(raised.value)) < 500


def test_an_empty_request_is_one():
    assert records_of_request(b"", PROTOBUF) == records_of_request(b"{}", JSON) == ([], 0)


def test_nesting_has_an_end():
    def nested(depth):
        return {"arrayValue": {"values": [nested(depth - 1)]}} if depth else {"intValue": 1}

    assert valued(nested(20)) == "[" * 20 + "1" + "]" * 20
    with pytest.raises(IntakeError):
        valued(nested(60))


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_fields = st.sampled_from(
    [
        *("resourceSpans", "scopeSpans", "spans", "resource", "scope", "attributes", "events", "links", "status"),
        *("traceId", "spanId", "key", "value", "intValue", "stringValue", "arrayValue", "kvlistValue", "values"),
        *("name", "kind", "code", "startTimeUnixNano"),
    ]
)
_shapes = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_fields, inner, max_size=4), max_leaves=20
)


def flipped(data, body):
    """The body with up to eight bits of it turned over."""
    changed = bytearray(body)
    for place in data.draw(st.lists(st.integers(0, len(body) * 8 - 1), max_size=8)):
        changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def taken_or_refused(body, content_type):
    """Records that every store takes, or one clear error; anything else fails the test by itself."""
    with contextlib.suppress(IntakeError):
        assert all(row_of(record) for record in records_of_request(body, content_type).records)


@settings(deadline=None, max_examples=EXAMPLES)
@given(_shapes)
def test_any_json_is_taken_or_refused(shape):
    taken_or_refused(json.dumps(shape).encode(), JSON)
    taken_or_refused(json.dumps({"resourceSpans": [shape]}).encode(), JSON)
    taken_or_refused(one_span(attributes=shape), JSON)
    taken_or_refused(one_span(attributes=[shape]), JSON)
    taken_or_refused(one_span(links=[shape], events=shape), JSON)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.data())
def test_any_flipped_bit_is_taken_or_refused(data):
    taken_or_refused(flipped(data, protobuf_request(failed(llm(None)))), PROTOBUF)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.data())
def test_a_damaged_span_never_costs_a_sound_one(data):
    good, bad = protobuf_request(span("good")), protobuf_request(failed(llm(None)))
    damaged = ExportTraceServiceRequest.FromString(bad)
    inner = flipped(data, damaged.resource_spans[0].scope_spans[0].spans[0].SerializeToString())
    body = good + field(1, field(2, field(2, inner)))
    assert "good" in [record.name for record in records_of_request(body, PROTOBUF).records]


def field(number, content):
    """A field of bytes in protobuf's encoding."""
    size, written = len(content), bytearray([number << 3 | 2])
    while True:
        written.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return bytes(written) + content


@settings(deadline=None, max_examples=EXAMPLES)
@given(_shapes)
def test_an_illegible_json_span_never_costs_a_sound_one(shape):
    whole = json.loads(one_span())
    whole["resourceSpans"][0]["scopeSpans"][0]["spans"].append(shape)
    names_read = [record.name for record in records_of_request(json.dumps(whole).encode(), JSON).records]
    assert "s" in names_read


# --- Prices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "cost", "source"),
    [
        ({names.PROVIDER_NAME: "openai"}, 0.00045, "genai-prices@"),
        ({names.PROVIDER_NAME: "openai", names.COST: 3.5}, 3.5, None),
        ({names.PROVIDER_NAME: "openai", names.RESPONSE_MODEL: "no-such-model"}, None, None),
        ({names.PROVIDER_NAME: "openai", names.OPERATION_NAME: "execute_tool"}, None, None),
        ({names.PROVIDER_NAME: ["openai"], names.RESPONSE_MODEL: [1], names.INPUT_TOKENS: "many"}, None, None),
    ],
)
def test_the_cost_of_a_call_is_added_where_it_is_absent(attributes, cost, source):
    record = read(protobuf_request(llm(None, tokens=(100, 20), attributes=attributes)), PROTOBUF)
    assert record.attributes.get(names.COST) == cost
    assert (record.attributes.get(names.COST_SOURCE) or "").startswith(source or "")
    assert (names.COST_SOURCE in record.attributes) == (source is not None)


def test_older_names_are_read():
    told = {"gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20}
    told |= {names.OPERATION_NAME: names.CHAT, names.REQUEST_MODEL: "gpt-4o"}
    record = read(protobuf_request(span("chat", told)), PROTOBUF)
    assert (record.attributes[names.INPUT_TOKENS], record.attributes[names.COST]) == (100, 0.00045)


# --- Encodings and answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "encoding"),
    [(bytes, ""), (bytes, "identity"), (gzip.compress, "gzip"), (gzip.compress, " GZIP"), (zlib.compress, "deflate")],
)
def test_encodings(write, encoding):
    body = b"x" * 1000
    assert inflated(write(body), encoding) == body
    assert inflated(write(body), encoding, limit=1000) == body
    with pytest.raises(IntakeError, match="999 bytes") as raised:
        inflated(write(body), encoding, limit=999)
    assert raised.value.status == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status", "told"),
    [
        (b"plain", "gzip", 400, "not gzip"),
        (b"", "gzip", 400, "too early"),
        (gzip.compress(b"x" * 99, mtime=0)[:-4], "gzip", 400, "too early"),
        (gzip.compress(b"x", mtime=0) + b"y", "gzip", 400, "after its end"),
        (gzip.compress(b"", mtime=0) * 9, "gzip", 400, "after its end"),
        (zlib.compress(b"x"), "gzip", 400, "not gzip"),
        (b"x", "br", 415, "not as br"),
        (gzip.compress(b"x", mtime=0), "gzip, gzip", 415, "not as gzip, gzip"),
    ],
    ids=short_id,
)
def test_bad_encodings(body, encoding, status, told):
    with pytest.raises(IntakeError, match=told) as raised:
        inflated(body, encoding)
    assert raised.value.status == status


def test_a_bomb_is_not_inflated():
    bomb = gzip.compress(bytes(200_000_000), 1, mtime=0)
    tracemalloc.start()
    with pytest.raises(IntakeError, match="send fewer"):
        inflated(bomb, "gzip", limit=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("told", "meant"),
    [(PROTOBUF, PROTOBUF), ("Application/JSON;charset=utf-8", JSON), ("application/xml", None), ("; json", None)],
)
def test_media_types(told, meant):
    if meant is not None:
        assert media_type(told) == meant
        return
    with pytest.raises(IntakeError):
        media_type(told)
