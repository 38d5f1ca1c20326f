"""Runs: work that a framework tells of by ids of its own, as calls that find their parents by those ids."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Hashable

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from agentops_otel.engine.call import Call, Recorder
    from agentops_otel.engine.operation import Sent

RUN_KEY = "agentops_otel.run"
_LIMIT = 10_000


class Run:
    """One run under way: shown as a span, or not shown, so that what is below it belongs to the run above.

    A run travels in the context, and is believed only while it is open: the callbacks of a framework often end in
    another context than they began in, where nothing can be taken back.
    """

    __slots__ = (
        "__weakref__",
        "above",
        "asked",
        "base",
        "call",
        "outer",
        "place",
        "sent",
        "shelters",
        "span_id",
        "started",
        "within",
    )

    def __init__(self, above: Run | None, sent: Sent | None) -> None:
        self.above = above
        self.sent = sent
        self.shelters = True
        """Whether what happens in its context is below it: no longer for a stream whose reader has the word."""
        self.asked = False
        """Whether a model was called below it, as the client of a provider tells."""
        self.place: Context | None = None
        """Of a model's run: where its span starts, if it gets one."""
        self.started = time.perf_counter()
        self.span_id = 0
        self.base = trace.get_current_span().get_span_context().span_id
        self.call: Call | None = None
        self.outer: Context | None = None
        self.within: Context | None = None

    @property
    def shown(self) -> Run | None:
        """This run, or the next one above that is shown as a span."""
        run: Run | None = self
        while run is not None and run.call is None:
            run = run.above
        return run

    @property
    def span(self) -> Span | None:
        """Its span, or that of the next run above that is shown."""
        shown = self.shown
        return None if shown is None or shown.call is None else shown.call.span

    def context(self, current: Context) -> Context | None:
        """Where a span starts that is below this run; None where the current span is deeper, or no run is shown."""
        here = trace.get_current_span(current).get_span_context().span_id
        span, run = self.span, self.shown
        while here and run is not None and here not in {run.span_id, run.base}:
            run = run.above
        return None if run is None or span is None else trace.set_span_in_context(span, current)

    def start(self, call: Call | None) -> None:
        """It is shown as this call; None where nothing is recorded."""
        self.call = call
        if call is not None:
            self.span_id = call.span.get_span_context().span_id

    def enter(self, *, current: bool) -> None:
        """Carry it in the calling context; as the `current` span only where `leave` comes in the same context."""
        self.outer = peeled(otel_context.get_current())
        inside = otel_context.set_value(RUN_KEY, self, self.outer)
        if current and self.call is not None:
            inside = trace.set_span_in_context(self.call.span, inside)
        self.within = inside
        otel_context.attach(inside)

    def leave(self) -> None:
        """Give the calling context back what it had, if it still has this run."""
        if self.within is not None and otel_context.get_current() is self.within:
            # Attached anew instead of detached: a run may end in another context than it began in.
            otel_context.attach(peeled(self.within))

    def hand_over(self) -> None:
        """What was asked for goes to whoever asked: what happens in the context is no longer below it."""
        if self.shelters:
            self.shelters = False
            self.leave()

    def end(self) -> Call | None:
        """It is over; its call, if it has one."""
        self.shelters = False
        self.leave()
        call, self.call = self.call, None
        return call

    def closed(self) -> None:
        """The program ends, and this has not."""
        call = self.end()
        if call is not None:
            call.finish(None, complete=False)


def peeled(context: Context) -> Context:
    """The context without the runs that are over, as far as they are what was attached last."""
    run: Any = context.get(RUN_KEY)
    while run is not None and not run.shelters and context is run.within:
        context = run.outer
        run = context.get(RUN_KEY)
    return context


def around(current: Context | None = None) -> Run | None:
    """The run that this context carries, or the calling one, if it is still open there; else one above it."""
    run: Any = otel_context.get_value(RUN_KEY) if current is None else current.get(RUN_KEY)
    while run is not None and not run.shelters:
        run = run.above
    return run if isinstance(run, Run) else None


def here(current: Context | None = None) -> Context | None:
    """Where a span starts in this context, or in the calling one, if a run that it carries says so; else None."""
    if current is None:
        current = otel_context.get_current()
    run = around(current) if RUN_KEY in current else None
    return None if run is None else run.context(current)


def model_called() -> None:
    """A span of a model call has begun in the calling context: the runs around it need not tell of one."""
    run = otel_context.get_value(RUN_KEY)
    if run is None:
        return
    waiting: list[Any] = [run]
    while waiting:
        run = waiting.pop()
        if run is not None and not run.asked:
            run.asked = True
            # Several may have begun here at once, one carried above the other.
            waiting += [run.above, run.outer and run.outer.get(RUN_KEY)]


class Runs:
    """The open runs of one framework, by its ids. One that never ends is ended when too many are open, or at exit."""

    def __init__(self) -> None:
        self._open: dict[Hashable, Run] = {}

    def __len__(self) -> int:
        return len(self._open)

    def get(self, run_id: Hashable) -> Run | None:
        """The open run of this id."""
        return self._open.get(run_id)

    def begin(
        self,
        recorder: Recorder,
        run_id: Hashable,
        parent_id: Hashable,
        sent: Sent | None,
        *,
        model: bool = False,
    ) -> Run | None:
        """Begin a run, shown if it is `sent`; None if it has begun already.

        A `model`'s run is shown when it ends, and only if no client told of the call: its span would be a second one.
        """
        if run_id in self._open:
            return None
        above = self._open.get(parent_id) if parent_id is not None else None
        run = Run(above or around(), sent if model else None)
        while len(self._open) >= _LIMIT:
            self._close_oldest()
        self._open[run_id] = run
        if model:
            run.place = below(run) or recorder.parent() or otel_context.get_current()
        elif sent is not None:
            run.start(recorder.begin(sent, below(run)))
            recorder.open_streams.add(run)
        return run

    def finish(self, recorder: Recorder, run_id: Hashable, answer: Any) -> None:
        """The run of this id came to its end, with this answer."""
        call = self._ended(recorder, run_id)
        if call is not None:
            call.finish(answer)

    def fail(self, recorder: Recorder, run_id: Hashable, error: BaseException, answer: Any = None) -> None:
        """It failed, with what had been answered until then."""
        call = self._ended(recorder, run_id)
        if call is not None:
            call.fail(error, answer)

    def drop(self, run_id: Hashable) -> None:
        """It is over, and nothing is told of it that is not told already."""
        run = self._open.pop(run_id, None)
        if run is not None:
            run.asked = True
            run.closed()

    def close(self) -> None:
        """End all that is open."""
        while self._open:
            self._close_oldest()

    def _close_oldest(self) -> None:
        oldest = next(iter(self._open), None)
        if oldest is not None:
            self.drop(oldest)

    def _ended(self, recorder: Recorder, run_id: Hashable) -> Call | None:
        run = self._open.pop(run_id, None)
        if run is None:
            return None
        if run.sent is not None and not run.asked:
            run.start(recorder.begin(run.sent, run.place, run.started))
        return run.end()


def below(run: Run) -> Context | None:
    """Where what begins with this run starts, if a run above it says so."""
    return None if run.above is None else run.above.context(otel_context.get_current())
