"""What a program says when it ends about model calls that are in no session: only what is certain, and what to do."""

from __future__ import annotations

import sys

import pytest
from conftest import Watched
from programs import run

from agentops_otel import diagnosis
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

ASK = 'client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])\n'
BEGIN = "import agentops_otel as agentops, openai\nclient = openai.OpenAI()\n"
INIT = BEGIN + "agentops.init()\n"
END = 'agentops.end_session("Success")\n'
UNSTARTED = BEGIN + "agentops.init(auto_start_session=False)\n"
SEVERAL = UNSTARTED + "a, b = agentops.start_session(), agentops.start_session()\n"
ELSEWHERE = f"import contextvars\ncontextvars.Context().run(lambda: {ASK.strip()})\n"
ABSENT = "import sys, types\nsys.modules['ollama'] = types.ModuleType('ollama')\n"
OPEN = "no session was open. Start one before them, with init() or start_session()"

SEVERAL_OPEN = "several sessions were open, and none was current there. Make them within `with session:`"


@pytest.fixture(scope="module")
def provider():
    with Provider({"/v1/chat/completions": lambda _: Answer.json(bodies.chat("hi"))}) as made:
        yield made


def _said(program, tmp_path, provider, **env):
    """The lines on stderr, besides the figures and where to look."""
    _, err = run(program, tmp_path, provider, **env)
    told = err.replace(f"{sys.executable} -m agentops_otel", "agentops-otel")  # where that is on no path
    return [line for line in told.splitlines() if not line.startswith(("Session Stats", "Look at it"))]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (INIT + END + ASK, [f"1 model call not recorded: {OPEN}"]),
        (UNSTARTED + ASK + ASK, [f"2 model calls not recorded: {OPEN}"]),
        (INIT + ASK + END + ASK, [f"1 model call not recorded: {OPEN}"]),
        (
            SEVERAL + ELSEWHERE,
            [f"1 model call not recorded: {SEVERAL_OPEN}"],
        ),
        (
            ABSENT + INIT,
            ["ollama is imported, but nothing of it can be captured here. Why: agentops-otel doctor --import"],
        ),
    ],
)
def test_what_is_missing_is_said(tmp_path, provider, program, said):
    assert _said(program, tmp_path, provider) == said


@pytest.mark.parametrize(
    "program",
    [
        INIT,  # no call, on purpose
        UNSTARTED,
        INIT + ASK + END,
        SEVERAL + ASK + "a.end_session()\nb.end_session()\n",
        INIT + ELSEWHERE + END,
        BEGIN + ASK + "agentops.init()\n",  # nobody can know
        ABSENT + INIT + ASK,
        ABSENT + INIT.replace("init()", "init(instrument_llm_calls=False)"),
        INIT.replace("init()", "init(log_summary=False)") + END + ASK,
    ],
)
def test_nothing_else_is(tmp_path, provider, program):
    assert _said(program, tmp_path, provider) == []


def test_what_is_switched_off_is_not_missed(tmp_path, provider):
    assert _said(ABSENT + INIT, tmp_path, provider, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="ollama") == []
    assert _said(INIT + END + ASK, tmp_path, provider, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*") == []


def test_a_sampled_out_call_is_not_missed(tmp_path, provider):
    assert _said(INIT + END + ASK, tmp_path, provider, OTEL_TRACES_SAMPLER="always_off") == []


def test_the_diagnosis_tells_it(watched: Watched):
    watched.session.end_session("Success")
    watched.client.recorder.tracer_of("openai").start_span("chat", attributes={"gen_ai.operation.name": "chat"}).end()
    watched.client.recorder.tracer_of("openai").start_span("tool").end()
    told = diagnosis.diagnose(watched.client)
    assert told.outside == {"no session was open": 1}
    assert "\nModel calls not recorded: 1, as no session was open\n" in str(told)
