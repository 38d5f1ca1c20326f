"""The whole as one instrumentor of OpenTelemetry, and the words that start a program."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from programs import stored

from agentops_otel.autorun import NoProgramError, environment, words
from agentops_otel.autorun.instrumentor import AgentOpsInstrumentor

COMMAND = str(Path(sys.executable).with_name("opentelemetry-instrument"))


@pytest.fixture
def instrumented(tmp_path):
    def run(program, **env):
        (tmp_path / "app.py").write_text(program)
        told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
        told |= {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "AGENTOPS_STRICT": "1"} | env
        command = [COMMAND, sys.executable, str(tmp_path / "app.py")]
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)
        return done, stored(tmp_path)

    return run


def test_opentelemetry_finds_it():
    (point,) = entry_points(group="opentelemetry_instrumentor", name="agentops")
    assert point.load() is AgentOpsInstrumentor


def test_it_has_what_opentelemetry_asks_instrumentors_for():
    public = {name for name in vars(BaseInstrumentor) if not name.startswith("_")}
    assert public <= set(dir(AgentOpsInstrumentor))
    assert list(AgentOpsInstrumentor().instrumentation_dependencies()) == []


def test_opentelemetry_instrument_starts_the_whole(instrumented):
    done, ((row, _),) = instrumented("import sys; print('out'); sys.exit(4)")
    assert (done.returncode, done.stdout) == (4, "out\n")
    assert row.end_state_reason == "process exited (code 4) without end_session"
    assert done.stderr.startswith("Session Stats - ")


@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "agentops"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
        {"OTEL_SDK_DISABLED": "true"},
    ],
)
def test_it_can_be_switched_off(instrumented, env):
    done, sessions = instrumented("print('out')", **env)
    assert (done.returncode, done.stdout, done.stderr, sessions) == (0, "out\n", "", [])


def test_uninstrument_ends_the_session(instrumented):
    program = """
from agentops_otel.autorun.instrumentor import AgentOpsInstrumentor as I
assert I().is_instrumented_by_opentelemetry
I().uninstrument()
I().uninstrument()
assert not I().is_instrumented_by_opentelemetry
"""
    done, ((row, _),) = instrumented(program, AGENTOPS_LOG_SUMMARY="false")
    assert (done.returncode, done.stderr, row.end_state_reason) == (0, "", "uninstrumented")


def test_a_file_is_run_by_this_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("script").write_text("")
    assert words(["app.py", "-x"]) == [sys.executable, "app.py", "-x"]
    assert words(["script"]) == [sys.executable, "script"]
    Path("__main__.py").write_text("")
    assert words(["."]) == [sys.executable, "."]
    assert words(["pack", "-m"], module=True) == [sys.executable, "-m", "pack", "-m"]
    assert words([sys.executable, "app.py"]) == [sys.executable, "app.py"]


@pytest.mark.parametrize(("program", "module"), [([], False), ([], True), ([""], False), (["no such"], False)])
def test_what_is_no_program(program, module):
    with pytest.raises(NoProgramError):
        words(program, module=module)


def test_the_path_of_the_user_is_kept():
    told = environment({"PYTHONPATH": "mine", "A": "b"}, quiet=True)
    assert told["A"] == "b"
    assert told["PYTHONPATH"].endswith(f"site{os.pathsep}mine")
    assert not environment({})["PYTHONPATH"].endswith(os.pathsep)
