"""Our query API beside Jaeger's own: the same requests on the same spans are answered in the same shape, and with the same."""

from __future__ import annotations

import httpx
import pytest
from interop.processes import eventually
from interop.tools import HTTP, Jaeger, Ours
from otlp_requests import PROTOBUF, protobuf_request

SERVICE = "service=harbour"
MISSING = "f" * 32


@pytest.fixture(scope="session")
def both(start, played):
    """Ask Jaeger and our server, which have the same session: `both("/api/services")` gives the two answers."""
    jaeger, ours = start(Jaeger), start(Ours)
    session = played(jaeger, HTTP)
    headers = {"content-type": PROTOBUF}
    body = protobuf_request(*session.records)
    assert httpx.post(f"{ours.endpoint(HTTP)}/v1/traces", content=body, headers=headers).is_success
    for tool in (jaeger, ours):
        assert eventually(lambda tool=tool: len(tool.spans(session.trace_id)) == len(session.records))
    begin = min(record.start_time for record in session.records)
    words = {
        "trace": session.trace_id,
        "start": begin // 1000 - 10**7,
        "end": begin // 1000 + 10**8,
        "milliseconds": begin // 10**6 + 10**5,
        "since": "2020-01-01T00:00:00Z",
        "until": "2100-01-01T00:00:00.000000001Z",
    }

    def ask(target):
        asked = [f"http://127.0.0.1:{tool.api}{target.format(**words)}" for tool in (jaeger, ours)]
        return [httpx.get(url, timeout=30) for url in asked]

    return ask


def shape(value):
    """Names and types alone: what a client that is written for one of them has to read of the other."""
    if isinstance(value, dict):
        return {name: shape(told) for name, told in value.items()}
    if isinstance(value, list):
        return sorted({repr(shape(told)) for told in value})
    return type(value).__name__


ASKED = {
    "services": "/api/services",
    "operations of a service": "/api/services/harbour/operations",
    "operations": f"/api/operations?{SERVICE}",
    "operations of a kind": f"/api/operations?{SERVICE}&spanKind=client",
    "trace": "/api/traces/{trace}",
    "trace in capitals": "/api/traces/{trace}?start={start}&end={end}",
    "search": f"/api/traces?{SERVICE}&start={{start}}&end={{end}}&limit=20",
    "search by operation": f"/api/traces?{SERVICE}&operation=session&start={{start}}&end={{end}}&lookback=custom",
    "search by tags": f"/api/traces?{SERVICE}&tags=%7B%22error%22%3A%22true%22%7D&start={{start}}&end={{end}}",
    "search by our tags": f"/api/traces?{SERVICE}&tag=agentops.end_state:Success&start={{start}}&end={{end}}",
    "search by length": f"/api/traces?{SERVICE}&minDuration=1us&maxDuration=1h&start={{start}}&end={{end}}",
    "search that finds nothing": f"/api/traces?{SERVICE}&minDuration=10h&start={{start}}&end={{end}}",
    "traces by id": "/api/traces?traceID={trace}",
    "dependencies": "/api/dependencies?endTs={milliseconds}&lookback=604800000",
    "services, third": "/api/v3/services",
    "operations, third": f"/api/v3/operations?{SERVICE}",
    "trace, third": "/api/v3/traces/{trace}",
    "search, third": (
        "/api/v3/traces?query.service_name=harbour&query.start_time_min={since}&query.start_time_max={until}"
    ),
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


@pytest.mark.parametrize("target", ASKED.values(), ids=ASKED)
def test_we_answer_jaegers_clients_in_jaegers_shape(both, target):
    theirs, ours = both(target)
    assert ours.status_code == theirs.status_code, (theirs.text, ours.text)
    assert shape(ours.json()) == shape(theirs.json())
