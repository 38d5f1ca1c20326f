"""What the original does wrong, row by row of its behaviour, and what happens here instead: whole programs."""

from __future__ import annotations

import inspect
import json

import pytest
from programs import run, stored

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

FIRST = "import agentops_otel as agentops\nfrom agentops_otel import *\nimport os, sys, time, uuid\n"
KEY = "01234567-89ab-cdef-0123-456789abcdef"

# The fault of the original (its version) -> a program that asserts our better result,
# and (end state, reason, llms, tools, actions, errors) of each session that it leaves, oldest first.
SINGLE = {
    "a call of init without a key returned None (0.3)": (
        "assert isinstance(agentops.init(), Session)",
        [("Indeterminate", "process exited (code 0) without end_session", 0, 0, 0, 0)],
    ),
    "a bad key was logged on every call and turned everything off (0.3)": (
        """
        session = agentops.init(api_key="no-uuid")
        session.record(ActionEvent(action_type="x"))
        assert session.get_analytics()["Actions"] == 1
        assert agentops.get_api_key() is None
        session.end_session("Success")
        """,
        [("Success", None, 0, 0, 1, 0)],
    ),
    "a second init warned and returned None (0.3)": (
        "one = agentops.init()\nassert agentops.init() is one\none.end_session('Success')",
        [("Success", None, 0, 0, 0, 0)],
    ),
    "configure raised a TypeError over an unknown setting (0.3)": (
        "agentops.configure(colour='blue')\nagentops.init()\nagentops.end_session('Success')",
        [("Success", None, 0, 0, 0, 0)],
    ),
    "start_session before init returned None (0.3)": (
        "session = agentops.start_session(['t'])\nassert session.tags == ['t']\nsession.end_session('Success')",
        [("Success", None, 0, 0, 0, 0)],
    ),
    "start_session took no Configuration, though documented (0.3, 0.4)": (
        """
        agentops.init(auto_start_session=False)
        session = agentops.start_session(config=Configuration(default_tags=("own",), trace_name="named"))
        assert session.tags == ["own"] and session.config.trace_name == "named"
        session.end_session("Success")
        """,
        [("Success", None, 0, 0, 0, 0)],
    ),
    "end_session of the module returned None, not the documented cost (0.3, 0.4)": (
        """
        agentops.init()
        record(LLMEvent(model="gpt-4o-mini", prompt_tokens=1000, completion_tokens=100))
        assert agentops.end_session("Success") == "0.00021"
        """,
        [("Success", None, 1, 0, 0, 0)],
    ),
    "the documented word Failure was refused, and so was the enumeration's own member (0.3)": (
        """
        agentops.init(auto_start_session=False)
        for state in ("Failure", "Fail", "fail", EndState.FAILURE, "FAILURE"):
            assert agentops.start_session().end_session(state, "why") == "0.00"
        """,
        [("Failure", "why", 0, 0, 0, 0)] * 5,
    ),
    "an end state that is none left no way to know (0.3)": (
        """
        session = agentops.init()
        assert session.end_session("Great") is None and session.is_running
        assert session.end_session("Success") == "0.00"
        """,
        [("Success", None, 0, 0, 0, 0)],
    ),
    "a session found by its id as text was not found (0.3)": (
        """
        session = agentops.init()
        for told in (session.session_id, uuid.UUID(session.session_id), uuid.UUID(session.session_id).hex):
            assert agentops.get_session(told) is session
        session.end_session("Success")
        """,
        [("Success", None, 0, 0, 0, 0)],
    ),
    "end_all_sessions changed the list that it walked, and left some open (0.3)": (
        """
        agentops.init(auto_start_session=False)
        for _ in range(3): agentops.start_session()
        agentops.end_all_sessions()
        """,
        [("Indeterminate", None, 0, 0, 0, 0)] * 3,
    ),
    "recording a dict raised (0.3)": (
        "agentops.init().record({'event_type': 'actions'})\nagentops.end_session('Success')",
        [("Success", None, 0, 0, 0, 0)],
    ),
    "recording after the end did nothing, silently (0.3)": (
        "session = agentops.init()\nsession.end_session('Success')\nsession.record(ActionEvent())",
        [("Success", None, 0, 0, 0, 0)],
    ),
    "get_analytics froze the duration and told the server of an end (0.3)": (
        """
        session = agentops.init()
        first = session.get_analytics()["Duration"]
        time.sleep(0.3)
        assert session.get_analytics()["Duration"] != first and session.end_timestamp is None
        session.record(ActionEvent(action_type="after"))
        session.end_session("Success")
        """,
        [("Success", None, 0, 0, 1, 0)],
    ),
    "an action whose type is none of four words counted as nothing (0.3)": (
        (
            "agentops.init()\nrecord(ActionEvent('x'))\nassert agentops.get_analytics()['Actions'] == 1\n"
            "agentops.end_session('Success')"
        ),
        [("Success", None, 0, 0, 1, 0)],
    ),
    "the link between an error and what caused it was lost (0.3)": (
        """
        agentops.init()
        tool = ToolEvent(name="t")
        record(ErrorEvent(trigger_event=tool, exception=ValueError("v")))
        agentops.end_session("Success")
        """,
        [("Success", None, 0, 0, 0, 1)],
    ),
    "a decorated action raised a ValueError of its own with two sessions open (0.3)": (
        """
        agentops.init(auto_start_session=False)
        one, two = agentops.start_session(), agentops.start_session()
        @record_action("a")
        def act(x, session=None): return x
        assert act(1) == 1 and act(2, session=one) == 2
        one.end_session("Success"); two.end_session("Success")
        """,
        [("Success", None, 0, 0, 1, 0), ("Success", None, 0, 0, 1, 0)],
    ),
    "decorated generators were not supported (0.3), and lost their span when half read (0.4)": (
        """
        agentops.init()
        @record_tool("numbers")
        def numbers():
            yield 1
            yield 2
        for number in numbers(): break
        assert list(numbers()) == [1, 2]
        agentops.end_session("Success")
        """,
        [("Success", None, 0, 2, 0, 0)],
    ),
    "instances of decorated classes could not be pickled (0.4)": (
        """
        import pickle
        agentops.init()
        @agentops.agent
        class Agent:
            def __init__(self): self.x = 1
        assert pickle.loads(pickle.dumps(Agent())).x == 1 and type(Agent()) is Agent
        agentops.end_session("Success")
        """,
        [("Success", None, 0, 0, 0, 0)],
    ),
    "the UUID that the documents say to pass raised (0.3); any id raised a TypeError (0.4)": (
        """
        told = uuid.UUID("8c5b3c1e-9d7b-4f63-8c9b-0a1b2c3d4e5f")
        session = agentops.init(inherited_session_id=told)
        assert session.session_id == str(told)
        session.end_session("Success")
        """,
        [],
    ),
    "an end state given as the documents say was dropped (0.4)": (
        """
        agentops.init(auto_start_session=False)
        agentops.end_trace(agentops.start_trace("a"), TraceState.SUCCESS)
        agentops.end_trace(agentops.start_trace("b"), end_state=TraceState.ERROR)
        """,
        [("Success", None, 0, 0, 0, 0), ("Failure", None, 0, 0, 0, 0)],
    ),
    "a second trace became a child of the first (0.4)": (
        """
        agentops.init(auto_start_session=False)
        one, two = agentops.start_trace("one"), agentops.start_trace("two")
        assert one.session_id != two.session_id
        agentops.end_trace(one); agentops.end_trace(two)
        """,
        [("Success", None, 0, 0, 0, 0)] * 2,
    ),
    "a trace that was left open was never exported (0.4)": (
        "agentops.init(auto_start_session=False)\nagentops.start_trace('open')",
        [("Indeterminate", "process exited (code 0) without end_session", 0, 0, 0, 0)],
    ),
    "a large queue made init raise (0.4)": (
        "assert agentops.init(max_queue_size=5000) is not None\nagentops.end_session('Success')",
        [("Success", None, 0, 0, 0, 0)],
    ),
    "an exporter and a processor that were given were never used (0.4)": (
        """
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter = InMemorySpanExporter()
        agentops.init(exporter=exporter)
        agentops.end_session("Success")
        assert agentops.flush() and [span.name for span in exporter.get_finished_spans()] == ["session"]
        """,
        [],
    ),
    "skip_auto_end_session was accepted and ignored (0.4)": (
        (
            "agentops.init(skip_auto_end_session=True)\nassert agentops.end_session('Success', is_auto_end=True) is None\n"
            "assert agentops.end_session('Success') == '0.00'"
        ),
        [("Success", None, 0, 0, 0, 0)],
    ),
    "print and import were replaced for the whole process (0.4)": (
        """
        import builtins
        before = builtins.print, builtins.__import__
        agentops.init()
        assert (builtins.print, builtins.__import__) == before
        agentops.end_session("Success")
        """,
        [("Success", None, 0, 0, 0, 0)],
    ),
    "the program's own tracer provider was replaced, or ours lost every span (0.4)": (
        """
        from opentelemetry import trace as otel
        from opentelemetry.sdk.trace import TracerProvider
        theirs = TracerProvider()
        otel.set_tracer_provider(theirs)
        agentops.init()
        agentops.record(ToolEvent(name="t"))
        assert otel.get_tracer_provider() is theirs
        agentops.end_session("Success")
        """,
        [("Success", None, 0, 1, 0, 0)],
    ),
    "spans of a thread were orphans of their own trace (0.4)": (
        """
        import threading
        agentops.init()
        thread = threading.Thread(target=lambda: agentops.record(ToolEvent(name="t")))
        thread.start(); thread.join()
        agentops.end_session("Success")
        """,
        [("Success", None, 0, 1, 0, 0)],
    ),
    "what is validated was asked of a server far away (0.4)": (
        """
        agentops.init()
        record(LLMEvent(model="gpt-4o-mini", prompt_tokens=10, completion_tokens=1))
        told = agentops.validate_trace_spans(min_spans=2)
        assert (told["span_count"], told["has_llm_spans"]) == (2, True), told
        agentops.print_validation_summary(told)
        try: agentops.validate_trace_spans(min_spans=9, max_retries=2, retry_delay=0.01)
        except ValidationError as error: assert "2 spans and 1 model calls" in str(error)
        else: raise AssertionError
        for wrong in (dict(trace_id="x"), dict(trace_id=uuid.uuid4(), max_retries=1)):
            try: agentops.validate_trace_spans(**wrong)
            except ValidationError: pass
            else: raise AssertionError
        agentops.end_session("Success")
        """,
        [("Success", None, 1, 0, 0, 0)],
    ),
}


