"""Spans of our own: lighter than the SDK's, for a provider in which nobody but us sees them."""

from __future__ import annotations

import os
import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Span, SpanContext, SpanKind, Status, StatusCode, Tracer

from agentops_otel.accounting.record import ERROR, OK, UNSET, SpanRecord
from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Link

    from agentops_otel.sessions.seat import Seat

_MOST_ATTRIBUTES = 128
_MOST_EVENTS = 128
_SAMPLERS = frozenset({"", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"})
"""Under these a span with a parent is sampled where its parent is."""
_NO_STATUS = Status()
_STATES = {StatusCode.UNSET: UNSET, StatusCode.OK: OK, StatusCode.ERROR: ERROR}
_KINDS = {kind: kind.name.lower() for kind in SpanKind}


class Provider(TracerProvider):
    """A tracer provider that knows whether somebody else has put a processor into it."""

    is_shared = False

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor. With one that is not ours, all spans are the SDK's own from then on."""
        super().add_span_processor(span_processor)
        self.is_shared = self.is_shared or not getattr(span_processor, "takes_own_spans", False)


def settings_allow() -> bool:
    """Whether the environment asks for nothing that only the SDK's spans do: limits, and samplers of other kinds."""
    if _sampler() not in _SAMPLERS:
        return False
    return not any(name.startswith("OTEL_") and name.endswith("_LIMIT") for name in os.environ)


def _sampler() -> str:
    return os.environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()


def follows_parents() -> bool:
    """Whether no span is sampled whose parent is not."""
    return _sampler() in _SAMPLERS or _sampler() == "always_off"


def is_unsampled(parent: SpanContext) -> bool:
    """Whether a span is not sampled, so that nothing below it is."""
    return not parent.trace_flags & 1 and parent.is_valid


class _Place:
    """Where spans of ours stand: their parent, and what follows from it, worked out once for all that are below it."""

    __slots__ = ("is_recorded", "parent", "parent_hex", "parent_id", "trace_hex", "trace_id")

    def __init__(self, parent: SpanContext) -> None:
        self.parent = parent
        self.trace_id, self.parent_id = parent.trace_id, parent.span_id
        self.trace_hex, self.parent_hex = f"{self.trace_id:032x}", f"{self.parent_id:016x}"
        self.is_recorded = bool(parent.trace_flags & 1 and self.trace_id)


class OwnTracer(Tracer):
    """Starts spans of our own below a span that is recorded, and the SDK's everywhere else."""

    def __init__(self, tracer: Tracer, provider: Provider, seat: Seat, scope: tuple[str, str]) -> None:
        self.provider = provider
        self.seat = seat
        self.instrumentation_scope = InstrumentationScope(*scope)
        self.scope, self.scope_version = scope
        self.resource: Mapping[str, Any] = provider.resource.attributes
        self._tracer = tracer
        self._new_id = provider.id_generator.generate_span_id
        self._place = _Place(INVALID_SPAN_CONTEXT)

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """A span that has started."""
        parent = trace.get_current_span(context).get_span_context()
        span = None if links else self._own(name, parent, kind, start_time)
        if span is None:
            return self._tracer.start_span(
                name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        if attributes:
            span.set_attributes(attributes)
        self.seat.on_start(span, context)
        return span

    def start_call(
        self,
        name: str,
        context: Context,
        parent: SpanContext,
        kind: SpanKind,
        attributes: dict[str, Any],
        start_time: int | None,
    ) -> Span:
        """As `start_span`, below this `parent`, with attributes as our own writers make them: they are not cleaned."""
        span = self._own(name, parent, kind, start_time)
        if span is None:
            return self._tracer.start_span(name, context, kind, attributes, None, start_time)
        span.attributes = attributes
        if self.seat.processor is not None:
            self.seat.processor.on_start(span, context)
        return span

    def _own(self, name: str, parent: SpanContext, kind: SpanKind, start_time: int | None) -> OwnSpan | None:
        place = self._place
        if place.parent is not parent:
            place = self._place = _Place(parent)
        if not place.is_recorded or self.provider.is_shared:
            return None
        return OwnSpan(self, name, place, self._new_id(), kind, start_time or time.time_ns())

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # the API's decorator adds being a decorator, which nobody asks of ours
        self, name: str, context: Context | None = None, **settings: Any
    ) -> Iterator[Span]:
        """A span that is current within the block."""
        with trace.use_span(self.start_span(name, context, **settings), end_on_exit=True) as span:
            yield span


class OwnSpan(Span):
    """A span as plain fields. What is set on it is cleaned; nothing is locked, for a span has one owner."""

    def __init__(
        self, tracer: OwnTracer, name: str, place: _Place, span_id: int, kind: SpanKind, start_time: int
    ) -> None:
        self.name = name
        self.span_id = span_id
        self.place = place
        self.kind = kind
        self.start_time = start_time
        self.end_time: int | None = None
        self.attributes: dict[str, Any] = {}
        self.status = _NO_STATUS
        self.tracer = tracer
        self._context: SpanContext | None = None
        self._events: tuple[dict[str, Any], ...] = ()
        self._links: tuple[dict[str, Any], ...] = ()

    @property
    def context(self) -> SpanContext:
        """Its ids; made when somebody asks, for below most calls nothing stands."""
        if self._context is None:
            parent = self.place.parent
            self._context = SpanContext(parent.trace_id, self.span_id, False, parent.trace_flags, parent.trace_state)
        return self._context

    @property
    def parent(self) -> SpanContext:
        """The ids of the span above."""
        return self.place.parent

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """Who made it."""
        return self.tracer.instrumentation_scope

    def get_span_context(self) -> SpanContext:
        """Its ids."""
        return self.context

    def is_recording(self) -> bool:
        """Whether it has not ended."""
        return self.end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; a value that a span cannot have is left out."""
        kind = type(value)
        if kind is str and value.isascii() and self.end_time is None:
            self.attributes[key] = value
        else:
            self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes; values that a span cannot have are left out."""
        if self.end_time is not None:
            return
        into = self.attributes
        for name, value in attributes.items():
            kind = type(value)
            if kind is int or kind is float or kind is bool or (kind is str and value.isascii()):
                into[name] = value
            else:
                cleaned = _cleaned(value)
                if cleaned is not None:
                    into[name] = cleaned
        while len(into) > _MOST_ATTRIBUTES:
            into.popitem()

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Add an event at this time, or now."""
        if self.end_time is None and len(self._events) < _MOST_EVENTS:
            told = {key: _cleaned(value) for key, value in (attributes or {}).items()}
            kept = {key: value for key, value in told.items() if value is not None}
            self._events += ({"name": name, "timestamp": timestamp or time.time_ns(), "attributes": kept},)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Link another span."""
        if self.end_time is None and context.is_valid:
            ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
            self._links += ({**ids, "attributes": dict(attributes or {})},)

    def update_name(self, name: str) -> None:
        """Name it anew."""
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set its status. Ok is final, and nothing is unset again."""
        told = status if isinstance(status, Status) else Status(status, description)
        if self.end_time is None and self.status.status_code is not StatusCode.OK and not told.is_unset:
            self.status = told

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an event that tells of this exception."""
        told = {
            names.EXCEPTION_TYPE: plain.error_type(exception),
            names.EXCEPTION_MESSAGE: plain.described(exception),
            names.EXCEPTION_STACKTRACE: plain.text("".join(traceback.format_exception(exception))),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**told, **(attributes or {})}, timestamp)

    def __exit__(self, kind: object, error: BaseException | None, trace_back: object) -> None:
        """End it with the block, as an error if the block raises one."""
        if error is not None and self.is_recording():
            self.record_exception(error)
            self.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {plain.described(error)}"))
        self.end()

    def end(self, end_time: int | None = None) -> None:
        """End it, once."""
        if self.end_time is None:
            self.end_time = end_time or time.time_ns()
            if self.tracer.seat.processor is not None:
                self.tracer.seat.processor.on_end(self)

    def end_call(self, attributes: dict[str, Any], end_time: int | None) -> None:
        """Add attributes as our own writers make them, and end it, once."""
        if self.end_time is None:
            self.attributes.update(attributes)
            self.end_time = end_time or time.time_ns()
            if self.tracer.seat.processor is not None:
                self.tracer.seat.processor.on_end(self)

    def record(self) -> SpanRecord:
        """Its record; the attributes are shared, for nobody can change them any more."""
        tracer, place, status = self.tracer, self.place, self.status
        return SpanRecord(
            place.trace_hex,
            f"{self.span_id:016x}",
            place.parent_hex,
            self.name,
            self.start_time,
            self.end_time,
            "client" if self.kind is SpanKind.CLIENT else _KINDS[self.kind],  # an enumeration's hash is slow
            self.attributes,
            self._events,
            self._links,
            UNSET if status is _NO_STATUS else _STATES[status.status_code],
            None if status is _NO_STATUS else status.description,
            tracer.resource,
            tracer.scope,
            tracer.scope_version,
        )


def _cleaned(value: Any) -> Any:
    """The value as a span can carry it, or None: a str, bool, number, or a tuple of such."""
    if isinstance(value, str):
        return plain.text(value)
    if isinstance(value, (bool, int, float)):
        return value
    if not isinstance(value, (list, tuple)):
        return None
    if all(isinstance(item, str) for item in value):
        return tuple(map(plain.text, value))
    kinds = {type(item) for item in value}
    return tuple(value) if len(kinds) == 1 and kinds <= {bool, int, float} else None
