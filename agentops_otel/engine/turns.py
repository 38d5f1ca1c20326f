"""Turns: the answers within one call of a library that asks, runs the user's functions and asks again by itself."""

from __future__ import annotations

import functools
import inspect
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from agentops_otel.engine.streams import Watch, fold_of
from agentops_otel.faults import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from agentops_otel.engine.call import Call

TURNS = otel_context.create_key("agentops-otel-turns")
"""In the context of a call that may have several answers: its turns."""


class Turns(Watch):
    """Reads the answers of such a call one after another: each of them is a call of its own, with a span of its own.

    `context` is that in which the user made the call: all its spans are children of what is current there.
    """

    __slots__ = ("_arrived", "_ran", "_ready", "_seen", "context", "streamed")

    def __init__(self, call: Call, context: Context) -> None:
        super().__init__(call)
        self.context = context
        self._arrived = self._ready = call.started
        self._ran = self._seen = False
        self.streamed = False

    def take(self, chunk: Any) -> None:
        """Fold one chunk; the first of the next answer ends the call of the one before."""
        self._turn(chunk)
        super().take(chunk)
        self._arrived = self._ready = time.perf_counter()

    @guard("engine")
    def passed(self, chunk: Any) -> None:
        """Take a chunk that the reader gets, unless it has been seen before: some never get to the reader."""
        if not self._seen:
            self.take(chunk)

    @guard("engine")
    def seen(self, answer: Any) -> None:
        """Read a chunk, or a whole answer; one that the library goes through a second time is known already."""
        self._seen = True
        if self.streamed:
            self.take(answer)
        elif self.state is None or self._turn(answer):
            self.take(answer)
            self.call.first_chunk = None

    @guard("engine")
    def failed(self, error: BaseException) -> None:
        """The library gave up: with this answer, or asking for the next one."""
        if self._ran and self.state is not None:
            reasons = self.call.recorder.guarded("response", list, self._reasons)
            if reasons and "error" not in reasons:
                self._next()
        super().failed(error)

    def _reasons(self) -> Any:
        return self.call.operation.response(self.state).finish_reasons

    def _turn(self, chunk: Any) -> bool:
        """Whether this chunk is of another answer, whose call then begins."""
        begins = self.call.operation.begins
        if self.state is None or begins is None:
            return False
        told = self.call.recorder.guarded("turn", bool, begins, self.state, chunk)
        if told or (told is None and self._ran):
            self._next()
            return True
        return False

    def _next(self) -> None:
        call = self.call
        call.ended = self._arrived
        call.finish(self.state)
        self.state, self._ran = None, False
        self.call = call.recorder.begin(call.sent, self.context, self._ready) or call
        self.fold = fold_of(self.call)

    def recorded(self, function: Any, wrapper: Callable[..., Any]) -> Any:
        """One of the user's functions, of the same name and signature, whose runs are recorded by `wrapper`."""

        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return wrapper(function, None, args, kwargs)
            finally:
                self._ran, self._ready = True, time.perf_counter()

        async def arun(*args: Any, **kwargs: Any) -> Any:
            try:
                return await wrapper(function, None, args, kwargs)
            finally:
                self._ran, self._ready = True, time.perf_counter()

        return functools.wraps(function)(arun if inspect.iscoroutinefunction(function) else run)


def current_turns() -> Turns | None:
    """Of the call that is being made here, if it is one of several answers."""
    found = otel_context.get_value(TURNS)
    return found if isinstance(found, Turns) else None


def noted(turns: Turns | None, context: Context) -> Context:
    """The context in which the library works on a call: with its turns, and without those of a call around it."""
    if turns is None and context.get(TURNS) is None:
        return context
    return otel_context.set_value(TURNS, turns, context)
