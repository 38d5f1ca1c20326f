"""Faults 1 to 8 and 44 of delivery: collectors that fail in every way, and what becomes of the spans."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import pytest
from collector import GARBAGE, HANG, LOSE_ANSWER, RESET, Collector, attributes
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from agentops_otel.server.intake import TRACES, Intake
from agentops_otel.server.wire import PROTOBUF
from agentops_otel.store import open_store

MANY = bool(os.environ.get("FAULTS_ALL"))

ALL = 54
"""Spans of one run of `work`."""

PROGRAM = """
more = begin(endpoint={url!r})
more["end_session"] = work()
more["done"] = time.time()
"""


@pytest.fixture
def collector():
    with Collector() as made:
        yield made


def sent(collector):
    """How often each span came, taken or not."""
    requests = map(trace_service_pb2.ExportTraceServiceRequest.FromString, collector.raw)
    groups = [scope.spans for request in requests for group in request.resource_spans for scope in group.scope_spans]
    return Counter((span.trace_id, span.span_id) for spans in groups for span in spans)


def assert_unharmed(outcome, *, exit_seconds=2.5):
    """No exception, few lines, no waiting: whatever the collector does."""
    # That an end waits for nothing is told by what it touches: one that took a moment may have met a busy machine.
    assert outcome.told["touched"] == []
    assert outcome.told["end_session"] <= 0.5
    # What comes after is the interpreter's own end.
    assert outcome.told["ended"] - outcome.told["done"] <= exit_seconds
    assert "Traceback" not in outcome.err
    assert len(outcome.log_lines) <= 3, outcome.err
    outcome.check_counts()


def test_healthy(collector, run_program, tmp_path):
    outcome = run_program(PROGRAM.format(url=collector.url))
    assert_unharmed(outcome)
    assert outcome.told["delivered"] == ALL == len(collector.spans) == len(collector.ids)
    assert f"Sent to {collector.url}" in outcome.err
    with sqlite3.connect(tmp_path / "spool.db") as spool:
        assert spool.execute("SELECT count(*) FROM batches").fetchone() == (0,)


@pytest.mark.parametrize("fault", ["refuse", HANG, RESET, GARBAGE, 429, 500, 502, 503, 504, 408])
def test_01_02_unharmed_by_a_collector_that_fails_and_the_next_run_delivers_all(collector, run_program, fault):
    if fault == "refuse":
        collector.stop()
    else:
        collector.mode = fault
    outcome = run_program(PROGRAM.format(url=collector.url))
    assert_unharmed(outcome)
    assert outcome.told["waiting"] == ALL
    assert not outcome.told["dropped"]
    assert f"{ALL} spans could not be sent to {collector.url} yet" in outcome.err
    assert "the next run sends them, or: " in outcome.err
    if fault == "refuse":
        collector.start()
    collector.mode = 200
    again = run_program(PROGRAM.format(url=collector.url))
    assert_unharmed(again)
    assert again.told["delivered"] == ALL
    assert len(collector.ids) == 2 * ALL == len(collector.stored)


@pytest.mark.parametrize("fault", ["refuse", HANG, RESET, 503])
def test_01_02_no_end_of_a_session_waits_for_a_collector(collector, run_program, fault):
    """Of ten ends in a row one at least meets a machine that is not busy; what waits would do so in each."""
    if fault == "refuse":
        collector.stop()
    else:
        collector.mode = fault
    outcome = run_program(
        f"""
more = begin(endpoint={collector.url!r})
ends = [work(5, 0) for _ in range(10)]
more.update(end_session=sorted(ends)[5], shortest=min(ends), done=time.time())
"""
    )
    assert_unharmed(outcome)
    assert outcome.told["shortest"] <= 0.05
    assert outcome.told["waiting"] == 60


OUTAGE, PACE = (20, 1) if MANY else (2, 0.1)


@pytest.mark.parametrize("outage", ["refuse", 503, RESET])
def test_03_an_outage_in_a_living_program_loses_nothing(collector, begin_program, outage):
    process = begin_program(
        f"""
begin(endpoint={collector.url!r})
for _ in range(58):
    work(2, 0)
    time.sleep({PACE})
agentops.flush(20)
while default.pipeline.delivery.counts().waiting:
    time.sleep(0.1)
""",
    )
    collector.wait_for(3)
    if outage == "refuse":
        collector.stop()
        time.sleep(OUTAGE)
        collector.start()
    else:
        collector.mode = outage
        time.sleep(OUTAGE)
        collector.mode = 200
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert len(collector.ids) == 174
    assert len(collector.spans) == 174  # not one twice
    assert [line for line in err.splitlines() if "cannot be sent" in line][1:] == []


@pytest.mark.parametrize("seconds", [3, 60])
def test_04_retry_after_is_honoured(collector, run_program, seconds):
    """The program is over before the time is; the next one delivers what waits."""
    collector.mode, collector.headers = 429, {"Retry-After": str(seconds)}
    outcome = run_program(
        f"""
