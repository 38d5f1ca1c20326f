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
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, Tracer

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


def is_unsampled(context: Context) -> bool:
    """Whether the span of this context is not sampled, so that nothing below it is."""
    told = trace.get_current_span(context).get_span_context()
    return told.is_valid and not told.trace_flags.sampled


class OwnTracer(Tracer):
    """Starts spans of our own below a span that is recorded, and the SDK's everywhere else."""

    def __init__(self, tracer: Tracer, provider: Provider, processor: Seat, scope: tuple[str, str]) -> None:
        self.provider = provider
        self.processor = processor
        self.instrumentation_scope = InstrumentationScope(*scope)
        self.resource: Mapping[str, Any] = provider.resource.attributes
        self._tracer = tracer
        self._ids = provider.id_generator

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
        if not parent.trace_flags & 1 or not parent.trace_id or links or self.provider.is_shared:
            return self._tracer.start_span(
                name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        own = SpanContext(parent.trace_id, self._ids.generate_span_id(), False, parent.trace_flags, parent.trace_state)
        span = OwnSpan(self, name, own, parent, kind, start_time or time.time_ns())
        if attributes:
            span.set_attributes(attributes)
        self.processor.on_start(span, context)
        return span

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
        self, tracer: OwnTracer, name: str, context: SpanContext, parent: SpanContext, kind: SpanKind, start_time: int
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.kind = kind
        self.start_time = start_time
        self.end_time: int | None = None
        self.attributes: dict[str, Any] = {}
        self.status = _NO_STATUS
        self._tracer = tracer
        self._events: tuple[dict[str, Any], ...] = ()
        self._links: tuple[dict[str, Any], ...] = ()

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """Who made it."""
        return self._tracer.instrumentation_scope

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
            self._tracer.processor.on_end(self)

    def record(self) -> SpanRecord:
        """Its record; the attributes are shared, for nobody can change them any more."""
        tracer, context, parent = self._tracer, self.context, self.parent
        return SpanRecord(
            f"{context.trace_id:032x}",
            f"{context.span_id:016x}",
            f"{parent.span_id:016x}",
            self.name,
            self.start_time,
            self.end_time,
            _KINDS[self.kind],
            self.attributes,
            self._events,
            self._links,
            _STATES[self.status.status_code],
            self.status.description,
            tracer.resource,
            tracer.instrumentation_scope.name,
            tracer.instrumentation_scope.version or "",
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
