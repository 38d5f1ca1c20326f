"""Two keys of two projects that send the same ids: at no address does one see, change, delete or count the other's."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest
from otlp_requests import PROTOBUF, protobuf_request
from span_records import BEGIN, SECOND, SESSION, TRACE, failed, llm, root, tool

from agentops_otel.conventions import names
from agentops_otel.server.app import make_app
from agentops_otel.server.grpc_intake import GrpcIntake
from agentops_otel.server.intake import Intake
from agentops_otel.server.keys import Keys
from agentops_otel.store.keys import KeyFile

PROJECTS = ("ours", "theirs")
MARK = "theirs"
MICRO = f"start={(BEGIN - SECOND) // 1000}&end={(BEGIN + 100 * SECOND) // 1000}"
SPAN = "query.start_time_min=2023-11-14T22:00:00Z&query.start_time_max=2023-11-14T23:00:00Z"
READ = [
    "/v2/sessions",
    "/v2/sessions?tag=both&end_state=Success&model=m&provider=x&text=said&sort=cost",
    "/v2/sessions?format=csv",
    f"/v2/sessions/{SESSION}",
    f"/v2/sessions/{SESSION}/stats",
    f"/v2/sessions/{SESSION}/export",
    f"/v2/sessions/{SESSION}/spans",
    f"/v2/sessions/{SESSION}/spans?format=otlp",
    f"/v2/sessions/{SESSION}/outline",
    f"/v2/sessions/{SESSION}/transcript",
    f"/v2/sessions/{SESSION}/spans?span_id={'1' * 16}",
    f"/v2/compare?a={SESSION}&b={SESSION}",
    *(f"/v2/analytics/{what}" for what in ("percentiles", "distribution", "agents", "errors")),
    *(f"/v2/facets?facet={facet}" for facet in ("tag", "model", "provider", "error", "host")),
    *(f"/v2/analytics?by={by}" for by in ("day", "model", "provider", "tag", "end_state", "project")),
    "/v2/search?text=said",
    f"/v2/search?text={TRACE}",
    "/api/services",
    "/api/services/shop/operations",
    "/api/services/theirs/operations",
    "/api/operations?service=shop",
    f"/api/traces?service=shop&{MICRO}",
    f"/api/traces?traceID={TRACE}",
    f"/api/traces/{TRACE}",
    f"/api/dependencies?endTs={(BEGIN + 100 * SECOND) // 10**6}",
    "/api/v3/services",
    "/api/v3/operations?service=shop",
    f"/api/v3/traces?query.service_name=shop&{SPAN}",
    f"/api/v3/trace-summaries?query.service_name=shop&{SPAN}",
    f"/api/v3/traces/{TRACE}",
    "/api/v3/dependencies?startTime=2023-11-14T22:00:00Z&endTime=2023-11-14T23:00:00Z",
]
TOLD_NOTHING = {
    "/",
    "/openapi.json",
    "/sessions",
    "/analytics",
    "/compare",
    "/s/{place:path}",
    "/page",
    "/v3/auth/token",
    "/api/metrics/{kind}",
}
"""Addresses that tell nothing of any session: of the shells of the page, see tests/page."""
ELSEWHERE = {"/v1/traces", "/v1/logs", "/v1/metrics", "/v2/changes"}
"""Addresses that have a test of their own below."""


def sent(project):
    """The request that both make: the same ids, and other contents."""
    cost = 0.5 if project == "ours" else 100.0
    spans = [
        root({names.END_STATE: names.SUCCESS, names.TAGS: [project, "both"]}, end=2 if project == "ours" else 90),
        llm(
            cost,
            model="m" if project == "ours" else "m of theirs",
            span_id="1" * 16,
            attributes={names.PROVIDER_NAME: "x", names.INPUT_MESSAGES: f'["said by {project}"]'},
        ),
        failed(tool(f"tool of {project}", span_id="2" * 16, parent_id="1" * 16), kind=f"{project}Error"),
    ]
    if project == "theirs":
        spans.append(llm(7.0, model="m", trace="1" * 32, span_id="1" * 16))
    for place, span in enumerate(spans):
        span.resource = {"service.name": "shop" if place != 2 else f"tools of {project}", "host.name": project}
    # A request has one resource; so there is one for each.
    return [protobuf_request(span) for span in spans]


class Client:
    """One who has the key of a project, or none."""

    def __init__(self, app, key):
        self._app, self._headers = app, {} if key is None else {"x-agentops-api-key": key}

    async def ask(self, path, method="GET", **options):
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost:4318", headers=self._headers
        ) as client:
            return await client.request(method, path, **options)

    async def send(self, bodies):
        for body in bodies:
            answer = await self.ask("/v1/traces", "POST", content=body, headers={"content-type": PROTOBUF})
            assert answer.status_code == 200

    async def reads(self):
        """All that can be read, by its address."""
        answers = {path: await self.ask(path) for path in READ}
        return {path: (answer.status_code, answer.text) for path, answer in answers.items()}


@pytest.fixture
def keys(tmp_path):
    file = KeyFile(tmp_path / "sessions.db")
    return {project: file.add(project).text for project in PROJECTS}, Keys((), file)


@pytest.fixture
def app(store, keys):
    made = make_app(store, keys[1])
    yield made
    made.state.end_streams()


@pytest.fixture
def ours(app, keys):
    return Client(app, keys[0]["ours"])


@pytest.fixture
def theirs(app, keys):
    return Client(app, keys[0]["theirs"])


def test_every_address_is_in_a_table(store):
    """One that is new tells which table it belongs to."""

    def matched(path):
        return re.compile(re.sub(r"\\\{\w+(:path)?\\\}", "[^?]+", re.escape(path)) + r"(\?.*)?")

    app = make_app(store)
    missing = {
        route.path
        for route in app.routes
        if route.path not in TOLD_NOTHING | ELSEWHERE and not any(map(matched(route.path).fullmatch, READ))
    }
    assert missing == set()


async def test_what_they_send_changes_no_answer_of_ours(ours, theirs):
    await ours.send(sent("ours"))
    before = await ours.reads()
    assert {path: status for path, (status, _) in before.items() if status != 200} == {}
    assert "said by ours" in before[f"/v2/sessions/{SESSION}/export"][1]
    await theirs.send(sent("theirs"))
    assert await ours.reads() == before
    theirs_told = await theirs.reads()
    assert "said by theirs" in theirs_told[f"/v2/sessions/{SESSION}/export"][1]
    assert not [path for path, (_, text) in before.items() if MARK in text and "theirs" not in path]
    assert not [path for path, (_, text) in theirs_told.items() if re.search(r"\bours\b|oursError", text)]


async def test_who_comes_second_is_no_worse_off(ours, theirs, store, tmp_path, keys):
    await theirs.send(sent("theirs"))
    await ours.send(sent("ours"))
    seconds = await ours.reads()
    other = type(store)(tmp_path / "alone.db")
    alone = Client(make_app(other, keys[1]), keys[0]["ours"])
    await alone.send(sent("ours"))
    assert seconds == await alone.reads()
    other.close()


async def test_what_they_delete_is_theirs(ours, theirs):
    await ours.send(sent("ours"))
    before = await ours.reads()
    assert (await theirs.ask(f"/v2/sessions/{SESSION}", "DELETE")).status_code == 404
    await theirs.send(sent("theirs"))
    assert (await theirs.ask(f"/v2/sessions/{SESSION}", "DELETE")).status_code == 204
    assert (await theirs.ask(f"/v2/sessions/{SESSION}", "DELETE")).status_code == 404
    assert await ours.reads() == before


async def test_without_a_key_there_is_nothing(app, ours):
    await ours.send(sent("ours"))
    told = await Client(app, None).reads()
    assert {status for status, _ in told.values()} == {401}


async def test_starts_that_come_as_logs_are_of_the_key_as_well(ours, theirs, store):
    log = {
        "eventName": "agentops.session.start",
        "timeUnixNano": str(BEGIN),
        "traceId": TRACE,
        "spanId": "a" * 16,
        "attributes": [{"key": names.SESSION_ID, "value": {"stringValue": SESSION}}],
    }
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]})
    await ours.send(sent("ours"))
    answer = await theirs.ask("/v1/logs", "POST", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert store.session(SESSION, "ours").end_state == "Success"
    assert store.session(SESSION, "theirs").end_time is None


async def test_streams_tell_of_their_own_project(store, keys, ours, theirs):
    """Asked of the generator of events itself, for a stream has no end."""
    from agentops_otel.server.changes import Changes  # noqa: PLC0415 - used here alone

    await ours.send(sent("ours"))
    changes = Changes(store)
    stream = changes._events(store.change(), "ours")
    assert "event: ready" in await anext(stream)
    await theirs.send(sent("theirs"))
    await theirs.ask(f"/v2/sessions/{SESSION}", "DELETE")
    await ours.ask(f"/v2/sessions/{SESSION}", "DELETE")
    told = await asyncio.wait_for(anext(stream), 10)
    changes.end()
    assert "event: deleted" in told
    assert json.loads(told.split("data: ", 1)[1]) == {"id": SESSION, "project_id": "ours"}


def test_grpc_takes_the_project_of_the_key(store, keys):
    import grpc  # noqa: PLC0415 - used here alone

    server = GrpcIntake(Intake(store), keys[1], "127.0.0.1:0")
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            for project in PROJECTS:
                for body in sent(project):
                    export(body, metadata=(("x-agentops-api-key", keys[0][project]),), timeout=10)
    finally:
        server.close()
    assert {project: store.session(SESSION, project).llm_calls for project in PROJECTS} == dict.fromkeys(PROJECTS, 1)
    assert [record.attributes[names.TAGS] for record in store.spans(SESSION, "ours") if record.is_session] == [
        ["ours", "both"]
    ]
