"""Faults 24, 26, 28 and 29: what surrounds us fails, is many, is about to end, or is not what it was."""

from __future__ import annotations

import os
from collections import Counter, defaultdict

import pytest
from collector import HANG, Collector, attributes
from programs import start, stored

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

MANY = bool(os.environ.get("FAULTS_ALL"))

USE = """
import logging, sys, time
import agentops_otel as agentops, openai, anthropic
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

class Raising(SpanProcessor):
    def __init__(self, *where): self.where = where
    def on_start(self, span, parent_context=None): self.fail("start")
    def on_end(self, span): self.fail("end")
    def force_flush(self, timeout_millis=0): self.fail("flush")
    def shutdown(self): self.fail("shutdown")
    def fail(self, now):
        if now in self.where: raise RuntimeError("theirs")

def fail(*told, **more): raise RuntimeError("theirs")

{before}
agentops.init({settings})
{after}
ask = [{{"role": "user", "content": "x"}}]
chat = openai.OpenAI(max_retries=0).chat.completions
seen = [chat.create(model="gpt-4o-mini", messages=ask).choices[0].message.content]
seen.append(len(list(chat.create(model="gpt-4o-mini", messages=ask, stream=True))))
seen.append(anthropic.Anthropic().messages.create(model="claude-sonnet-4-6", max_tokens=9, messages=ask).content[0].text)

@agentops.tool
def double(value): return value + value
seen.append(double(2))
try:
    double(None)
except TypeError as error:
    seen.append(type(error).__name__)
with agentops.start_session(tags=["other"]) as other:
    other.record(agentops.ActionEvent(action_type="x", params={{"a": 1}}))
agentops.record(agentops.LLMEvent(prompt="a", completion="b", model="gpt-4o", prompt_tokens=1, completion_tokens=1))
agentops.get_analytics()
agentops.add_tags(["t"])
agentops.end_session("Success")
print(seen, flush=True)
"""
EXPECTED = "['hello', 4, 'hello', 4, 'TypeError']\n"
OWN_PROVIDER = (
    "provider = TracerProvider(); provider.add_span_processor(Raising({})); trace.set_tracer_provider(provider)"
)

SURROUNDINGS = {
    # name: (before init, settings, after init)
    "nothing": ("", "", ""),
    "a redaction that raises": ("", "redact=fail", ""),
    "a budget's function that raises": ("", "max_llm_calls=1, on_exceed=fail", ""),
    "an exporter that raises": (
        "class Exporter:\n    export = shutdown = force_flush = fail",
        "exporter=Exporter()",
        "",
    ),
    "a processor given to us that raises at starts": ("", "processor=Raising('start')", ""),
    "a processor given to us that raises at ends": ("", "processor=Raising('end')", ""),
    "their processor before ours raises at starts": (OWN_PROVIDER.format("'start'"), "", ""),
    "their processor before ours raises at ends": (OWN_PROVIDER.format("'end'"), "", ""),
    "their processor after ours raises": (
        "",
        "",
        "trace.get_tracer_provider().add_span_processor(Raising('start', 'end', 'flush', 'shutdown'))",
    ),
    "their provider takes no processors": (
        "class Provider(trace.NoOpTracerProvider): pass\ntrace.set_tracer_provider(Provider())",
        "",
        "",
    ),
    "their provider comes after us": ("", "", "trace.set_tracer_provider(TracerProvider())"),
    "their sampler raises": (
        (
            "from opentelemetry.sdk.trace.sampling import ALWAYS_ON\n"
            "class Sampler(type(ALWAYS_ON)):\n"
            "    def __init__(self): pass\n"
            "    should_sample = fail\n"
            "    def get_description(self): return 'x'\n"
            "trace.set_tracer_provider(TracerProvider(sampler=Sampler()))"
        ),
        "",
        "",
    ),
    "a logging filter that raises": (
        "class Filter(logging.Filter):\n    filter = fail\nlogging.getLogger('agentops_otel').addFilter(Filter())",
        "api_key='no key'",
        "",
    ),
}


@pytest.fixture(scope="module")
def answering():
    def chat(request):
        body = bodies.chat("hello", usage=bodies.chat_usage(10, 5))
        return Answer.sse(streams.chat_chunks(body)) if request.body.get("stream") else Answer.json(body)

    message = bodies.message("hello", usage=bodies.message_usage(10, 5))
    with Provider({"/v1/chat/completions": chat, "/v1/messages": lambda _: Answer.json(message)}) as made:
        yield made