begin(endpoint={collector.url!r})
work(50, 3)
time.sleep(1.5)
work(50, 3)
agentops.flush(1)
"""
    )
    outcome.check_counts()
    assert outcome.told["waiting"] == 2 * ALL
    assert len(collector.requests) == 1  # not one more before the time is over
    collector.mode = 200
    run_program(PROGRAM.format(url=collector.url))
    assert len(collector.ids) == 3 * ALL


def test_04_a_living_program_comes_back_when_the_time_is_over(collector, begin_program):
    collector.mode, collector.headers = 429, {"Retry-After": "2"}
    process = begin_program(f"begin(endpoint={collector.url!r}); work(); time.sleep(30)")
    deadline = time.monotonic() + 20
    while not collector.requests:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    collector.mode = 200
    collector.wait_for(ALL)
    first, second, *_ = collector.requests
    assert second - first >= 2
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        (400, False),
        (413, False),
        (415, False),
        (422, False),
        (501, False),
        (401, True),
        (403, True),
        (404, True),
        (301, True),
        (307, True),
    ],
)
def test_05_answers_that_no_retry_helps_against(collector, run_program, status, kept):
    collector.mode, collector.headers = status, {"Location": collector.url + "/elsewhere"}
    outcome = run_program(PROGRAM.format(url=collector.url))
    assert_unharmed(outcome)
    assert outcome.told["waiting"] == (ALL if kept else 0)
    assert sum(outcome.told["dropped"].values()) == (0 if kept else ALL)
    if not kept:
        assert set(outcome.told["dropped"]) == {f"HTTP {status}"}
        assert f"{ALL} spans did not reach {collector.url}: {ALL} HTTP {status}" in outcome.err
    # No storm: what is kept is not tried again, what is divided comes a second time at most.
    assert max(sent(collector).values()) <= 2
    if kept:
        assert len(collector.requests) <= 2


def test_05_what_a_wrong_key_held_up_is_sent_with_the_right_one(collector, run_program):
    collector.mode = 401
    key = "01234567-89ab-cdef-0123-456789abcdef"
    run_program(PROGRAM.format(url=collector.url), AGENTOPS_API_KEY=key)
    collector.mode = 200
    other = run_program(PROGRAM.format(url=collector.url), AGENTOPS_API_KEY=key.replace("0", "9"))
    assert len(collector.ids) == ALL == other.told["delivered"]  # another project's are left alone
    run_program(PROGRAM.format(url=collector.url), AGENTOPS_API_KEY=key)
    assert len(collector.ids) == 3 * ALL


def test_05_a_request_that_is_too_large_is_sent_in_parts(collector, run_program):
    collector.largest = 60_000
    outcome = run_program(
        f"""
begin(endpoint={collector.url!r})
session = agentops.start_session()
for number in range(200):
    session.record(agentops.ActionEvent("large", params={{"x": __import__("os").urandom(1000).hex()}}))
session.end_session("Success")
"""
    )
    outcome.check_counts()
    assert outcome.told["delivered"] == 201
    assert len(collector.ids) == 201


@pytest.mark.parametrize("bad", [0, 7, 49])
def test_05_one_span_that_is_refused_loses_only_itself(collector, run_program, bad):
    collector.refuses = lambda span: attributes(span).get("agentops.action.type") == f"event {bad}"
    outcome = run_program(PROGRAM.format(url=collector.url))
    assert_unharmed(outcome)
    assert outcome.told["dropped"] == {"HTTP 400": 1}
    assert outcome.told["delivered"] == ALL - 1 == len(collector.ids)


def test_05_partial_success_is_counted(collector, run_program):
    collector.rejects = 1
    outcome = run_program(PROGRAM.format(url=collector.url))
    assert_unharmed(outcome)
    lost = outcome.told["dropped"]["rejected by the receiver"]
    assert lost == len(collector.requests)
    assert outcome.told["delivered"] == ALL - lost == len(collector.spans)


def test_06_an_answer_that_is_lost_leads_to_the_same_ids_twice_and_to_no_others(collector, run_program, tmp_path):
    collector.mode = LOSE_ANSWER
    run_program(PROGRAM.format(url=collector.url))
    collector.mode = 200
    run_program(PROGRAM.format(url=collector.url))
    assert len(collector.ids) == 2 * ALL  # a receiver counts by trace id and span id
    assert len(collector.spans) == 2 * ALL
    assert len(collector.stored) > len(collector.ids)
    with contextlib.closing(open_store(tmp_path / "receiver.db")) as store:
        intake = Intake(store)
        for body in collector.raw:
            intake.take(TRACES, body, PROTOBUF)
        rows = list(store.sessions())
        assert [(row.actions, row.llm_calls) for row in rows] == [(50, 3)] * 2
        assert [len(store.spans(row.session_id)) for row in rows] == [ALL] * 2


def test_07_killed_during_an_outage(collector, begin_program, run_program):
    collector.stop()
    process = begin_program(
        f"""
