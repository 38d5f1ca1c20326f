"""`agentops-otel run`: the program notices nothing, and its session tells the truth about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from programs import stored

import agentops_otel
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

RUN = (sys.executable, "-m", "agentops_otel", "run")


class Place:
    """A directory with programs in it, from which they are started."""

    def __init__(self, path):
        self.path = path
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
        self.env.pop("PYTHONPATH", None)
        self.env |= {"AGENTOPS_STORE": str(path / "sessions.db"), "AGENTOPS_STRICT": "1"}

    def write(self, name, program):
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(program))

    def start(self, *command, **env):
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self.env | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def done(self, *command, told="", **env):
        process = self.start(*command, **env)
        out, err = process.communicate(told, timeout=60)
        return process.returncode, out, err

    def silently(self, *command, told=""):
        return self.done(*RUN, "--quiet", *command, told=told, AGENTOPS_LOG_SUMMARY="false")

    @property
    def session(self):
        ((row, _),) = stored(self.path)
        return row


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


SHOWS = """
    import os, sys
    print(__name__, __file__, __spec__ and __spec__.name, sys.argv, sys.path, sys.flags.safe_path if sys.version_info > (3, 11) else None)
    print(sys.modules["__main__"].__dict__ is globals(), sys.stdin.read(), os.getcwd())