def rows_of(tmp_path):
    return [
        (row.end_state, row.end_state_reason, row.llm_calls, row.tool_calls, row.actions, row.errors)
        for row, _ in reversed(stored(tmp_path))
    ]


@pytest.mark.parametrize(("program", "expected"), SINGLE.values(), ids=SINGLE.keys())
def test_row(tmp_path, program, expected):
    run(FIRST + inspect.cleandoc(program), tmp_path)
    if expected:
        assert rows_of(tmp_path) == expected


CHAT = Answer.json(bodies.chat("hello world"))
STREAM = Answer.sse(streams.chat_chunks(bodies.chat("hello world")))
MESSAGE = Answer.sse(streams.message_events(bodies.message("hello world")))
ASK = 'dict(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])'

CALLS = {
    "init before the import of the client doubled every call (0.4)": (
        f"agentops.init()\nimport openai\nopenai.OpenAI().chat.completions.create(**{ASK})",
        [CHAT],
        (1, 0),
    ),
    "the text of a stream was wrong, and its tokens were unknown (0.3)": (
        (
            "import openai\nagentops.init()\n"
            f"chunks = list(openai.OpenAI().chat.completions.create(**{ASK}, stream=True, "
            "stream_options={'include_usage': True}))\n"
            "assert ''.join(c.choices[0].delta.content or '' for c in chunks if c.choices) == 'hello world'"
        ),
        [STREAM],
        (1, 0),
    ),
    "a stream got a chunk that the program had not asked for (0.4)": (
        (
            f"import openai\nagentops.init()\nassert all(c.choices for c in openai.OpenAI().chat.completions.create(**{ASK}, "
            "stream=True))"
        ),
        [Answer.sse(streams.chat_chunks(bodies.chat("hello world"))[:-1])],
        (1, 0),
    ),
    "the stream helper raised (0.3, 0.4)": (
        (
            f"import openai\nagentops.init()\nwith openai.OpenAI().chat.completions.stream(**{ASK}) as s:\n"
            "    s.until_done()"
        ),
        [STREAM],
        (1, 0),
    ),
    "a stream that was left early was never told of (0.4)": (
        f"import openai\nagentops.init()\nfor c in openai.OpenAI().chat.completions.create(**{ASK}, stream=True): break",
        [STREAM],
        (1, 0),
    ),
    "a stream could not be closed, and hid its response (0.4)": (
        (
            f"import openai\nagentops.init()\ns = openai.OpenAI().chat.completions.create(**{ASK}, stream=True)\n"
            "assert s.response.status_code == 200\ns.close()"
        ),
        [STREAM],
        (1, 0),
    ),
    "the program received an empty stream from anthropic (0.4)": (
        (
            "import anthropic\nagentops.init()\n"
            "events = list(anthropic.Anthropic().messages.create(model='claude-sonnet-4-6', max_tokens=9, stream=True, "
            "messages=[{'role': 'user', 'content': 'hi'}]))\nassert events[-1].type == 'message_stop'"
        ),
        [MESSAGE],
        (1, 0),
    ),
    "responses were not captured (0.3, 0.4)": (
        "import openai\nagentops.init()\nopenai.OpenAI().responses.create(model='gpt-4.1', input='hi')",
        [Answer.json(bodies.response("hello"))],
        (1, 0),
    ),
    "errors of the provider were not counted (0.3), or printed (0.4)": (
        (
            f"import openai\nagentops.init()\ntry: openai.OpenAI(max_retries=0).chat.completions.create(**{ASK})\n"
            "except openai.BadRequestError as e: record(ErrorEvent(exception=e))"
        ),
        [bodies.openai_error(400)],
        (1, 1),
    ),
    "a call with two sessions open was dropped (0.3)": (
        (
            "import openai\nagentops.init(auto_start_session=False)\none = agentops.start_session()\n"
            f"with agentops.start_session(): openai.OpenAI().chat.completions.create(**{ASK})\none.end_session('Success')"
        ),
        [CHAT],
        (1, 0),
    ),
}


@pytest.mark.parametrize(("program", "answers", "expected"), CALLS.values(), ids=CALLS.keys())
def test_row_of_calls(tmp_path, program, answers, expected):
    with Provider(answers) as provider:
        out, err = run(FIRST + program, tmp_path, provider)
        sent = [json.dumps(request.body) for request in provider.requests]
    assert (out, "Traceback" in err) == ("", False)
    assert not any("include_usage" in body for body in sent) or "include_usage" in program
    rows = [row for row, _ in stored(tmp_path)]
    assert (sum(row.llm_calls for row in rows), sum(row.errors for row in rows)) == expected
