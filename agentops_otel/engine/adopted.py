"""Adopted spans: those that a framework makes by itself, made where a call of ours would be."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from agentops_otel.conventions.messages import write_content, write_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from agentops_otel.conventions.model import Content, Output
    from agentops_otel.engine.call import Recorder


class AdoptingProvider(trace.TracerProvider):
    """A tracer provider for one framework, to be given to it by its public switch.

    Whatever scope the framework asks for, its spans come from the tracer of its import name. Without a `recorder`
    nothing is recorded, and the spans around stay current.
    """

    def __init__(self, library: str) -> None:
        self.library = library
        self.recorder: Recorder | None = None

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        """The tracer for this framework's spans."""
        return _AdoptingTracer(self)

    def start(self, name: str, context: Context | None, settings: dict[str, Any]) -> Span:
        """A span in this context; without one, in the current one or wherever the session is."""
        around = trace.get_current_span(context)
        recorder = self.recorder
        if recorder is None:
            return trace.NonRecordingSpan(around.get_span_context())
        return recorder.guarded(  # type: ignore[no-any-return]
            "adopted",
            lambda: trace.NonRecordingSpan(around.get_span_context()),
            lambda: recorder.tracer_of(self.library).start_span(
                name, recorder.parent() if context is None else context, **settings
            ),
        )


class _AdoptingTracer(trace.Tracer):
    def __init__(self, provider: AdoptingProvider) -> None:
        self._provider = provider

    def start_span(self, name: str, context: Context | None = None, *args: Any, **settings: Any) -> Span:
        """A span that has started."""
        settings.update(zip(_SETTINGS, args, strict=False))
        return self._provider.start(name, context, settings)

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # the API's decorator adds being a decorator
        self,
        name: str,
        context: Context | None = None,
        *args: Any,
        end_on_exit: bool = True,
        **settings: Any,
    ) -> Iterator[Span]:
        """A span that is current within the block."""
        told = {name: settings[name] for name in ("record_exception", "set_status_on_exception") if name in settings}
        span = self.start_span(name, context, *args, **settings)
        with trace.use_span(span, end_on_exit=end_on_exit, **told):
            yield span


_SETTINGS = ("kind", "attributes", "links", "start_time", "record_exception", "set_status_on_exception")


def add_content(recorder: Recorder, span: Span, content: Content | None, output: Output | None) -> None:
    """Write what went into a framework's own span and what came out of it, where content is captured.

    What the framework has written there itself stays.
    """
    if not recorder.content or not span.is_recording():
        return
    told = {**({} if content is None else write_content(content)), **({} if output is None else write_output(output))}
    known = getattr(span, "attributes", None) or {}
    span.set_attributes({name: value for name, value in told.items() if name not in known})
