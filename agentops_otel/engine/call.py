"""Call: one call to a provider as one span, finished exactly once and never the cause of an error."""

from __future__ import annotations

import time
import traceback
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from agentops_otel.conventions import names, plain, secrets
from agentops_otel.conventions.attributes import write_request, write_response
from agentops_otel.conventions.messages import write_content, write_output
from agentops_otel.conventions.model import Request, Response
from agentops_otel.faults import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer

    from agentops_otel.engine.metrics import Metrics
    from agentops_otel.engine.operation import Operation, Sent, Server
    from agentops_otel.faults import Faults


Place: TypeAlias = "tuple[Context, SpanContext]"
"""Where a call starts: the context, and the span that is current there."""

_MESSAGE_LIMIT = 2_000
_NAMED_AFTER = names.SUBJECT_OPERATIONS | names.STEPS

WHOLE = otel_context.create_key("agentops_otel-whole")
"""In the context of a call that is whole: the library whose calls are part of it."""
COVERED = otel_context.create_key("agentops_otel-covered")
"""In the context of a call that covers what is asked on its way."""
WHOSE = otel_context.create_key("agentops_otel-whose")
"""In the context of a call: whose run it is."""


@dataclass(slots=True)
class Recorder:
    """Where calls go: made by the client, given to each instrumentor.

    `parent` gives the context in which a call starts that is made in the current one, or in the one it is given; None
    stands for just that. `content` says whether messages are captured.
    """

    tracer_of: Callable[[str], Tracer]
    faults: Faults
    parent: Callable[..., Context | None] = lambda _=None: None
    content: bool = True
    metrics: Metrics | None = None
    enrich: Callable[[Span], None] | None = None
    """Adds what accounting knows to the span of a billed call that can still be written."""
    open_streams: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    is_untold: Callable[[Span], bool] = lambda _: False
    """Whether this current span is somebody's whose spans never come here: then silence would lose what it is about."""
    drops: Callable[[SpanContext], bool] = lambda _: False
    """Whether nothing that starts below this span is recorded: known before anything is read."""
    ask: Callable[[], None] | None = None
    """Asked before a call that costs; what it raises is raised to the caller, for the program has asked for that."""
    seen_batches: set[str] = field(default_factory=set)
    """Ids of batched answers that are counted: results can be read again and again, but are billed once."""

    def place(self, context: Context | None, current: Context) -> Place | None:
        """Where a call starts that is made in this context, or in the `current` one; None where it is not recorded."""
        if context is None:
            context = self.parent(current)
            if context is None:
                context = current
        parent = trace.get_current_span(context).get_span_context()
        return None if self.drops(parent) else (context, parent)

    def here(self) -> Place | None:
        """Where a call starts that is made now; None where it is not recorded."""
        return self.place(None, otel_context.get_current())

    def begin(self, sent: Sent, context: Context | None = None, started: float | None = None) -> Call | None:
        """Start the span of a call, in this context or in the current one; None where the trace is not recorded.

        `started` is the time of `time.perf_counter()` at which it began, if that was not now.
        """
        context = sent.context if context is None else context
        context = self.parent() if context is None else context
        context = otel_context.get_current() if context is None else context
        return self.begin_at((context, trace.get_current_span(context).get_span_context()), sent, started)

    def begin_at(self, place: Place, sent: Sent, started: float | None = None) -> Call | None:
        """As `begin`, at the place that was found for it."""
        operation = sent.operation
        request, attributes = Request(), dict[str, Any]()
        try:
            request = operation.request(sent.arguments)
            attributes = write_request(request)
        except Exception as error:
            self.faults.note("engine.request", error)
        _tell_who(operation, sent.server, attributes)
        if self.content and operation.content is not None:
            try:
                attributes.update(write_content(operation.content(sent.arguments)))
            except Exception as error:
                self.faults.note("engine.content", error)
        name, start = _named(operation, request), None if started is None else _clock(started)
        tracer = self.tracer_of(sent.library)
        start_call = getattr(tracer, "start_call", None)
        if start_call is None:
            span = tracer.start_span(name, place[0], operation.span_kind, attributes, None, start)
        else:  # a tracer of our own: it believes what we tell
            span = start_call(name, *place, operation.span_kind, attributes, start)
        return Call(self, span, sent, request, started) if span.is_recording() else None

    def close(self) -> None:
        """The program ends: what is still read ends with what was read of it, then what was to be told of when over."""
        for item in sorted(self.open_streams, key=lambda item: isinstance(item, Call)):
            item.closed()

    def guarded(self, place: str, default: Callable[[], Any], function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function says, or `default()` where it fails: a fault of ours is never the user's."""
        return self.faults.guarded("engine." + place, default, function, *arguments)


class Call:
    """One call under way. `finish` or `fail` ends its span; whichever comes first counts, the rest does nothing."""

    __slots__ = (
        "_ticket",
        "context",
        "ended",
        "first_chunk",
        "operation",
        "recorder",
        "request",
        "sent",
        "span",
        "started",
    )

    def __init__(
        self, recorder: Recorder, span: Span, sent: Sent, request: Request, started: float | None = None
    ) -> None:
        self.recorder = recorder
        self.span = span
        self.sent = sent
        self.operation = sent.operation
        self.request = request
        self.started = time.perf_counter() if started is None else started
        self.ended: float | None = None
        self.first_chunk: float | None = None
        self.context = _within(span, sent)
        """What is current while the library itself runs."""
        # Popping is atomic: of two threads that end the call, one finds the ticket.
        self._ticket = [True]

    @property
    def faults(self) -> Faults:
        """Where our own faults are counted."""
        return self.recorder.faults

    @property
    def is_open(self) -> bool:
        """Whether the span has not ended."""
        return bool(self._ticket)

    def finish(self, answer: Any, *, complete: bool = True) -> None:
        """End the span with the answer; one that is not `complete` is a stream whose reader left early."""
        try:
            if not self._take_ticket():
                return
            try:
                attributes = self._answered(answer, complete)
            except Exception as error:
                self.faults.note("engine.response", error)
                attributes = {}
            if names.ERROR_TYPE in attributes:
                self.span.set_status(Status(StatusCode.ERROR, attributes[names.ERROR_TYPE]))
            self._end(attributes)
        except Exception as error:
            self.faults.note("engine.finish", error)

    @guard("engine")
    def fail(self, error: BaseException, answer: Any = None) -> None:
        """End the span with the error, and with what had been answered until then."""
        if not self._take_ticket():
            return
        attributes: dict[str, Any] = {}
        if answer is not None:
            attributes = self.recorder.guarded("response", dict, self._answered, answer, True)
        attributes.setdefault(names.ERROR_TYPE, plain.error_type(error))
        self.recorder.guarded("error", dict, self._describe, error)
        self._end(attributes)

    def one_of_batch(self, answer: Any) -> None:
        """Record one answer of a batch as a call of its own, made and ended now."""
        operation = self.operation.each
        if operation is None:
            return
        response = self.recorder.guarded("response", Response, operation.response, answer)
        if not isinstance(response.id, str) or response.id in self.recorder.seen_batches:
            return  # it failed, or the results are read a second time
        self.recorder.seen_batches.add(response.id)
        call = self.recorder.begin(replace(self.sent, operation=operation, arguments={"model": response.model}))
        if call is not None:
            call.finish(answer)

    def _take_ticket(self) -> bool:
        try:
            self._ticket.pop()
        except IndexError:
            return False
        return True

    def _answered(self, answer: Any, complete: bool) -> dict[str, Any]:
        operation, faults = self.operation, self.recorder.faults
        try:
            response = Response() if answer is None else operation.response(answer)
        except Exception as error:
            faults.note("engine.response", error)
            response = Response()
        billed = operation.billed
        left = False
        if not complete:
            reasons = response.finish_reasons
            left = not reasons or "error" in reasons
            if left:
                response.finish_reasons = reasons or (["error"] if billed else None)
        attributes = write_response(response, fetched=operation.name == names.FETCH_RESPONSE)
        if left:
            attributes[names.STREAM_OUTCOME] = names.ABANDONED
        if billed and response.usage is None:
            attributes[names.USAGE_MISSING] = True
        if self.first_chunk is not None:
            attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] = self.first_chunk - self.started
        if self.recorder.content and operation.output is not None and answer is not None:
            try:
                attributes.update(write_output(operation.output(answer)))
            except Exception as error:
                faults.note("engine.output", error)
        return attributes

    def _describe(self, error: BaseException) -> None:
        message = scrubbed(error)
        self.span.set_status(Status(StatusCode.ERROR, message if self.recorder.content else type(error).__name__))
        frames = traceback.format_tb(error.__traceback__, limit=-20)
        self.span.add_event(
            "exception",
            {
                names.EXCEPTION_TYPE: plain.error_type(error),
                names.EXCEPTION_MESSAGE: message if self.recorder.content else "",
                names.EXCEPTION_STACKTRACE: plain.text(
                    "".join(["Traceback (most recent call last):\n", *frames, type(error).__name__])
                ),
            },
        )

    def _end(self, attributes: dict[str, Any]) -> None:
        recorder, span = self.recorder, self.span
        ended = None if self.ended is None else _clock(self.ended)
        if recorder.metrics is not None:
            recorder.guarded("metrics", dict, recorder.metrics.record, self, attributes)
        end_call = getattr(span, "end_call", None)
        if end_call is not None:  # a span of our own: it believes what we tell, and is enriched when it is counted
            end_call(attributes, ended)
            return
        try:
            recorder.guarded("attributes", dict, span.set_attributes, attributes)
            if recorder.enrich is not None and self.operation.billed:
                recorder.guarded("enrich", dict, recorder.enrich, span)
        finally:
            recorder.guarded("end", dict, span.end, ended)