"""
PROGRAMS = {
    "shows": SHOWS,
    "exits": "import sys; sys.exit(3)",
    "exits with words": "raise SystemExit('no more')",
    "leaves": "import os; os._exit(7)",
    "fails": "def f():\n    raise ValueError('no')\nf()",
    "is wrong": "x = = 1",
    "is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "is terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "is interrupted": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)",
    "pickles": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))",
    "says something last": "import atexit; atexit.register(print, 'last')",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("way", ["file", "module", "standard input"])
def test_it_runs_as_python_runs_it(place, program, way):
    place.write("pack/__init__.py", "")
    place.write("pack/app.py", program)
    command, told = {
        "file": (("pack/app.py", "-m", "--quiet", "--", "-x"), "read this"),
        "module": (("-m", "pack.app", "-m", "--quiet", "--", "-x"), "read this"),
        "standard input": (("-", "-x"), textwrap.dedent(program)),
    }[way]
    assert place.silently(*command, told=told) == place.done(sys.executable, *command, told=told)


ENDS = [
    ("pass", "Indeterminate", "process exited (code 0) without end_session"),
    ("import sys; sys.exit(3)", "Indeterminate", "process exited (code 3) without end_session"),
    ("1 / 0", "Failure", "ZeroDivisionError: division by zero"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "Indeterminate", "Signal SIGTERM"),
    ("import agentops_otel; agentops_otel.end_session('Success', 'done')", "Success", "done"),
]


@pytest.mark.parametrize(("program", "state", "reason"), ENDS)
def test_the_session_ends_with_the_program(place, program, state, reason):
    place.write("app.py", program)
    place.silently("app.py")
    assert (place.session.end_state, place.session.end_state_reason) == (state, reason)


def test_a_signal_reaches_the_program(place):
    place.write(
        "app.py",
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: exit(9))\nprint(1, flush=True)\nsignal.pause()",
    )
    process = place.start(*RUN, "-q", "app.py")
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 9


def test_the_programs_own_init_goes_on_with_the_session(place):
    place.write("app.py", "import agentops_otel\nprint(agentops_otel.init(tags=['mine']).session_id)")
    _, out, _ = place.silently("app.py")
    assert (place.session.session_id, list(place.session.tags)) == (out.strip(), ["mine"])


def test_a_session_after_the_first_is_another(place):
    place.write("app.py", "import agentops_otel as a\na.end_session('Success')\na.init()\na.end_session('Failure')")
    place.silently("app.py")
    assert sorted(row.end_state for row, _ in stored(place.path)) == ["Failure", "Success"]


WINS = {
    "another store": ("store=other", 1, "Success"),
    "another name": ("trace_name='mine'", 1, "Success"),
    "no session": ("auto_start_session=False", 0, None),
    "another session": ("inherited_session_id='0123456789abcdef0123456789abcdef'", 0, None),
}


@pytest.mark.parametrize(("settings", "kept", "state"), WINS.values(), ids=WINS)
def test_the_programs_own_settings_win(place, settings, kept, state):
    program = f"""
        import logging, agentops_otel as a
        logging.basicConfig()
        other = {str(place.path / "other" / "sessions.db")!r}
        first = a.get_session().session_id
        session = a.init({settings}, tags=['mine'])
        a.record(a.ActionEvent(action_type="after"))
        print(first == getattr(session, "session_id", None))
        a.end_session("Success")
    """
    place.write("app.py", program)
    code, out, err = place.silently("app.py")
    assert (code, out) == (0, f"{state == 'Success'}\n"), err
    if "store" in settings:
        assert stored(place.path) == []
    found = stored(place.path / "other" if "store" in settings else place.path)
    owned = [(row, records) for row, records in found if any(record.is_session for record in records)]
    assert len(owned) == kept
    for row, records in owned:
        assert (row.end_state, list(row.tags), row.actions) == (state, ["mine"], 1)
        assert len(records) == 2
        assert ("mine" in {record.name for record in records}) == ("trace_name" in settings)


def test_what_came_before_its_init_goes_where_it_says(place):
    program = f"""
        import time, agentops_otel as a
        a.record(a.ActionEvent(action_type="before"))
        time.sleep(0.5)
        a.init(store={str(place.path / "other" / "sessions.db")!r})
        a.record(a.ActionEvent(action_type="after"))
    """
    place.write("app.py", program)
    assert place.silently("app.py") == (0, "", "")
    assert stored(place.path) == []
    ((row, records),) = stored(place.path / "other")
    assert (row.actions, len(records)) == (2, 3)
    assert row.end_state_reason == "process exited (code 0) without end_session"


def test_a_program_that_starts_its_own_sessions_keeps_what_came_before(place):
    place.write(
        "app.py",
        "import agentops_otel as a\na.record(a.ActionEvent(action_type='before'))\na.init(auto_start_session=False)\n"
        "a.start_session()\na.end_session('Success')",
    )
    assert place.silently("app.py") == (0, "", "")
    ends = {(row.end_state, row.end_state_reason, row.actions) for row, _ in stored(place.path)}
    assert ends == {("Success", None, 0), ("Indeterminate", "the program starts its own sessions", 1)}


CHILD = "import agentops_otel as a; a.record(a.ActionEvent(action_type='in the child'))"
PARENTS = {
    "subprocess": "import subprocess, sys; subprocess.run([sys.executable, 'child.py'], check=True)",
    "os.system": "import os, sys; assert os.system(f'{sys.executable} child.py') == 0",
    "spawn": """
        import multiprocessing, runpy
        if __name__ == '__main__':
            process = multiprocessing.get_context('spawn').Process(target=runpy.run_path, args=('child.py',))
            process.start()
            process.join()
            assert process.exitcode == 0
    """,
    "exec": "import os, sys; os.execv(sys.executable, [sys.executable, 'child.py'])",
}


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
def test_child_processes_join(place, parent):
    place.write("child.py", CHILD)
    place.write("app.py", parent)
    code, out, err = place.silently("app.py")
    assert (code, out, err) == (0, "", "")
    ((_, records),) = stored(place.path)
    assert [record.name for record in records if not record.is_session] == ["action in the child"]


def test_calls_are_captured_in_the_program_and_in_its_child(place):
    call = "import openai; openai.OpenAI().chat.completions.create(model='gpt-4o-mini', messages=[])\n"
    place.write("child.py", call)
    place.write("app.py", call + PARENTS["subprocess"])
    with Provider([Answer.json(bodies.chat("Hello!"))] * 2) as provider:
        place.env |= {"OPENAI_BASE_URL": provider.openai_url, "OPENAI_API_KEY": "x"}
        assert place.silently("app.py") == (0, "", "")
    assert place.session.llm_calls == 2
    assert place.session.cost


def test_a_process_for_pythons_housekeeping_has_no_session(place):
    place.write("app.py", "import multiprocessing as m\nif __name__ == '__main__': m.get_context('spawn').Lock()")
    assert place.silently("app.py") == (0, "", "")
    assert place.session


def test_a_program_in_a_session_joins_it(place):
    place.write("child.py", CHILD)
    place.write("app.py", f"import subprocess; subprocess.run({[*RUN, '-q', 'child.py']}, check=True)")
    assert place.silently("app.py")[0] == 0
    assert place.session.actions == 1


def test_the_programs_own_sitecustomize_runs_as_before(place):
    place.write("own/sitecustomize.py", "import sys; print('own', [e for e in sys.path if 'autorun' in e])")
    place.write("app.py", "import sitecustomize; print(sitecustomize.__file__)")
    own = str(place.path / "own")
    _, out, _ = place.done(*RUN, "-q", "app.py", PYTHONPATH=own)
    # The command is a Python program, too: there the line is printed once more.
    assert out == "own []\n" + place.done(sys.executable, "app.py", PYTHONPATH=own)[1]


def test_a_command_of_another_package_runs(place):
    place.write("test_it.py", "def test_it(): pass")
    pytest_command = Path(sys.executable).with_name("pytest")
    code, out, _ = place.done(*RUN, str(pytest_command), "-q", "test_it.py")
    assert (code, "1 passed" in out) == (0, True)
    assert place.session


def test_it_says_what_is_captured(place):
    place.write("app.py", "print('out')")
    code, out, err = place.done(*RUN, "app.py")
    assert (code, out) == (0, "out\n")
    assert err.startswith("agentops-otel ")
    assert f"sessions go to the local store, {place.path / 'sessions.db'}" in err
    assert "\n  ✓ openai " in err


def test_it_says_what_is_off(place):
    place.write("app.py", "pass")
    _, _, err = place.done(*RUN, "app.py", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="openai", PYTHONIOENCODING="ascii")
    assert "\n  - openai " in err
    assert ": off, as configured\n" in err
    assert "\n  + anthropic " in err


def test_nothing_happens_where_the_sdk_is_disabled(place):
    place.write("app.py", "import sys; print('agentops_otel.engine.call' in sys.modules)")
    code, _, err = place.done(*RUN, "app.py", OTEL_SDK_DISABLED="true")
    assert (code, err) == (0, "agentops-otel: nothing is captured, OTEL_SDK_DISABLED is true\n")
    assert stored(place.path) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name a program: agentops-otel run app.py"),
        (("-m",), "Name a program"),
        (("nothing-of-this-name",), "There is no file and no command 'nothing-of-this-name'"),
    ],
)
def test_what_cannot_be_run(place, arguments, said):
    code, out, err = place.done(*RUN, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_file_that_is_not_there_is_pythons_to_tell(place):
    command = ("nothing.py",)
    assert place.silently(*command) == place.done(sys.executable, *command)


def test_a_python_without_the_package_runs_the_program(place):
    place.write("app.py", "print('out')")
    site = str(Path(agentops_otel.__file__).parent / "autorun" / "site")
    code, out, err = place.done(
        sys.executable,
        "-S",
        "-c",
        f"""
import runpy, sys
sys.modules['agentops_otel'] = None
sys.path.insert(0, {site!r})
runpy.run_path({site!r} + '/sitecustomize.py')
runpy.run_path('app.py')
""",
    )
    assert (code, out) == (0, "out\n")
    assert err.startswith("agentops-otel: nothing is captured, ")
