"""The REST interface: filters, pages, formats, figures, search, deleting, changes; and its document is true."""

from __future__ import annotations

import asyncio
import csv
import io
import json

import httpx
import pytest
from otlp_requests import protobuf_request
from span_records import SESSION, failed, llm, of_project, root, span

from agentops_otel.conventions import names
from agentops_otel.server import changes as changes_module
from agentops_otel.server.app import make_app
from agentops_otel.server.keys import Keys
from agentops_otel.server.otlp_json import records_of
from agentops_otel.server.queries import session_json
from agentops_otel.store import SessionQuery, owners
from agentops_otel.store.keys import KeyFile


@pytest.fixture
def app(store):
    made = make_app(store)
    yield made
    made.state.end_streams()


@pytest.fixture
def asked(app):
    return asker(app)


def asker(app, key=None):
    async def ask(path, method="GET", **options):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:4318", headers=key) as client:
            return await client.request(method, path, **options)

    return ask


@pytest.fixture
def filled(store):
    for number in range(5):
        told = {
            names.END_STATE: names.FAILURE if number % 2 else names.SUCCESS,
            names.TAGS: ["nightly", f"n{number}"],
        }
        trace = f"{number:032x}"
        store.insert(
            of_project(
                "p" if number < 4 else "q",
                root(told, trace=trace, start=number * 10, end=number * 10 + 2, resource={"service.name": "=shop"}),
                llm(0.25 * number, trace=trace, start=number * 10, attributes={names.INPUT_MESSAGES: "[]"}),
            )
        )
    return store


