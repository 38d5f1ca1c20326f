"""One session over threads and processes: every span once, in the right place, and the totals of all."""

from __future__ import annotations

import pytest
from programs import run, stored

from agentops_otel.conventions import names

MAIN = """
import agentops_otel as agentops, asyncio, concurrent.futures, contextvars, multiprocessing, os, subprocess, sys, threading, time

def work(number=0):
    agentops.record(agentops.LLMEvent(model="gpt-4o-mini", prompt_tokens=1000, completion_tokens=100))
    return os.getpid()

def arrived(count):
    # Workers that are killed without a word have delivered before, by themselves.
    deadline = time.monotonic() + 20
    while session.get_analytics()["LLM calls"] < count and time.monotonic() < deadline:
        time.sleep(0.05)

def main():
{body}

if __name__ == "__main__":
    session = agentops.init(tags=["parent"])
    other = agentops.start_session(tags=["other"])
    with session:
        main()
        print(session.get_analytics()["LLM calls"], session.get_analytics()["Cost"])
    other.end_session("Success")
"""

WAYS = {
    "thread": "t = [threading.Thread(target=work) for _ in range(4)]; [x.start() for x in t]; [x.join() for x in t]",
    "thread subclass": (
        "class T(threading.Thread):\n        def run(self): work()\n"
        "    t = [T() for _ in range(4)]; [x.start() for x in t]; [x.join() for x in t]"
    ),
    "ThreadPoolExecutor": "with concurrent.futures.ThreadPoolExecutor(2) as pool: list(pool.map(work, range(4)))",
    "run_in_executor": (
        "async def go():\n        loop = asyncio.get_running_loop()\n"
        "        await asyncio.gather(*(loop.run_in_executor(None, work) for _ in range(4)))\n"
        "    asyncio.run(go())"
    ),
    "asyncio tasks": (
        "async def one(): work()\n"
        "    async def go(): await asyncio.gather(*(asyncio.create_task(one()) for _ in range(4)))\n"
        "    asyncio.run(go())"
    ),
    "os.fork": (
        "for _ in range(4):\n        pid = os.fork()\n        if pid == 0:\n            work(); sys.exit(0)\n"
        "        os.waitpid(pid, 0)"
    ),
}
for _method in ("fork", "spawn", "forkserver"):
    WAYS[f"Process {_method}"] = (
        f"c = multiprocessing.get_context({_method!r}); p = [c.Process(target=work) for _ in range(4)]; "
        "[x.start() for x in p]; [x.join() for x in p]"
    )
    WAYS[f"Pool {_method}"] = (
        f"pool = multiprocessing.get_context({_method!r}).Pool(2); pool.map(work, range(4)); pool.close(); pool.join()"
    )
    WAYS[f"terminated Pool {_method}"] = (
        f"with multiprocessing.get_context({_method!r}).Pool(2) as pool: pool.map(work, range(4)); arrived(4)"
    )
    WAYS[f"ProcessPoolExecutor {_method}"] = (
        f"with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context({_method!r})) as pool: "
        "list(pool.map(work, range(4)))"
    )


@pytest.mark.parametrize("body", WAYS.values(), ids=WAYS.keys())
def test_work_joins_by_itself(tmp_path, body):
    out, err = run(MAIN.format(body="    " + body), tmp_path, PYTHONWARNINGS="ignore")
    assert out == "4 0.000840\n", err
    sessions = {tuple(row.tags): (row, spans) for row, spans in stored(tmp_path)}
    row, spans = sessions[("parent",)]
    assert set(sessions) == {("parent",), ("other",)}
    assert (row.end_state, row.llm_calls, str(row.cost)) == ("Success", 4, "0.00084")
    assert sessions[("other",)][0].llm_calls == 0
    calls = [span for span in spans if not span.is_session]
    assert len({span.span_id for span in calls}) == 4
    (root,) = [span for span in spans if span.is_session]
    assert {span.parent_id for span in calls} == {root.span_id}
    assert root.attributes[names.LLM_CALLS] == 4


CHILD = "import agentops_otel as agentops; s = agentops.init(tags=['child']); agentops.record(agentops.ActionEvent()); {end}"


