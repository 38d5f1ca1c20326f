"""Records as OTLP JSON: what is written is read back by the intake, and is what OTLP says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp_requests import JSON
from span_records import BEGIN, ROOT_ID, TRACE, failed, root, span, tool

from agentops_otel.server.intake import records_of_request
from agentops_otel.server.otlp_json import records_of, traces_data

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
values = st.one_of(scalars, st.lists(texts, max_size=3), st.lists(st.integers(-9, 9), max_size=3))
attributes = st.dictionaries(texts.filter(bool), values, max_size=4)


def listed(record):
    """The same record, with lists where a record may have either."""
    return replace(record, events=list(record.events), links=list(record.links))


def test_what_is_written_is_read_back():
    link = {"trace_id": "e" * 32, "span_id": "d" * 16, "attributes": {"a": 1}}
    call = failed(tool(scope="lib", scope_version="2", kind="client", resource={"service.name": "s", "n": 1}))
    records = [root(status="ok", resource={"service.name": "s", "n": 1}), replace(call, links=[link]), span("b")]
    assert records_of_request(json.dumps(traces_data(records)).encode(), JSON).records == [
        listed(record) for record in records
    ]


@given(attributes, attributes, st.lists(attributes, max_size=2))
def test_whatever_the_attributes(told, resource, events):
    told_events = [{"name": "e", "timestamp": 5, "attributes": event} for event in events]
    record = span("s", told, resource=resource, events=told_events, span_id="1" * 16)
    (read,) = records_of_request(json.dumps(traces_data([record])).encode(), JSON).records
    # The intake adds what a call cost, and makes one name of older ones; it takes nothing away.
    assert read.attributes.items() >= record.attributes.items()
    assert replace(read, attributes={}) == listed(replace(record, attributes={}))
    assert records_of(json.loads(json.dumps(traces_data([record])))) == [listed(record)]


def test_open_spans_stay_open():
    records = [root(end=None), replace(span("b", end=None), parent_id="f" * 16)]
    assert records_of(traces_data(records)) == [listed(record) for record in records]


@pytest.mark.parametrize("told", [{}, {"resourceSpans": 1}, {"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}, []])
def test_what_is_no_otlp(told):
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        records_of(told)


def test_spans_are_grouped_by_resource_and_scope():
    one, same, other = {"service.name": "a"}, {"service.name": "a"}, {"service.name": "b"}
    records = [span("1", resource=one, scope="x"), span("2", resource=other), span("3", resource=same, scope="y")]
    told = traces_data([*records, span("4", resource=one, scope="x")])["resourceSpans"]
    grouped = [[[span["name"] for span in part["spans"]] for part in group["scopeSpans"]] for group in told]
    assert grouped == [[["1", "4"], ["3"]], [["2"]]]
    assert [part["scope"] for part in told[0]["scopeSpans"]] == [{"name": "x"}, {"name": "y"}]


def test_an_open_span_has_no_end():
    told = traces_data([root(end=None)])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert told == {
        "traceId": TRACE,
        "spanId": ROOT_ID,
        "name": "session",
        "kind": 1,
        "startTimeUnixNano": str(BEGIN),
        "attributes": [
            {"key": "session.id", "value": {"stringValue": "0af76519-16cd-43dd-8448-eb211c80319c"}},
            {"key": "agentops.span.kind", "value": {"stringValue": "session"}},
        ],
    }


def test_values_of_all_kinds():
    told = {"none": None, "big": 2**80, "inf": float("inf"), "map": {"a": [1, None]}, "empty": [], "nothing": ""}
    (span_told,) = traces_data([span("s", told)])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {item["key"]: item["value"] for item in span_told["attributes"][1:]} == {
        "big": {"doubleValue": 2.0**80},
        "inf": {"doubleValue": "Infinity"},
        "map": {"kvlistValue": {"values": [{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}]}},
        "empty": {"arrayValue": {}},
        "nothing": {"stringValue": ""},
    }


def test_nothing():
    assert traces_data([]) == {"resourceSpans": []}


def test_protobuf_knows_every_field_of_it(demo_store):
    (row,) = demo_store.sessions()
    records = demo_store.spans(row.session_id)
    read = ParseDict(traces_data(records), TracesData(), ignore_unknown_fields=False)
    assert sum(len(part.spans) for group in read.resource_spans for part in group.scope_spans) == len(records)
