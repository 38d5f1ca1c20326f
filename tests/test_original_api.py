"""Programs written for the original, in either generation of its API, with only the import line changed."""

from __future__ import annotations

import inspect
from decimal import Decimal

import pytest
from inline_snapshot import snapshot
from programs import run, stored

import agentops_otel as agentops
from agentops_otel.conventions import names
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.sessions.session import Session

FIRST = "import agentops_otel as agentops\nfrom agentops_otel import *\n"
KEY = "01234567-89ab-cdef-0123-456789abcdef"

PROGRAMS = {
    # program, (end state, llms, tools, actions, errors) of each session, oldest first
    "init, record, analytics, end": (
        """
        session = agentops.init()
        session.record(ActionEvent("llms"))
        session.record(ActionEvent("tools"))
        told = session.get_analytics()
        assert list(told) == ["LLM calls", "Tool calls", "Actions", "Errors", "Duration", "Cost"]
        assert (told["LLM calls"], told["Tool calls"], told["Cost"]) == (1, 1, "0.00")
        assert session.end_session("Success") == "0.00"
        """,
        [("Success", 1, 1, 0, 0)],
    ),
    "module functions": (
        """
        agentops.init(api_key=KEY, default_tags=["a"], max_queue_size=4096, instrument_llm_calls=True)
        agentops.add_tags(["b", "a"])
        record(ToolEvent(name="search", params={"q": 1}, returns=["x"], logs={"ok": True}))
        record(ActionEvent(action_type="click", logs="done", screenshot="https://example.com/a.png"))
        assert agentops.end_session("Fail", "nothing found", video="https://example.com/v.mp4") == "0.00"
        """,
        [("Failure", 0, 1, 1, 0)],
    ),
    "a session started later": (
        """
        assert agentops.init(auto_start_session=False) is None
        session = agentops.start_session(tags=["t"], config=Configuration(max_wait_time=1000))
        assert agentops.get_session(session.session_id) is session
        session.add_tags("x")
        assert session.tags == ["t", "x"] and session.is_running
        session.end_session(end_state="Success")
        assert session.end_timestamp > session.init_timestamp
        """,
        [("Success", 0, 0, 0, 0)],
    ),
    "several sessions": (
        """
        agentops.init(auto_start_session=False)
        one, two = agentops.start_session(["one"]), agentops.start_session(["two"])
        one.record(ActionEvent(action_type="x"))
        @record_action("work")
        def work(x): return x
        assert work(3, session=one) == 3
        @one.patch
        def patched(): agentops.record(ToolEvent(name="p"))
        patched()
        two.end_session(end_state="Success")
        agentops.end_all_sessions()
        """,
        [("Indeterminate", 0, 1, 2, 0), ("Success", 0, 0, 0, 0)],
    ),
    "decorators": (
        """
        agentops.init()
        @record_function()
        def act(params): return "some response"
        @record_tool("fetch")
        async def fetch(url): return url, 1
        @record_action("fails")
        def fails(): raise KeyError("x")
        @track_agent(name="qa")
        class Qa:
            def ask(self): return act({"a": 1})
        import asyncio
        Qa().ask()
        assert asyncio.run(fetch("u")) == ("u", 1)
        try: fails()
        except KeyError: pass
        agentops.end_session("Success")
        """,
        [("Success", 0, 1, 2, 1)],
    ),
    "errors": (
        """
        agentops.init()
        tool = ToolEvent(name="scrape", params={"url": "x"})
        try: 1 / 0
        except Exception as e: record(ErrorEvent(exception=e, trigger_event=tool))
        record(ErrorEvent(message="odd", error_type="Odd", code="E1"))
        record(tool)
        agentops.end_session("Success")
        """,
        [("Success", 0, 1, 0, 2)],
    ),
    "hand-made model calls": (
        """
        agentops.init()
        agent_id = agentops.create_agent("writer")
        record(LLMEvent(prompt=[{"role": "user", "content": "hi"}], completion="ho", model="gpt-4o-mini",
                        prompt_tokens=1000, completion_tokens=100, agent_id=agent_id))
        record(LLMEvent(prompt="hi", completion={"role": "assistant", "content": "x"}, cost=0.5))
        assert agentops.end_session("Success") == "0.50021"
        """,
        [("Success", 2, 0, 0, 0)],
    ),
    "configured first": (
        """
        agentops.configure(api_key=KEY, auto_start_session=False, default_tags=["d"])
        assert agentops.get_api_key() == KEY
        agentops.init()
        session = agentops.start_session()
        assert session is not None and session.tags == ["d"], session
        session.end_session("Success")
        """,
        [("Success", 0, 0, 0, 0)],
    ),
    "traces": (
        """
        agentops.init(auto_start_session=False, trace_name="app", fail_safe=True, log_level="ERROR", app_url="x")
        one = agentops.start_trace("one", tags=["a"])
        two = agentops.start_trace("two")
        agentops.update_trace_metadata({"user": "u1", "n": 3, "list": [1]})
        agentops.end_trace(one, "Success")
        agentops.end_trace(two, TraceState.ERROR)
        with agentops.start_trace("three") as three:
            pass
        agentops.start_trace("four")
        agentops.end_trace(end_state="Indeterminate")
        """,
        [
            ("Success", 0, 0, 0, 0),
            ("Failure", 0, 0, 0, 0),
            ("Success", 0, 0, 0, 0),
            ("Indeterminate", 0, 0, 0, 0),
        ],
    ),
    "later decorators": (
        """
        agentops.init(auto_start_session=False)
        @agentops.tool(cost=0.01)
        def search(q): return q
        @agentops.operation
        def step(q): return search(q)
        @agentops.agent
        class Agent:
            @agentops.task(name="run")
            def run(self): return step("x")
        @agentops.guardrail
        def check(x): return True
        @agentops.trace(name="job", tags=["t"])
        def job():
            check(1)
            return Agent().run()
        assert job() == "x"
        """,
        [("Success", 0, 1, 2, 0)],
    ),
    "used before init": (
        """
        agentops.record(ActionEvent())
        agentops.start_session().end_session("Success")
        """,
        [("Success", 0, 0, 0, 0)],
    ),
}


