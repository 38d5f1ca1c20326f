"""Jaeger's APIs asked at random: whatever comes, the answer has the right shape and is no fault of ours."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from span_records import TRACE, failed, llm, root, tool
from starlette.testclient import TestClient

from agentops_otel.server.app import make_app
from agentops_otel.store import SQLiteStore

FIRST = ("service", "operation", "tag", "tags", "start", "end", "limit", "minDuration", "maxDuration", "lookback")
FIRST += ("traceID", "spanKind", "endTs")
THIRD = ("service_name", "operationName", "start_time_min", "startTimeMax", "num_traces", "searchDepth", "attributes")
NAMES = [*FIRST, *(f"query.{name}" for name in THIRD), "startTime", "end_time"]
LIKELY = [
    "",
    "0",
    "1",
    "-1",
    "shop",
    TRACE,
    "1700000000000000",
    "1.5s",
    "error:true",
    '{"error":"true"}',
    "{}",
    "client",
]
LIKELY += ["2023-11-14T00:00:00Z", "2023-11-15T00:00:00+01:00", '{"\\ud800":"\\u0000"}', "9" * 30, "a:\0", "1h"]
PATHS = ["/api/services", "/api/services/shop/operations", "/api/operations", "/api/traces", "/api/dependencies"]
PATHS += [f"/api/v3/{name}" for name in ("services", "operations", "traces", "trace-summaries", "dependencies")]

values = st.one_of(st.sampled_from(LIKELY), st.text(max_size=20))
questions = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=6)
paths = st.one_of(
    st.sampled_from(PATHS),
    st.sampled_from([TRACE, "0", "x", "%00", "%ff", "é"]).map(lambda told: f"/api/traces/{told}"),
    st.sampled_from([TRACE, "0", "x", "%00"]).map(lambda told: f"/api/v3/traces/{told}"),
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("fuzz") / "s.db")
    store.insert([root(resource={"service.name": "shop"}), llm(), failed(tool())])
    with TestClient(make_app(store), base_url="http://localhost") as client:
        yield client
    store.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=paths, asked=questions)
def test_whatever_is_asked(client, path, asked):
    answer = client.get(path, params=[(name, value.encode("utf-8", "replace").decode()) for name, value in asked])
    body = answer.json()
    assert answer.status_code in {200, 400, 404}
    if path.startswith("/api/v3"):
        assert ("error" in body) == (answer.status_code != 200)
        if answer.status_code != 200:
            assert body["error"].keys() == {"httpCode", "message"}
    else:
        assert body.keys() == {"data", "total", "limit", "offset", "errors"}
        assert (body["data"] is None) == (answer.status_code != 200)
