"""What Jaeger's own page and Grafana's data source ask, and all that they read of the answers, field by field.

Requests and shapes were read from their sources of 2026: jaeger-ui's src/api/jaeger.ts, src/api/v3/client.ts and schemas.ts,
whose checks refuse a whole answer for one field, and Grafana's pkg/tsdb/jaeger, whose Go types do the same.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from urllib.parse import quote

import jsonschema
import pytest
from dirty_equals import IsPartialDict
from span_records import BEGIN, ROOT_ID, SECOND, TRACE, failed, llm, root, span, tool

SERVICE = "harbour/ñ 1"
PLACE = {"resource": {"service.name": SERVICE, "host.name": "h", "process.pid": 7}}
NO_SUCH = "f" * 32


@pytest.fixture
def harbour(store):
    """A session with everything that is hard to tell: all types, an error, a link, another service, an open span."""
    told = {
        "text": "größer 潮",
        "yes": True,
        "no": False,
        "whole": 7,
        "large": 2**62,
        "negative": -1,
        "zero": 0,
        "part": 0.25,
        "none": "",
        "list": ["a", "b"],
        "empty": [],
        "agentops.tags": ["one", "two"],
    }
    linked = span("linked", told, start=1, end=2, **PLACE)
    linked.links = [{"trace_id": "e" * 32, "span_id": "d" * 16, "attributes": {"why": "because"}}]
    records = [
        root(end=9, **PLACE),
        linked,
        failed(llm(None, start=2, end=3, kind="client", **PLACE)),
        tool(start=3, end=4, resource={"service.name": "tide tables"}),
        span("open", start=4, end=None, **PLACE),
    ]
    store.insert(records)
    return store


# --- What they read -----------------------------------------------------------------------------------------

TEXT, FLAG, NUMBER, WHOLE = ({"type": name} for name in ("string", "boolean", "number", "integer"))
COUNT = {"type": "integer", "minimum": 0}
HEX_16 = {"type": "string", "pattern": "^(?!0+$)[0-9a-f]{16}$"}
HEX_32 = {"type": "string", "pattern": "^(?!0+$)[0-9a-f]{32}$"}
NANOSECONDS = {"type": "string", "pattern": "^[0-9]{1,20}$"}
TEXTS = {"anyOf": [{"type": "array", "items": TEXT}, {"type": "null"}]}


def listed(items):
    return {"type": "array", "items": items}


def having(required, **optional):
    """An object with these fields, of which `optional` may be missing; others are passed by."""
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


VALUE = {
    "type": "object",
    "properties": {
        "stringValue": TEXT,
        "boolValue": FLAG,
        "intValue": {"type": "string", "pattern": "^-?[0-9]{1,20}$"},
        "doubleValue": NUMBER,
        "arrayValue": having({}, values=listed({"$ref": "#/$defs/value"})),
        "kvlistValue": having({}, values=listed(having({"key": TEXT, "value": {"$ref": "#/$defs/value"}}))),
        "bytesValue": TEXT,
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
ATTRIBUTES = listed(having({"key": TEXT, "value": {"$ref": "#/$defs/value"}}))
SPAN_V3 = having(
    {"traceId": HEX_32, "spanId": HEX_16},
    parentSpanId=HEX_16,
    name=TEXT,
    kind=COUNT,
    startTimeUnixNano=NANOSECONDS,
    endTimeUnixNano=NANOSECONDS,
    attributes=ATTRIBUTES,
    events=listed(having({}, timeUnixNano=NANOSECONDS, name=TEXT, attributes=ATTRIBUTES)),
    links=listed(having({"traceId": HEX_32, "spanId": HEX_16}, attributes=ATTRIBUTES)),
    status=having({}, message=TEXT, code=COUNT),
)
TRACES_V3 = having(
    {
        "result": having(
            {
                "resourceSpans": listed(
                    having(
                        {"scopeSpans": listed(having({"spans": listed(SPAN_V3)}, scope=having({}, name=TEXT)))},
                        resource=having({}, attributes=ATTRIBUTES),
                    )
                )
            }
        )
    }
) | {"$defs": {"value": VALUE}}
SERVICES_V3 = having({"services": listed(TEXT)})
OPERATIONS_V3 = having({"operations": listed(having({"name": TEXT, "spanKind": TEXT}))})
SUMMARIES = having(
    {
        "summaries": listed(
            having(
                {
                    "traceId": HEX_32,
                    "traceID": HEX_32,
                    "rootServiceName": TEXT,
                    "rootOperationName": TEXT,
                    "minStartTimeUnixNano": NANOSECONDS,
                    "maxEndTimeUnixNano": NANOSECONDS,
                    "spanCount": COUNT,
                    "errorSpanCount": COUNT,
                    "orphanSpanCount": COUNT,
                    "services": listed(having({"name": TEXT, "spanCount": COUNT, "errorSpanCount": COUNT})),
                }
            )
        )
    }
)
DEPENDENCIES_V3 = having({"dependencies": listed(having({"parent": TEXT, "child": TEXT, "callCount": TEXT}))})

ERRORS = {"anyOf": [{"type": "null"}, listed(having({"msg": TEXT}, code=WHOLE, traceID=TEXT))]}


def enveloped(data):
    return having({"data": data, "errors": ERRORS, "limit": WHOLE, "offset": WHOLE, "total": WHOLE})


PAIRS = listed(having({"key": TEXT, "type": {"enum": ["string", "bool", "int64", "float64"]}, "value": {}}))
SPAN = having(
    {
        "traceID": HEX_32,
        "spanID": HEX_16,
        "processID": TEXT,
        "operationName": TEXT,
        "startTime": WHOLE,
        "duration": COUNT,
        "logs": listed(having({"timestamp": WHOLE, "fields": PAIRS})),
        "references": listed(
            having({"refType": {"enum": ["CHILD_OF", "FOLLOWS_FROM"]}, "traceID": HEX_32, "spanID": HEX_16})
        ),
        "tags": PAIRS,
        "warnings": TEXTS,
    }
)
PROCESSES = {"type": "object", "additionalProperties": having({"serviceName": TEXT, "tags": PAIRS})}
TRACES = enveloped(
    listed(having({"traceID": HEX_32, "spans": listed(SPAN), "processes": PROCESSES, "warnings": TEXTS}))
)
NAMES = enveloped(listed(TEXT))
OPERATIONS = enveloped(listed(having({"name": TEXT, "spanKind": TEXT})))
DEPENDENCIES = enveloped(listed(having({"parent": TEXT, "child": TEXT, "callCount": WHOLE})))

# --- What they ask ------------------------------------------------------------------------------------------

NAME, PLUS = quote(SERVICE, safe=""), quote(SERVICE, safe="").replace("%20", "+")
NOW = BEGIN + 60 * SECOND
TIME = f"end={NOW // 1000}&start={(BEGIN - 3600 * SECOND) // 1000}"


def iso(nanoseconds):
    """A time as JavaScript's toISOString writes it."""
    told = datetime.fromtimestamp(nanoseconds // SECOND, timezone.utc)
    return told.strftime("%Y-%m-%dT%H:%M:%S.000Z")


SINCE, UNTIL = quote(iso(BEGIN - 3600 * SECOND)), quote(iso(NOW))
GO_SINCE, GO_UNTIL = "2023-11-14T21:13:20.000000001+00:00", "2023-11-14T23:14:20.5+01:00"
ERROR = quote('{"error":"true"}')
AGO = f"query.start_time_min={SINCE}&query.start_time_max={UNTIL}"

ASKED = {
    # Jaeger's page: the form and the list of its search.
    "page, services": ("/api/v3/services", SERVICES_V3),
    "page, span names": (f"/api/v3/operations?service={NAME}", OPERATIONS_V3),
    "page, search": (
        f"/api/v3/trace-summaries?query.service_name={PLUS}&{AGO}&query.num_traces=20",
        SUMMARIES,
    ),
    "page, search with all of the form": (
        (
            f"/api/v3/trace-summaries?query.service_name={PLUS}&query.span_name=session&{AGO}&query.num_traces=1500"
            "&query.duration_min=1us&query.duration_max=1h&query.attributes=%7B%7D"
        ),
        SUMMARIES,
    ),
    "page, a trace": (f"/api/traces/{TRACE}", TRACES),
    "page, a trace as OTLP": (f"/api/v3/traces/{TRACE}", TRACES_V3),
    "page, traces to compare": (f"/api/traces?traceID={TRACE}", TRACES),
    "page, system architecture": (f"/api/dependencies?endTs={NOW // 10**6}&lookback=604800000", DEPENDENCIES),
    "page, system architecture, third API": (
        f"/api/v3/dependencies?startTime={SINCE}&endTime={UNTIL}",
        DEPENDENCIES_V3,
    ),
    "page, monitored operations": (f"/api/operations?service={NAME}&spanKind=server", OPERATIONS),
    # Jaeger's page until 2.19.
    "older page, services": ("/api/services", NAMES),
    "older page, operations": (f"/api/services/{NAME}/operations", NAMES),
    "older page, search": (
        f"/api/traces?{TIME}&limit=20&lookback=1h&maxDuration&minDuration&service={NAME}&tags=%7B%7D",
        TRACES,
    ),
    # Grafana; a Go program joins paths without escaping slashes.
    "Grafana, test and services": ("/api/services", NAMES),
    "Grafana, operations": (f"/api/services/{quote(SERVICE)}/operations", NAMES),
    "Grafana, search": (f"/api/traces?{TIME}&limit=20&service={PLUS}", TRACES),
    "Grafana, search with all of its form": (
        f"/api/traces?{TIME}&limit=100&maxDuration=1h&minDuration=1ms&operation=chat+gpt-4o&service={PLUS}&tags={ERROR}",
        TRACES,
    ),
    "Grafana, a trace": (f"/api/traces/{TRACE}", TRACES),
    "Grafana, a trace with its time": (f"/api/traces/{TRACE}?{TIME}", TRACES),
    "Grafana, dependency graph": (f"/api/dependencies?endTs={NOW // 10**6}&lookback=3600000", DEPENDENCIES),
    # Grafana with its switch jaegerEnableGrpcEndpoint.
    "newer Grafana, services": ("/api/v3/services", SERVICES_V3),
    "newer Grafana, operations": (f"/api/v3/operations?service={PLUS}", OPERATIONS_V3),
    "newer Grafana, search": (
        f"/api/v3/traces?query.service_name={PLUS}&query.start_time_min={GO_SINCE}&query.start_time_max={GO_UNTIL}",
        TRACES_V3,
    ),
    "newer Grafana, a trace with its time": (
        f"/api/v3/traces/{TRACE}?start_time={GO_SINCE}&end_time={GO_UNTIL}",
        TRACES_V3,
    ),
}


@pytest.mark.parametrize(("target", "shape"), ASKED.values(), ids=ASKED)
async def test_an_answer_has_all_that_is_read_of_it(harbour, got, target, shape):
    answer = await got(harbour, target)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    jsonschema.Draft202012Validator(shape).validate(told)
    if "spanKind=server" not in target:
        found = [value for value in told.values() if isinstance(value, (list, dict))]
        assert all(found), "an answer with nothing in it proves nothing"


@pytest.mark.parametrize(("target", "shape"), [row for row in ASKED.values() if TRACE not in row[0]])
async def test_an_empty_store_answers_in_the_same_shape(store, got, target, shape):
    """A fresh server is what a user points a data source at first, and its test must pass."""
    answer = await got(store, target)
    if shape is TRACES_V3:  # Jaeger's own way to say that there is none
        assert (answer.status_code, answer.json()["error"]["httpCode"]) == (404, 404)
        return
    assert answer.status_code == 200, answer.text
    jsonschema.Draft202012Validator(shape).validate(answer.json())


@pytest.mark.parametrize(
    "wrong",
    [
        {"services": None},
        {"services": [{"name": "a", "spanCount": 1}]},
    ],
)
def test_a_wrong_shape_is_seen(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SERVICES_V3).validate(wrong)


def test_a_value_of_two_kinds_is_seen():
    """As the page refuses it."""
    wrong = {"stringValue": "x", "boolValue": False}
    told = {
        "result": {"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": wrong}]}, "scopeSpans": []}]}
    }
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(TRACES_V3).validate(told)


