"""Fault 23: each of our functions that reads, counts, writes or delivers is made to raise; the program sees nothing of it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from multiprocessing.process import BaseProcess
from types import CodeType, FunctionType
from typing import Any

import anthropic
import openai
import pytest
from agentops_otel_instrumentors import _openai_chat
from collector import Collector

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.redaction import Redaction
from agentops_otel.sessions.events import ActionEvent, ErrorEvent, LLMEvent, ToolEvent

OURS = "agentops_otel"
READING = (
    "agentops_otel_instrumentors.openai",
    "agentops_otel_instrumentors._openai_chat",
    "agentops_otel_instrumentors._openai_responses",
    "agentops_otel_instrumentors.anthropic",
    "agentops_otel_instrumentors._stainless",
    f"{OURS}.accounting.catalogue",
    f"{OURS}.accounting.dialects",
    f"{OURS}.accounting.dialects.messages",
    f"{OURS}.accounting.dialects.table",
    f"{OURS}.accounting.dialects.usage",
    f"{OURS}.accounting.enrichment",
    f"{OURS}.accounting.linear",
    f"{OURS}.accounting.prices",
    f"{OURS}.accounting.record",
    f"{OURS}.accounting.sellers",
    f"{OURS}.accounting.tally",
    f"{OURS}.client",
    f"{OURS}.conventions.attributes",
    f"{OURS}.conventions.messages",
    f"{OURS}.conventions.plain",
    f"{OURS}.conventions.secrets",
    f"{OURS}.delivery",
    f"{OURS}.engine.adopted",
    f"{OURS}.engine.bodies",
    f"{OURS}.engine.call",
    f"{OURS}.engine.echo",
    f"{OURS}.engine.generators",
    f"{OURS}.engine.instrumentor",
    f"{OURS}.engine.made",
    f"{OURS}.engine.metrics",
    f"{OURS}.engine.operation",
    f"{OURS}.engine.reading",
    f"{OURS}.engine.registry",
    f"{OURS}.engine.runs",
    f"{OURS}.engine.streams",
    f"{OURS}.engine.turns",
    f"{OURS}.host",
    f"{OURS}.pipeline",
    f"{OURS}.redaction",
    f"{OURS}.sessions.budget",
    f"{OURS}.sessions.decorators",
    f"{OURS}.sessions.doubles",
    f"{OURS}.sessions.endings",
    f"{OURS}.sessions.events",
    f"{OURS}.sessions.figures",
    f"{OURS}.sessions.ground",
    f"{OURS}.sessions.identity",
    f"{OURS}.sessions.inheritance",
    f"{OURS}.sessions.processor",
    f"{OURS}.sessions.root",
    f"{OURS}.sessions.seat",
    f"{OURS}.sessions.session",
    f"{OURS}.sessions.spans",
    f"{OURS}.store.connection",
    f"{OURS}.store.exporter",
    f"{OURS}.store.figures",
    f"{OURS}.store.group",
    f"{OURS}.store.held",
    f"{OURS}.store.owners",
    f"{OURS}.store.parts",
    f"{OURS}.store.paths",
    f"{OURS}.store.questions",
    f"{OURS}.store.retention",
    f"{OURS}.store.rollups",
    f"{OURS}.store.rows",
    f"{OURS}.store.schema",
    f"{OURS}.store.selection",
    f"{OURS}.store.sqlite",
    f"{OURS}.store.summary",
    f"{OURS}.store.texts",
    f"{OURS}.store.traces",
    f"{OURS}.store.upkeep",
    f"{OURS}.summary",
)
SENDING = (
    f"{OURS}.receivers",
    f"{OURS}.otlp.bodies",
    f"{OURS}.otlp.sending",
    f"{OURS}.otlp.transport",
    f"{OURS}.spool.file",
    f"{OURS}.spool.spool",
)
KINDS = (RuntimeError, MemoryError, RecursionError)

GUARDS = frozenset({
    # These are nothing but a guard, or the body of a thread: what they call is broken instead of them.
    "Delivery._guarded", "Delivery._run", "Event.__post_init__", "Recorder.guarded", "Call.finish", "Sending._guarded", "Sending._run",
    "SessionProcessor.on_end", "SessionProcessor.on_start", "Watch.passed", "Watch.take", "Watch.along",
    "Instrumentor._asked", "Instrumentor._fail", "Instrumentor._settle", "_begun", "_is_session", "_place", "Decorators._begin",
    "_Run.answered", "_Run.end", "_Run.fail", "_Run.passed", "Inheritance._session", "Session.faults", "Session.parent",
    # These are what the program itself calls, or wrap what it calls, and are made of guarded steps.
    "_in_its_session", "Decorators._decorated", "Decorators._running", "Decorators.made", "Endings._noted_exit",
    "Inheritance._popen", "Inheritance._process_start", "Inheritance._run_in", "Inheritance._run_thread",
    "Inheritance._submit", "Inheritance._thread_start", "patched", "OwnSpan.is_recording",
    "Session.__enter__", "Session.__exit__", "Session.create_agent", "Session.end_session", "Session.failed",
    "Session.patch",
})  # fmt: skip

SHARE = 1 if os.environ.get("FAULTS_ALL") else 6
"""One in so many of all functions is broken in a normal run, all of them in `make soak`."""


def functions(module_name: str) -> Iterator[tuple[str, FunctionType]]:
    """The functions and methods that a module defines, by name."""
    module = importlib.import_module(module_name)
    for name, thing in vars(module).items():
        if inspect.isfunction(thing) and thing.__module__ == module_name:
            yield name, thing
        elif inspect.isclass(thing) and thing.__module__ == module_name:
            for method, found in vars(thing).items():
                plain = found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
                plain = plain.fget if isinstance(plain, property) else plain
                plain = inspect.unwrap(plain) if callable(plain) else plain  # a guarded one is broken within its guard
                if inspect.isfunction(plain) and plain.__module__ == module_name:
                    yield f"{name}.{method}", plain


def points(modules: tuple[str, ...]) -> list[Any]:
    found = []
    for module in modules:
        for name, function in functions(module):
            if name.endswith(("__init__", "__new__", "after_fork")) or name in GUARDS or function.__code__.co_freevars:
                continue
            found.append(pytest.param(function, id=f"{module.rpartition('otel')[2].lstrip('._')}:{name}"))
    return found[::SHARE]


def broken(kind: type[Exception]) -> CodeType:
    """The code of a function that raises, whatever it is called with."""
    source = f"def injected(*arguments, **options): raise {kind.__name__}('injected')"
    names: dict[str, Any] = {}
    exec(source, names)
    return names["injected"].__code__  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def provider():
    def chat(request):
        if request.body["model"] == "fails":
            return Answer.json({"error": {"message": "no"}}, status=401)
        body = bodies.chat("hello", usage=bodies.chat_usage(10, 5))
        return Answer.sse(streams.chat_chunks(body)) if request.body.get("stream") else Answer.json(body)

    def message(request):
        body = bodies.message("hello", usage=bodies.message_usage(10, 5))
        return Answer.sse(streams.message_events(body)) if request.body.get("stream") else Answer.json(body)

    with Provider({"/v1/chat/completions": chat, "/v1/messages": message}) as made:
        yield made


class Program:
    """What a user does: every call says what it saw."""

    def __init__(self, provider: Any) -> None:
        self.url = provider.openai_url
        self.openai = openai.OpenAI(api_key="x", base_url=provider.openai_url, max_retries=0, timeout=60)
        self.anthropic = anthropic.Anthropic(api_key="x", base_url=provider.anthropic_url, max_retries=0, timeout=60)

    def run(self, session: Any, decorated: Any) -> list[Any]:
        ask = [{"role": "user", "content": "x"}]
        seen: list[Any] = []
        chat = self.openai.chat.completions
        seen.append(chat.create(model="gpt-4o-mini", messages=ask).choices[0].message.content)
        for options in ({}, {"stream_options": {"include_usage": True}}):
            chunks = list(chat.create(model="gpt-4o-mini", messages=ask, stream=True, **options))
            seen.append([chunk.choices[0].delta.content for chunk in chunks if chunk.choices])
        try:
            chat.create(model="fails", messages=ask)
        except openai.AuthenticationError as error:
            seen.append(str(error))
        seen.append(chat.with_raw_response.create(model="gpt-4o-mini", messages=ask).parse().choices[0].message.content)
        create = self.anthropic.messages.create
        seen.append(create(model="claude-sonnet-4-6", max_tokens=9, messages=ask).content[0].text)
        with self.anthropic.messages.stream(model="claude-sonnet-4-6", max_tokens=9, messages=ask) as stream:
            seen.append("".join(stream.text_stream))
        seen.append(
            [event.type for event in create(model="claude-sonnet-4-6", max_tokens=9, messages=ask, stream=True)]
        )
        with chat.with_streaming_response.create(model="gpt-4o-mini", messages=ask, stream=True) as response:
            seen.append(len([line for line in response.iter_lines() if line]))
        seen.append(asyncio.run(self.arun(ask)))
        seen.append(decorated(3))
        try:
            decorated(None)
        except TypeError as error:
            seen.append(str(error))
        if session is not None:
            session.record(ActionEvent("act", params={"a": 1}, returns="b"))
            session.record(ToolEvent("tool", returns=1))
            session.record(LLMEvent(prompt="a", completion="b", model="gpt-4o", prompt_tokens=1, completion_tokens=1))
            session.record(ErrorEvent(exception=ValueError("x")))
            self.use(session)
        return seen

    async def arun(self, ask: list[Any]) -> list[Any]:
        """The same where it is awaited."""
        async with openai.AsyncOpenAI(api_key="x", base_url=self.url, max_retries=0, timeout=60) as client:
            chat = client.chat.completions
            told = await chat.create(model="gpt-4o-mini", messages=ask)
            chunks = [chunk async for chunk in await chat.create(model="gpt-4o-mini", messages=ask, stream=True)]
            return [told.choices[0].message.content, len(chunks)]

    def use(self, session: Any) -> None:
        """What else a session is used for."""
        session.add_tags(["a"])
        session.tags = ["b"]
        session.set_video("https://x")
        session.set_metadata({"a": 1}, "m")
        assert session.create_agent("named", "a") == "a"
        assert set(session.get_analytics()) >= {"LLM calls", "Cost"}
        assert isinstance(session.get_analytics(detailed=True), dict)
        assert isinstance(session.event_counts, dict)
        assert isinstance(session.headers(), dict)
        assert isinstance(session.env(), dict)
        assert session.patch(double)(2) == 4
        told: list[int] = []
        thread = threading.Thread(target=told.append, args=(1,))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(told.append, 2).result()
        assert told == [1, 2]
        assert subprocess.run(["true"], check=True).returncode == 0
        process = Started()
        process.start()
        process.join()
        assert process.exitcode == 0
        with pytest.raises(SystemExit):
            sys.exit(3)
        with pytest.raises(KeyError), session:
            raise KeyError
        session.end_session("Success")

    def close(self) -> None:
        self.openai.close()
        self.anthropic.close()


class Started(BaseProcess):
    """A process as far as its start goes: each test would have to wait for a real one."""

    class _Popen:
        sentinel = 0

        def __init__(self, process: Any) -> None:
            """Where a real one would be forked."""

        def wait(self, timeout: Any) -> int:
            return 0

        def poll(self) -> int:
            return 0


def double(value: Any) -> Any:
    return value + value


@pytest.fixture(scope="module")
def program(provider):
    made = Program(provider)
    yield made
    made.close()


@pytest.fixture(scope="module")
def expected(program):
    return program.run(None, double)


def survive(function: FunctionType, kind: type[Exception], program: Program, **settings: Any) -> tuple[Any, Client]:
    """What the program sees while this function raises; a session that stays current for that does so nowhere else."""
    return copy_context().run(_survive, function, kind, program, **settings)


def _survive(function: FunctionType, kind: type[Exception], program: Program, **settings: Any) -> tuple[Any, Client]:
    """The same, from before the start of the session to after its end."""
    client = Client()
    client.faults.strict = False
    session = client.init(Configuration.read(isolated=True, log_summary=False, max_wait_time=300, **settings))
    original = function.__code__
    function.__code__ = broken(kind)
    try:
        another = client.start_session(["second"])
        seen = program.run(another, client.decorators.made("action", double))
        client.flush(0.3)
    finally:
        function.__code__ = original
        # Also where the fault did reach the program: what stays wrapped would be in the way of all tests that follow.
        for open_session in client.sessions:
            open_session.end_session("Success")
        session.deactivate()
        client.shut_down()
    return seen, client


def test_23_a_redaction_that_fails_as_a_whole_lets_nothing_through(program, tmp_path):
    store = tmp_path / "sessions.db"
    survive(Redaction.apply, RuntimeError, program, store=str(store))
    assert b"hello" not in b"".join(found.read_bytes() for found in tmp_path.iterdir() if found.is_file())


def kind_of(function: FunctionType) -> type[Exception]:
    return KINDS[len(function.__qualname__) % len(KINDS)]


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("function", points(READING))
def test_23_no_fault_of_ours_reaches_the_program(function, program, expected, tmp_path):
    seen, _ = survive(function, kind_of(function), program, store=str(tmp_path / "sessions.db"))
    assert seen == expected


@pytest.fixture(scope="module")
def collector():
    with Collector() as made:
        yield made


@pytest.mark.parametrize("function", points(SENDING))
def test_23_no_fault_in_sending_reaches_the_program(function, program, expected, collector, tmp_path):
    seen, _ = survive(function, kind_of(function), program, store=str(tmp_path / "sessions.db"), endpoint=collector.url)
    assert seen == expected


def test_23_the_faults_are_found_and_counted(program, expected, tmp_path):
    """The injection does what it says: a response that cannot be read is counted, and its span still exported."""
    (found,) = [function for name, function in functions(_openai_chat.__name__) if name == "response"]
    seen, client = survive(found, RuntimeError, program, store=str(tmp_path / "sessions.db"))
    assert seen == expected
    assert client.faults.counts["engine.response"] >= 3
    assert os.path.getsize(tmp_path / "sessions.db") > 0  # noqa: PTH202
