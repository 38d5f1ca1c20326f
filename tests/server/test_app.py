"""The application: what it answers, to whom, and what it keeps."""

from __future__ import annotations

import json
import threading

import httpx
import pytest
from dirty_equals import IsPartialDict
from otlp_requests import protobuf_request, short_id
from server.asking import KEY, asker, posted
from span_records import SESSION, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server.app import make_app
from agentops_otel.server.queries import export, session_json
from agentops_otel.store import StoreError

UNKNOWN = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class _Broken:
    def insert(self, records):
        raise StoreError("the disk is full")

    def sessions(self, query=None):
        raise StoreError("the disk is full")


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [("POST", "/v1/traces", posted(protobuf_request(root()))), ("GET", "/v2/sessions", {})],
)
async def test_a_store_that_fails_asks_to_try_again(method, path, options):
    answer = await asker(make_app(_Broken()))(method, path, **options)
    assert (answer.status_code, "the disk is full" in answer.text) == (503, True)
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
        ("GET", "/v2/nothing", 404, "openapi.json"),
        ("GET", "/v1/traces", 405, ""),
        ("POST", "/v2/sessions", 405, ""),
        ("POST", f"/v2/sessions/{SESSION}/export", 405, "openapi.json"),
        ("DELETE", f"/v2/sessions/{SESSION}/export", 404, "no session"),
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
