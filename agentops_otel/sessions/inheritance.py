"""Inheritance: a session follows its work into threads, executors, forked and spawned processes, and over the wire."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from agentops_otel.faults import guard
from agentops_otel.sessions.identity import session_id_of
from agentops_otel.sessions.processor import SESSION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.trace import SpanContext

    from agentops_otel.faults import Faults
    from agentops_otel.sessions.session import Session

SESSION_VARIABLE = "AGENTOPS_SESSION_ID"
PARENT_VARIABLE = "TRACEPARENT"
BAGGAGE_ITEM = "agentops.session.id"
_TRACEPARENT_PARTS = 4


def environment(session_id: str, here: SpanContext) -> dict[str, str]:
    """The variables by which a child process joins a session, at this span."""
    return {SESSION_VARIABLE: session_id, PARENT_VARIABLE: traceparent(here)}


def traceparent(here: SpanContext) -> str:
    """A span as W3C trace context."""
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{int(here.trace_flags):02x}"


def headers(session_id: str, here: SpanContext, faults: Faults) -> dict[str, str]:
    """The session as HTTP headers, written by the propagators of this process."""
    try:
        from opentelemetry import baggage, propagate  # noqa: PLC0415 - it looks for propagators, and may find wrong ones

        context = trace.set_span_in_context(trace.NonRecordingSpan(here), Context())
        told: dict[str, str] = {}
        propagate.inject(told, baggage.set_baggage(BAGGAGE_ITEM, session_id, context))
    except Exception as error:
        faults.note("session.headers", error)
        return {
            "traceparent": traceparent(here),
            "baggage": f"{BAGGAGE_ITEM}={session_id}",
        }
    return told


def told_by(environ: Mapping[str, str]) -> str | None:
    """The session that the environment says this process belongs to."""
    told = environ.get(SESSION_VARIABLE)
    if not told:
        return None
    try:
        return session_id_of(told)
    except ValueError:
        return None


def parent_told_by(environ: Mapping[str, str], trace_id: int) -> int | None:
    """The span of that session, by its trace id, under which this process was started."""
    parts = environ.get(PARENT_VARIABLE, "").split("-")
    try:
        if len(parts) == _TRACEPARENT_PARTS and int(parts[1], 16) == trace_id:
            return int(parts[2], 16) or None
    except ValueError:
        pass
    return None


@contextmanager
def within(context: Context) -> Iterator[None]:
    """This context is current within the block. No token is kept: what is dropped may end in any context."""
    before = otel_context.get_current()
    otel_context.attach(context)
    try:
        yield
    finally:
        if otel_context.get_current() is context:
            otel_context.attach(before)


def patched(function: Callable[..., Any], context: Callable[[], Context]) -> Callable[..., Any]:
    """The function, run and awaited in this context, whatever is current where it is called."""

    async def awaited(result: Any) -> Any:
        with within(context()):
            return await result

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with within(context()):
            result = function(*args, **kwargs)
        return awaited(result) if inspect.iscoroutine(result) else result

    @functools.wraps(function)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        return await run(*args, **kwargs)

    return run_async if inspect.iscoroutinefunction(function) else run


class Joining:
    """What a spawned process is given: to unpickle it is to `join(environ, settings)` the session there."""

    def __init__(self, join: Callable[..., Joining], environ: dict[str, str], settings: dict[str, Any]) -> None:
        self.join = join
        self.environ = environ
        self.settings = settings

    def __reduce__(self) -> Any:
        """Unpickled by `join`, a function of a module."""
        return self.join, (self.environ, self.settings)


class Inheritance:
    """Lets what is started in the context of a session run in it. Where no session is, nothing is touched.

    `current` gives the session of the calling context; `joining` makes what a spawned process needs to join.
    """

    def __init__(
        self,
        current: Callable[[], Session | None],
        joining: Callable[[Session], Any],
        faults: Faults,
    ) -> None:
        self._current = current
        self._joining = joining
        self._faults = faults
        self._wrapped: list[tuple[Any, str, Any, Any]] = []
        self.on = False

    def install(self) -> None:
        """Wrap the standard library's ways of starting work, each once it is imported."""
        self.on = True
        if self._wrapped:
            return
        self._wrap("threading", "Thread.start", self._thread_start)
        for module, path, wrapper in (
            ("concurrent.futures.thread", "ThreadPoolExecutor.submit", self._submit),
            ("subprocess", "Popen.__init__", self._popen),
            ("multiprocessing.process", "BaseProcess.start", self._process_start),
        ):
            hook = functools.partial(self._on_import, path=path, wrapper=wrapper)
            wrapt.register_post_import_hook(hook, module)

    def uninstall(self) -> None:
        """Put all of it back."""
        self.on = False
        while self._wrapped:
            parent, name, original, ours = self._wrapped.pop()
            if vars(parent).get(name) is ours:
                setattr(parent, name, original)

    def _on_import(self, module: Any, path: str, wrapper: Any) -> None:
        if self.on:
            self._wrap(module.__name__, path, wrapper)

    def _wrap(self, module: str, path: str, wrapper: Any) -> None:
        try:
            parent, name, original = wrapt.resolve_path(module, path)
            if any(found[0] is parent and found[1] == name for found in self._wrapped):
                return
            ours = wrapt.FunctionWrapper(original, wrapper)
            self._wrapped.append((parent, name, vars(parent)[name], ours))
            wrapt.apply_patch(parent, name, ours)
        except Exception as error:
            self._faults.note(f"inheritance.{path}", error)

    @property
    def faults(self) -> Faults:
        """Where our own faults are counted."""
        return self._faults

    @guard("inheritance")
    def _carried(self) -> Any:
        """The calling context, if a session is in it that other threads should see."""
        if not self.on:
            return None
        current = otel_context.get_current()
        books: Any = current.get(SESSION_KEY)
        return current if books is not None and books.is_open else None

    # --- threads -------------------------------------------------------------------------------------

    def _thread_start(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        self._lend(instance)
        return wrapped(*args, **kwargs)

    @guard("inheritance")
    def _lend(self, thread: Any) -> None:
        """Have a thread run in the calling context."""
        carried = self._carried()
        # A thread may carry another's context already, as Python 3.14 lets it.
        if carried is not None and "run" not in vars(thread):
            thread.run = functools.partial(self._run_thread, thread, thread.run, carried)

    def _submit(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        del instance
        carried = self._carried()
        if carried is None or not args:
            return wrapped(*args, **kwargs)
        return wrapped(self._run_in, carried, *args, **kwargs)

    # These two run what is the program's own, on a thread where nobody would hear of an error of ours.

    def _run_in(self, carried: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        token = self._enter(carried)
        try:
            return function(*args, **kwargs)
        finally:
            self._leave(token)

    def _run_thread(self, thread: Any, run: Callable[[], Any], carried: Any) -> None:
        try:
            self._run_in(carried, run)
        finally:
            vars(thread).pop("run", None)

    @guard("inheritance")
    def _enter(self, carried: Any) -> Any:
        return otel_context.attach(carried)

    @guard("inheritance")
    def _leave(self, token: Any) -> None:
        if token is not None:
            otel_context.detach(token)

    # --- processes -----------------------------------------------------------------------------------

    def _popen(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        del instance
        # The 11th positional parameter is env; who passes so many keeps what he passes.
        told = self._told(kwargs.get("env")) if len(args) < _POPEN_ENV else None
        return wrapped(*args, **kwargs) if told is None else wrapped(*args, **{**kwargs, "env": told})

    @guard("inheritance")
    def _told(self, given: Any) -> dict[Any, Any] | None:
        """The environment of a child that joins the session, whatever else it was `given`."""
        session = self._session()
        if session is None:
            return None
        return {**(os.environ if given is None else given), **_fitting(session.env(), given)}

    def _process_start(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        told = self._invite(instance)
        if told is None:
            return wrapped(*args, **kwargs)
        before = {name: os.environ.get(name) for name in (SESSION_VARIABLE, PARENT_VARIABLE)}
        os.environ.update(told)
        try:
            return wrapped(*args, **kwargs)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    @guard("inheritance")
    def _invite(self, process: Any) -> dict[str, str] | None:
        """The environment in which a process is started that takes part in the session; None where there is none."""
        session = self._session()
        if session is None:
            return None
        # Unpickling this in a spawned child joins the session there; a forked child has it already.
        process.agentops_otel_joining = self._joining(session)
        session.shared = True
        return session.env()

    def _session(self) -> Session | None:
        try:
            return self._current() if self.on else None
        except Exception as error:
            self._faults.note("inheritance.session", error)
            return None


_POPEN_ENV = 11


def _fitting(told: dict[str, str], given: Any) -> dict[Any, Any]:
    """The variables in the type of the environment that was given: str, or bytes on POSIX."""
    if given and sys.platform != "win32" and all(isinstance(name, bytes) for name in given):
        return {name.encode(): value.encode() for name, value in told.items()}
    return dict(told)