# --- What they make of it -----------------------------------------------------------------------------------


async def test_both_make_one_trace_of_a_session(harbour, got):
    """Its name in lists is made of the span that begins first, and of that one's service."""
    (trace,) = (await got(harbour, f"/api/traces/{TRACE}")).json()["data"]
    first = min(trace["spans"], key=lambda told: told["startTime"])
    assert (trace["processes"][first["processID"]]["serviceName"], first["operationName"]) == (SERVICE, "session")
    (summary,) = (await got(harbour, f"/api/v3/trace-summaries?{AGO}")).json()["summaries"]
    assert summary == IsPartialDict(rootServiceName=SERVICE, rootOperationName="session", spanCount=5, errorSpanCount=1)
    known = {told["spanID"] for told in trace["spans"]}
    above = [reference["spanID"] for told in trace["spans"] for reference in told["references"]]
    assert {identity for identity in above if identity in known} == {ROOT_ID}


REFUSED = having({"errors": listed(having({"code": WHOLE, "msg": TEXT}))})
REFUSED_V3 = having({"error": having({"httpCode": WHOLE, "message": TEXT})})


@pytest.mark.parametrize(
    ("target", "status", "shape"),
    [
        (f"/api/traces/{NO_SUCH}", 404, REFUSED),
        (f"/api/v3/traces/{NO_SUCH}", 404, REFUSED_V3),
        ("/api/traces?limit=20", 400, REFUSED),
        ("/api/v3/traces?query.service_name=s", 400, REFUSED_V3),
        # The page shows how to set up its monitoring for this status, and an error for any other.
        (
            "/api/metrics/latencies?service=s&quantile=0.95&groupByOperation=true&endTs=1&lookback=1&step=1",
            501,
            REFUSED,
        ),
        ("/api/metrics/calls?service=s&groupByOperation=true", 501, REFUSED),
        ("/api/metrics/errors?service=s", 501, REFUSED),
    ],
)
async def test_a_refusal_is_shown_as_such(harbour, got, target, status, shape):
    answer = await got(harbour, target)
    assert answer.status_code == status
    jsonschema.Draft202012Validator(shape).validate(answer.json())


async def test_the_newest_search_is_found_without_a_time(store, got):
    """Grafana before 12 sent none with a search."""
    record = root(**PLACE)
    record.start_time = time.time_ns() - SECOND
    record.end_time = time.time_ns()
    store.insert([record])
    assert len((await got(store, f"/api/traces?limit=20&service={PLUS}")).json()["data"]) == 1