@pytest.mark.parametrize(("program", "expected"), PROGRAMS.values(), ids=PROGRAMS.keys())
def test_program(tmp_path, program, expected):
    body = FIRST + f"KEY = {KEY!r}\n" + inspect.cleandoc(program)
    run(body, tmp_path)
    rows = [row for row, _ in reversed(stored(tmp_path))]
    assert [(row.end_state, row.llm_calls, row.tool_calls, row.actions, row.errors) for row in rows] == expected


def test_calls_follow_the_trace_that_is_current(tmp_path):
    answers = [Answer.json(bodies.chat("hi")) for _ in range(2)]
    with Provider(answers) as provider:
        run(
            FIRST + "import openai\nagentops.init(auto_start_session=False)\nclient = openai.OpenAI()\n"
            'ask = lambda: client.chat.completions.create(model="gpt-4o-mini", messages=[])\n'
            'one = agentops.start_trace("one")\nask()\ntwo = agentops.start_trace("two")\nask()\n'
            'agentops.end_trace(one, "Success")\nagentops.end_trace(two, "Success")\n',
            tmp_path,
            provider,
        )
    assert [(spans[0].name, row.llm_calls) for row, spans in reversed(stored(tmp_path))] == [("one", 1), ("two", 1)]


def test_calls_may_name_their_session(tmp_path):
    answers = [Answer.json(bodies.chat("hi")) for _ in range(4)]
    with Provider(answers) as provider:
        run(
            FIRST + "import asyncio, openai\nagentops.init(auto_start_session=False)\n"
            "one, two = agentops.start_session(), agentops.start_session()\n"
            'asked = dict(model="gpt-4o-mini", messages=[])\n'
            "create, acreate = (kind().chat.completions.create for kind in (openai.OpenAI, openai.AsyncOpenAI))\n"
            "create(**asked, session=one)\n"
            "one.patch(create)(**asked)\n"
            "async def both(): await acreate(**asked, session=one); await one.patch(acreate)(**asked)\n"
            "asyncio.run(both())\n"
            "try: create(**asked, session='x')\n"
            "except TypeError as error: assert 'session' in str(error)\n"
            'one.end_session("Success")\ntwo.end_session("Success")\n',
            tmp_path,
            provider,
        )
    assert [row.llm_calls for row, _ in reversed(stored(tmp_path))] == [4, 0]