@pytest.mark.parametrize(("before", "settings", "after"), SURROUNDINGS.values(), ids=SURROUNDINGS.keys())
def test_24_what_the_program_sees_is_the_same_whatever_of_it_fails(tmp_path, answering, before, settings, after):
    process = start(USE.format(before=before, settings=settings, after=after), tmp_path, answering, AGENTOPS_STRICT="0")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, EXPECTED), err


def test_24_a_disabled_sdk_is_silent(tmp_path, answering):
    process = start(USE.format(before="", settings="", after=""), tmp_path, answering, OTEL_SDK_DISABLED="true")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, EXPECTED), err
    assert not (tmp_path / "sessions.db").exists()


SESSIONS, THREADS = (10_000, 100) if MANY else (1_000, 10)


@pytest.mark.parametrize("mode", [200, HANG], ids=["healthy", "never answers"])
def test_26_many_sessions_at_once_keep_apart_and_hold_nobody_up(tmp_path, mode):
    """Tasks of one loop, then 64 threads; each session has its own tag on its only event."""
    with Collector(mode) as collector:
        process = start(
            f"""
import asyncio, threading, time
import agentops_otel as agentops
from agentops_otel.client import default
agentops.init(endpoint={collector.url!r}, auto_start_session=False, max_wait_time=60_000 if {mode == 200} else 2_000)

async def one(name):
    session = agentops.start_session(tags=[name])
    await asyncio.sleep(0)
    agentops.record(agentops.ActionEvent(action_type=name))
    await asyncio.sleep(0.01)
    assert agentops.get_session() is session
    session.end_session("Success")

longest = 0.0
async def tick():
    global longest
    while True:
        before = time.perf_counter() - time.thread_time()
        await asyncio.sleep(0.005)
        # What it waited for without working: its own work, and everybody else's on this loop, is not in it.
        longest = max(longest, time.perf_counter() - time.thread_time() - before)

async def main():
    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(one(f"task {{number}}") for number in range({SESSIONS})))
    ticking.cancel()
asyncio.run(main())

def work(thread):
    for number in range({THREADS}):
        with agentops.start_session(tags=[f"thread {{thread}} {{number}}"]):
            agentops.record(agentops.ActionEvent(action_type=f"thread {{thread}} {{number}}"))
threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
agentops.flush(60 if {mode == 200} else 1)
counts = default.pipeline.delivery.counts()
print(longest, counts.made, counts.dropped.total(), flush=True)
""",
            tmp_path,
        )
        out, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        longest, made, dropped = out.split()
        total = SESSIONS + 64 * THREADS
        assert (int(made), int(dropped)) == (2 * total, 0)
        assert float(longest) < 5  # a request that nobody answers takes ten
        if mode == 200:
            by_trace = defaultdict(list)
            for span in collector.spans:
                by_trace[span.trace_id].append(span)
            assert len(by_trace) == total
            for spans in by_trace.values():
                assert Counter(span.name == "session" for span in spans) == {True: 1, False: 1}
                (told,) = (attributes(span)["agentops.tags"] for span in spans if span.name == "session")
                assert [f"action {told[0]}"] == [span.name for span in spans if span.name != "session"]


