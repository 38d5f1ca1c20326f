"""Jaeger's first query API: what its page and Grafana ask, answered in the shape that they read."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import httpx
import pytest
from dirty_equals import IsList, IsPartialDict, IsStr
from span_records import BEGIN, ROOT_ID, SECOND, TRACE, failed, llm, root, span
from starlette.applications import Starlette
from starlette.datastructures import QueryParams

from agentops_otel.server import jaeger
from agentops_otel.server.app import make_app
from agentops_otel.server.jaeger_query import search_of
from agentops_otel.store import StoreError
from agentops_otel.store.traces import TraceQuery

MICROSECOND = 1000
SHOP = {"resource": {"service.name": "shop", "host.name": "h", "process.pid": 7}}
DURING = f"start={(BEGIN - SECOND) // MICROSECOND}&end={(BEGIN + 9 * SECOND) // MICROSECOND}"


def envelope(data, **fields):
    return {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None, **fields}


def refused(code, told):
    errors = [{"code": code, "msg": told}]
    return {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}


# --- What the clients ask -----------------------------------------------------------------------------------


def now(offset=0):
    return (time.time_ns() + offset * SECOND) // MICROSECOND


ERROR, CHAT = quote('{"error":"true"}'), quote('{"gen_ai.operation.name":"chat"}')


@pytest.mark.parametrize(
    ("target", "traces"),
    [
        # Jaeger's page while it asked the first API, src/api/jaeger.js: searchTraces, as its form fills it in.
        ("/api/traces?end={now}&limit=20&lookback=1h&maxDuration&minDuration&service=trip%20planner&start={hour}", 1),
        ("/api/traces?end={now}&limit=1500&lookback=custom&maxDuration=1m&minDuration=1us&operation=chat%20gpt-4o-mini&service=trip%20planner&start={hour}&tags=" + CHAT, 1),
        ("/api/traces?end={now}&limit=20&lookback=2d&service=trip%20planner&start={hour}&tags=" + ERROR, 1),
        ("/api/traces?end={hour}&limit=20&lookback=1h&service=trip%20planner&start={hour}", 0),
        # Grafana's data source, pkg/tsdb/jaeger/client.go: Search; it sends no times.
        ("/api/traces?limit=20&operation=session&service=trip+planner", 1),
        ("/api/traces?limit=100&minDuration=1.5h&service=trip+planner&tags=" + ERROR, 0),
        # Grafana before its back end took over, public/app/plugins/datasource/jaeger.
        ("/api/traces?service=trip%20planner&operation=&tags=&minDuration=&maxDuration=&limit=20&start={hour}&end={now}&lookback=custom", 1),
        # Jaeger's documentation of the search: tag as key:value, more than once.
        ("/api/traces?service=trip+planner&tag=gen_ai.operation.name:chat&tag=error:true", 1),
        ("/api/traces?service=trip+planner&tag=gen_ai.operation.name:embeddings&tag=error:true", 0),
    ],
)  # fmt: skip
async def test_searches_of_the_clients(demo_store, got, target, traces):
    answer = await got(demo_store, target.format(now=now(60), hour=now(-3600)))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == envelope(body["data"])
    assert len(body["data"]) == traces
    for trace in body["data"]:
        assert len(trace["spans"]) == 8
        assert {span["operationName"] for span in trace["spans"]} >= {"session", "chat gpt-4o-mini"}


async def test_the_way_through_jaegers_page(demo_store, got):
    """Services, operations, a search, a trace, the architecture: each asked with what the last one answered."""
    services = (await got(demo_store, "/api/services")).json()
    assert services == envelope(["trip planner"])
    operations = (await got(demo_store, "/api/services/trip%20planner/operations")).json()
    assert operations["data"] == sorted(operations["data"])
    assert "chat gpt-4o-mini" in operations["data"]
    by_kind = (await got(demo_store, "/api/operations?service=trip%20planner&spanKind=client")).json()
    assert IsPartialDict(name="chat gpt-4.1", spanKind="client") in by_kind["data"]
    assert {told["spanKind"] for told in by_kind["data"]} == {"client"}
    assert (await got(demo_store, "/api/operations?service=trip%20planner&spanKind=server")).json() == envelope([])
    (found,) = (await got(demo_store, "/api/traces?service=trip%20planner")).json()["data"]
    trace = await got(demo_store, f"/api/traces/{found['traceID']}")
    assert trace.json() == envelope([found])
    again = await got(demo_store, f"/api/traces?traceID={found['traceID']}&traceID={'f' * 32}")
    assert again.json() == envelope([found], errors=[{"msg": "trace not found", "traceID": "f" * 32}])
    assert (await got(demo_store, f"/api/dependencies?endTs={now() // 1000}&lookback=604800000")).json() == envelope([])


async def test_times_add_up_and_references_lead_to_the_root(demo_store, got):
    (trace,) = (await got(demo_store, "/api/traces?service=trip%20planner")).json()["data"]
    spans = {span["spanID"]: span for span in trace["spans"]}
    (top,) = [span for span in spans.values() if not span["references"]]
    assert top["operationName"] == "session"
    for span_told in spans.values():
        told = span_told
        assert told["startTime"] >= top["startTime"]
        assert told["startTime"] + told["duration"] <= top["startTime"] + top["duration"] + 1
        assert trace["processes"][told["processID"]]["serviceName"] == "trip planner"
        while told["references"]:
            (reference,) = told["references"]
            assert (reference["refType"], reference["traceID"]) == ("CHILD_OF", trace["traceID"])
            told = spans[reference["spanID"]]
        assert told is top


# --- The shape ----------------------------------------------------------------------------------------------


async def test_a_span_to_the_letter(store, got):
    call = failed(
        llm(None, attributes={"big": 2**60, "list": ["a", 1], "on": True, "ratio": 0.5}, start=1, end=1.25, **SHOP)
    )
    call.kind, call.scope, call.scope_version = "client", "scope", "1.0"
    call.links = [{"trace_id": "e" * 32, "span_id": "d" * 16, "attributes": {}}]
    call.attributes = {key: call.attributes[key] for key in ("big", "list", "on", "ratio", "error.type")}
    store.insert([root(end=None, **SHOP), call])
    answer = await got(store, f"/api/traces/{TRACE}")
    assert answer.headers["content-type"] == "application/json"
    (trace,) = answer.json()["data"]
    assert trace == {
        "traceID": TRACE,
        "spans": IsList(length=2),
        "processes": {
            "p1": {
                "serviceName": "shop",
                "tags": [
                    {"key": "host.name", "type": "string", "value": "h"},
                    {"key": "process.pid", "type": "int64", "value": 7},
                ],
            }
        },
        "warnings": None,
    }
    assert trace["spans"][1] == {
        "traceID": TRACE,
        "spanID": call.span_id,
        "operationName": "chat gpt-4o",
        "references": [
            {"refType": "CHILD_OF", "traceID": TRACE, "spanID": ROOT_ID},
            {"refType": "FOLLOWS_FROM", "traceID": "e" * 32, "spanID": "d" * 16},
        ],
        "startTime": BEGIN // MICROSECOND + 1_000_000,
        "duration": 250_000,
        "tags": [
            {"key": "big", "type": "int64", "value": str(2**60)},
            {"key": "error", "type": "bool", "value": True},
            {"key": "error.type", "type": "string", "value": "ValueError"},
            {"key": "list", "type": "string", "value": '["a",1]'},
            {"key": "on", "type": "bool", "value": True},
            {"key": "otel.scope.name", "type": "string", "value": "scope"},
            {"key": "otel.scope.version", "type": "string", "value": "1.0"},
            {"key": "otel.status_code", "type": "string", "value": "ERROR"},
            {"key": "otel.status_description", "type": "string", "value": "it broke"},
            {"key": "ratio", "type": "float64", "value": 0.5},
            {"key": "span.kind", "type": "string", "value": "client"},
        ],
        "logs": [
            {
                "timestamp": BEGIN // MICROSECOND + 1_250_000,
                "fields": [
                    {"key": "event", "type": "string", "value": "exception"},
                    {"key": "exception.message", "type": "string", "value": "it broke"},
                    {"key": "exception.stacktrace", "type": "string", "value": "Traceback"},
                    {"key": "exception.type", "type": "string", "value": "ValueError"},
                ],
            }
        ],
        "processID": "p1",
        "warnings": None,
    }
    running = IsPartialDict(duration=0, references=[], warnings=["the span has not ended"])
    assert trace["spans"][0] == running


async def test_processes_are_told_apart(store, got):
    store.insert([root(**SHOP), span("a", resource={"service.name": "bank"}), span("b", **SHOP), span("c")])
    (trace,) = (await got(store, f"/api/traces/{TRACE}")).json()["data"]
    names = {told["operationName"]: trace["processes"][told["processID"]]["serviceName"] for told in trace["spans"]}
    assert names == {"session": "shop", "a": "bank", "b": "shop", "c": "unknown_service"}
    assert len(trace["processes"]) == 3
    asked = f"/api/dependencies?endTs={BEGIN // 10**6 + 5000}&lookback=10000"
    links = [
        {"parent": "shop", "child": "bank", "callCount": 1},
        {"parent": "shop", "child": "unknown_service", "callCount": 1},
    ]
    assert (await got(store, asked)).json() == envelope(links)
    assert (await got(store, f"{asked}&service=bank")).json() == envelope(links[:1])
    assert (await got(store, f"{asked}&service=nobody")).json() == envelope([])


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (TRACE, True),
        (TRACE.upper(), True),
        ("0af76519-16cd-43dd-8448-eb211c80319c", True),
        ("1", False),
        ("0" * 32, False),
    ],
)
async def test_ids_may_be_shortened_and_written_as_those_of_sessions(store, got, told, found):
    store.insert([root()])
    answer = await got(store, f"/api/traces/{told}")
    assert answer.status_code == (200 if found else 404)
    if not found:
        assert answer.json() == refused(404, "trace not found")


async def test_an_id_without_its_zeros(store, got):
    store.insert([root(trace="ab".zfill(32))])
    (trace,) = (await got(store, "/api/traces/ab")).json()["data"]
    assert trace["traceID"] == trace["spans"][0]["traceID"] == "ab".zfill(32)


async def test_a_service_with_a_slash(store, got):
    store.insert([root(resource={"service.name": "a/b c"})])
    assert (await got(store, "/api/services/a%2Fb%20c/operations")).json() == envelope(["session"])


# --- Bounds and bad input -----------------------------------------------------------------------------------

LIMITS = "unable to parse param 'limit': a number from 1 to 1500 is expected, not "
TIMES = "unable to parse param 'start': a number of microseconds, not after the year 2262, is expected, not "
LENGTHS = "unable to parse param 'minDuration': a duration such as 1.5s, 300ms or 1h15m is expected, not "
IDS = "unable to parse param 'traceID': a trace id of 1 to 32 hex digits is expected, not "
TAGS = 'unable to parse param \'tags\': a JSON object of text such as {"error":"true"} is expected, not '


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/api/traces", "parameter 'service' is required"),
        ("/api/traces?service=", "parameter 'service' is required"),
        ("/api/operations", "parameter 'service' is required"),
        ("/api/traces?service=s&limit=0", f"{LIMITS}'0'"),
        ("/api/traces?service=s&limit=-1", f"{LIMITS}'-1'"),
        ("/api/traces?service=s&limit=1501", f"{LIMITS}'1501'"),
        (f"/api/traces?service=s&limit={'9' * 40}", f"{LIMITS}'{'9' * 40}'"),
        ("/api/traces?service=s&limit=many", f"{LIMITS}'many'"),
        ("/api/traces?service=s&limit=%D9%A3", f"{LIMITS}'٣'"),
        ("/api/traces?service=s&start=yesterday", f"{TIMES}'yesterday'"),
        ("/api/traces?service=s&start=-1", f"{TIMES}'-1'"),
        (f"/api/traces?service=s&start={2**63}", f"{TIMES}'{2**63}'"),
        (f"/api/traces?service=s&start={'9' * 300}", f"{TIMES}'{'9' * 100}'"),
        ("/api/traces?service=s&minDuration=5", f"{LENGTHS}'5'"),
        ("/api/traces?service=s&minDuration=-5s", f"{LENGTHS}'-5s'"),
        ("/api/traces?service=s&minDuration=5+parsecs", f"{LENGTHS}'5 parsecs'"),
        ("/api/traces?service=s&minDuration=2s&maxDuration=1s", "'maxDuration' should be greater than 'minDuration'"),
        ("/api/traces?service=s&tag=x", "malformed 'tag' parameter, expecting key:value, received: x"),
        ("/api/traces?service=s&tags=x", f"{TAGS}'x'"),
        ("/api/traces?service=s&tags=%5B%5D", f"{TAGS}'[]'"),
        ("/api/traces?service=s&tags=" + quote('{"a":1}'), TAGS + "'{\"a\":1}'"),
        ("/api/traces?service=s&tags=" + "[" * 5000, f"{TAGS}'{'[' * 100}'"),
        ("/api/traces?service=s" + "".join(f"&tag=a{n}:b" for n in range(33)), "at most 32 tags can be asked for at once"),
        ("/api/traces/xyz", f"{IDS}'xyz'"),
        (f"/api/traces/{'1' * 33}", f"{IDS}'{'1' * 33}'"),
        ("/api/traces/%00", IDS + repr("\0")),
        ("/api/traces?traceID=", f"{IDS}''"),
        ("/api/traces?traceID=1&traceID=x", f"{IDS}'x'"),
        ("/api/traces?" + "&".join(["traceID=1"] * 1501), "at most 1500 traces can be asked for at once"),
        ("/api/dependencies?endTs=now", IsStr(regex="unable to parse param 'endTs': a number of milliseconds, .*'now'")),
        ("/api/dependencies?lookback=-1", IsStr(regex="unable to parse param 'lookback': .*'-1'")),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
async def test_bad_questions_are_refused_in_jaegers_shape(store, got, target, told):
    store.insert([root()])
    answer = await got(store, target)
    assert answer.json() == refused(400, told)
    assert answer.status_code == 400


async def test_nothing_can_be_written(store, got):
    assert (await got(store, "/api/services")).json() == envelope([])
    assert not store.path.exists()


async def test_an_answer_is_bounded(store, got, monkeypatch):
    monkeypatch.setattr(jaeger, "SPANS", 3)
    for number in range(4):
        trace = f"{number + 1:032x}"
        store.insert([root(trace=trace, **SHOP), *(span("s", trace=trace, **SHOP) for _ in range(number))])
    told = "an answer has 3 spans at most: the rest is left out"
    found = (await got(store, f"/api/traces?service=shop&{DURING}")).json()
    assert sum(len(trace["spans"]) for trace in found["data"]) == 3
    assert found["errors"] == [{"msg": told}]
    (trace,) = (await got(store, f"/api/traces/{'4'.zfill(32)}")).json()["data"]
    assert (len(trace["spans"]), trace["warnings"]) == (3, [told])
    (trace,) = (await got(store, f"/api/traces/{'1'.zfill(32)}")).json()["data"]
    assert trace["warnings"] is None
    several = (await got(store, "/api/traces?traceID=4&traceID=1")).json()
    assert (len(several["data"]), several["errors"]) == (1, [IsPartialDict(msg="trace not found"), {"msg": told}])


async def test_a_store_that_cannot_be_read(store, got):
    store.path.write_text("Dear diary, " * 100)
    answer = await got(store, "/api/services")
    assert answer.json() == refused(503, IsStr(regex=".*not a database.*"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_text_that_json_has_no_form_for(store, got, monkeypatch):
    monkeypatch.setattr(type(store), "services", lambda self, project=None: ["\ud800", float("nan")])
    assert json.loads((await got(store, "/api/services")).content)["data"] == ["?", "nan"]


@pytest.mark.parametrize("path", ["/api/services", "/api/traces?service=s", "/api/v3/services", "/api/traces/1"])
async def test_a_key_is_asked_for_as_everywhere(store, path):
    key = "01234567-89ab-cdef-0123-456789abcdef"
    transport = httpx.ASGITransport(make_app(store, [key]))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get(path)).status_code == 401
        assert (await client.get(path, headers={"X-Agentops-Api-Key": key})).status_code in {200, 404}
        assert (await client.post(path, headers={"X-Agentops-Api-Key": key})).status_code == 405


async def test_a_project_sees_its_own(store):
    """What the gate says of a request decides; without a word from it, all is seen."""
    store.insert([root(resource={"service.name": "mine", "agentops.project.id": "red"})])
    store.insert([root(trace="1" * 32, resource={"service.name": "theirs", "agentops.project.id": "blue"})])
    app = Starlette(routes=jaeger.routes(store))

    async def as_red(scope, receive, send):
        scope.setdefault("state", {})["project"] = "red"
        await app(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(as_red), base_url="http://localhost") as client:
        assert (await client.get("/api/services")).json()["data"] == ["mine"]
        assert (await client.get(f"/api/traces?service=theirs&{DURING}")).json()["data"] == []
        assert (await client.get(f"/api/traces/{'1' * 32}")).status_code == 404
        assert (await client.get(f"/api/v3/traces/{'1' * 32}")).status_code == 404
        assert (await client.get(f"/api/traces/{TRACE}")).status_code == 200
        assert (await client.get("/api/services/theirs/operations")).json()["data"] == []


@pytest.mark.parametrize("error", [StoreError("gone"), StoreError("a\nb")])
async def test_faults_of_the_store_are_told_in_both_shapes(store, got, monkeypatch, error):
    def fail(self, *arguments, **options):
        raise error

    monkeypatch.setattr(type(store), "trace", fail)
    assert (await got(store, "/api/traces/1")).json() == refused(503, str(error))
    assert (await got(store, "/api/v3/traces/1")).json() == {"error": {"httpCode": 503, "message": str(error)}}


def test_the_default_time_is_that_of_jaeger():
    def asked(text):
        query = search_of(QueryParams(f"service=s&{text}"))
        return query, (query.until - query.since) / SECOND

    query, seconds = asked("")
    assert (seconds, query.limit) == (48 * 3600, 100)
    assert abs(time.time_ns() - query.until) < 60 * SECOND
    assert asked("lookback=2h")[1] == 7200
    assert asked("lookback=custom")[1] == 48 * 3600
    assert asked("end=1000")[0] == TraceQuery(service="s", since=0, until=1_000_000)
    expected = TraceQuery(service="s", since=1000, until=2000, shortest=1_500_000, longest=3690 * SECOND)
    assert asked("start=1&end=2&minDuration=1.5ms&maxDuration=1h1.5m")[0] == expected


async def test_a_search_that_looked_at_the_newest_spans_only_says_so(store, got, monkeypatch):
    monkeypatch.setattr("agentops_otel.store.traces._SPANS_OF_A_SEARCH", 1)
    monkeypatch.setattr("agentops_otel.store.traces._SESSIONS_OF_A_PIECE", 1)
    for number in (1, 2):
        store.insert([root(trace=f"{number:032x}", resource={"service.name": "s"})])
    answer = await got(store, "/api/traces?service=s&start=0")
    assert len(answer.json()["data"]) == 1
    assert "only the newest spans" in answer.json()["errors"][0]["msg"]
