"""SQLiteStore: the promise of Store, on real files and with real processes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sqlite3
import stat
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from span_records import BEGIN, SECOND, SESSION, failed, llm, python, root, span, tool

import agentops_otel.store as store_face
from agentops_otel.accounting.record import record_of
from agentops_otel.conventions import names
from agentops_otel.store import StoreError, StoreExporter, base, default_path, open_store, owners, schema
from agentops_otel.store.sqlite import SQLiteStore

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
ENDED = {
    names.END_STATE: names.SUCCESS,
    names.END_STATE_REASON: "all done",
    names.TAGS: ["nightly", "refund"],
}


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "sessions.db")
    yield store
    store.close()


def query(store, text, *values):
    connection = sqlite3.connect(store.path)
    try:
        return connection.execute(text, values).fetchall()
    finally:
        connection.close()


# --- Records ---------------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_went_in(store):
    sent = failed(
        llm(
            attributes={
                "text": "größe ✓ \x00",
                "yes": True,
                "whole": 2**62,
                "part": 0.1,
                "words": ["a", "b"],
                "numbers": [1, 2.5],
                names.INPUT_MESSAGES: '[{"role":"user"}]',
            },
            kind="client",
            resource={"service.name": "shop", "n": 1},
            links=[{"trace_id": "1" * 32, "span_id": "2" * 16, "attributes": {"a": 1}}],
            scope="openai",
            scope_version="1.2",
        )
    )
    store.insert([sent])
    assert store.spans(SESSION) == [sent]
    assert store.spans(SESSION)[0].attributes["yes"] is True


def test_records_come_in_the_order_of_their_start(store):
    store.insert([span("late", start=3, end=4), span("early", start=1, end=9), root(start=0, end=None)])
    assert [record.name for record in store.spans(SESSION)] == ["session", "early", "late"]


@pytest.mark.parametrize("end_first", [False, True], ids=["start, end", "end, start"])
def test_an_end_replaces_its_start_and_never_the_other_way(store, end_first):
    start, end = root(end=None), root(ENDED, end=5)
    for record in (end, start) if end_first else (start, end):
        store.insert([record])
    assert store.spans(SESSION) == [end]
    assert store.session(SESSION).end_state == "Success"


def test_start_and_end_in_one_batch(store):
    store.insert([root(end=None), root(ENDED, end=5)])
    assert [record.end_time for record in store.spans(SESSION)] == [BEGIN + 5 * SECOND]


def test_what_is_sent_twice_counts_once(store):
    batch = [root(ENDED), llm(0.25, span_id="1" * 16)]
    store.insert(batch)
    before = query(store, "SELECT changes FROM sessions")
    store.insert([*batch, llm(99.0, span_id="1" * 16)])
    row = store.session(SESSION)
    assert (row.llm_calls, row.cost) == (1, Decimal("0.25"))
    assert query(store, "SELECT changes FROM sessions") == before, "a duplicate makes no roll-up stale"


def test_an_end_that_names_another_session_moves_the_record(store):
    store.insert([root(end=None, attributes={names.SESSION_ID: "first"})])
    assert [row.session_id for row in store.sessions()] == ["first"]
    store.insert([root({**ENDED, names.SESSION_ID: "second"}, end=1)])
    assert [row.session_id for row in store.sessions()] == ["second"]
    assert store.session("first") is None


def test_equal_resources_are_kept_once(store):
    store.insert([span(resource={"a": 1, "b": 2}), span(resource={"b": 2, "a": 1}), span(resource={"a": 2})])
    assert query(store, "SELECT count(*) FROM resources") == [(2,)]
    assert [record.resource for record in store.spans(SESSION)] == [
        {"a": 1, "b": 2},
        {"a": 1, "b": 2},
        {"a": 2},
    ]


class Broken:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        "\ud800",
        "a\udfffb",
        b"bytes",
        2**70,
        Broken(),
        {"deep": {"er": "\ud800"}},
        None,
    ],
    ids=["nan", "inf", "-inf", "lone", "lone inside", "bytes", "huge", "no text", "deep", "None"],
)
def test_no_value_breaks_an_insert(store, value):
    bad = span(
        "\ud800", {"bad": value, "\udc00": 1, "bads": [value]}, status_message="\ud83d", scope="\udc00"
    )
    store.insert([bad, span("good")])
    read = store.spans(SESSION)
    assert len(read) == 2
    json.dumps(read[0].attributes, allow_nan=False).encode()
    assert query(store, "SELECT min(json_valid(attributes)) FROM spans") == [(1,)]


def test_deep_and_circular_values_are_cut(store):
    deep = nested = {}
    for _ in range(5000):
        nested["in"] = {}
        nested = nested["in"]
    circle = []
    circle.append(circle)
    store.insert([span(attributes={"deep": deep, "circle": circle})])
    assert len(store.spans(SESSION)) == 1


@pytest.mark.parametrize("time_", [-5, 2**63, 2**64])
def test_times_that_do_not_fit_are_bounded(store, time_):
    record = span()
    record.start_time = record.end_time = time_
    store.insert([record])
    assert 0 <= store.spans(SESSION)[0].start_time < 2**63


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_COUNTED = [
    value for name, value in vars(names).items() if isinstance(value, str) and name.isupper() and "." in value
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(_COUNTED), _ANY, max_size=6))
def test_no_attribute_makes_a_session_unreadable(tmp_path, attributes):
    store = SQLiteStore(tmp_path / "any.db")
    store.insert([span(attributes={**attributes, names.SESSION_ID: "any"})])
    assert "any" in [row.session_id for row in store.sessions()]
    store.close()
    store.path.unlink()


@pytest.mark.parametrize(
    "cost", ["abc", math.nan, math.inf, True, [1], "1e999999", "1e-999999", {}], ids=repr
)
def test_a_price_that_is_no_number_is_an_unknown_price(store, cost):
    store.insert([llm(cost), llm(0.5)])
    row = store.session(SESSION)
    assert (row.cost, row.unpriced_calls, row.llm_calls) == (Decimal("0.5"), 1, 2)


# --- Sessions --------------------------------------------------------------------------------------------


def test_a_row_says_what_root_and_records_say(store):
    store.insert(
        [
            root(
                {**ENDED, names.VIDEO_URL: "https://v/1"},
                end=7,
                resource={names.PROJECT_ID: "p1", "host.name": "h"},
            ),
            llm(0.01, tokens=(100, 20), attributes={names.CACHE_READ_TOKENS: 60}),
            llm(None, model="odd"),
            failed(tool()),
            span(attributes={names.SPAN_KIND: names.KIND_ACTION}),
        ]
    )
    assert store.session(SESSION) == base.SessionRow(
        session_id=SESSION,
        project_id="p1",
        start_time=BEGIN,
        end_time=BEGIN + 7 * SECOND,
        end_state="Success",
        end_state_reason="all done",
        is_running=False,
        tags=["nightly", "refund"],
        video="https://v/1",
        cost=Decimal("0.01"),
        unpriced_calls=1,
        llm_calls=2,
        tool_calls=1,
        actions=1,
        errors=1,
        tokens={
            "input_tokens": 200,
            "output_tokens": 40,
            "cache_read_tokens": 60,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
        },
        models=["gpt-4o", "odd"],
        resource={names.PROJECT_ID: "p1", "host.name": "h"},
        last_time=BEGIN + 7 * SECOND,
    )


def test_the_kept_row_is_the_row_that_was_made(store):
    store.insert([root(ENDED), llm(0.1), llm(None), tool()])
    made = store.session(SESSION)
    assert query(store, "SELECT counted = changes FROM sessions") == [(1,)]
    assert store.session(SESSION) == made
    assert store.sessions() == [made]


def test_a_kept_row_is_read_without_its_records(store):
    store.insert([root(ENDED), llm(0.1)])
    made = store.session(SESSION)
    connection = sqlite3.connect(store.path)
    connection.execute("DELETE FROM spans")
    connection.commit()
    connection.close()
    assert store.session(SESSION) == made


def test_rows_made_by_other_rules_are_made_again(store):
    store.insert([root(ENDED), llm(0.1)])
    made = store.session(SESSION)
    connection = sqlite3.connect(store.path)
    connection.execute("UPDATE sessions SET rules = 0, llm_calls = 77")
    connection.commit()
    connection.close()
    assert store.session(SESSION) == made


def test_late_spans_change_the_totals_of_an_ended_session(store):
    store.insert([root({**ENDED, names.LLM_CALLS: 1, names.COST: 0.5}), llm(0.5)])
    assert store.session(SESSION).llm_calls == 1
    store.insert([llm(0.25, start=90, end=91)])
    row = store.session(SESSION)
    assert (row.llm_calls, row.cost, row.end_state) == (2, Decimal("0.75"), "Success")
    assert row.end_time == BEGIN + SECOND
    assert row.last_time == BEGIN + 91 * SECOND


def test_a_session_without_a_root(store):
    store.insert([llm(0.5, start=4, end=5), llm(0.5, start=2, end=3)])
    row = store.session(SESSION)
    assert (row.end_state, row.end_state_reason, row.is_running) == (
        "Indeterminate",
        "no end was received",
        False,
    )
    assert (row.start_time, row.end_time, row.llm_calls) == (BEGIN + 2 * SECOND, None, 2)


def test_an_ended_session_that_says_nothing_is_indeterminate(store):
    store.insert([root()])
    row = store.session(SESSION)
    assert (row.end_state, row.end_state_reason, row.is_running) == ("Indeterminate", None, False)


def test_the_default_project_and_no_tags(store):
    store.insert([root()])
    row = store.session(SESSION)
    assert (row.project_id, row.tags, row.video) == ("default", [], None)


def test_spans_of_no_session_are_grouped_by_trace(store):
    record = span()
    record.attributes = {}
    store.insert([record])
    assert [row.session_id for row in store.sessions()] == [SESSION]


def test_sessions_newest_first_and_no_more_than_asked(store):
    for number in range(5):
        store.insert([root(ENDED, trace=f"{number:032x}", start=number, end=number + 1)])
    assert [row.start_time for row in store.sessions(2)] == [BEGIN + 4 * SECOND, BEGIN + 3 * SECOND]
    assert len(store.sessions()) == 5


def test_find(store):
    ids = ["aaaa1111-0000-0000-0000-000000000000", "aaaa2222-0000-0000-0000-000000000000", "run-1", "run-10"]
    for number, session_id in enumerate(ids):
        store.insert([root({names.SESSION_ID: session_id}, trace=f"{number:032x}", start=number, end=9)])
    assert store.find("aaaa") == [ids[1], ids[0]]
    assert store.find("AAAA1111-00") == [ids[0]]
    assert store.find(ids[0].replace("-", "")) == [ids[0]]
    assert store.find("run-1") == ["run-1"], "a whole id is found alone"
    assert store.find("@last") == ["run-10"]
    assert store.find("@last~2") == [ids[1]]
    assert (
        store.find("@last~4")
        == store.find("bbbb")
        == store.find("")
        == store.find("%")
        == store.find("-")
        == []
    )


# --- Who owns a session ------------------------------------------------------------------------------------


def open_root(store, **attributes):
    owner = owners.Owner.claim(store.owners)
    return root({names.OWNER: owner.name, **attributes}, end=None)


def test_an_open_session_of_this_process_runs(store):
    store.insert([open_root(store, **{names.TAGS: ["a"]}), llm(0.5)])
    row = store.session(SESSION)
    assert (row.is_running, row.end_time, row.end_state_reason, row.tags) == (True, None, None, ["a"])
    assert row.llm_calls == 1


WRITER = """
import sys, time
from span_records import *
from agentops_otel.store import SQLiteStore, Owner
store = SQLiteStore(sys.argv[1])
store.insert([root({names.OWNER: Owner.claim(store.owners).name}, end=None), llm(0.5, span_id="1" * 16)])
print("written", flush=True)
for number in range(2, 10_000):
    store.insert([llm(0.5, span_id=f"{number:016x}")])
    print(number, flush=True)
