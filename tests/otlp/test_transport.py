"""What an answer means, how an endpoint is told, and how requests are divided."""

from __future__ import annotations

import email.utils
import gzip
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentops_otel.accounting.record import SpanRecord
from agentops_otel.otlp import bodies
from agentops_otel.otlp.endpoint import Endpoint
from agentops_otel.otlp.transport import Meaning, meaning_of, retry_after

KEY = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (301, Meaning.KEPT), (302, Meaning.KEPT), (304, Meaning.KEPT), (308, Meaning.KEPT),
        (400, Meaning.SMALLER), (401, Meaning.KEPT), (403, Meaning.KEPT), (404, Meaning.KEPT), (405, Meaning.KEPT),
        (408, Meaning.LATER), (409, Meaning.REFUSED), (413, Meaning.SMALLER), (415, Meaning.REFUSED),
        (422, Meaning.REFUSED), (429, Meaning.LATER), (500, Meaning.LATER), (501, Meaning.REFUSED),
        (502, Meaning.LATER), (503, Meaning.LATER), (504, Meaning.LATER), (599, Meaning.LATER),
    ],
)  # fmt: skip
def test_a_status_means(status, meaning):
    answer = meaning_of(status, {})
    assert (answer.meaning, answer.reason, answer.after) == (meaning, f"HTTP {status}", None)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [(None, None), ("", None), ("0", 0), ("3", 3), (" 60 ", 60), ("1e3", None), ("-1", None), ("soon", None),
     ("٣", None), ("99999999999999999999", 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Wed, 99 Foo", None)],
)  # fmt: skip
def test_retry_after(told, seconds):
    assert retry_after(told) == seconds


def test_retry_after_a_date():
    told = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 27 < retry_after(told) <= 30


@pytest.mark.parametrize(
    ("told", "variables", "url", "protocol"),
    [
        ("http://h:1", {}, "http://h:1/v1/traces", "http/protobuf"),
        ("http://h:1/", {}, "http://h:1/v1/traces", "http/protobuf"),
        ("http://h:1/own/path", {}, "http://h:1/own/path", "http/protobuf"),
        ("h:1", {}, "http://h:1/v1/traces", "http/protobuf"),
        ("http://h:1", {"PROTOCOL": "grpc"}, "http://h:1", "grpc"),
        (None, {"ENDPOINT": "http://e:2"}, "http://e:2/v1/traces", "http/protobuf"),
        (None, {"ENDPOINT": "http://e:2/base/"}, "http://e:2/base/v1/traces", "http/protobuf"),
        (None, {"ENDPOINT": "http://e:2", "TRACES_ENDPOINT": "http://t:3/as/is"}, "http://t:3/as/is", "http/protobuf"),
        (None, {"ENDPOINT": "http://e:2", "TRACES_PROTOCOL": "grpc"}, "http://e:2", "grpc"),
        ("http://h:1", {"ENDPOINT": "http://e:2"}, "http://h:1/v1/traces", "http/protobuf"),
        (None, {}, "http://localhost:4318/v1/traces", "http/protobuf"),
    ],
)
def test_an_endpoint_is_told(monkeypatch, told, variables, url, protocol):
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    found = Endpoint.of(told, None)
    assert (found.url, found.protocol) == (url, protocol)


@pytest.mark.parametrize(("told", "seconds"), [("", 10), ("3", 3), ("0.5", 0.5), ("soon", 10)])
def test_the_timeout_is_told(monkeypatch, told, seconds):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", told)
    assert Endpoint.of("http://h", None).seconds == seconds


def test_headers_keys_and_passwords_are_sent_and_not_shown(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue%20sky,X-Token=canary-1")
    found = Endpoint.of("https://me:p%40ss@h:1?token=canary-2", KEY)
    assert found.headers == {
        "x-team": "blue sky", "x-token": "canary-1", "authorization": "Basic bWU6cEBzcw==", "x-agentops-api-key": KEY,
    }  # fmt: skip
    assert "p%40ss" not in found.url
    for shown in (repr(found), found.shown):
        assert not [word for word in ("canary", "p%40ss", "p@ss", KEY) if word in shown]


@pytest.mark.parametrize(
    ("url", "variables", "secure"),
    [("http://h", {}, False), ("https://h", {}, True), ("h:1", {}, True), ("h:1", {"INSECURE": "true"}, False)],
)
def test_whether_it_is_spoken_to_over_tls(monkeypatch, url, variables, secure):
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    assert Endpoint.made(url, "grpc", None).is_secure is secure


# --- Bodies ----------------------------------------------------------------------------------------------


def records(number, **fields):
    return [
        SpanRecord(
            f"{item % 3 + 1:032x}", f"{item + 1:016x}", None, f"span {item}", item, item + 1,
            resource={"service.name": f"s{item // 4 % 2}"}, scope=f"scope {item % 2}", **fields,
        )
        for item in range(number)
    ]  # fmt: skip


def read(body):
    """(resource, scope, name) of each span in a body."""
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
    return [
        (group.resource.attributes[0].value.string_value, scope.scope.name, span.name)
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def fail(record, error):
    raise AssertionError(record) from error


@pytest.mark.parametrize("number", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("ends", [False, True])
def test_parts_hold_what_the_whole_held(number, ends):
    ((whole, count),) = bodies.bodies(records(number), fail)
    assert count == number
    parts = bodies.divided(whole, ends=ends)
    told = [spans for _, spans in parts]
    assert sum(told) == number
    assert [len(read(part)) for part, _ in parts] == told
    assert sorted(span for part, _ in parts for span in read(part)) == sorted(read(whole))
    if number > 1:
        assert told == ([1, 1, number - 2] if number > 2 else [1, 1]) if ends else [number // 2, number - number // 2]


def test_requests_are_bounded_by_bytes():
    large = records(40, attributes={"a": "x" * 500_000})
    made = bodies.bodies(large, fail)
    assert sum(spans for _, spans in made) == 40
    assert all(len(gzip.decompress(body)) <= bodies.BODY_SIZE + 10_000 for body, _ in made)


def test_a_lone_surrogate_anywhere_loses_nothing():
    bad = "\ud800"
    events = [{"name": bad, "timestamp": 1, "attributes": {bad: bad}}]
    poisoned = SpanRecord("1" * 32, "2" * 16, None, bad, 1, 2, attributes={"a": bad, bad: 1}, events=events,
                          status="error", status_message=bad, scope=bad, scope_version=bad, resource={"r": bad})  # fmt: skip
    ((body, spans),) = bodies.bodies([*records(2), poisoned], fail)
    assert spans == 3 == len(ExportTraceServiceRequest.FromString(gzip.decompress(body)).resource_spans) + 1


def test_a_span_that_cannot_be_encoded_loses_only_itself():
    spoiled = []
    broken = SpanRecord("not hex", "2" * 16, None, "broken", 1, 2)
    (*made,) = bodies.bodies([*records(5), broken, *records(3)], lambda record, error: spoiled.append(record))
    assert spoiled == [broken]
    assert sum(spans for _, spans in made) == 8