EXITS = {
    # name -> (program, rc, spans that must be there by name)
    "spans in a handler that is older than us": (
        "import atexit\natexit.register(lambda: agentops.record(agentops.ActionEvent(action_type='late')))\n{init}",
        {"session": 1},
    ),
    "spans in a handler that is younger than us": (
        "import atexit\n{init}\natexit.register(lambda: agentops.record(agentops.ActionEvent(action_type='late')))",
        {"session": 1, "action late": 1},
    ),
    "a daemon thread that makes events for ever": (
        (
            "{init}\nimport threading\n"
            "def forever():\n    while True: session.record(agentops.ActionEvent(action_type='x'))\n"
            "threading.Thread(target=forever, daemon=True).start(); time.sleep(0.3)"
        ),
        {"session": 1},
    ),
    "a thread that goes on after the main one": (
        (
            "{init}\nimport threading\n"
            "def later():\n    time.sleep(0.5); session.record(agentops.ActionEvent(action_type='later'))\n"
            "threading.Thread(target=later).start()"
        ),
        {"session": 1, "action later": 1},
    ),
    "an executor that goes on after the main thread": (
        (
            "{init}\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "def later():\n    time.sleep(0.5); session.record(agentops.ActionEvent(action_type='later'))\n"
            "ThreadPoolExecutor(1).submit(later)"
        ),
        {"session": 1, "action later": 1},
    ),
    "a loop that is left with its tasks": (
        (
            "{init}\nimport asyncio\n"
            "@agentops.task\nasync def never(): await asyncio.sleep(1000)\n"
            "async def main():\n    asyncio.create_task(never()); await asyncio.sleep(0.05)\n"
            "asyncio.run(main())"
        ),
        {"session": 1, "task never": 1},
    ),
    "an object that records as it is deleted": (
        (
            "{init}\nclass Last:\n    def __del__(self): agentops.record(agentops.ActionEvent(action_type='last'))\n"
            "kept = Last(); kept.itself = kept"
        ),
        {"session": 1},
    ),
    "a generator that is open": (
        "{init}\n@agentops.tool\ndef numbers():\n    yield 1\n    yield 2\nopen_one = numbers(); next(open_one)",
        {"session": 1},
    ),
    "a closed stderr": ("{init}\nimport os, sys; sys.stderr.close(); os.close(2)", {"session": 1}),
}


@pytest.mark.parametrize(("program", "there"), EXITS.values(), ids=EXITS.keys())
@pytest.mark.parametrize("to", ["store", "nowhere"])
def test_28_the_end_of_the_interpreter_is_quiet_and_bounded(tmp_path, program, there, to):
    init = "session = agentops.init({})".format("" if to == "store" else "endpoint='http://127.0.0.1:9'")
    # A handler that is older than ours runs after it: what comes then is the interpreter's own end.
    told = "import atexit, time\natexit.register(lambda: print(time.time(), flush=True))\n"
    told += "import agentops_otel as agentops\n" + program.format(init=init)
    process = start(told + "\natexit.register(lambda: print(time.time(), flush=True))", tmp_path)
    out, err = process.communicate(timeout=120)
    begun, ended = map(float, out.split())
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert "RuntimeError" not in err
    assert ended - begun <= 2.5
    if to == "store":
        ((row, spans),) = stored(tmp_path)
        found = Counter(span.name for span in spans)
        assert {name: found[name] for name in there} == there
        assert not row.is_running


WITHOUT = """
import importlib.abc, sys
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in gone: raise ModuleNotFoundError(name)
gone = {"openai", "anthropic", "google", "cohere", "mistralai", "groq", "boto3", "botocore", "httpx", "httpx2", "mcp",
        "pydantic", "starlette", "uvicorn", "jinja2", "grpc", "langchain_core", "numpy"} - {"google"}
sys.meta_path.insert(0, Nothing())
import agentops_otel as agentops
session = agentops.init()
session.record(agentops.ActionEvent(action_type="x"))
print(agentops.end_session("Success"), agentops.doctor() is not None)
"""


def test_29_no_library_is_needed(tmp_path):
    process = start(WITHOUT, tmp_path)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "0.00 True\n"), err
    ((row, _),) = stored(tmp_path)
    assert row.actions == 1


CHANGED = """
from agentops_otel_instrumentors.openai import OpenAIInstrumentor
OpenAIInstrumentor.targets = {f"openai:Gone.{number}": None for number in range(3)}
import agentops_otel as agentops, openai, anthropic
agentops.init()
ask = [{"role": "user", "content": "x"}]
openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=ask)
"""
OTHER = 'anthropic.Anthropic().messages.create(model="claude-sonnet-4-6", max_tokens=9, messages=ask)'


@pytest.mark.parametrize(("more", "calls"), [(OTHER, 1), ("", 0)], ids=["another is called", "nothing else is"])
def test_29_a_library_that_has_changed_beyond_recognition_is_told_once_and_costs_no_other(
    tmp_path, answering, more, calls
):
    process = start(f'{CHANGED}\n{more}\nagentops.end_session("Success")\n', tmp_path, answering)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [row.llm_calls for row, _ in stored(tmp_path)] == [calls]
    told = [line for line in err.splitlines() if "openai is imported, but nothing of it can be captured here" in line]
    assert len(told) == (not calls)  # who sees other calls has no sign that any is missing