sys.stdin.read()
"""


def test_a_killed_process_leaves_an_indeterminate_session_and_every_span_it_was_told_is_kept(store):
    process = python(WRITER, store.path)
    with process:
        assert process.stdout.readline() == "written\n"
        assert store.session(SESSION).is_running
        told = [process.stdout.readline() for _ in range(50)][-1]
        process.send_signal(signal.SIGKILL)
        told = (process.stdout.read().split() or [told])[-1]
    row = store.session(SESSION)
    assert (row.is_running, row.end_state, row.end_state_reason) == (
        False,
        "Indeterminate",
        "process ended without a word",
    )
    assert row.end_time is None
    assert row.llm_calls >= int(told)
    assert row.cost == row.llm_calls * Decimal("0.5")


def test_a_late_end_wins_over_a_dead_owner(store):
    with python(WRITER, store.path) as process:
        process.stdout.readline()
        process.kill()
    assert store.session(SESSION).end_state_reason == "process ended without a word"
    store.insert([root(ENDED, end=5)])
    assert store.session(SESSION).end_state == "Success"


def test_an_end_written_between_the_look_at_the_records_and_at_the_owner(store, monkeypatch):
    store.insert([root({names.OWNER: "any"}, end=None)])

    def ends_and_dies(*_, **__):
        monkeypatch.undo()
        store.insert([root(ENDED, end=5)])
        return False

    monkeypatch.setattr(owners, "is_alive", ends_and_dies)
    assert store.session(SESSION).end_state == "Success"


@pytest.mark.parametrize(("seconds", "runs"), [(10, True), (3700, False)])
def test_an_owner_on_another_host_is_given_an_hour(store, seconds, runs):
    start = root({names.OWNER: f"{'0' * 12}.1.{'0' * 16}"}, end=None)
    start.start_time = time.time_ns() - seconds * SECOND
    store.insert([start])
    assert store.session(SESSION).is_running is runs


# --- Several processes and threads -------------------------------------------------------------------------

MANY = """
import sys
from span_records import *
from agentops_otel.store.sqlite import SQLiteStore
sys.stdin.readline()
store = SQLiteStore(sys.argv[1])
first = int(sys.argv[2])
for number in range(100):
    store.insert([llm(0.5, span_id=f"{first + number * 2 + i:016x}") for i in range(2)])
    if number % 10 == 0:
        store.sessions()
