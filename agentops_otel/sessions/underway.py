"""Under way: spans that have begun in a session and not ended, to be told of where the process ends before they do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agentops_otel.accounting.record import record_of
from agentops_otel.accounting.tally import is_model_call
from agentops_otel.conventions import names
from agentops_otel.sessions.spans import OwnSpan

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from agentops_otel.accounting.record import SpanRecord

_MOST = 4_096
"""How many are followed: of more, those that began first have been forgotten by whoever began them."""


class UnderWay:
    """The open spans of sessions, whoever made them. They are not ended here: their makers may still do so."""

    def __init__(self) -> None:
        self._spans: dict[int, Span | OwnSpan] = {}
        self._told: set[int] = set()

    def started(self, span: Span | OwnSpan) -> None:
        """A span has begun."""
        # The ids of a span of ours are known before its context is made.
        self._spans[span.span_id if type(span) is OwnSpan else span.get_span_context().span_id] = span
        if len(self._spans) > _MOST:
            self._spans.pop(next(iter(self._spans), 0), None)

    def ended(self, span: ReadableSpan | OwnSpan) -> bool:
        """A span has ended; whether it was told of before, as being left."""
        if type(span) is OwnSpan:
            span_id = span.span_id
        elif span.context is not None:
            span_id = span.context.span_id
        else:
            return False
        self._spans.pop(span_id, None)
        return span_id in self._told

    def leave(self) -> list[Span | OwnSpan]:
        """Those that have not ended, the innermost first; they are followed no more."""
        spans, self._spans = self._spans, {}
        self._told.update(spans)
        return list(reversed(spans.values()))

    def forget(self) -> None:
        """In a forked child: what has begun is the parent's."""
        self._spans = {}


def left(span: Span | OwnSpan) -> SpanRecord:
    """The record of a span that has not ended: it ends now, with what is known of it."""
    record = span.record() if isinstance(span, OwnSpan) else record_of(span)
    attributes = {**record.attributes, names.STREAM_OUTCOME: names.ABANDONED}
    if is_model_call(attributes) and not any(name in attributes for name in (names.INPUT_TOKENS, names.OUTPUT_TOKENS)):
        attributes[names.USAGE_MISSING] = True
    record.attributes, record.end_time = attributes, time.time_ns()
    return record
