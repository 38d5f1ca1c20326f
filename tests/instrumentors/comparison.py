"""Comparison: a scenario is run without and with instrumentation, and must come to the same, on the wire too."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from opentelemetry import trace
from pydantic import BaseModel

from agentops_otel.accounting.record import SpanRecord
from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider, Request


class Stage:
    """A provider that is given its answers scene by scene, so that all scenes have the same address."""

    running: ClassVar[Stage]

    def __init__(self) -> None:
        self._script: Any = iter(())
        self._lock = threading.Lock()
        self.asked = threading.Event()
        self.provider = Provider(self._answer)

    def _answer(self, request: Request) -> Answer:
        self.asked.set()
        with self._lock:
            script = self._script
            return script(request) if callable(script) else next(script)

    def set(self, answers: Any) -> None:
        """Begin a scene: answers in their order, one for every request, or a function of the request."""
        with self._lock:
            repeated = isinstance(answers, Answer)
            self._script = (lambda _: answers) if repeated else answers if callable(answers) else iter(list(answers))
            self.asked.clear()
            self.provider.requests.clear()
            self.provider.unanswered.clear()

    def requests(self) -> list[Any]:
        """What was asked in this scene: each request with its bytes and its headers."""
        assert not self.provider.unanswered, self.provider.unanswered
        asked = self.provider.requests
        return [(item.method, item.path, item.query, item.raw, dict(item.headers)) for item in asked]

    def __enter__(self) -> Stage:
        self.provider.start()
        type(self).running = self
        return self

    def __exit__(self, *_: object) -> None:
        self.provider.close()


def told(value: Any) -> Any:
    """A value such that two of them can be compared: with types, and with NaN equal to itself."""
    if isinstance(value, BaseModel):
        dumped = repr(value.model_dump(warnings=False))
        return type(value), repr(value), dumped, getattr(value, "_request_id", None)
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items()}
    if isinstance(value, BaseException):
        return (
            type(value),
            str(value),
            repr(getattr(value, "body", None)),
            type(value.__cause__),
            type(value.__context__),
        )
    if type(value).__repr__ is object.__repr__:  # it would tell where in memory it is
        return type(value), told(getattr(value, "__dict__", None))
    return type(value), repr(value)


@dataclass
class Seen:
    """What a scenario came to: what it returned or raised, what was asked of the provider, which spans it made."""

    result: Any = None
    error: BaseException | None = None
    requests: list[Any] = field(default_factory=list)
    spans: list[SpanRecord] = field(default_factory=list)
    watched: Any = None

    @property
    def span(self) -> SpanRecord:
        """The only span."""
        (only,) = self.spans
        return only


@dataclass
class Comparison:
    """Runs a scenario twice, first plain, then captured. What it asserts holds for every scenario there is."""

    stage: Stage
    make_watched: Callable[..., Any]
    caplog: Any

    def __call__(
        self,
        case: Any,
        scenario: Callable[..., Any],
        answers: Answer | Iterable[Answer] | Callable[[Request], Answer],
        *,
        asynchronous: bool | None = None,
        settings: dict[str, Any] | None = None,
        prepare: Callable[[Any], None] = lambda _: None,
        **options: Any,
    ) -> Seen:
        """Run `scenario(case, client)`; an async one with an async client unless told otherwise.

        `prepare` is called with the watched client before the captured run.
        """
        answers = answers if callable(answers) or isinstance(answers, Answer) else list(answers)
        client_of = inspect.iscoroutinefunction(scenario) if asynchronous is None else asynchronous
        plain = self._run(case, scenario, answers, client_of, options)
        watched = self.make_watched(**{"capture_content": True, **(settings or {})})
        prepare(watched)
        seen = self._run(case, scenario, answers, client_of, options)
        assert _timeless(case, told(seen.result)) == _timeless(case, told(plain.result))
        assert told(seen.error) == told(plain.error)
        assert seen.requests == plain.requests
        assert "Failed to detach" not in self.caplog.text
        seen.spans, seen.watched = watched.spans, watched
        return seen

    def _run(self, case: Any, scenario: Any, answers: Any, asynchronous: bool, options: dict[str, Any]) -> Seen:
        self.stage.set(answers)
        before = trace.get_current_span()
        seen = Seen()
        with collected_afterwards():
            try:
                seen.result = self._played(case, scenario, asynchronous, options)
            except BaseException as error:
                seen.error = error.with_traceback(None)  # its frames hold what the scenario has dropped
            assert trace.get_current_span() is before
        gc.freeze()  # what is left is the fixtures' own, and need not be looked through again
        assert trace.get_current_span() is before
        seen.requests = self.stage.requests()
        return seen

    def _played(self, case: Any, scenario: Any, asynchronous: bool, options: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(scenario):
            return asyncio.run(self._awaited(case, scenario, asynchronous, options))
        with held(case.client(self.stage.provider, **options)) as client:
            return scenario(case, client)

    async def _awaited(self, case: Any, scenario: Any, asynchronous: bool, options: dict[str, Any]) -> Any:
        before = trace.get_current_span()
        client = case.client(self.stage.provider, asynchronous=asynchronous, **options)
        try:
            return await scenario(case, client)
        finally:
            assert trace.get_current_span() is before
            close = getattr(client, "aclose", None) or getattr(client, "close", None)
            if close is not None:
                await done(close())


def _timeless(case: Any, value: Any) -> Any:
    """What was seen, without what the library itself took from the clock, where the row knows such."""
    clock = getattr(case, "clock", "")
    return re.sub(clock, "", repr(value)) if clock else value


@contextlib.contextmanager
def collected_afterwards() -> Iterator[None]:
    """A block whose garbage is collected at its end alone.

    Some clients drop streams that refer to themselves. Where the collector happens to find one while httpx holds the
    lock of its pool in the same thread, closing it waits for that lock for ever: with us as without us.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


def held(client: Any) -> Any:
    """A client that is closed after its block, if that is a thing of its kind."""
    if hasattr(client, "__exit__"):
        return client
    return contextlib.closing(client) if hasattr(client, "close") else contextlib.nullcontext(client)


async def done(value: Any) -> Any:
    """The value, awaited if it is to be: so that one scenario serves both clients."""
    return await value if inspect.isawaitable(value) else value


async def asked() -> None:
    """Wait until the provider has been asked, however busy the machine is."""
    assert await asyncio.to_thread(Stage.running.asked.wait, 10)


def as_expected(case: Any, span: SpanRecord) -> None:
    """The span tells what its row says, and it went well."""
    assert span.name == case.span_name
    assert span.kind == "client"
    assert span.status == "unset"
    assert {name: span.attributes.get(name) for name in case.expected} == case.expected
    assert names.ERROR_TYPE not in span.attributes
    assert names.STREAM_OUTCOME not in span.attributes
    assert names.USAGE_MISSING not in span.attributes
