"""pytest: nothing happens unless asked for; with `--agentops` each test is a session, and its cost is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from programs import stored

from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

CALL = """
    import openai, pytest

    @pytest.fixture
    def ask():
        def once(model="gpt-4o-mini"):
            with openai.OpenAI() as client:
                return client.chat.completions.create(model=model, messages=[])
        return once
"""
TESTS = """
    import pytest

    def test_one(ask): ask()

    def test_two(ask): ask(), ask()

    def test_none(): pass

    def test_fails(ask):
        ask()
        assert 1 == 2

    @pytest.fixture
    def broken(): raise OSError("no fixture")

    def test_broken(broken): pass

    @pytest.fixture
    def torn():
        yield
        raise OSError("torn down")

    def test_torn(torn): pass

    @pytest.mark.skip(reason="not now")
    def test_skipped(): pass

    @pytest.mark.xfail
    def test_expected(): assert False
"""


@pytest.fixture(scope="module")
def provider():
    def answer(request):
        return Answer.json(bodies.chat("hi", model=request.body["model"], usage=bodies.chat_usage(1000, 100)))

    with Provider({"/v1/chat/completions": answer}) as made:
        yield made


@pytest.fixture
def play(tmp_path, provider):
    """Runs pytest on these tests in a process of its own: (exit code, output)."""

    def run(tests, *arguments, **env):
        for name, text in {"conftest.py": CALL, "test_it.py": tests}.items():
            lines = text.splitlines()
            (tmp_path / name).write_text("\n".join(line.removeprefix("    ") for line in lines))
        told = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_", "PYTEST"))
        }
        told |= {
            "AGENTOPS_STORE": str(tmp_path / "sessions.db"),
            "AGENTOPS_STRICT": "1",
            "OPENAI_API_KEY": "x",
            "OPENAI_BASE_URL": provider.openai_url,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those of other packages take seconds
        }
        wanted = [word for name in ("agentops", "asyncio", "xdist") for word in ("-p", name)]
        if "no:agentops" in arguments:
            wanted = wanted[2:]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *wanted, "--strict-markers", *arguments],
            cwd=tmp_path,
            env=told | env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def _table(out):
    """The lines of the report on costs, up to its last, as words."""
    lines = [line.split() for line in re.split(r"=+ cost of model calls =+\n", out)[1].splitlines()]
    last = next(index for index, line in enumerate(lines) if line[-2:] == ["in", "all"])
    return lines[: last + 1]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["in one process", "with workers"])
def test_each_test_is_a_session(play, tmp_path, workers):
    code, out = play(TESTS, "--agentops", *workers)
    assert code == 1
    title, first, *rest, last = _table(out)
    assert title == ["$", "cost", "calls", "tokens", "test"]
    assert first == ["0.00042", "2", "2200", "test_it.py::test_two"]
    assert sorted(rest) == [["0.00021", "1", "1100", f"test_it.py::{name}"] for name in ("test_fails", "test_one")]
    assert last == ["0.00084", "4", "4400", "in", "all"]
    found = {}
    for row, records in stored(tmp_path):
        (root,) = [record for record in records if record.is_session]
        found[root.name.partition("::")[2]] = (row.end_state, row.end_state_reason, row.llm_calls)
    assert found == {
        "test_one": ("Success", None, 1),
        "test_two": ("Success", None, 2),
        "test_none": ("Success", None, 0),
        "test_fails": ("Failure", "AssertionError: assert 1 == 2", 1),
        "test_broken": ("Failure", "OSError: no fixture", 0),
        "test_torn": ("Failure", "OSError: torn down", 0),
        "test_skipped": ("Indeterminate", "skipped", 0),
        "test_expected": ("Indeterminate", "xfailed", 0),
    }
    assert all(list(row.tags) == ["pytest"] for row, _ in stored(tmp_path))


@pytest.mark.parametrize(
    ("most", "code"), [("0.0005", 1), ("0.00063", 0), ("1", 0), ("0", 1), ("much", 4), ("-1", 4), ("nan", 4)]
)
def test_a_run_may_cost_so_much(play, most, code):
    found, out = play("def test_it(ask): ask(), ask(), ask()", f"--agentops-max-cost={most}")
    assert found == code
    assert ("all tests cost $0.00063: more than --agentops-max-cost=" in out) is (code == 1)


def test_a_call_without_a_price_is_said(play):
    code, out = play("def test_it(ask): ask('nobody-knows-this'), ask()", "--agentops-max-cost=1")
    assert code == 0
    assert "1 calls have no known price and are not in these figures" in out
    _, out = play("def test_it(ask): ask('nobody-knows-this')", "--agentops")
    assert _table(out)[1] == ["?", "1", "1100", "test_it.py::test_it"]


MARKED = """
    import pytest

    @pytest.mark.agentops(max_llm_calls=1)
    def test_calls(ask): ask(), ask()

    @pytest.mark.agentops(max_cost=0.0003)
    def test_cost(ask): ask(), ask()

    @pytest.mark.agentops(max_cost="0.5", max_llm_calls=2)
    def test_within(ask): ask(), ask()
