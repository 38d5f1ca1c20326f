"""Our query API beside Jaeger's own: the same requests about the same spans have the same answers, in the same shape.

What differs is stated in `without`, and in the notes of docs/interop.md.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import httpx
import pytest
from interop.comparing import assert_told
from interop.playing import play
from interop.processes import eventually
from interop.telling import jaeger_records
from interop.tools import HTTP, Jaeger, Ours, VictoriaTraces
from otlp_requests import PROTOBUF, protobuf_request

from agentops_otel.conventions import names
from agentops_otel.server.otlp_json import records_of

SERVICE = "service=harbour"
MISSING = "f" * 32


@pytest.fixture(scope="session")
def both(start):
    """Ask Jaeger and our server, which have the same spans: `both("/api/services")` gives the two answers."""
    jaeger, ours = start(Jaeger), start(Ours)
    session = play(jaeger.endpoint(HTTP), HTTP, jaeger.work)
    last = max(session.records, key=lambda record: record.start_time)
    # Our server would add the project, as it does to whatever is sent without one.
    elsewhere = {"service.name": "lighthouse", names.PROJECT_ID: "default"}
    other = replace(last, span_id="c0ffee" + "0" * 10, parent_id=last.span_id, resource=elsewhere)
    records = [*session.records, other]
    for tool, missing in ((jaeger, [other]), (ours, records)):
        sent = httpx.post(
            f"{tool.endpoint(HTTP)}/v1/traces",
            content=protobuf_request(*missing),
            headers={"content-type": PROTOBUF},
            timeout=30,
        )
        assert sent.is_success
        assert eventually(lambda tool=tool: len(tool.spans(session.trace_id)) == len(records))
    begin = min(record.start_time for record in records)
    words = {
        "trace": session.trace_id,
        "times": f"start={begin // 1000 - 10**7}&end={begin // 1000 + 10**8}",
        "end": begin // 10**6 + 10**5,
        "since": "2020-01-01T00:00:00Z",
        "until": "2100-01-01T00:00:00.5Z",
    }

    def ask(target):
        asked = [f"http://127.0.0.1:{tool.api}{target.format(**words)}" for tool in (jaeger, ours)]
        return [httpx.get(url, timeout=30) for url in asked]

    return ask


def shape(*values):
    """Names and types alone, of all of these: what a client that was written for one answer has to read of another."""
    found = {type(value).__name__ for value in values if not isinstance(value, (dict, list))}
    objects = [unnamed(value) for value in values if isinstance(value, dict)]
    items = [item for value in values if isinstance(value, list) for item in value]
    names_told = sorted({name for told in objects for name in told})
    return (
        sorted(found),
        {name: shape(*(told[name] for told in objects if name in told)) for name in names_told},
        shape(*items) if items else any(isinstance(value, list) for value in values),
    )


def unnamed(told):
    """Processes as a list, for their names are numbers, in any order."""
    return {name: list(value.values()) if name == "processes" else value for name, value in told.items()}


def without(told):
    """An answer without what is known to differ, and is not read by clients.

    Jaeger tells the flags that OTLP sends with a span, and an empty status; a total of names, but 0 of all else. Among
    dependencies it counts calls within one service.
    """
    if isinstance(told, list):
        return [without(value) for value in told if not (isinstance(value, dict) and is_within_a_service(value))]
    if not isinstance(told, dict):
        return told
    left_out = {"flags", "total"} | ({"status"} if told.get("status") == {} else set())
    return {name: without(value) for name, value in told.items() if name not in left_out}


def is_within_a_service(told):
    return "callCount" in told and told["parent"] == told["child"]


ASKED = {
    "services": "/api/services",
    "operations of a service": "/api/services/harbour/operations",
    "operations": f"/api/operations?{SERVICE}",
    "operations of a kind": f"/api/operations?{SERVICE}&spanKind=client",
    "trace": "/api/traces/{trace}",
    "trace with its time": "/api/traces/{trace}?{times}",
    "search": f"/api/traces?{SERVICE}&{{times}}&limit=20",
    "search by operation": f"/api/traces?{SERVICE}&operation=session&{{times}}&lookback=custom",
    "search by tags": f"/api/traces?{SERVICE}&tags=%7B%22error%22%3A%22true%22%7D&{{times}}",
    "search by our tags": f"/api/traces?{SERVICE}&tag=agentops.end_state:Success&{{times}}",
    "search by length": f"/api/traces?{SERVICE}&minDuration=1us&maxDuration=1h&{{times}}",
    "search that finds nothing": f"/api/traces?{SERVICE}&minDuration=10h&{{times}}",
    "traces by id": "/api/traces?traceID={trace}",
    "dependencies": "/api/dependencies?endTs={end}&lookback=604800000",
    "services, third": "/api/v3/services",
    "operations, third": f"/api/v3/operations?{SERVICE}",
    "trace, third": "/api/v3/traces/{trace}",
    "search, third": (
        "/api/v3/traces?query.service_name=harbour&query.num_traces=20"
        "&query.start_time_min={since}&query.start_time_max={until}"
    ),
}
REFUSED = {
    "missing trace": f"/api/traces/{MISSING}",
    "missing trace, third": f"/api/v3/traces/{MISSING}",
    "bad trace id": "/api/traces/xyz",
    "bad trace id, third": "/api/v3/traces/xyz",
    "no service": "/api/traces?limit=20",
    "no service for operations": "/api/operations",
    "bad limit": f"/api/traces?{SERVICE}&limit=many",
    "bad time": f"/api/traces?{SERVICE}&start=yesterday",
    "bad duration": f"/api/traces?{SERVICE}&minDuration=5",
    "bad tags": f"/api/traces?{SERVICE}&tags=x",
    "no times, third": "/api/v3/traces?query.service_name=harbour",
    "metrics that are not kept": f"/api/metrics/latencies?{SERVICE}&quantile=0.95",
}


@pytest.mark.parametrize("target", [*ASKED.values(), *REFUSED.values()], ids=[*ASKED, *REFUSED])
def test_we_answer_in_jaegers_shape(both, target):
    theirs, ours = both(target)
    assert ours.status_code == theirs.status_code, (theirs.text, ours.text)
    assert shape(without(ours.json())) == shape(without(theirs.json()))


@pytest.mark.parametrize("target", ASKED.values(), ids=ASKED)
def test_we_answer_the_same_as_jaeger(both, target):
    theirs, ours = both(target)
    assert in_order(without(ours.json())) == in_order(without(theirs.json()))


def in_order(told):
    """An answer in an order of its own: traces as the records that they tell of, lists sorted."""
    if "result" in told:
        return by_id(records_of(told["result"]))
    data = told.get("data")
    if data and isinstance(data[0], dict) and "spans" in data[0]:
        envelope = {name: value for name, value in told.items() if name != "data"}
        return envelope, [(trace["traceID"], trace["warnings"], by_id(jaeger_records(trace))) for trace in data]
    return {name: sorted(value, key=repr) if isinstance(value, list) else value for name, value in told.items()}


def by_id(records):
    return {record.span_id: asdict(record) for record in records}


def test_jaegers_first_form_keeps_all_that_was_sent(start, played):
    """VictoriaTraces is asked in this form, too: the same reading is proven here."""
    jaeger = start(Jaeger)
    session = played(jaeger, HTTP)
    assert eventually(lambda: len(jaeger.spans(session.trace_id)) == len(session.records))
    (trace,) = jaeger.ask(f"/api/traces/{session.trace_id}")["data"]
    assert_told(session.records, list(jaeger_records(trace)), VictoriaTraces.told)
