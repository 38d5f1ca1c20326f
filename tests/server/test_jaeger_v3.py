"""Jaeger's third query API: what its page and Grafana ask, answered in the shape that they read."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from dirty_equals import IsPartialDict, IsStr
from span_records import BEGIN, ROOT_ID, SECOND, TRACE, failed, llm, root, span

from agentops_otel.server.jaeger_query import ParameterError, duration_of, time_of

SHOP = {"resource": {"service.name": "shop"}}
DURING = "query.start_time_min=2023-11-14T22:13:19Z&query.start_time_max=2023-11-14T22:14:00Z"


def refused(code, message):
    return {"error": {"httpCode": code, "message": message}}


def iso(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")[:-6] + "Z"


def filled(target):
    return target.format(now=quote(iso(60)), hour=quote(iso(-3600)), bare=iso(60), earlier=iso(-3600))


CHAT, ERROR = quote('{"gen_ai.operation.name":"chat"}'), quote('{"error":"true"}')


@pytest.mark.parametrize(
    ("asked", "traces"),
    [
        # Jaeger's page, src/api/v3/client.ts: fetchTraceSummaries, before and after its names became camel case.
        ("query.service_name=trip+planner&query.start_time_min={hour}&query.start_time_max={now}&query.num_traces=20", 1),
        ("query.serviceName=trip+planner&query.operationName=session&query.startTimeMin={hour}&query.startTimeMax={now}&query.searchDepth=1500&query.durationMin=1us&query.durationMax=60s", 1),
        ("query.service_name=trip+planner&query.span_name=chat+gpt-4o-mini&query.start_time_min={hour}&query.start_time_max={now}&query.attributes=" + CHAT, 1),
        ("query.service_name=trip+planner&query.span_name=session&query.start_time_min={hour}&query.start_time_max={now}&query.attributes=" + CHAT, 0),
        # Grafana, pkg/tsdb/jaeger/grpc_client.go: GrpcSearch, whose times are not escaped.
        ("query.attributes=" + ERROR + "&query.service_name=trip+planner&query.start_time_min={earlier}&query.start_time_max={bare}", 1),
        ("query.start_time_min={hour}&query.start_time_max={hour}", 0),
    ],
)  # fmt: skip
async def test_searches_of_the_clients(demo_store, got, asked, traces):
    summaries = (await got(demo_store, filled(f"/api/v3/trace-summaries?{asked}"))).json()["summaries"]
    assert len(summaries) == traces
    answer = await got(demo_store, filled(f"/api/v3/traces?{asked}"))
    if not traces:
        assert (answer.status_code, answer.json()) == (404, refused(404, "No traces found"))
        return
    assert summaries[0] == IsPartialDict(
        rootServiceName="trip planner",
        rootOperationName="session",
        spanCount=8,
        errorSpanCount=1,
        orphanSpanCount=0,
        services=[{"name": "trip planner", "spanCount": 8, "errorSpanCount": 1}],
    )
    (group,) = answer.json()["result"]["resourceSpans"]
    assert sum(len(part["spans"]) for part in group["scopeSpans"]) == 8


async def test_the_way_through_jaegers_page(demo_store, got):
    assert (await got(demo_store, "/api/v3/services")).json() == {"services": ["trip planner"]}
    operations = (await got(demo_store, "/api/v3/operations?service=trip%20planner")).json()["operations"]
    assert {"name": "chat gpt-4.1", "spanKind": "client"} in operations
    for name in ("spanKind", "span_kind"):
        asked = f"/api/v3/operations?service=trip%20planner&{name}=CLIENT"
        assert {told["spanKind"] for told in (await got(demo_store, asked)).json()["operations"]} == {"client"}
    asked = filled("/api/v3/trace-summaries?query.startTimeMin={hour}&query.startTimeMax={now}")
    (summary,) = (await got(demo_store, asked)).json()["summaries"]
    trace = (await got(demo_store, f"/api/v3/traces/{summary['traceId']}")).json()
    spans = [span for part in trace["result"]["resourceSpans"][0]["scopeSpans"] for span in part["spans"]]
    assert {span["traceId"] for span in spans} == {summary["traceId"]} == {summary["traceID"]}
    assert min(int(span["startTimeUnixNano"]) for span in spans) == int(summary["minStartTimeUnixNano"])
    assert max(int(span["endTimeUnixNano"]) for span in spans) == int(summary["maxEndTimeUnixNano"])
    # Grafana asks for a trace with a time, and so does Jaeger.
    timed = f"/api/v3/traces/{summary['traceId']}?start_time={iso(-60)}&end_time={iso(60)}"
    assert (await got(demo_store, timed)).json() == trace


async def test_a_trace_in_short(store, got):
    store.insert(
        [
            root(**SHOP),
            failed(llm(start=1, end=4, resource={"service.name": "bank"})),
            span("lost", parent_id="f" * 16, start=2, end=None),
        ]
    )
    (summary,) = (await got(store, f"/api/v3/trace-summaries?{DURING}")).json()["summaries"]
    assert summary == {
        "traceId": TRACE,
        "traceID": TRACE,
        "rootServiceName": "shop",
        "rootOperationName": "session",
        "minStartTimeUnixNano": str(BEGIN),
        "maxEndTimeUnixNano": str(BEGIN + 4 * SECOND),
        "spanCount": 3,
        "errorSpanCount": 1,
        "orphanSpanCount": 1,
        "services": [
            {"name": "bank", "spanCount": 1, "errorSpanCount": 1},
            {"name": "shop", "spanCount": 1, "errorSpanCount": 0},
            {"name": "unknown_service", "spanCount": 1, "errorSpanCount": 0},
        ],
    }


@pytest.mark.parametrize(
    ("spans", "top"),
    [
        ([("child", ROOT_ID, 1), ("earlier", ROOT_ID, 0)], "earlier"),
        ([("one", "2" * 16, 0), ("two", "1" * 16, 1)], "one"),
    ],
)
async def test_a_trace_without_its_root(store, got, spans, top):
    made = [
        span(name, parent_id=parent, start=start, end=9, span_id=f"{number + 1}" * 16)
        for number, (name, parent, start) in enumerate(spans)
    ]
    store.insert(made)
    (summary,) = (await got(store, f"/api/v3/trace-summaries?{DURING}")).json()["summaries"]
    assert summary["rootOperationName"] == top


async def test_dependencies(store, got):
    store.insert([root(**SHOP), span("a", resource={"service.name": "bank"})])
    told = await got(store, "/api/v3/dependencies?startTime=2023-11-14T00:00:00Z&endTime=2023-11-15T00:00:00Z")
    assert told.json() == {"dependencies": [{"parent": "shop", "child": "bank", "callCount": "1"}]}


async def test_an_empty_store(store, got):
    assert (await got(store, "/api/v3/services")).json() == {"services": []}
    assert (await got(store, "/api/v3/operations?service=s")).json() == {"operations": []}
    assert (await got(store, f"/api/v3/trace-summaries?{DURING}")).json() == {"summaries": []}


NEEDED = "query.start_time_min and query.start_time_max are required"


@pytest.mark.parametrize(
    ("target", "status", "told"),
    [
        ("/api/v3/traces", 400, NEEDED),
        ("/api/v3/trace-summaries?query.service_name=s", 400, NEEDED),
        (
            f"/api/v3/traces?{DURING.replace('2023-11-14T22:13:19Z', 'now')}",
            400,
            "param 'query.start_time_min': a time",
        ),
        (f"/api/v3/traces?{DURING}&query.num_traces=-1", 400, "param 'query.num_traces': a number from 0 to 1500"),
        (f"/api/v3/traces?{DURING}&query.searchDepth=1501", 400, "param 'query.search_depth': a number from 0 to 1500"),
        (f"/api/v3/traces?{DURING}&query.duration_min=5", 400, "param 'query.duration_min': a duration such as"),
        (f"/api/v3/traces?{DURING}&query.attributes=x", 400, "param 'query.attributes': a JSON object"),
        (f"/api/v3/traces?{DURING}&query.filter=%7B%7D", 400, "query.filter is not supported"),
        (f"/api/v3/traces?{DURING}&query.pagination.pageToken=x", 400, "page_token is not supported"),
        ("/api/v3/traces/xyz", 400, "a trace id of 1 to 32 hex digits"),
        ("/api/v3/traces/1", 404, "trace not found"),
        ("/api/v3/operations", 400, "parameter 'service' is required"),
        ("/api/v3/dependencies", 400, "startTime and endTime are required"),
    ],
)
async def test_bad_questions_are_refused_in_jaegers_shape(store, got, target, status, told):
    store.insert([root()])
    answer = await got(store, target)
    assert answer.status_code == status
    assert answer.json() == refused(status, IsStr(regex=f".*{told.replace('.', '[.]')}.*"))


async def test_no_depth_is_the_usual_one(store, got):
    store.insert([root()])
    assert len((await got(store, f"/api/v3/trace-summaries?{DURING}&query.search_depth=0")).json()["summaries"]) == 1


# --- Times and durations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5z", SECOND // 2),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1970-01-01T02:00:01+02:00", SECOND),
        ("1970-01-01T02:00:01 02:00", SECOND),
        ("1969-12-31T22:30:01-01:30", SECOND),
        ("1970-01-01t00:00:00Z", 0),
        ("2262-04-11T23:47:16.854775807Z", 2**63 - 1),
    ],
)
def test_times(told, nanoseconds):
    assert time_of(told, "t") == nanoseconds


@pytest.mark.parametrize(
    "told",
    [
        "", "now", "0", "1969-12-31T23:59:59Z", "2262-04-11T23:47:17Z", "2023-02-30T00:00:00Z", "2023-01-01T25:00:00Z",
        "2023-01-01", "2023-01-01T00:00:00", "2023-01-01T00:00:00.1234567890Z", "9999-12-31T23:59:59Z", "٢٠٢٣-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_bad_times(told):
    with pytest.raises(ParameterError, match="unable to parse param 't': a time such as"):
        time_of(told, "t")


@pytest.mark.parametrize(
    ("told", "nanoseconds"),
    [
        ("0", 0),
        ("1ns", 1),
        ("1us", 1000),
        ("1µs", 1000),
        ("1μs", 1000),
        (".5ms", 500_000),
        ("1.s", SECOND),
        ("1h15m30.918273645s", 4_530_918_273_645),
        ("999999999h", 2**63 - 1),
    ],
)
def test_durations(told, nanoseconds):
    assert duration_of(told, "d") == nanoseconds


@pytest.mark.parametrize("told", ["", "1", "s", "-1s", "1d", "1s ", "1e3s", "1.2.3s", "9" * 50 + "s", "1s" * 3 + "x"])
def test_bad_durations(told):
    with pytest.raises(ParameterError, match="unable to parse param 'd': a duration such as"):
        duration_of(told, "d")


def test_a_duration_is_read_in_no_time_however_long_it_is():
    begun = time.perf_counter()
    with pytest.raises(ParameterError):
        duration_of("1s" * 5000 + "!", "d")
    assert time.perf_counter() - begun < 1
