"""`agentops-otel doctor`: right about what is well, and about each thing that may be wrong."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from programs import run, stored
from receiver import HttpReceiver

from agentops_otel import diagnosis
from agentops_otel.cli import checks
from agentops_otel.configuration import Configuration
from agentops_otel.diagnosis import LibraryStatus
from agentops_otel.otlp.endpoint import Endpoint
from agentops_otel.receivers import spool_path
from agentops_otel.server.app import make_app
from agentops_otel.spool import Address, Spool
from agentops_otel.store.connection import damage

KEY = "11111111-2222-3333-4444-555555555555"
DOCTOR = (sys.executable, "-m", "agentops_otel", "doctor")


@pytest.fixture
def doctor(tmp_path):
    def run(*arguments, **env):
        told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
        told |= {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "AGENTOPS_STRICT": "1"} | env
        done = subprocess.run([*DOCTOR, *arguments], env=told, capture_output=True, text=True, timeout=120, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    return run


@pytest.fixture
def found(doctor):
    """Exit code and findings by check; of libraries, by their names."""

    def run(*arguments, **env):
        code, out = doctor("--json", *arguments, **env)
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


@pytest.mark.parametrize("keys", [[], [KEY]])
def test_a_server_of_ours_is_read_back(found, store, serve, keys):
    url = serve(make_app(store, keys))
    code, told = found(AGENTOPS_API_ENDPOINT=url, AGENTOPS_API_KEY=KEY, AGENTOPS_STORE=f"{store.path}.here")
    assert code == 0
    assert told["destination"]["facts"]["page"] == f"{url}/s/"
    assert (told["test span"]["state"], told["test span"]["message"]) == (
        "ok", "A test span was sent, read back, and deleted",
    )  # fmt: skip
    assert list(store.sessions()) == []


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


def test_a_store_that_is_damaged_inside(found, tmp_path):
    run(
        "import agentops_otel as agentops\n"
        "session = agentops.init()\n"
        "for number in range(500):\n"
        "    session.record(agentops.ActionEvent(action_type='x' * 400))\n"
        "agentops.end_session('Success')\n",
        tmp_path,
    )
    path = tmp_path / "sessions.db"
    with contextlib.closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert damage(path) is None
    content = bytearray(path.read_bytes())
    content[-20 * 4096 :: 4096] = b"\xee" * len(content[-20 * 4096 :: 4096])  # the first byte of the last pages
    path.write_bytes(content)
    assert damage(path) is not None
    code, told = found()
    assert (code, told["store"]["state"]) == (1, "wrong")
    assert "damaged" in told["store"]["message"]


def test_libraries_are_looked_into(found):
    import anthropic  # noqa: F401, PLC0415 - it is installed
    import openai  # noqa: F401, PLC0415

    code, told = found(
        "--import", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="cohere,dashscope,google.genai,litellm,xai_sdk"
    )
    assert code == 0
    for library in ("openai", "anthropic"):
        assert told[library]["facts"]["state"] == "captured"
        assert told[library]["facts"]["found"]
        assert told[library]["facts"]["missing"] == []
    assert told["cohere"]["facts"]["state"] == "off, as configured"


STATUS = LibraryStatus("lib", "captured", "9.0", ">=1,<2")
TOLD = [
    (STATUS, None, "ok", "lib 9.0: captured"),
    (replace(STATUS, beyond="newer"), None, "note", "newer than what is tested (>=1,<2)"),
    (replace(STATUS, beyond="newer", found=("a",), missing=("b",)), None, "note", "not in this version: b"),
    (
        replace(STATUS, beyond="newer", missing=("a", "b")),
        None,
        "wrong",
        "nothing of what is captured is in this version",
    ),
    (replace(STATUS, state=diagnosis.FAILED), None, "wrong", "its instrumentor failed"),
    (replace(STATUS, state=diagnosis.OFF), None, "note", "off, as configured"),
    (STATUS, "ImportError: no numpy", "note", "lib 9.0 cannot be imported: ImportError: no numpy"),
    (replace(STATUS, state=diagnosis.ABSENT, installed=None), None, "ok", "not installed"),
]


@pytest.mark.parametrize(("status", "broken", "state", "said"), TOLD)
def test_what_is_said_of_a_library(status, broken, state, said):
    finding = checks._library(status, broken)
    assert finding.state == state
    assert said in finding.message
    assert (finding.todo is None) is (state == "ok")


def test_libraries_that_cannot_be_imported(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("print('noise')\nimport nobody_has_this\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    status = LibraryStatus("broken_library", diagnosis.WAITING, "1.0")
    assert checks.imported([status]) == {"broken_library": "ModuleNotFoundError: No module named 'nobody_has_this'"}
    assert checks.imported([replace(status, state=diagnosis.ABSENT)]) == {}


def test_libraries_that_nobody_captures(monkeypatch):
    def version(name):
        if name in {"crewai", "google-adk"}:
            return "1.2.3"
        raise checks.PackageNotFoundError(name)

    monkeypatch.setattr(checks, "version", version)
    told = list(checks._uncaptured(["openai", "google.genai"]))
    assert [item.facts["library"] for item in told] == ["crewai", "google.adk"]
    assert all(item.state == "note" and item.todo for item in told)
    assert [item.facts["library"] for item in checks._uncaptured(["crewai", "google.genai"])] == ["google.adk"]
    assert list(checks._uncaptured(["crewai.flow", "google.adk"])) == []


def test_other_instrumentations_are_named(monkeypatch):
    class Point:
        def __init__(self, name, value):
            self.value, self.dist = value, type("Distribution", (), {"name": name})

    points = [
        Point("opentelemetry-instrumentation-genai-openai", "opentelemetry.instrumentation.genai.openai:OpenAI"),
        Point("opentelemetry-instrumentation-flask", "opentelemetry.instrumentation.flask:Flask"),
        Point("openinference-instrumentation-anthropic", "openinference.instrumentation.anthropic:A"),
    ]
    monkeypatch.setattr(checks, "entry_points", lambda group: points)
    assert checks._others().facts["found"] == [
        "openinference-instrumentation-anthropic", "opentelemetry-instrumentation-genai-openai",
    ]  # fmt: skip


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
