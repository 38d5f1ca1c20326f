"""Sessions: what they are as spans, how they end, and what a misuse of them does."""

from __future__ import annotations

import asyncio
import contextvars
import getpass
import itertools
import logging
import os
import platform
import threading
import uuid
from decimal import Decimal
from pathlib import Path

import openai
import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from trees import tree

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration, is_loopback
from agentops_otel.conventions import names
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.sessions.events import ActionEvent, EndState, ErrorEvent, LLMEvent, ToolEvent
from agentops_otel.sessions.figures import cost_text, duration_text, tags_of
from agentops_otel.sessions.identity import root_span_id_of, session_id_of, trace_id_of


def ask(provider, model="gpt-4o-mini"):
    with openai.OpenAI(api_key="x", base_url=provider.openai_url, max_retries=0) as client:
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}])


def chats(count, **kwargs):
    return Provider([Answer.json(bodies.chat("hi", **kwargs)) for _ in range(count)])


def root(watched):
    (found,) = [record for record in watched.all if record.is_session]
    return found


def test_a_session_is_its_trace(watched):
    session = watched.session
    watched.session.record(ActionEvent(action_type="plan"))
    session.end_session("Success")
    assert uuid.UUID(session.session_id).hex == root(watched).trace_id
    assert root(watched).span_id == f"{root_span_id_of(session.session_id):016x}"
    assert {record.session_id for record in watched.all} == {session.session_id}


def test_totals_are_on_the_root(watched):
    usage = bodies.chat_usage(1200, 150, cached_tokens=1000, reasoning_tokens=50)
    with chats(2, usage=usage) as provider:
        ask(provider)
        ask(provider)
    watched.session.record(ToolEvent(name="search"))
    watched.session.record(ActionEvent(action_type="plan"))
    watched.session.record(ErrorEvent(error_type="Oops", details="it broke"))
    assert watched.session.end_session("Failure", "it broke") == "0.00039"
    told = root(watched).attributes
    assert {name: told[name] for name in told if name.startswith("agentops.") and name != names.SPAN_KIND} == {
        names.LLM_CALLS: 2,
        names.TOOL_CALLS: 1,
        names.ACTIONS: 1,
        names.ERRORS: 1,
        names.TOTAL_INPUT_TOKENS: 2400,
        names.TOTAL_OUTPUT_TOKENS: 300,
        names.TOTAL_CACHE_READ_TOKENS: 2000,
        names.TOTAL_CACHE_WRITE_TOKENS: 0,
        names.TOTAL_REASONING_TOKENS: 100,
        names.COST: 0.00039,
        names.COST_UNPRICED_CALLS: 0,
        names.END_STATE: "Failure",
        names.END_STATE_REASON: "it broke",
    }
    assert (root(watched).status, root(watched).status_message) == ("error", "it broke")


@pytest.mark.parametrize(
    ("word", "state", "status"),
    [
        ("Success", "Success", "ok"),
        ("success", "Success", "ok"),
        ("Failure", "Failure", "error"),
        ("Fail", "Failure", "error"),
        ("FAIL", "Failure", "error"),
        ("Indeterminate", "Indeterminate", "unset"),
        (EndState.SUCCESS, "Success", "ok"),
        (EndState.FAIL, "Failure", "error"),
    ],
)
def test_end_states(watched, word, state, status):
    assert watched.session.end_session(word) == "0.00"
    assert watched.session.end_state == state
    assert root(watched).attributes[names.END_STATE] == state
    assert root(watched).status == status


@pytest.mark.parametrize("word", ["Done", "", None, 7, "Successful"])
def test_an_unknown_end_state_leaves_the_session_open(watched, word, caplog):
    assert watched.session.end_session(word) is None
    assert watched.session.is_running
    assert "Success, Failure or Indeterminate" in caplog.text
    assert watched.session.end_session("Success") == "0.00"


def test_ending_twice_keeps_the_first_end(watched, caplog):
    watched.session.end_session("Success")
    assert watched.session.end_session("Failure") is None
    assert watched.session.end_state == "Success"
    assert "has ended already" in caplog.text


def test_recording_after_the_end(watched, caplog):
    watched.session.end_session("Success")
    watched.session.record(ActionEvent())
    assert watched.spans == []
    assert "after the session" in caplog.text


@pytest.mark.parametrize("odd", [{"name": "x"}, None, "action", ActionEvent, object()])
def test_recording_what_is_no_event(watched, odd, caplog):
    watched.session.record(odd)
    assert watched.spans == []
    assert "record() takes an ActionEvent" in caplog.text


