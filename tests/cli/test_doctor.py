"""`agentops-otel doctor`: right about what is well, and about each thing that may be wrong."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone

import pytest
from programs import run, stored
from receiver import HttpReceiver

from agentops_otel.cli import checks
from agentops_otel.configuration import Configuration
from agentops_otel.otlp.endpoint import Endpoint
from agentops_otel.receivers import spool_path
from agentops_otel.spool import Address, Spool

DOCTOR = (sys.executable, "-m", "agentops_otel", "doctor")


@pytest.fixture
def doctor(tmp_path):
    def run(*arguments, **env):
        told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
        told |= {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "AGENTOPS_STRICT": "1"} | env
        done = subprocess.run([*DOCTOR, *arguments], env=told, capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    return run


@pytest.fixture
def found(doctor):
    """Exit code and findings by check; of libraries, by their names."""

    def run(**env):
        code, out = doctor("--json", **env)
        told = json.loads(out)
        assert told["ok"] is (code == 0)
        return code, {item["facts"].get("library", item["check"]): item for item in told["findings"]}

    return run


def test_all_is_well(doctor, tmp_path):
    code, out = doctor()
    assert code == 0
    assert out.endswith("\nAll is well.\n")
    assert "ok     The tracer provider is ours\n" in out
    assert "ok     A test span was sent, read back, and deleted\n" in out
    assert f"ok     Sessions go to the local store, {tmp_path / 'sessions.db'}\n" in out
    assert "ok     No span waits to be sent\n" in out
    assert stored(tmp_path) == []


def test_programs_read_it(found, tmp_path):
    code, told = found(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="openai")
    assert code == 0
    assert told["versions"]["facts"]["opentelemetry-sdk"]
    assert told["settings"]["facts"]["variables"] == [
        "AGENTOPS_STORE", "AGENTOPS_STRICT", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    ]  # fmt: skip
    assert (told["openai"]["state"], told["openai"]["facts"]["state"]) == ("note", "off, as configured")
    assert told["anthropic"]["facts"]["state"] == "captured once it is imported"
    assert told["store"]["facts"]["path"] == str(tmp_path / "sessions.db")
    assert told["prices"]["facts"]["version"]
    assert "2025-01-01" < told["prices"]["facts"]["newest_change"] <= f"{datetime.now(timezone.utc):%Y-%m-%d}"


def test_an_endpoint_that_takes_spans(found, tmp_path):
    with HttpReceiver() as receiver:
        code, told = found(AGENTOPS_API_ENDPOINT=receiver.url)
    assert (code, told["destination"]["facts"]["reached"]) == (0, True)
    assert told["test span"]["state"] == "note"
    assert receiver.paths == ["/v1/traces"]
    assert receiver.spans == []
    assert not (tmp_path / "sessions.db").exists()


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "Set AGENTOPS_API_KEY"), (404, "no OTLP receiver"), (503, "Spans are kept on disk")],
)
def test_an_endpoint_that_takes_none(found, status, said):
    with HttpReceiver(status) as receiver:
        code, told = found(AGENTOPS_API_ENDPOINT=receiver.url)
    assert (code, told["destination"]["state"]) == (1, "wrong")
    assert f"takes nothing: HTTP {status}" in told["destination"]["message"]
    assert said in told["destination"]["todo"]


def test_an_endpoint_where_nobody_listens(found):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        code, told = found(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free.getsockname()[1]}")
    assert code == 1
    assert told["destination"]["message"].endswith("takes nothing: connection refused")


def test_an_endpoint_that_never_answers_costs_no_more_than_its_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        answer = checks.reached(Endpoint.of(f"http://127.0.0.1:{silent.getsockname()[1]}", None), 0.3)
        assert time.monotonic() - start < 2
    assert "no answer in" in answer.reason


WRONG = [
    ({"AGENTOPS_MAX_WAIT_TIME": "soon"}, "settings", "whole number"),
    ({"AGENTOPS_API_KEY": "x"}, "settings", "an API key is a UUID"),
    ({"OTEL_SDK_DISABLED": "true"}, "destination", "nowhere"),
    ({"OTEL_TRACES_EXPORTER": "none"}, "destination", "nowhere"),
]


@pytest.mark.parametrize(("env", "check", "said"), WRONG)
def test_settings_under_which_nothing_is_kept(found, env, check, said):
    code, told = found(**env)
    assert (code, told[check]["state"]) == (1, "wrong")
    assert said in told[check]["message"]
    assert told[check]["todo"]


def test_a_store_that_cannot_be_used(found, tmp_path):
    (tmp_path / "file").write_text("")
    code, told = found(AGENTOPS_STORE=str(tmp_path / "file" / "sessions.db"))
    assert code == 1
    assert told["test span"]["state"] == "wrong"


def test_a_store_that_is_none(found, tmp_path):
    (tmp_path / "sessions.db").write_text("no database at all" * 999)
    code, told = found()
    assert (code, told["store"]["state"]) == (1, "wrong")
    assert "sessions.db" in told["store"]["message"]


def test_what_is_not_sampled_is_not_missed(found):
    code, told = found(OTEL_TRACES_SAMPLER="always_off")
    assert (code, told["test span"]["state"]) == (0, "note")


def test_spans_that_wait(found, tmp_path):
    config = Configuration.read(store=str(tmp_path / "sessions.db"))
    spool = Spool(spool_path(config.store), 10**6, 10**6)
    assert spool.put(Address("http://elsewhere/v1/traces", config.project_id), [(b"body", 3)])
    spool.release()
    code, told = found()
    assert (code, told["waiting"]["facts"]["spans"]) == (0, 3)
    assert told["waiting"]["todo"] == "Send them: agentops-otel forward"


def test_a_check_that_fails_costs_no_other(tmp_path):
    # In a process of its own: the tracer provider that doctor sets up would stay with all other tests.
    out, _ = run(
        "from agentops_otel.cli import checks, main\n"
        "def fails(*_): raise KeyError('lost')\n"
        "checks._waiting = fails\n"
        "main(['doctor'])\n",
        tmp_path,
        code=1,
    )
    assert "wrong  KeyError: 'lost'" in out
    assert "Prices are those of" in out
    assert out.endswith("1 thing to repair.\n")
