"""doctor(): every library with its state, whatever is installed, imported, broken or switched off."""

from __future__ import annotations

import sys
import types
from typing import ClassVar

import pytest
from conftest import Watched
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import agentops_otel
from agentops_otel import diagnosis
from agentops_otel.client import Client
from agentops_otel.configuration import Configuration
from agentops_otel.engine import Instrumentor, registry


class Made(Instrumentor):
    """An instrumentor of a library that only these tests have."""

    library = "made_up"
    requires = ">=1.2,<3"
    targets: ClassVar = {"made_up:Client.ask": None, "made_up:Client.gone": None}


class Broken(Instrumentor):
    """An outsider's, with a fault in it."""

    library = "broken_one"

    @classmethod
    def load(cls):
        raise LookupError("no such module")


class Point:
    """An entry point."""

    def __init__(self, kind):
        self.name, self.kind = kind.library, kind

    def load(self):
        return self.kind.load() if hasattr(self.kind, "load") else self.kind


@pytest.fixture
def made_up(monkeypatch):
    """A library whose state each test decides: its version, and whether it is imported."""
    found = {}
    monkeypatch.setattr(registry, "entry_points", lambda **_: [Point(Made), Point(Broken)])

    def version(name):
        if name == "made-up" and "version" in found:
            return found["version"]
        raise diagnosis.PackageNotFoundError(name)

    monkeypatch.setattr(diagnosis, "version", version)
    yield found
    sys.modules.pop("made_up", None)


def imported():
    module = types.ModuleType("made_up")
    module.Client = type("Client", (), {"ask": lambda _: 1})
    sys.modules["made_up"] = module


def told(client):
    found = {item.library: item for item in diagnosis.diagnose(client).libraries}
    assert list(found) == ["broken_one", "made_up"]
    return found["made_up"]


def test_absent(made_up, make_watched):
    status = told(make_watched().client)
    assert (status.state, status.installed, str(status)) == (diagnosis.ABSENT, None, "made_up: not installed")


def test_before_init(made_up):
    made_up["version"] = "2.0"
    client = Client()
    assert told(client).state == diagnosis.WAITING
    imported()
    assert told(client).state == diagnosis.IMPORTED


@pytest.mark.parametrize("settings", [{"disabled_instrumentations": ["made_up"]}, {"instrument_llm_calls": False}])
def test_switched_off(made_up, make_watched, settings):
    made_up["version"] = "2.0"
    imported()
    assert told(make_watched(**settings).client).state == diagnosis.OFF


def test_captured_as_far_as_its_targets_exist(made_up, make_watched):
    made_up["version"] = "2.0"
    imported()
    status = told(make_watched().client)
    assert (status.state, status.found, status.missing) == (
        diagnosis.CAPTURED,
        ("made_up:Client.ask",),
        ("made_up:Client.gone",),
    )
    assert str(status) == "made_up 2.0: captured, 1 of 2 targets; not in this version: made_up:Client.gone"


@pytest.mark.parametrize(
    ("installed", "beyond"),
    [
        ("1.1.9", "older"),
        ("1.2", None),
        ("1.2.0", None),
        ("1.2.0rc1", None),
        ("1.10", None),
        ("2.99", None),
        ("3", "newer"),
        ("3.0.0", "newer"),
        ("10.1", "newer"),
        ("not a version", "older"),
    ],
)
def test_versions_beyond_those_that_are_tested(made_up, make_watched, installed, beyond):
    made_up["version"] = installed
    imported()
    status = told(make_watched().client)
    assert status.beyond == beyond
    assert (f"{beyond} than what is tested (>=1.2,<3)" in str(status)) == bool(beyond)
    assert status.state == diagnosis.CAPTURED


def test_an_instrumentor_that_fails_is_named(made_up, make_watched):
    found = diagnosis.diagnose(make_watched().client).libraries
    assert str(found[0]) == "broken_one: not captured: its instrumentor failed"


def test_whose_provider_and_where_to(watched: Watched):
    watched.session.record(agentops_otel.ActionEvent("look"))
    assert watched.client.flush(10)
    found = diagnosis.diagnose(watched.client)
    assert found.provider == "ours"
    assert (found.made, found.dropped) == (1, 0)
    assert found.delivered >= 1


def test_a_provider_of_the_program_s_own(monkeypatch):
    monkeypatch.setattr(trace, "get_tracer_provider", TracerProvider)
    client = Client([])
    client.init(Configuration.read(log_summary=False, auto_start_session=False))
    try:
        found = diagnosis.diagnose(client)
        assert found.provider == "the program's own (opentelemetry.sdk.trace.TracerProvider)"
    finally:
        client.shut_down()


def test_faults_are_counted():
    client = Client()
    client.faults.strict = False
    client.faults.note("engine.request", ValueError("x"))
    client.faults.note("engine.request", ValueError("x"))
    found = diagnosis.diagnose(client)
    assert found.faults == {"engine.request": 2}
    assert "Faults of this package: engine.request (2)" in str(found)


def test_for_people(made_up, capsys, caplog, tmp_path):
    made_up["version"] = "2.0"
    client = Client()
    assert str(diagnosis.diagnose(client)).splitlines()[1:] == [
        "Tracer provider: none yet, init() has not been called",
        "Sessions go to: nowhere yet",
        "Spans: 0 made, 0 delivered, 0 dropped",
        "Faults of this package: none",
        "Libraries:",
        "  broken_one: not captured: its instrumentor failed",
        "  made_up 2.0: captured once it is imported",
    ]
    client.init(
        Configuration.read(isolated=True, log_summary=False, store=str(tmp_path / "s.db"), auto_start_session=False)
    )
    try:
        assert f"Sessions go to: the local store, {tmp_path / 's.db'}" in str(diagnosis.diagnose(client))
    finally:
        client.shut_down()
    assert (capsys.readouterr().out, caplog.text) == ("", "")


def test_the_function_of_the_package():
    found = agentops_otel.doctor()
    assert {"anthropic", "openai"} <= {item.library for item in found.libraries}
    assert str(found).startswith("agentops_otel ")
