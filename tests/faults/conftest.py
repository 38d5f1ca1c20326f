"""Fixtures of the fault tests: a provider to call, and programs that say how it went."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from programs import start

from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

WORK = """
import json, sys, threading, time
import agentops_otel as agentops
import openai
from agentops_otel.client import default

def ask():
    openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])

def work(events=50, calls=3):
    "One session of events + calls + 1 spans; how long its end took."
    session = agentops.start_session()
    for number in range(events):
        session.record(agentops.ActionEvent(action_type=f"event {number}"))
    for _ in range(calls):
        ask()
    begin = time.perf_counter()
    watched.add(threading.get_ident())
    session.end_session("Success")
    watched.clear()
    return time.perf_counter() - begin

def audit(event, _):
    "What the thread that ends a session does meanwhile with network, files or other processes."
    if threading.get_ident() in watched and event.startswith(("socket.", "open", "os.", "sqlite3.", "subprocess.")):
        touched.append(event)

watched, touched = set(), []
sys.addaudithook(audit)

def begin(**settings):
    "Set up without a session. What became of all spans is told at exit, after our own end: we register before."
    import atexit
    found = {}
    def say():
        counts = found["delivery"].counts()
        print(json.dumps(dict(found["more"], made=counts.made, delivered=counts.delivered, waiting=counts.waiting, touched=touched,
                              dropped=counts.dropped, ended=time.time())), flush=True)
    atexit.register(say)
    agentops.init(auto_start_session=False, **settings)
    found["delivery"], found["more"] = default.pipeline.delivery, {}
    return found["more"]
"""


_SAID = re.compile(
    r"Session Stats|Sent to |\d+ spans? (could not|did not)|They are kept in "
    r"|Exception ignored in: <socket|ResourceWarning: unclosed <socket"
)


class Outcome:
    """How a program went: its counts, its output and how long its end took."""

    def __init__(self, process: subprocess.Popen[str], code: int) -> None:
        self.out, self.err = process.communicate(timeout=120)
        self.gone = time.time()
        assert process.returncode == code, self.err
        lines = self.out.splitlines()
        self.told: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    def check_counts(self) -> None:
        """Every span is somewhere, and only once."""
        told = self.told
        assert told["made"] == told["delivered"] + told["waiting"] + sum(told["dropped"].values()), told

    @property
    def log_lines(self) -> list[str]:
        """What was said on stderr beside the summary, and of what the program itself leaves open."""
        return [line for line in self.err.splitlines() if not _SAID.match(line)]


@pytest.fixture(scope="session")
def provider():
    with Provider({"/v1/chat/completions": lambda _: Answer.json(bodies.chat("hello"))}) as made:
        yield made


@pytest.fixture
def begin_program(tmp_path: Path, provider: Any):
    def begin(program: str, **env: str) -> subprocess.Popen[str]:
        return start(WORK + "\n" + program, tmp_path, provider, **env)

    return begin


@pytest.fixture
def run_program(begin_program: Any):
    def run(program: str, *, code: int = 0, **env: str) -> Outcome:
        return Outcome(begin_program(program, **env), code)

    return run
