"""Root: the root span of a session: begun, described and ended here, so that no fault of ours is the program's."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Status

from agentops_otel.accounting.record import record_of
from agentops_otel.conventions import names, plain
from agentops_otel.faults import guard
from agentops_otel.sessions.figures import STATUS
from agentops_otel.sessions.identity import root_context_of, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Span

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.accounting.tally import Tally
    from agentops_otel.sessions.ground import Ground


class Root:
    """One session's root span. One that lives in another process, or could not be begun, is only named."""

    def __init__(self, ground: Ground, session_id: str, *, inherited: bool, parent_span_id: int | None = None) -> None:
        self.faults = ground.faults
        self.session_id = session_id
        """The session's id; that of the trace, where somebody else's provider chooses it."""
        self.is_ours = not inherited
        """Whether it is ended here."""
        self._ground = ground
        self._span: Span = self.faults.guarded("root.named", lambda: INVALID_SPAN, _named, session_id, parent_span_id)

    @guard("root")
    def begin(self, name: str | None, tags: Sequence[str]) -> None:
        """Start it."""
        if not self.is_ours:
            return
        self._span = root = self._ground.start_root(self.session_id, name, tags)
        trace_id = root.get_span_context().trace_id
        if trace_id and trace_id != trace_id_of(self.session_id):
            # Somebody else's provider chooses the ids: then its trace is the session.
            self.session_id = str(uuid.UUID(int=trace_id))
            root.set_attribute(names.SESSION_ID, self.session_id)

    @property
    @guard("root", bool)
    def is_sampled(self) -> bool:
        """Whether the spans of its trace are recorded."""
        return bool(self._span.get_span_context().trace_flags.sampled)

    @property
    @guard("root", Context)
    def context(self) -> Context:
        """A context in which it is the current span, and nothing else is."""
        return trace.set_span_in_context(self._span, Context())

    @guard("root")
    def record(self) -> SpanRecord | None:
        """What is known of it so far; None where it is not recorded here."""
        if not self.is_ours or not self._span.is_recording():
            return None
        start = record_of(self._span)
        start.attributes = dict(start.attributes)
        return start

    @guard("root")
    def rename(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(plain.text(name))

    @guard("root")
    def tell(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes on it, texts in a form that a span can have."""
        self._span.set_attributes({name: _told(value) for name, value in attributes.items()})

    def end(self, end_state: str, reason: str | None, tally: Tally) -> None:
        """End it, with this end state and the figures of the session."""
        if self.is_ours:
            self._tell_end_state(end_state, reason)
            self._tell_figures(tally)
            self._end()

    @guard("root")
    def _tell_end_state(self, end_state: str, reason: str | None) -> None:
        self._span.set_attribute(names.END_STATE, end_state)
        told = None if reason is None else plain.text(str(reason))
        if told is not None:
            self._span.set_attribute(names.END_STATE_REASON, told)
        if end_state != names.INDETERMINATE:
            self._span.set_status(Status(STATUS[end_state], told if end_state == names.FAILURE else None))

    @guard("root")
    def _tell_figures(self, tally: Tally) -> None:
        self._span.set_attributes(tally.totals())

    @guard("root")
    def _end(self) -> None:
        self._span.end()

    def after_fork(self) -> None:
        """In a forked child: the parent ends it."""
        self.is_ours = False
        self._span = NonRecordingSpan(self._span.get_span_context())


def _named(session_id: str, span_id: int | None) -> Span:
    return NonRecordingSpan(root_context_of(session_id, span_id))


def _told(value: Any) -> Any:
    if isinstance(value, str):
        return plain.text(value)
    return [plain.text(item) for item in value] if isinstance(value, list) else value
