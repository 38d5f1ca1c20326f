"""Seat: our one place in a tracer provider, taken once, for a processor cannot be taken out of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import SpanProcessor

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from agentops_otel.sessions.processor import SessionProcessor
    from agentops_otel.sessions.spans import OwnSpan


class Seat(SpanProcessor):
    """Gives what it is told to whichever `SessionProcessor` sits in it; nothing while that is None."""

    takes_own_spans = True

    def __init__(self, provider: Any) -> None:
        self.provider = provider
        self.processor: SessionProcessor | None = None
        self._guests: list[Any] = []
        provider.add_span_processor(self)

    def seat(self, processor: SessionProcessor, guest: Any = None) -> None:
        """Let this processor have the place, and add the program's own one beside it, once."""
        self.processor = processor
        if guest is not None and not any(guest is found for found in self._guests):
            self._guests.append(guest)
            self.provider.add_span_processor(guest)

    def on_start(self, span: Span | OwnSpan, parent_context: Context | None = None) -> None:
        """A span has started."""
        if self.processor is not None:
            self.processor.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan | OwnSpan) -> None:
        """A span has ended."""
        if self.processor is not None:
            self.processor.on_end(span)

    def shutdown(self) -> None:
        """Nothing to do: whoever delivers decides when it is over."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Hand everything over."""
        return self.processor is None or self.processor.force_flush(timeout_millis)


class Seats:
    """The seats of one client, by tracer provider; `own` is the provider that it made for itself, if it did."""

    def __init__(self) -> None:
        self.own: Any = None
        self._taken: list[Seat] = []

    def at(self, provider: Any) -> Seat:
        """Our seat in this provider."""
        found = next((seat for seat in self._taken if seat.provider is provider), None)
        if found is None:
            found = Seat(provider)
            self._taken.append(found)
        return found

    def leave(self) -> None:
        """Let none of them give anything to anybody."""
        for seat in self._taken:
            seat.processor = None