def test_an_unknown_price_is_absent(watched):
    with chats(1, model="my-own-model") as provider:
        ask(provider, "my-own-model")
    assert watched.session.end_session("Success") == "nan"
    told = root(watched).attributes
    assert names.COST not in told
    assert told[names.COST_UNPRICED_CALLS] == 1
    assert names.COST not in watched.span.attributes


def test_own_prices(make_watched):
    watched = make_watched(prices={"my-own-model": {"input": 1, "output": 2}, "free": 0})
    usage = bodies.chat_usage(1000, 100)
    with Provider(
        [Answer.json(bodies.chat("x", model=name, usage=usage)) for name in ("my-own-model", "free")]
    ) as provider:
        ask(provider, "my-own-model")
        ask(provider, "free")
    assert watched.session.end_session("Success") == "0.0012"
    assert {span.attributes[names.COST_SOURCE] for span in watched.spans} == {"override"}


def test_calls_before_the_prices_are_there_are_priced(watched):
    """The first answer comes before the price data is imported: its cost is added on the way."""
    with chats(3, usage=bodies.chat_usage(1000, 100)) as provider:
        for _ in range(3):
            ask(provider)
    assert watched.session.end_session("Success") == "0.00063"


def test_analytics_end_nothing(watched):
    watched.session.record(LLMEvent(model="gpt-4o-mini", prompt_tokens=1000, completion_tokens=100))
    first = watched.session.get_analytics()
    assert first == {
        "LLM calls": 1,
        "Tool calls": 0,
        "Actions": 0,
        "Errors": 0,
        "Duration": first["Duration"],
        "Cost": "0.000210",
    }
    assert watched.session.is_running
    assert watched.session.end_timestamp is None
    assert list(first) == ["LLM calls", "Tool calls", "Actions", "Errors", "Duration", "Cost"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.94, "0.9s"), (63.2, "1m 3.2s"), (3603.2, "1h 3.2s"), (3723.2, "1h 2m 3.2s"), (59.97, "1m 0.0s")],
)
def test_duration_text(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Decimal(0), "0.00"),
        (Decimal("0.0012345"), "0.001235"),
        (Decimal("12.5"), "12.500000"),
        (None, "unknown"),
    ],
)
def test_cost_text(cost, text):
    assert cost_text(cost) == text


class Odd:
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("told", "tags"),
    [
        (["a", "b", "a"], ["a", "b"]),
        ("one", ["one"]),
        (None, []),
        (("x", 1, None, ""), ["x", "1"]),
        ({"team": "blue"}, ["team:blue"]),
        (7, ["7"]),
        ([Odd()], ["<Odd>"]),
        ([["a"]], ["['a']"]),
    ],
)
def test_tags_of(told, tags):
    assert tags_of(told) == tags


def test_tags_are_instant(watched):
    session = watched.session
    session.add_tags(["a", "b"])
    session.add_tags("b")
    session.add_tags("c")
    assert session.tags == ["a", "b", "c"]
    session.set_tags(["z", "z"])
    session.end_session("Success")
    assert list(root(watched).attributes[names.TAGS]) == ["z"]
    session.add_tags("late")
    assert session.tags == ["z"]


def test_lone_surrogates_lose_nothing(watched):
    watched.session.add_tags("\ud800tag")
    watched.session.record(ActionEvent(action_type="\ud800", returns="\udfff"))
    watched.session.record(ActionEvent(action_type="sound"))
    watched.session.end_session("Success", "\ud800 reason")
    for record in watched.all:
        record.name.encode()
        for value in record.attributes.values():
            str(value).encode()
    assert len(watched.spans) == 2


@pytest.mark.parametrize("error", [None, ValueError("bad"), KeyboardInterrupt()])
def test_with(watched, error):
    session = watched.client.start_session()
    try:
        with session:
            assert watched.client.current() is session
            if error is not None:
                raise error
    except BaseException as caught:
        assert caught is error
    assert session.end_state == ("Success" if error is None else "Failure")
    assert session.end_state_reason == {None: None, ValueError: "ValueError: bad"}.get(
        error and type(error), "KeyboardInterrupt"
    )


async def test_async_with(watched):
    async with watched.client.start_session() as session:
        await asyncio.sleep(0)
        assert watched.client.current() is session
    assert session.end_state == "Success"
    assert watched.client.current() is watched.session


def test_ending_in_another_thread_gives_the_context_back_here(watched):
    before = trace.get_current_span()
    session = watched.client.start_session()
    thread = threading.Thread(target=session.end_session, args=("Success",))
    thread.start()
    thread.join()
    assert session.end_state == "Success"
    session.deactivate()
    assert trace.get_current_span() is before


