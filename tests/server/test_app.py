"""The application: what it answers, to whom, and what it keeps."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading

import httpx
import pytest
from dirty_equals import IsPartialDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_requests import JSON, PROTOBUF, json_request, one_span, protobuf_request, short_id
from span_records import SESSION, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server.app import make_app
from agentops_otel.server.intake import BODY_LIMIT
from agentops_otel.server.queries import export, session_json
from agentops_otel.store import StoreError

KEY, OTHER_KEY = "01234567-89ab-cdef-0123-456789abcdef", "11111111-89ab-cdef-0123-456789abcdef"
UNKNOWN = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@pytest.fixture
def asked(store):
    """Ask the application one thing: `await asked("GET", "/", headers={...})`."""
    return asker(make_app(store))


def asker(app):
    async def ask(method, path, **options):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:4318") as client:
            return await client.request(method, path, **options)

    return ask


def posted(body, content_type=PROTOBUF, **headers):
    return {"content": body, "headers": {"content-type": content_type, **headers}}


# --- Taking traces ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "headers"),
    [
        (protobuf_request(root()), PROTOBUF, {}),
        (json_request(root()), JSON, {}),
        (gzip.compress(protobuf_request(root()), mtime=0), PROTOBUF, {"content-encoding": "gzip"}),
    ],
    ids=short_id,
)
async def test_what_is_answered_with_200_is_stored(store, asked, body, content_type, headers):
    answer = await asked("POST", "/v1/traces", **posted(body, content_type, **headers))
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.content == (b"{}" if content_type == JSON else b"")
    assert [row.session_id for row in store.sessions()] == [SESSION]


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_batch_that_is_sent_again_counts_once(store, asked, times):
    batch = posted(protobuf_request(root(), llm(0.5), tool()))
    answers = await asyncio.gather(*(asked("POST", "/v1/traces", **batch) for _ in range(times)))
    assert {answer.status_code for answer in answers} == {200}
    row = store.session(SESSION)
    assert (row.llm_calls, row.tool_calls, str(row.cost)) == (1, 1, "0.5")


async def test_spans_with_invalid_ids_are_told(store, asked):
    answer = await asked("POST", "/v1/traces", **posted(one_span(spanId="0" * 16), JSON))
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedSpans"]) == (200, "1")
    body = ExportTraceServiceResponse.FromString((await asked("POST", "/v1/traces", **posted(b""))).content)
    assert not body.HasField("partial_success")
    assert store.sessions() == []


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status", "told"),
    [
        (b"\xff", PROTOBUF, "", 400, "no ExportTraceServiceRequest"),
        (b"{", JSON, "", 400, "no ExportTraceServiceRequest"),
        (b"plain", PROTOBUF, "gzip", 400, "not gzip"),
        (b"x", PROTOBUF, "br", 415, "not as br"),
        (b"x", "text/plain", "", 415, "not as text/plain"),
        (bytes(BODY_LIMIT + 1), PROTOBUF, "", 413, "send fewer spans"),
        (gzip.compress(bytes(BODY_LIMIT + 1), 1, mtime=0), PROTOBUF, "gzip", 413, "send fewer spans"),
    ],
    ids=short_id,
)
async def test_what_is_refused_is_told_and_not_stored(store, asked, body, content_type, encoding, status, told):
    answer = await asked("POST", "/v1/traces", **posted(body, content_type, **{"content-encoding": encoding}))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert told in answer.text
    assert not store.path.exists()


async def test_an_endless_body_is_not_read_to_its_end(asked):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1
            yield bytes(1024 * 1024)

    answer = await asked("POST", "/v1/traces", **posted(endless()))
    assert answer.status_code == 413
    # httpx's transport reads on for itself, at most to the chunk that is one too many.
    assert sent <= BODY_LIMIT // (1024 * 1024) + 2


async def test_a_body_that_breaks_off(store):
    chunks = [{"type": "http.request", "body": b"\n", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return chunks.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", PROTOBUF.encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/traces", "query_string": b"", "headers": headers}
    await make_app(store)(scope, receive, send)
    assert sent[0]["status"] == 400


class _Broken:
    def insert(self, records):
        raise StoreError("the disk is full")

    def sessions(self, limit=50):
        raise StoreError("the disk is full")


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [("POST", "/v1/traces", posted(protobuf_request(root()))), ("GET", "/v2/sessions", {})],
)
async def test_a_store_that_fails_asks_to_try_again(method, path, options):
    answer = await asker(make_app(_Broken()))(method, path, **options)
    assert (answer.status_code, answer.text) == (503, "the disk is full\n")
    assert int(answer.headers["retry-after"]) > 0


async def test_the_store_is_never_asked_on_the_loop(store):
    threads = set()

    class Watched:
        def __getattr__(self, name):
            threads.add(threading.current_thread())
            return getattr(store, name)

    ask = asker(make_app(Watched()))
    await ask("POST", "/v1/traces", **posted(protobuf_request(root())))
    for path in ("/v2/sessions", f"/v2/sessions/{SESSION}/stats", f"/v2/sessions/{SESSION}/export"):
        assert (await ask("GET", path)).status_code == 200
    assert threads
    assert threading.current_thread() not in threads


# --- Reading ------------------------------------------------------------------------------------------------


async def test_what_is_read_is_what_the_queries_say(store, asked):
    store.insert([root({names.END_STATE: names.SUCCESS}), llm(0.5), tool(), span(trace="1" * 32, start=5)])
    listed = (await asked("GET", "/v2/sessions")).json()
    assert listed == [session_json(row) for row in store.sessions()]
    assert len((await asked("GET", "/v2/sessions?limit=1")).json()) == 1
    whole = (await asked("GET", f"/v2/sessions/{SESSION}/export")).json()
    assert whole == export(store, SESSION)
    assert (await asked("GET", f"/v2/sessions/{SESSION}/stats")).json() == whole["statistics"]
    assert whole["statistics"] == IsPartialDict(events=2, cost="0.5", prompt_tokens=100)


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/v2/sessions?limit=0", 400, "from 1 to 1000"),
        ("GET", "/v2/sessions?limit=1001", 400, "from 1 to 1000"),
        ("GET", f"/v2/sessions?limit={'9' * 5000}", 400, "from 1 to 1000"),
        ("GET", "/v2/sessions?limit=many", 400, "from 1 to 1000"),
        ("GET", f"/v2/sessions/{UNKNOWN}/stats", 404, UNKNOWN),
        ("GET", f"/v2/sessions/{UNKNOWN}/export", 404, UNKNOWN),
        ("GET", f"/v2/sessions/{SESSION[:8]}/export", 404, SESSION[:8]),
        ("GET", "/v2/sessions/' OR 1=1 --/stats", 404, "no session"),
        ("GET", "/v2/sessions/%00/stats", 404, "no session"),
        ("GET", "/v2/sessions//stats", 404, "no session"),
        ("GET", "/v2/nothing", 404, ""),
        ("GET", "/v1/traces", 405, ""),
        ("POST", "/v2/sessions", 405, ""),
        ("DELETE", f"/v2/sessions/{SESSION}/export", 405, ""),
    ],
    ids=short_id,
)
async def test_what_is_not_there(store, asked, method, path, status, told):
    store.insert([root()])
    answer = await asked(method, path)
    assert (answer.status_code, told in answer.text) == (status, True)


@pytest.mark.parametrize("session_id", ["mine", "a/b", "a/stats", "50% é", "?#&"])
async def test_ids_of_anybodys_own(store, asked, session_id):
    store.insert([span(attributes={names.SESSION_ID: session_id})])
    quoted = httpx.QueryParams({"": session_id}).__str__()[1:].replace("+", "%20")
    answer = await asked("GET", f"/v2/sessions/{quoted}/stats")
    assert (answer.status_code, answer.json()["session_id"]) == (200, session_id)


@pytest.mark.parametrize("told", ['"\\ud800"', "1e999", "[" * 400 + "]" * 400, "9" * 4000, "NaN", "{"], ids=short_id)
async def test_whatever_spans_carry_is_valid_json(store, asked, told):
    store.insert([root(), tool(attributes={names.EVENT_PARAMS: told})])
    answer = await asked("GET", f"/v2/sessions/{SESSION}/export")
    assert answer.status_code == 200
    assert json.loads(answer.content.decode("utf-8"), parse_constant=pytest.fail)["tools"]


@pytest.mark.parametrize(("keys", "needs_key"), [((), False), ((KEY,), True)])
async def test_the_first_page_says_what_to_do(store, keys, needs_key):
    answer = await asker(make_app(store, keys))("GET", "/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert 'agentops.init(endpoint="http://localhost:4318"' in answer.text
    assert "/v2/sessions/SESSION_ID/export" in answer.text
    assert ("YOUR_KEY" in answer.text) == needs_key
    assert KEY not in answer.text


# --- Who may speak to it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"X-Agentops-Api-Key": KEY}, 200),
        ({"x-agentops-api-key": OTHER_KEY}, 200),
        ({}, 401),
        ({"X-Agentops-Api-Key": ""}, 401),
        ({"X-Agentops-Api-Key": KEY[:-1]}, 401),
        ({"X-Agentops-Api-Key": KEY + "0"}, 401),
        ({"X-Agentops-Api-Key": "é".encode()}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 401),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/traces"),
        ("GET", "/v2/sessions"),
        ("GET", f"/v2/sessions/{SESSION}/stats"),
        ("GET", f"/v2/sessions/{SESSION}/export"),
    ],
)
async def test_keys(store, method, path, given, status):
    store.insert([root()])
    ask = asker(make_app(store, (OTHER_KEY, KEY)))
    answer = await ask(method, path, headers={"content-type": PROTOBUF, **given})
    assert answer.status_code == status
    if status == 401:
        assert answer.text == "an accepted key is needed in the header X-Agentops-Api-Key\n"


async def test_who_has_no_key_does_not_learn_what_is_there(store):
    store.insert([root()])
    ask = asker(make_app(store, (KEY,)))
    answers = [await ask("GET", path) for path in (f"/v2/sessions/{SESSION}/stats", f"/v2/sessions/{UNKNOWN}/stats")]
    answers.append(await ask("GET", "/nothing"))
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}


@pytest.mark.parametrize(
    ("host", "hosts", "status"),
    [
        ("localhost", (), 200),
        ("LocalHost:4318", (), 200),
        ("127.0.0.1:99", (), 200),
        ("[::1]", (), 200),
        ("[::1]:4318", (), 200),
        ("evil.example", (), 403),
        ("evil.example:4318", (), 403),
        ("localhost.evil.example", (), 403),
        ("localhost@evil.example", (), 403),
        ("127.0.0.1.evil.example", (), 403),
        ("[::1].evil.example", (), 403),
        ("[::2]", (), 403),
        ("0.0.0.0:4318", (), 403),
        ("", (), 403),
        ("box.example:4318", ("Box.example",), 200),
        ("[fe80::1]:4318", ("[fe80::1]",), 200),
        ("localhost", ("box.example",), 200),
        ("evil.example", ("box.example",), 403),
        ("any.example", ("*",), 200),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/v2/sessions"), ("POST", "/v1/traces")])
async def test_hosts(store, method, path, host, hosts, status):
    headers = {"host": host, "content-type": PROTOBUF}
    answer = await asker(make_app(store, hosts=hosts))(method, path, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:4318"}, 200),
        ({"origin": "http://localhost:4318", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://localhost"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://[oops"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_writes_of_other_sites(store, asked, headers, status):
    answer = await asked("POST", "/v1/traces", **posted(protobuf_request(root()), **headers))
    assert answer.status_code == status
    assert bool(store.sessions()) == (status == 200)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/v2/sessions"), ("GET", "/nothing"), ("OPTIONS", "/v1/traces")]
)
async def test_no_other_site_may_read(asked, method, path):
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = await asked(method, path, headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