begin(endpoint={collector.url!r})
work(19, 0)
while sum(waiting for waiting, _ in default.pipeline.delivery._later()) < 20:  # on disk
    time.sleep(0.01)
print("ready", flush=True)
time.sleep(60)
"""
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    collector.start()
    outcome = run_program(PROGRAM.format(url=collector.url))
    assert len(collector.ids) == 20 + ALL
    assert outcome.told["made"] == outcome.told["delivered"] == ALL  # what another process made is not in its figures


def test_07_forward_sends_what_is_left(collector, begin_program, tmp_path):
    collector.stop()
    process = begin_program(f"begin(endpoint={collector.url!r}); work(19, 0)")
    out, err = process.communicate(timeout=60)
    (line,) = [line for line in err.splitlines() if line.startswith("They are kept in ")]
    command = line.partition("or: ")[2].split()
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True)
    assert listed.stdout.startswith(f"20 spans (0.0 MB) for {collector.url}/v1/traces: ")
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        f"spans cannot be sent to {collector.url}/v1/traces now: connection refused; they are kept\n",
    )
    collector.start()
    sent = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sent.stdout == f"Sent 20 spans to {collector.url}/v1/traces.\n"
    assert sent.stderr == ""
    assert len(collector.ids) == 20 == len(collector.spans)
    nothing = subprocess.run(command, capture_output=True, text=True, check=True)
    assert nothing.stdout == f"Nothing waits to be sent ({tmp_path / 'spool.db'}).\n"


def test_07_two_processes_do_not_send_the_same(collector, begin_program, run_program, tmp_path):
    collector.stop()
    for _ in range(3):
        run_program(f"begin(endpoint={collector.url!r})\nfor _ in range(5): work(19, 0)")
    collector.start()
    command = [sys.executable, "-m", "agentops_otel", "forward", "--store", str(tmp_path / "sessions.db")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = "".join(process.communicate(timeout=60)[0] for process in processes)
    assert len(collector.ids) == 300 == len(collector.spans), told


def test_08_a_burst_arrives_or_is_counted(collector, run_program):
    outcome = run_program(
        f"""
begin(endpoint={collector.url!r}, max_wait_time=60_000)
for _ in range(4):
    work(4_999, 0)
"""
    )
    outcome.check_counts()
    assert outcome.told["made"] == 20_000
    assert outcome.told["delivered"] == len(collector.ids) == len(collector.spans)
    assert outcome.told["delivered"] + sum(outcome.told["dropped"].values()) == 20_000


def test_sessions_arrive_in_the_order_in_which_they_ended(collector, run_program):
    collector.stop()
    run_program(f"begin(endpoint={collector.url!r})\nfor _ in range(20):\n    work(1, 0); agentops.flush(0.2)")
    collector.start()
    run_program(f"begin(endpoint={collector.url!r}); work(1, 0)")
    *old, own = sorted(span.end_time_unix_nano for span in collector.spans if span.name == "session")
    came = [span.end_time_unix_nano for span in collector.spans if span.name == "session"]
    assert [time for time in came if time != own] == old


def test_gzip_can_be_left_out(collector, run_program):
    run_program(PROGRAM.format(url=collector.url), OTEL_EXPORTER_OTLP_COMPRESSION="none")
    assert {headers.get("content-encoding") for headers in collector.sent_headers} == {None}
    assert len(collector.ids) == ALL


def test_a_password_in_the_url_is_sent_and_not_shown(collector, run_program, tmp_path):
    url = collector.url.replace("://", "://me:canary-0002@")
    outcome = run_program(PROGRAM.format(url=url))
    assert collector.sent_headers[0]["authorization"] == "Basic bWU6Y2FuYXJ5LTAwMDI="
    assert "canary" not in outcome.err
    assert f"Sent to {collector.url}" in outcome.err
    collector.stop()
    outcome = run_program(PROGRAM.format(url=url))
    assert "canary" not in outcome.err
    assert b"canary" not in (tmp_path / "spool.db").read_bytes()
