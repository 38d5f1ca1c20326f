"""How a process ends, as real processes: end state and reason of what is open, and nothing of the program's touched."""

from __future__ import annotations

import signal

import pytest
from programs import run, start, stored

BEGIN = """
import agentops_otel as agentops, atexit, os, signal, sys, threading, time
agentops.init(tags=["{kind}"])
sessions = [agentops.start_session() for _ in range({more})]
agentops.record(agentops.ActionEvent(action_type="done"))
"""
UNSAID = "process exited (code {}) without end_session"

ROWS = {
    "falls off the end": ("pass", 0, "Indeterminate", UNSAID.format(0)),
    "sys.exit(0)": ("sys.exit(0)", 0, "Indeterminate", UNSAID.format(0)),
    "sys.exit(3)": ("sys.exit(3)", 3, "Indeterminate", UNSAID.format(3)),
    "sys.exit(text)": ("sys.exit('sorry')", 1, "Indeterminate", UNSAID.format(1)),
    "exit that did not happen": (
        "try:\n    sys.exit(3)\nexcept SystemExit:\n    agentops.record(agentops.ActionEvent())",
        0,
        "Indeterminate",
        UNSAID.format(0),
    ),
    "uncaught exception": ("raise ValueError('bad input')", 1, "Failure", "ValueError: bad input"),
    "uncaught without text": ("raise KeyError()", 1, "Failure", "KeyError"),
    "caught exception": (
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass",
        0,
        "Indeterminate",
        UNSAID.format(0),
    ),
    "exception in a thread": (
        "t = threading.Thread(target=lambda: 1 / 0); threading.excepthook = lambda args: None; t.start(); t.join()",
        0,
        "Indeterminate",
        UNSAID.format(0),
    ),
    "SIGINT": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -2, "Indeterminate", "Signal SIGINT"),
    "SIGTERM": (
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
        -15,
        "Indeterminate",
        "Signal SIGTERM",
    ),
    "SIGTERM handled by the program": (
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(7)); os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
        7,
        "Indeterminate",
        UNSAID.format(7),
    ),
    "os._exit": ("agentops.flush(); os._exit(4)", 4, "Indeterminate", "process ended without a word"),
    "SIGKILL": (
        "agentops.flush(); os.kill(os.getpid(), signal.SIGKILL)",
        -9,
        "Indeterminate",
        "process ended without a word",
    ),
}


@pytest.mark.parametrize("more", [0, 2], ids=["one", "three"])
@pytest.mark.parametrize(("ending", "code", "state", "reason"), ROWS.values(), ids=ROWS.keys())
def test_ending(tmp_path, ending, code, state, reason, more):
    run(BEGIN.format(kind="auto", more=more) + ending, tmp_path, code=code)
    rows = [row for row, _ in stored(tmp_path)]
    assert len(rows) == more + 1
    for row in rows:
        assert (row.end_state, row.end_state_reason, row.is_running) == (state, reason, False)
        assert (row.end_time is None) == (reason == "process ended without a word")
    assert sum(row.actions for row in rows) >= 1


def test_an_uncaught_exception_is_printed_as_ever(tmp_path):
    _, err = run(BEGIN.format(kind="x", more=0) + "raise ValueError('bad input')", tmp_path, code=1)
    assert "Traceback (most recent call last)" in err
    assert "ValueError: bad input" in err


def test_nothing_of_the_programs_is_replaced(tmp_path):
    run(
        """
        import signal, sys, threading
        def mine(*args): pass
        sys.excepthook = threading.excepthook = mine
        signal.signal(signal.SIGTERM, mine)
        before = (sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        import agentops_otel as agentops
        agentops.init()
        after = (sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        assert before == after
        agentops.end_session("Success")
        """,
        tmp_path,
    )


def test_ended_sessions_stay_as_they_ended(tmp_path):
    run(BEGIN.format(kind="x", more=0) + "agentops.end_session('Success'); raise ValueError", tmp_path, code=1)
    ((row, _),) = stored(tmp_path)
    assert (row.end_state, row.end_state_reason) == ("Success", None)


def test_a_stream_that_is_open_at_the_end_is_kept(tmp_path):
    from agentops_otel.demo import bodies, streams  # noqa: PLC0415
    from agentops_otel.demo.provider import Answer, Provider  # noqa: PLC0415

    with Provider([Answer.sse(streams.chat_chunks(bodies.chat("one two three four")))]) as provider:
        run(
            """
            import agentops_otel as agentops, openai
            agentops.init()
            stream = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[], stream=True)
            next(stream)
            """,
            tmp_path,
            provider,
        )
    ((row, spans),) = stored(tmp_path)
    assert row.llm_calls == 1
    assert spans[1].attributes["agentops.stream.outcome"] == "abandoned"


def test_sigterm_while_a_session_is_silent(tmp_path):
    process = start(BEGIN.format(kind="x", more=0) + "print(1, flush=True); time.sleep(60)", tmp_path)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGTERM
    ((row, _),) = stored(tmp_path)
    assert row.end_state_reason == "Signal SIGTERM"