def _tell_who(operation: Operation, server: Server, attributes: dict[str, Any]) -> None:
    """Add what kind of call it is, and who answers it."""
    if operation.kind:
        attributes[names.SPAN_KIND] = operation.kind
    if operation.name not in names.UNNAMED_OPERATIONS:
        attributes[names.OPERATION_NAME] = operation.name
    if server.provider:
        attributes[names.PROVIDER_NAME] = server.provider
    if server.address is not None:
        attributes[names.SERVER_ADDRESS] = server.address
        if server.port is not None:
            attributes[names.SERVER_PORT] = server.port


def _within(span: Span, sent: Sent) -> Context:
    context = trace.set_span_in_context(span)
    if sent.operation.whole:
        context = otel_context.set_value(WHOLE, sent.library, context)
    if sent.whose is not None:
        context = otel_context.set_value(WHOSE, sent.whose, context)
    return otel_context.set_value(COVERED, True, context) if sent.operation.covers else context


def _named(operation: Operation, request: Request) -> str:
    if operation.title:
        return plain.text(operation.title)
    if operation.name not in _NAMED_AFTER:
        return operation.name
    model = request.model
    subject = model if isinstance(model, str) and model else request.subject
    return f"{operation.name} {plain.text(subject)}" if isinstance(subject, str) and subject else operation.name


def _clock(moment: float) -> int:
    """A time of `time.perf_counter()` in nanoseconds since the epoch."""
    return time.time_ns() - int((time.perf_counter() - moment) * 1e9)


def scrubbed(error: BaseException) -> str:
    """What the error says, short, and without anything that looks like a key."""
    return secrets.scrub(plain.described(error)[:_MESSAGE_LIMIT])