print("done")
"""


def test_processes_that_begin_one_file_at_once_lose_nothing(store):
    processes = [python(MANY, store.path, 1 + number * 1000) for number in range(4)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            assert process.stdout.read() == "done\n"
        assert process.returncode == 0
    row = store.session(SESSION)
    assert (row.llm_calls, row.cost) == (800, Decimal(400))
    assert len(store.spans(SESSION)) == 800
    assert query(store, "PRAGMA integrity_check") == [("ok",)]


def test_threads_share_a_store(store):
    def write(first):
        for number in range(30):
            store.insert([llm(0.5, span_id=f"{first + number:016x}")])
            store.sessions(1)

    threads = [threading.Thread(target=write, args=(number * 100 + 1,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.session(SESSION).llm_calls == 120


def test_a_write_waits_for_the_writer_before_it(store):
    store.insert([root(end=None)])
    other = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.1, other.execute, ("COMMIT",))
    timer.start()
    store.insert([llm()])
    timer.join()
    other.close()
    assert store.session(SESSION).llm_calls == 1


def test_a_file_that_stays_locked_is_an_error_that_says_so(store, monkeypatch):
    monkeypatch.setattr("agentops_otel.store.sqlite._BUSY_SECONDS", 0.05)
    monkeypatch.setattr("agentops_otel.store.sqlite._PATIENCE_SECONDS", 0.1)
    store.insert([root(ENDED)])
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    store.sessions()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds it"):
        store.insert([llm()])
    assert store.session(SESSION).end_state == "Success", "readers do not wait for writers"
    other.execute("ROLLBACK")
    other.close()
    store.insert([llm()])


def test_reading_does_not_fail_where_the_roll_up_cannot_be_kept(store, monkeypatch):
    monkeypatch.setattr("agentops_otel.store.sqlite._BUSY_SECONDS", 0.05)
    store.insert([root(ENDED), llm(0.5)])
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.session(SESSION).llm_calls == 1
    other.execute("ROLLBACK")
    other.close()
    assert query(store, "SELECT counted FROM sessions") == [(0,)]


def test_a_roll_up_is_not_kept_for_records_that_came_meanwhile(store, monkeypatch):
    store.insert([root(ENDED), llm(0.5)])
    keep = store._keep

    def late(made):
        with contextlib.closing(SQLiteStore(store.path)) as other:
            other.insert([llm(0.5)])
        keep(made)

    monkeypatch.setattr(store, "_keep", late)
    assert store.session(SESSION).llm_calls == 1
    monkeypatch.undo()
    assert store.session(SESSION).llm_calls == 2


@forks
def test_a_forked_child_writes_beside_its_parent(store):
    store.insert([root(end=None)])
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            store.insert([llm(0.5, span_id="1" * 16)])
            os.write(to_parent, b"x")
            os.read(from_parent, 1)
            # The parent has closed the file: whoever shared its connection now writes into nothing.
            store.insert([llm(0.5, span_id="2" * 16)])
            os._exit(0)
        finally:
            os._exit(1)
    assert os.read(from_child, 1) == b"x"
    store.insert([llm(0.5, span_id="3" * 16)])
    store.close()
    os.write(to_child, b"x")
    assert os.waitpid(child, 0)[1] == 0
    assert store.session(SESSION).llm_calls == 3


@forks
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_another_thread_writes(store):
    store.insert([root(end=None)])
    ended = threading.Event()

    def write():
        number = 0
        while not ended.is_set():
            number += 1
            store.insert([llm(0.5, span_id=f"{number:016x}")])

    thread = threading.Thread(target=write)
    thread.start()
    children = []
    for number in range(5):
        child = os.fork()
        if child == 0:
            try:
                store.insert([llm(0.5, span_id=f"{number + 1:08x}{0:08x}")])
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    states = [os.waitpid(child, 0)[1] for child in children]
    ended.set()
    thread.join()
    assert states == [0] * 5
    found = {record.span_id for record in store.spans(SESSION)}
    assert {f"{number + 1:08x}{0:08x}" for number in range(5)} <= found


# --- Files -------------------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_insert(tmp_path):
    store = SQLiteStore(tmp_path / "new" / "sessions.db")
    assert store.sessions() == store.find("@last") == store.spans(SESSION) == []
    assert store.session(SESSION) is None
    store.insert([])
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.name == "nt", reason="modes are a POSIX matter")
def test_directory_and_files_are_the_users_alone(tmp_path):
    store = SQLiteStore(tmp_path / "new" / "sessions.db")
    store.insert([root(end=None)])
    owners.Owner.claim(store.owners)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    assert modes == {
        "sessions.db": 0o600,
        "sessions.db-wal": 0o600,
        "sessions.db-shm": 0o600,
        "sessions.db.owners": 0o700,
    }
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    store.close()


def test_a_closed_store_opens_again(store):
    store.insert([root(ENDED)])
    store.close()
    assert store.session(SESSION).end_state == "Success"
    store.close()
    store.close()


def test_a_file_that_is_removed_while_open_is_made_again(store):
    store.insert([root(ENDED)])
    for path in store.path.parent.glob("sessions.db*"):
        path.unlink()
    assert store.sessions() == []
    store.insert([llm(0.5)])
    with contextlib.closing(SQLiteStore(store.path)) as other:
        assert other.session(SESSION).llm_calls == 1


def test_a_file_that_is_no_database(store):
    store.path.write_text("Dear diary, " * 100)
    for use in (store.sessions, lambda: store.insert([root()])):
        with pytest.raises(StoreError, match=r"sessions\.db: file is not a database .*move it away"):
            use()
    assert store.path.read_text().startswith("Dear diary")
    store.path.unlink()
    store.insert([root()])
    assert len(store.sessions()) == 1


def test_a_database_that_is_damaged(store):
    store.insert([span(attributes={"text": "x" * 2000}) for _ in range(100)])
    store.close()
    content = store.path.read_bytes()
    store.path.write_bytes(content[:8192] + b"\x55" * (len(content) - 8192))
    with pytest.raises(StoreError, match="damaged"):
        store.spans(SESSION)


def test_a_store_of_a_newer_version(store):
    store.insert([root()])
    store.close()
    connection = sqlite3.connect(store.path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=r"newer agentops_otel .*upgrade agentops_otel"):
        store.sessions()


def test_a_database_of_another_program(store):
    connection = sqlite3.connect(store.path)
    connection.execute("CREATE TABLE cookies (id)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        store.insert([root()])
    assert query(store, "SELECT count(*) FROM sqlite_master") == [(1,)]


def test_a_directory_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="AGENTOPS_STORE"):
        SQLiteStore(tmp_path / "file" / "sessions.db").insert([root()])


@forks
def test_a_read_only_directory_is_an_error_that_says_what_to_do(tmp_path):
    tmp_path.chmod(0o555)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(tmp_path)
            if os.geteuid() == 0:
                os.setuid(65534)  # modes do not bind root
            SQLiteStore("sessions.db").insert([root()])
        except StoreError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    told = os.read(reading, 1000).decode()
    tmp_path.chmod(0o755)
    assert "AGENTOPS_STORE" in told


def test_where_the_store_is(tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTOPS_STORE", str(tmp_path / "mine.db"))
    assert default_path() == open_store().path == tmp_path / "mine.db"
    monkeypatch.setenv("AGENTOPS_STORE", str(tmp_path))
    assert default_path() == tmp_path / "sessions.db"
    monkeypatch.setenv("AGENTOPS_STORE", f"{tmp_path}/new/")
    assert default_path() == tmp_path / "new" / "sessions.db"
    assert open_store(tmp_path / "a.db").path == tmp_path / "a.db"
    assert open_store("~/a.db").path == Path.home() / "a.db"


@pytest.mark.skipif(not os.sys.platform.startswith("linux"), reason="XDG is for Linux")
def test_where_the_store_is_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTOPS_STORE", "")
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert str(default_path()) == "/home/ada/.local/share/agentops_otel/sessions.db"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert str(default_path()) == "/data/agentops_otel/sessions.db"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert str(default_path()) == "/home/ada/.local/share/agentops_otel/sessions.db"


def test_every_public_name_is_there_when_it_is_asked_for():
    assert store_face.__all__ == sorted(store_face.__all__)
    assert all(getattr(store_face, name) is not None for name in store_face.__all__)
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = store_face.nothing_such


# --- The exporter ------------------------------------------------------------------------------------------


def test_the_exporter_keeps_what_an_sdk_exports(store):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(StoreExporter(store)))
    with provider.get_tracer("mine", "1.0").start_as_current_span("work", attributes={"a": (1, 2)}) as made:
        made.add_event("seen", {"b": 2})
    (kept,) = store.spans(store.sessions()[0].session_id)
    sent = record_of(made)
    assert (kept.span_id, kept.name, kept.scope, kept.end_time) == (
        sent.span_id,
        "work",
        "mine",
        sent.end_time,
    )
    assert kept.attributes == {"a": [1, 2]}
    assert kept.events[0]["attributes"] == {"b": 2}
    assert kept.resource == dict(sent.resource)
    provider.shutdown()
    assert StoreExporter(store).export([made]) is SpanExportResult.SUCCESS


def test_the_exporter_never_raises(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    exporter = StoreExporter(SQLiteStore(tmp_path / "file" / "sessions.db"))
    with TracerProvider().get_tracer("mine").start_as_current_span("work") as made:
        pass
    assert exporter.export([made]) is SpanExportResult.FAILURE
    assert exporter.export([made]) is SpanExportResult.FAILURE
    assert len(caplog.records) == 1
    exporter = StoreExporter(SQLiteStore(tmp_path / "sessions.db"))
    assert exporter.export([object(), made]) is SpanExportResult.SUCCESS
    assert len(exporter.store.sessions()) == 1
    assert exporter.force_flush()
    exporter.shutdown()
    assert exporter.export([made]) is SpanExportResult.FAILURE