@pytest.mark.parametrize("end", ["", "s.end_session('Failure')", "__import__('os')._exit((agentops.flush(), 0)[1])"])
def test_a_subprocess_joins_by_itself(tmp_path, end):
    run(
        f"""
        import agentops_otel as agentops, subprocess, sys
        session = agentops.init()
        agentops.record(agentops.ActionEvent())
        for _ in range(2):
            subprocess.run([sys.executable, "-c", {CHILD.format(end=end)!r}], check=True)
        assert session.get_analytics()["Actions"] == 3
        agentops.end_session("Success")
        """,
        tmp_path,
    )
    ((row, spans),) = stored(tmp_path)
    assert (row.end_state, row.actions, len(spans)) == ("Success", 3, 4)


def test_a_session_of_another_program(tmp_path):
    """The documents' own way: the id is passed on, and both contribute."""
    run(
        """
        import agentops_otel as agentops, subprocess, sys, os
        session = agentops.init()
        plain = {name: value for name, value in os.environ.items()}
        code = "import agentops_otel as a, sys; a.init(inherited_session_id=sys.argv[1]); a.record(a.ToolEvent(name='t'))"
        agentops.stop_instrumenting()
        subprocess.run([sys.executable, "-c", code, session.session_id], check=True, env=plain)
        agentops.end_session("Success")
        """,
        tmp_path,
    )
    ((row, _),) = stored(tmp_path)
    assert row.tool_calls == 1


def test_headers_carry_the_session(watched):
    told = watched.session.headers()
    trace_id = watched.session.session_id.replace("-", "")
    assert told["traceparent"].startswith(f"00-{trace_id}-")
    assert told["baggage"] == f"agentops.session.id={watched.session.session_id}"
    assert watched.session.env()["AGENTOPS_SESSION_ID"] == watched.session.session_id
    assert watched.session.env()["TRACEPARENT"] == told["traceparent"]


def test_the_standard_library_is_as_before_after_shut_down(make_watched):
    import subprocess  # noqa: PLC0415
    import threading  # noqa: PLC0415
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415
    from multiprocessing.process import BaseProcess  # noqa: PLC0415

    def methods():
        return (
            threading.Thread.__dict__["start"],
            ThreadPoolExecutor.__dict__["submit"],
            subprocess.Popen.__dict__["__init__"],
            BaseProcess.__dict__["start"],
        )

    before = methods()
    watched = make_watched()
    assert all(one is not two for one, two in zip(methods(), before, strict=True))
    watched.client.inheritance.uninstall()
    assert methods() == before


ENDS = {
    # (what the child says, what the owner says) -> end state, reason
    "only the owner": (("end_session('Failure', 'child')", "end_session('Success', 'owner')"), ("Success", "owner")),
    "for all, and the owner says nothing": (
        ("end_session('Failure', 'child', for_all=True)", "end_session('Indeterminate')"),
        ("Failure", "child"),
    ),
    "for all, and the owner says otherwise": (
        ("end_session('Failure', 'child', for_all=True)", "end_session('Success', 'owner')"),
        ("Success", "owner"),
    ),
    "for all, and the owner is gone": (
        ("end_session('Success', for_all=True)", "flush(); import os; os._exit(0)"),
        ("Success", None),
    ),
}


@pytest.mark.parametrize(("said", "expected"), ENDS.values(), ids=ENDS.keys())
def test_who_ends_an_inherited_session(tmp_path, said, expected):
    child, owner = said
    code = f"import agentops_otel as a; a.init(); a.record(a.ToolEvent(name='t')); a.{child}"
    run(
        "import subprocess, sys\nimport agentops_otel as a\nsession = a.init()\nflush = a.client.default.flush\n"
        f"subprocess.run([sys.executable, '-c', {code!r}], check=True)\n"
        f"{'session.' if owner.startswith('end') else ''}{owner}\n",
        tmp_path,
    )
    ((row, spans),) = stored(tmp_path)
    assert (row.end_state, row.end_state_reason) == expected
    assert (row.is_running, row.tool_calls, row.actions) == (False, 1, 0)
    assert row.end_time is not None
