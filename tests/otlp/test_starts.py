"""A session is told to an endpoint when it begins, and a server of ours tells where its page is."""

from __future__ import annotations

import gzip
import time

import pytest
from collector import Collector
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from page_server import served
from span_records import BEGIN, ROOT_ID, SESSION, TRACE, python, root

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration
from agentops_otel.conventions import names
from agentops_otel.otlp import bodies
from agentops_otel.otlp.endpoint import Endpoint
from agentops_otel.otlp.transport import Answer, Meaning, page_of, transport
from agentops_otel.server.reading import starts_of
from agentops_otel.store import SessionQuery, SQLiteStore, owners

PROGRAM = """
import sys, time
import agentops_otel as agentops
session = agentops.init(endpoint=sys.argv[1], tags=["killed"], store=sys.argv[2])
deadline = time.monotonic() + 20
while session.session_url is None and time.monotonic() < deadline:
    time.sleep(0.02)
print(session.session_id, session.session_url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "server.db")
    yield store
    store.close()


@pytest.fixture
def client(tmp_path):
    """Start sessions of a client that sends to this endpoint."""
    made = []

    def make(endpoint, **settings):
        config = Configuration.read(
            endpoint=endpoint, store=str(tmp_path / "own.db"), isolated=True, instrument_llm_calls=False, **settings
        )
        made.append(Client())
        made[-1].init(config)
        return made[-1]

    yield make
    for each in made:
        for session in each.sessions:
            session.end_session()
        each.shut_down()


def within(seconds, found):
    deadline = time.monotonic() + seconds
    while not (told := found()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return told


def test_a_session_that_is_killed_is_not_absent(store, tmp_path, monkeypatch):
    with served(store) as url:
        with python(PROGRAM, url, tmp_path / "own.db") as process:
            session_id, page = process.stdout.readline().split()
            row = within(5, lambda: store.session(session_id))
            assert (row.is_running, row.tags, row.end_time) == (True, ["killed"], None)
            process.kill()
        assert page == f"{url}/s/{session_id}"
    monkeypatch.setattr(owners, "SILENCE", 0)
    row = store.session(session_id)
    assert (row.is_running, row.end_state, row.end_state_reason) == (
        False,
        "Indeterminate",
        "process ended without a word",
    )
    assert [each.session_id for each in store.sessions(SessionQuery(tags=("killed",)))] == [session_id]


def requested(body):
    return ExportLogsServiceRequest.FromString(gzip.decompress(body))


def test_a_session_whose_machine_is_cut_off_is_not_running_for_long(store, client, monkeypatch):
    monkeypatch.setattr("agentops_otel.otlp.sending._HEARTBEAT", 0.05)
    with served(store) as url:
        made = client(url, default_tags=["far"])
        (session,) = made.sessions
        begun = within(10, lambda: store.session(session.session_id))
        later = within(10, lambda: (row := store.session(session.session_id)).last_time > begun.last_time and row)
        assert (later.is_running, later.tags, later.start_time) == (True, ["far"], begun.start_time)
        within(10, lambda: store.session(session.session_id).last_time > later.last_time)
        with monkeypatch.context() as patch:
            patch.setattr(owners, "_place", lambda _: "another host")
            assert store.session(session.session_id).is_running
            patch.setattr(owners, "LEASE", 0)
            assert store.session(session.session_id).end_state_reason == "process ended without a word"
        session.end_session("Success")
        made.flush()
        row = within(10, lambda: (found := store.session(session.session_id)).end_time and found)
        assert (row.end_state, row.is_running) == ("Success", False)
        assert not made.pipeline.delivery.receivers[0]._sending._open


def test_one_heartbeat_tells_of_all_open_sessions():
    begun = [root({names.TAGS: [tag]}, trace=tag * 32, end=None) for tag in "ab"]
    read = starts_of(requested(bodies.events_body([bodies.start_of(each) for each in begun], names.SESSION_HEARTBEAT)))
    assert [(each.trace_id, each.start_time, list(each.attributes[names.TAGS])) for each in read] == [
        ("a" * 32, BEGIN, ["a"]),
        ("b" * 32, BEGIN, ["b"]),
    ]
    assert all(time.time_ns() - each.attributes[names.SESSION_HEARD] < 60 * 10**9 for each in read)


def test_heartbeats_are_told_to_nobody_who_takes_no_logs(client, monkeypatch):
    monkeypatch.setattr("agentops_otel.otlp.sending._HEARTBEAT", 0.01)
    told = []
    with Collector() as collector:
        made = client(collector.url, auto_start_session=False)
        sending = made.pipeline.delivery.receivers[0]._sending
        monkeypatch.setattr(
            sending._transport, "tell", lambda body: told.append(body) or Answer(Meaning.REFUSED, "404")
        )
        made.start_session()
        assert within(10, lambda: told)
        time.sleep(0.1)
    assert len(told) == 1


def test_an_end_overrides_the_start_that_was_told(store, client):
    with served(store) as url:
        made = client(url)
        (session,) = made.sessions
        assert within(10, lambda: store.session(session.session_id)).is_running
        session.end_session("Success")
        made.flush()
        row = within(10, lambda: (found := store.session(session.session_id)).end_time and found)
    assert (row.end_state, row.is_running) == ("Success", False)


def test_an_endpoint_that_takes_no_logs_is_asked_once_and_gets_the_spans(client):
    with Collector() as collector:
        made = client(collector.url)
        (session,) = made.sessions
        (receiver,) = made.pipeline.delivery.receivers
        assert within(10, lambda: not receiver._sending._takes_starts)
        session.end_session("Success")
        made.flush()
        collector.wait_for(1)
        assert (session.session_url, collector.names) == (None, {"session": 1})
        counts = made.pipeline.delivery.counts()
        assert (counts.made, counts.delivered, counts.waiting) == (1, 1, 0)


def test_what_is_told_is_what_the_server_reads():
    record = root({names.TAGS: ["a", "b"]}, end=None, resource={"service.name": "s"}, scope="x", scope_version="1")
    (read,) = starts_of(requested(bodies.events_body([bodies.start_of(record)], names.SESSION_START)))
    assert (read.trace_id, read.span_id, read.start_time, read.end_time) == (TRACE, ROOT_ID, BEGIN, None)
    assert (read.session_id, read.is_session, list(read.attributes[names.TAGS])) == (SESSION, True, ["a", "b"])
    assert (read.resource, read.scope, read.scope_version) == ({"service.name": "s"}, "x", "1")


@pytest.mark.parametrize(
    ("url", "logs"),
    [
        ("http://h:1/v1/traces", "http://h:1/v1/logs"),
        ("https://h/base/v1/traces", "https://h/base/v1/logs"),
        ("http://h:1/own/path", None),
        ("http://h:1/v1/traces?x=1", None),
    ],
)
def test_logs_go_beside_the_traces_or_nowhere(url, logs):
    endpoint = Endpoint(url, "http/protobuf", {})
    assert endpoint.logs_url == logs
    if logs is None:
        assert transport(endpoint).tell(b"").meaning is Meaning.REFUSED


@pytest.mark.parametrize(
    ("told", "page"),
    [
        ("/s/", "http://h:1/s/"),
        ("/behind/a/proxy/s/", "http://h:1/behind/a/proxy/s/"),
        (None, None),
        ("", None),
        ("s/", None),
        ("//elsewhere/s/", None),
        ("http://elsewhere/s/", None),
        ("javascript:alert(1)/", None),
        ("/s", None),
        ("/\n/", None),
        ("/é/", None),
    ],
)
def test_a_page_is_on_the_server_that_tells_of_it(told, page):
    assert page_of("http://h:1/v1/traces", told) == page


def test_of_many_sessions_at_once_some_are_told_and_all_end(client, monkeypatch):
    monkeypatch.setattr("agentops_otel.otlp.sending._MOST_STARTS", 3)
    with Collector(503) as collector:
        made = client(collector.url, auto_start_session=False)
        receiver = made.pipeline.delivery.receivers[0]
        sending = receiver._sending
        monkeypatch.setattr(sending._transport, "tell", lambda body: Answer(Meaning.LATER, "down"))
        start = bodies.start_of(root(end=None))
        for number in range(10):
            sending.announce(f"{number:016x}", start)
        assert len(sending._starts) == 3
        for number in range(10):
            sending.withdraw(f"{number:016x}")
        assert not sending._starts


def test_the_local_store_has_no_page(tmp_path):
    made = Client()
    made.init(Configuration.read(store=str(tmp_path / "own.db"), isolated=True, instrument_llm_calls=False))
    (session,) = made.sessions
    assert session.session_url is None
    session.end_session()
    made.shut_down()