def test_calls_follow_their_session(watched):
    first = watched.session
    second = watched.client.start_session(tags="second")
    with chats(3) as provider:
        ask(provider)
        with first:
            ask(provider)
        second.activate()
        ask(provider)
    second.end_session("Success")
    assert [span.session_id for span in watched.spans] == [
        second.session_id,
        first.session_id,
        second.session_id,
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_whatever_order_sessions_end_none_that_has_ended_is_current(watched, order):
    before = trace.get_current_span()
    sessions = [watched.client.start_session() for _ in range(3)]
    open_ones = [watched.session, *sessions]
    for number in order:
        sessions[number].end_session()
        open_ones.remove(sessions[number])
        assert watched.client.current() is open_ones[-1]
    assert trace.get_current_span() is before


def test_a_session_that_is_made_current_again_and_again_holds_nothing(watched):
    other = watched.client.start_session()
    for _ in range(3):
        watched.session.activate()
        other.activate()
        (around,) = [told for told in otel_context.get_current().values() if type(told).__name__ == "_Around"]
        assert around.sessions == (watched.session, other)
    other.end_session()
    assert watched.client.current() is watched.session


def test_a_thread_without_context_uses_the_only_session(watched):
    with chats(1) as provider:
        thread = threading.Thread(target=ask, args=(provider,))
        thread.start()
        thread.join()
    watched.session.end_session("Success")
    assert tree(watched.all).splitlines()[1].startswith("  chat gpt-4o-mini")


def test_sessions_of_64_threads_keep_apart(make_watched):
    watched = make_watched(max_queue_size=100_000)
    made = []

    def work(thread):
        for number in range(100):
            name = f"{thread}.{number}"
            session = watched.client.start_session(tags=name)
            watched.client.current().record(ActionEvent(action_type=name))
            assert session.end_session("Success") == "0.00"
            made.append((session.session_id, name))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6400
    assert {(span.session_id, span.attributes[names.ACTION_TYPE]) for span in watched.spans} == set(made)


async def test_concurrent_sessions_keep_apart(make_watched):
    watched = make_watched(max_queue_size=100_000)

    async def one(number):
        session = watched.client.start_session(tags=f"n{number}")
        await asyncio.sleep(0)
        assert watched.client.current() is session
        watched.client.current().record(ActionEvent(action_type=str(number)))
        await asyncio.sleep(0)
        session.end_session("Success")
        return session.session_id, str(number)

    made = await asyncio.gather(*(one(number) for number in range(10_000)))
    seen = {(span.session_id, span.attributes[names.ACTION_TYPE]) for span in watched.spans}
    assert seen == set(made)


def test_a_foreign_parent_is_linked(watched):
    tracer = watched.client.pipeline.tracer
    with tracer.start_as_current_span("web request") as around:
        session = watched.client.start_session()
        session.end_session("Success")
    (made,) = [record for record in watched.all if record.is_session]
    assert made.parent_id is None
    assert [link["span_id"] for link in made.links] == [f"{around.get_span_context().span_id:016x}"]


@pytest.mark.parametrize("form", [str, uuid.UUID, lambda told: uuid.UUID(told).hex, str.upper])
def test_inherited(watched, form):
    told = "8c5b3c1e-9d7b-4f63-8c9b-0a1b2c3d4e5f"
    session = watched.client.start_session(inherited_session_id=form(told))
    assert session.session_id == told
    session.record(ActionEvent(action_type="child"))
    session.end_session("Success")
    (span,) = watched.spans
    assert (span.trace_id, span.parent_id) == (uuid.UUID(told).hex, f"{root_span_id_of(told):016x}")
    assert [record for record in watched.all if record.is_session] == []


@pytest.mark.parametrize("bad", ["x", "", 7, "00000000-0000-0000-0000-000000000000", object()])
def test_inherited_from_nobody(watched, bad, caplog):
    assert watched.client.start_session(inherited_session_id=bad) is None
    assert "session id" in caplog.text


def test_ids():
    told = str(uuid.uuid4())
    assert session_id_of(uuid.UUID(told)) == told
    assert trace_id_of(told) == uuid.UUID(told).int
    assert root_span_id_of(told) != root_span_id_of(str(uuid.uuid4()))


def test_init_again_is_the_same_session(watched, caplog):
    again = watched.client.init(watched.client.config, tags=["more"])
    assert again is watched.session
    assert again.tags == ["more"]
    assert caplog.text == ""
    watched.client.init(Configuration(max_wait_time=1))
    watched.client.init(Configuration(max_wait_time=1))
    assert caplog.text.count("another configuration") == 1


def test_ambiguous(watched, caplog):
    sessions = [watched.client.start_session() for _ in range(2)]

    def elsewhere():
        found.append(watched.client.current(doing="record()"))

    found = []
    for _ in range(2):
        contextvars.Context().run(elsewhere)
    assert found == [None, None]
    assert caplog.text.count("3 sessions are open") == 1
    for session in sessions:
        session.end_session("Success")


def test_a_bad_key_is_said_once_and_not_used(caplog, make_watched):
    watched = make_watched(api_key="my-key")
    assert "Invalid API key format" in caplog.text
    assert "my-key" not in caplog.text
    assert watched.client.config.api_key is None
    assert watched.session.is_running


def test_a_key_is_never_shown(make_watched):
    key = "01234567-89ab-cdef-0123-456789abcdef"
    watched = make_watched(api_key=key)
    watched.session.end_session("Success")
    assert key not in repr(watched.client.config)
    assert watched.session.project_id not in {"default", key}
    assert all(key not in str(record) for record in watched.all)
    assert root(watched).resource[names.PROJECT_ID] == watched.session.project_id


@pytest.mark.parametrize(
    ("endpoint", "here"),
    [
        ("http://localhost:4318", True),
        ("http://127.0.0.1:4318/v1/traces", True),
        ("http://[::1]:4318", True),
        ("localhost:4317", True),
        ("https://collector.example.com", False),
        ("http://localhost.example.com:4318", False),
        ("http://127.0.0.1@evil.example.com", False),
        ("http://10.0.0.1:4318", False),
    ],
)
def test_is_loopback(endpoint, here):
    assert is_loopback(endpoint) is here


def test_content_stays_on_this_machine(monkeypatch):
    assert Configuration().content_captured(None)
    assert Configuration().content_captured("http://localhost:4318")
    assert not Configuration().content_captured("https://collector.example.com")
    assert Configuration(capture_content=True).content_captured("https://collector.example.com")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    assert Configuration().content_captured("https://collector.example.com")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT")
    assert not Configuration().content_captured(None)


def test_a_full_queue_drops_and_counts(make_watched):
    watched = make_watched(max_queue_size=10)
    release = threading.Event()
    taken = watched.memory.deliver
    watched.memory.deliver = lambda records: release.wait(10) and taken(records)
    for number in range(500):
        watched.session.record(ActionEvent(action_type=str(number)))
    release.set()
    watched.session.end_session("Success")
    processor, delivery = watched.client.pipeline.processor, watched.client.pipeline.delivery
    assert watched.client.flush(10)
    assert processor.dropped > 0
    assert processor.made == delivery.delivered + processor.dropped == 501
    assert [record for record in watched.all if record.is_session]


def test_a_receiver_that_fails_harms_nobody(make_watched, caplog):
    watched = make_watched()

    def fail(records):
        raise OSError("disk full")

    watched.memory.deliver = fail
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            watched.session.record(ActionEvent())
        assert watched.session.end_session("Success") == "0.00"
        watched.client.flush(10)
    assert caplog.text.count("disk full") == 1
    assert watched.client.pipeline.delivery.undelivered == 4
    watched.client.faults.counts.clear()


def test_video(make_watched, tmp_path):
    watched = make_watched()
    watched.session.set_video("https://example.com/run.mp4")
    assert watched.session.video == "https://example.com/run.mp4"
    watched.session.end_session("Success", video="https://example.com/end.mp4")
    assert root(watched).attributes[names.VIDEO_URL] == "https://example.com/end.mp4"


def test_a_video_file_is_kept_beside_the_store(tmp_path):
    client = Client()
    session = client.init(Configuration.read(isolated=True, log_summary=False, store=str(tmp_path / "s.db")))
    file = tmp_path / "run.webm"
    file.write_bytes(b"film")
    session.set_video(str(file))
    session.end_session("Success")
    assert client.shut_down()
    kept = tmp_path / "s.db.media" / f"{session.session_id}.webm"
    assert session.video == kept.as_uri()
    assert kept.read_bytes() == b"film"


def test_host_environment(make_watched):
    told = make_watched()
    told.session.end_session("Success")
    resource = root(told).resource
    assert resource["process.pid"] == os.getpid()
    assert resource["telemetry.distro.name"] == "agentops_otel"
    assert any(item.startswith("openai==") for item in resource["agentops.packages"])
    assert told.session.host_env["SDK"]["Python Version"] == platform.python_version()
    private = {getpass.getuser() if getpass.getuser() != "root" else "no such user", str(Path.cwd())}
    assert not private & {str(value) for value in resource.values()}
    untold = make_watched(env_data_opt_out=True)
    untold.session.end_session("Success")
    assert not {
        name for name in root(untold).resource if name.startswith(("host.", "os.", "agentops.host", "process."))
    }
    assert untold.session.host_env == {}