def ids(answer):
    return [int(row["id"][-1]) for row in answer.json()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1, 0]),
        ("end_state=Failure", [3, 1]),
        ("tag=n2&tag=nightly", [2]),
        ("tag=n2&tag=n3", []),
        ("model=gpt-4o&limit=1", [4]),
        ("provider=nobody", []),
        ("since=2023-11-14T22:13:40Z", [4, 3, 2]),
        ("since=2023-11-14T22:13:40%2B00:00&until=2023-11-14T22:14:00Z", [3, 2]),
        ("since=2023-11-14T23:13:40+01:00", [4, 3, 2]),
        ("until=2023-11-14", []),
        ("since=24h", []),
        ("min_cost=0.5", [4, 3, 2]),
        ("max_cost=0.25", [1, 0]),
        ("min_duration=2.5", []),
        ("is_running=true", []),
        ("sort=cost&order=asc", [0, 1, 2, 3, 4]),
        ("text=n3", [3]),
    ],
)
async def test_sessions_are_filtered(filled, asked, query, found):
    answer = await asked(f"/v2/sessions?{query}")
    assert (answer.status_code, ids(answer)) == (200, found)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2/sessions?end_state=Happy", "one of Success, Failure, Indeterminate"),
        ("/v2/sessions?since=yesterday", "a time like 2026-11-21"),
        ("/v2/sessions?since=99999-01-01", "a time like"),
        ("/v2/sessions?min_cost=much", "an amount in USD"),
        ("/v2/sessions?min_cost=nan", "an amount in USD"),
        ("/v2/sessions?max_cost=-1", "an amount in USD"),
        ("/v2/sessions?min_duration=inf", "a number of seconds"),
        ("/v2/sessions?is_running=maybe", "true or false"),
        ("/v2/sessions?sort=colour", "sort is one of start, cost"),
        ("/v2/sessions?order=up", "one of desc, asc"),
        ("/v2/sessions?limit=1.5", "a number from 1 to 1000"),
        ("/v2/sessions?limit=%C2%B2", "a number from 1 to 1000"),
        ("/v2/sessions?limit=1&limit=2", "limit is told twice"),
        ("/v2/sessions?cursor=nonsense", "begin again without one"),
        ("/v2/sessions?colour=red", "there is no parameter 'colour'"),
        ("/v2/sessions?format=xml", "format is one of json, jsonl, csv"),
        ("/v2/sessions?text=%20", "a word of letters"),
        (f"/v2/sessions/{SESSION}/export?format=csv", "format is one of json"),
        ("/v2/analytics?by=weekday", "grouped by"),
        ("/v2/analytics?by=tag,model", "tags cannot be combined"),
        ("/v2/search", "text is what to look for"),
        ("/v2/search?text=a&limit=0", "a number from 1 to 1000"),
        ("/v2/changes?after=-1", "leave it out"),
        ("/v2/changes?after=99999999999999999999", "leave it out"),
    ],
)
async def test_bad_questions_are_told_what_to_do(filled, asked, path, told):
    answer = await asked(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert told in answer.json()["error"]["message"]


async def test_pages_are_followed_by_their_link(filled, asked):
    path, found = "/v2/sessions?limit=2&tag=nightly", []
    while path:
        answer = await asked(path)
        found += ids(answer)
        path = answer.links["next"]["url"] if "next" in answer.links else None
        assert ("x-next-cursor" in answer.headers) is (path is not None)
    assert found == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("path", "rows"),
    [("/v2/sessions", 5), ("/v2/analytics", 1), ("/v2/search?text=nightly", 5), (f"/v2/sessions/{'0' * 8}", None)],
)
async def test_formats(filled, asked, path, rows):
    if rows is None:
        session_id = filled.sessions()[0].session_id
        path, rows = f"/v2/sessions/{session_id}/spans", 2
    join = "&" if "?" in path else "?"
    listed = (await asked(path)).json()
    assert len(listed) == rows
    lines = await asked(f"{path}{join}format=jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == listed
    table = await asked(path, headers={"accept": "text/csv"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    read = list(csv.DictReader(io.StringIO(table.text)))
    assert len(read) == rows
    assert list(read[0]) == list(listed[0])
    assert (await asked(path, headers={"accept": "image/png"})).status_code == 406
    assert (await asked(path, headers={"accept": "text/html, */*;q=0.1"})).json() == listed


async def test_a_spreadsheet_runs_nothing(store, asked):
    store.insert([root({names.TAGS: ["x"], names.END_STATE: names.SUCCESS, names.END_STATE_REASON: "=cmd()"})])
    (row,) = csv.DictReader(io.StringIO((await asked("/v2/sessions?format=csv")).text))
    assert row["end_state_reason"] == "'=cmd()"


async def test_spans_as_otlp_are_taken_by_any_receiver(store, asked):
    sent = [
        root({names.END_STATE: names.SUCCESS, "n": 2**62, "f": 0.5, "yes": True, "words": ["a", "b"]}, end=5),
        failed(llm(0.5, kind="client", scope="s", scope_version="1", resource={"a": 1})),
    ]
    store.insert(sent)
    body = (await asked(f"/v2/sessions/{SESSION}/spans?format=otlp")).content
    records = {record.span_id: record for record in records_of(json.loads(body))}
    kept = {record.span_id: record for record in store.spans(SESSION) if record.end_time is not None}
    assert len(kept) == 2
    assert {key: (r.name, r.start_time, r.end_time, r.parent_id, r.kind, r.status) for key, r in records.items()} == {
        key: (r.name, r.start_time, r.end_time, r.parent_id, r.kind, r.status) for key, r in kept.items()
    }
    for key, record in records.items():
        assert dict(record.attributes).items() >= dict(kept[key].attributes).items()
        assert (record.resource, record.scope) == (dict(kept[key].resource), kept[key].scope)
        assert [event["name"] for event in record.events] == [event["name"] for event in kept[key].events]


async def test_figures(filled, asked):
    found = (
        (await asked("/v2/analytics?by=end_state&project=p")).status_code,
        (await asked("/v2/analytics?by=model")).json(),
    )
    assert found[0] == 400, "the project is that of the key"
    assert found[1][0]["cost"] == "2.5"
    assert (found[1][0]["model"], found[1][0]["llm_calls"], found[1][0]["sessions"]) == ("gpt-4o", 5, 5)
    assert [row["end_state"] for row in (await asked("/v2/analytics?by=day,end_state")).json()] == [
        "Failure",
        "Success",
    ]
    assert len((await asked("/v2/analytics?by=day&by=tag")).json()) == 6


async def test_search(filled, asked):
    (hit,) = (await asked("/v2/search?text=n3")).json()
    assert hit["excerpt"] == "n3"
    assert (await asked("/v2/search?text=nothing-of-that-kind")).json() == []
    assert len((await asked("/v2/search?text=night*&limit=2")).json()) == 2


async def test_deleting(filled, asked):
    session_id = filled.sessions()[0].session_id
    assert (await asked(f"/v2/sessions/{session_id}", "DELETE")).status_code == 204
    for path in ("", "/stats", "/export", "/spans"):
        assert (await asked(f"/v2/sessions/{session_id}{path}")).status_code == 404
    assert (await asked(f"/v2/sessions/{session_id}", "DELETE")).status_code == 404
    assert len((await asked("/v2/sessions")).json()) == 4


async def test_what_runs_is_not_deleted(store, asked):
    store.insert([root({names.OWNER: owners.Owner.claim(store.owners).name}, end=None)])
    answer = await asked(f"/v2/sessions/{SESSION}", "DELETE")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert store.session(SESSION).is_running


@pytest.mark.parametrize("project", ["p", "q"])
async def test_a_request_sees_its_project_only(filled, project):
    file = KeyFile(filled.path)
    keys = {name: file.add(name).text for name in ("p", "q")}
    ask = asker(make_app(filled, Keys((), file)), {"X-Agentops-Api-Key": keys[project]})
    mine = {row.session_id for row in filled.sessions(SessionQuery(project=project))}
    assert {row["id"] for row in (await ask("/v2/sessions")).json()} == mine
    for row in filled.sessions():
        status = 200 if row.session_id in mine else 404
        for path in ("", "/stats", "/export", "/spans"):
            assert (await ask(f"/v2/sessions/{row.session_id}{path}")).status_code == status
    assert sum(row["sessions"] for row in (await ask("/v2/analytics")).json()) == len(mine)
    assert {row["session_id"] for row in (await ask("/v2/search?text=nightly")).json()} == mine
    for row in filled.sessions():
        if row.session_id not in mine:
            assert (await ask(f"/v2/sessions/{row.session_id}", "DELETE")).status_code == 404
    assert len(filled.sessions()) == 5


async def test_many_requests_are_kept_together(store, app):
    bodies = [protobuf_request(span(trace=f"{number + 1:032x}")) for number in range(30)]
    ask = asker(app)
    options = [{"content": body, "headers": {"content-type": "application/x-protobuf"}} for body in bodies]
    answers = await asyncio.gather(*(ask("/v1/traces", "POST", **each) for each in options))
    assert {answer.status_code for answer in answers} == {200}
    assert len(store.sessions()) == 30


# --- Changes ------------------------------------------------------------------------------------------------


class Stream:
    """What a stream of the application sends, event by event."""

    def __init__(self, app, path="/v2/changes", headers=()):
        self._sent, self._gone = asyncio.Queue(), asyncio.Event()
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "http_version": "1.1",
            "headers": [(b"host", b"localhost"), *headers], "asgi": {"spec_version": "2.4", "version": "3.0"},
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self._receive, self._sent.put))

    async def _receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def status(self):
        return (await asyncio.wait_for(self._sent.get(), 10))["status"]

    async def event(self):
        text = (await asyncio.wait_for(self._sent.get(), 10)).get("body", b"").decode()
        return dict(line.split(": ", 1) for line in text.strip().splitlines())

    async def close(self):
        self._gone.set()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(changes_module, "_PAUSE_SECONDS", 0.01)


async def test_changes_are_told_as_they_come_and_resumed(store, app):
    stream = Stream(app)
    assert await stream.status() == 200
    assert (await stream.event())["event"] == "ready"
    store.insert([root({names.END_STATE: names.SUCCESS}), llm(0.5)])
    told = await stream.event()
    assert told["event"] == "session"
    assert json.loads(told["data"]) == session_json(store.session(SESSION))
    await stream.close()
    store.insert([llm(0.25)])
    store.insert([span(trace="1" * 32)])
    again = Stream(app, headers=[(b"last-event-id", told["id"].encode())])
    await again.status()
    await again.event()
    found = [await again.event(), await again.event()]
    assert json.loads(found[0]["data"])["cost"] == "0.75"
    assert int(found[1]["id"]) > int(found[0]["id"]) > int(told["id"])
    store.delete(SESSION)
    gone = await again.event()
    assert (gone["event"], json.loads(gone["data"])) == ("deleted", {"id": SESSION, "project_id": "default"})
    await again.close()


async def test_a_quiet_stream_says_that_it_lives_and_ends_when_told(store, app, monkeypatch):
    monkeypatch.setattr(changes_module, "_HEARTBEAT_SECONDS", 0.02)
    stream = Stream(app)
    await stream.status()
    await stream.event()
    assert await stream.event() == {"": "still here"}
    app.state.end_streams()
    await asyncio.wait_for(stream.task, 5)


async def test_too_many_streams_are_told_so(store, app, monkeypatch):
    monkeypatch.setattr(changes_module, "_STREAMS", 1)
    first = Stream(app)
    await first.status()
    await first.event()
    answer = await asker(app)("/v2/changes")
    assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
    await first.close()
    second = Stream(app)
    assert await second.status() == 200
    await second.close()


async def test_a_number_of_another_store_begins_anew(store, app):
    store.insert([root()])
    stream = Stream(app, "/v2/changes?after=999999")
    await stream.status()
    await stream.event()
    assert (await stream.event())["event"] == "session"
    await stream.close()


# --- Parts of sessions --------------------------------------------------------------------------------------


async def test_first_inputs_are_told_where_they_are_asked_for(asked, store):
    store.insert([root({names.INPUT_VALUE: "Where is my order?"})])
    (told,) = (await asked("/v2/sessions?include=first_input")).json()
    assert told["first_input"] == "Where is my order?"
    assert "first_input" not in (await asked("/v2/sessions")).json()[0]
    assert (await asked("/v2/sessions?include=all")).status_code == 400


async def test_facets_are_listed(asked, store):
    store.insert([root({names.TAGS: ["eu"]}, resource={names.HOST_NAME: "atlas"})])
    assert (await asked("/v2/facets?facet=tag&since=9999d")).json() == [{"value": "eu", "sessions": 1}]
    assert (await asked("/v2/facets?facet=host&format=csv")).text.split() == ["value,sessions", "atlas,1"]
    assert len((await asked("/v2/sessions?host=atlas")).json()) == 1
    for query in ("", "facet=colour", "facet=tag&limit=0", "facet=tag&since=soon", "facet=tag&x=1"):
        assert (await asked(f"/v2/facets?{query}")).status_code == 400, query


async def test_some_spans_are_asked_for_by_their_ids(asked, store):
    one, other = llm(), llm()
    store.insert([root(), one, other])
    path = f"/v2/sessions/{SESSION}/spans"
    assert [told["span_id"] for told in (await asked(f"{path}?span_id={other.span_id}")).json()] == [other.span_id]
    assert len((await asked(f"{path}?span_id={one.span_id},{other.span_id}")).json()) == 2
    assert (await asked(f"{path}?span_id={'0,' * 1001}")).status_code == 400