"""


def test_a_test_may_cost_so_much(play):
    _, out = play(MARKED, "--agentops")
    assert "2 model calls were made; the marker allows 1" in out
    assert "the model calls cost $0.00042; the marker allows $0.0003" in out
    assert "2 failed, 1 passed" in out
    assert "3 passed" in play(MARKED)[1]


def test_junit_gets_the_figures(play, tmp_path):
    play("def test_it(ask): ask()", "--agentops", "--junit-xml=report.xml")
    told = ET.parse(tmp_path / "report.xml").iter("property")
    assert {item.get("name"): item.get("value") for item in told} == {
        "agentops.cost": "0.00021",
        "agentops.llm_calls": "1",
        "agentops.tokens": "1100",
        "agentops.unpriced_calls": "0",
    }


def test_a_program_that_sets_itself_up(play, tmp_path):
    tests = """
    import agentops_otel as agentops

    def test_it(ask):
        agentops.init(tags=["mine"], trace_name="of the program")
        ask()
        agentops.end_session("Failure", "as it says")

    def test_next(ask): ask()
    """
    code, out = play(tests, "--agentops")
    assert code == 0, out
    assert _table(out)[-1][:2] == ["0.00042", "2"]
    ends = {(row.end_state, row.end_state_reason, row.llm_calls) for row, _ in stored(tmp_path)}
    assert ends == {("Failure", "as it says", 1), ("Success", None, 1)}


OFF = """
    import sys

    def test_it(): pass

    def test_nothing_is_imported():
        assert not [name for name in sys.modules if name.partition(".")[0] == "agentops_otel"]
        assert not [name for name in sys.modules if name.startswith(("opentelemetry", "wrapt"))]
"""


def test_nothing_happens_unless_asked_for(play, tmp_path):
    code, out = play(OFF)
    assert code == 0, out
    assert "cost of model calls" not in out
    assert not (tmp_path / "sessions.db").exists()


def test_it_can_be_kept_out(play):
    code, out = play("def test_it(): pass", "-p", "no:agentops")
    assert code == 0, out


def test_no_calls(play):
    assert "no test called a model" in play("def test_it(): pass", "--agentops")[1]


CAPTURED = """
    import agentops_otel as agentops
    from opentelemetry import trace

    def agent(ask):
        agentops.init(tags=["mine"], endpoint="http://127.0.0.1:9")
        ask()
        return agentops.end_session("Success")

    def test_sessions(ask, captured_sessions):
        assert len(captured_sessions) == 0
        assert agent(ask) == "0.00021"
        session = captured_sessions.only
        assert (session.end_state, session.tags, session.llm_calls, session.errors) == ("Success", ("mine",), 1, 0)
        assert str(session.cost) == "0.00021"
        assert session.tokens["input_tokens"] == 1000
        assert [span.name for span in session.spans] == ["chat gpt-4o-mini"]

    def test_again(ask, captured_sessions):
        agent(ask), agent(ask)
        assert [session.llm_calls for session in captured_sessions] == [1, 1]
        assert captured_sessions[-1].tags == ("mine",)

    def test_a_decorator(ask, captured_sessions):
        @agentops.session(name="planner")
        def planner(): ask(); raise ValueError("no")
        try: planner()
        except ValueError: pass
        assert (captured_sessions.only.name, captured_sessions.only.end_state) == ("planner", "Failure")

    def test_one_that_runs(ask, captured_sessions):
        agentops.start_session()
        ask()
        assert (captured_sessions.only.end_state, captured_sessions.only.llm_calls) == (None, 1)

    def test_only(captured_sessions):
        import pytest
        with pytest.raises(AssertionError, match="0 sessions were captured, not one"):
            captured_sessions.only
"""


@pytest.mark.parametrize("option", [(), ("-n", "2")])
def test_captured_sessions(play, tmp_path, option):
    code, out = play(CAPTURED, *option)
    assert code == 0, out
    assert not (tmp_path / "sessions.db").exists(), "they stay in memory"


def test_captured_sessions_of_a_test_that_is_one(play, tmp_path):
    tests = """
    def test_it(ask, captured_sessions):
        ask()
        assert captured_sessions.only.llm_calls == 1
    """
    code, out = play(tests, "--agentops")
    assert code == 0, out
    ((row, _),) = stored(tmp_path)
    assert (row.llm_calls, row.end_state) == (1, "Success")


def test_libraries_are_left_as_they_were(play):
    tests = """
    import openai
    before = openai.OpenAI.request

    def test_it(captured_sessions):
        assert openai.OpenAI.request is not before

    def test_after():
        assert openai.OpenAI.request is before
    """
    code, out = play(tests)
    assert code == 0, out


def test_asynchronous_tests(play, tmp_path):
    tests = """
    import asyncio, openai, pytest

    @pytest.mark.asyncio
    async def test_it(captured_sessions):
        async with openai.AsyncOpenAI() as client:
            await asyncio.gather(*(client.chat.completions.create(model="gpt-4o-mini", messages=[]) for _ in range(2)))
        assert captured_sessions.only.llm_calls == 2
    """
    code, out = play(tests, "--agentops")
    assert code == 0, out
    ((row, _),) = stored(tmp_path)
    assert row.llm_calls == 2