def test_cost_of_tools_is_cost(tmp_path):
    run(
        FIRST + "agentops.init()\n@agentops.tool(cost=0.25)\ndef t(): pass\nt()\nt()\n"
        "assert agentops.end_session('Success') == '0.5'",
        tmp_path,
    )
    ((row, spans),) = stored(tmp_path)
    assert row.cost == Decimal("0.5")
    assert spans[0].attributes[names.COST] == 0.5


def test_unknown_settings_are_warned_about(tmp_path):
    _, err = run("import agentops_otel as a\nassert a.init(colour='blue', max_wait_time='long') is not None", tmp_path)
    assert "no such setting: colour" in err
    _, err = run("import agentops_otel as a\nassert a.init(max_wait_time='long') is not None", tmp_path)
    assert "max_wait_time is a whole number" in err


def parameters(function):
    return [str(item) for item in inspect.signature(function, eval_str=False).parameters.values()]


def test_frozen_signatures():
    assert {
        name: parameters(getattr(agentops, name)) for name in ("init", "start_session", "end_session", "record")
    } == (
        snapshot(
            {
                "init": [
                    "api_key: 'str | None' = None",
                    "parent_key: 'str | None' = None",
                    "endpoint: 'str | None' = None",
                    "max_wait_time: 'int | None' = None",
                    "max_queue_size: 'int | None' = None",
                    "tags: 'Any' = None",
                    "default_tags: 'Any' = None",
                    "instrument_llm_calls: 'bool | None' = None",
                    "auto_start_session: 'bool | None' = None",
                    "inherited_session_id: 'Any' = None",
                    "skip_auto_end_session: 'bool | None' = None",
                    "**settings: 'Any'",
                ],
                "start_session": [
                    "tags: 'Any' = None",
                    "inherited_session_id: 'Any' = None",
                    "config: 'Configuration | None' = None",
                ],
                "end_session": [
                    "end_state: 'Any'",
                    "end_state_reason: 'str | None' = None",
                    "video: 'str | None' = None",
                    "is_auto_end: 'bool | None' = False",
                    "for_all: 'bool' = False",
                ],
                "record": ["event: 'Event'"],
            }
        )
    )
    assert parameters(Session.end_session) == snapshot(
        [
            "self",
            "end_state: 'Any' = 'Indeterminate'",
            "end_state_reason: 'str | None' = None",
            "video: 'str | None' = None",
            "for_all: 'bool' = False",
        ]
    )


def test_events_keep_their_positional_order():
    shared = ["event_type", "params", "returns", "init_timestamp", "end_timestamp", "agent_id", "id", "session_id"]
    for event, own in (
        (agentops.ActionEvent, ["action_type", "logs", "screenshot"]),
        (
            agentops.LLMEvent,
            ["thread_id", "prompt", "prompt_tokens", "completion", "completion_tokens", "cost", "model"],
        ),
        (agentops.ToolEvent, ["name", "logs"]),
        (agentops.ErrorEvent, ["trigger_event", "exception", "error_type", "code", "details", "logs", "message"]),
    ):
        assert list(inspect.signature(event).parameters) == shared + own
