"""Ground: what a session stands on; the client's, shared by all its sessions."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind

from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.trace import Span, Tracer

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.faults import Faults
    from agentops_otel.sessions.identity import SessionIds
    from agentops_otel.sessions.processor import SessionProcessor
    from agentops_otel.sessions.session import Session

TOLD = frozenset(
    {
        names.EVENT_PARAMS,
        names.EVENT_RETURNS,
        names.EVENT_LOGS,
        names.EVENT_SCREENSHOT,
        names.EVENT_DETAILS,
        names.TOOL_CALL_ARGUMENTS,
        names.TOOL_CALL_RESULT,
        *names.CONTENT,
    }
)
"""Attributes of events that tell content."""


@dataclass(slots=True)
class Ground:
    """Tracer, processor, faults, ids; whether content is kept; what to do when a session ends."""

    tracer: Tracer
    processor: SessionProcessor
    faults: Faults
    ids: SessionIds | None
    """None where the tracer provider does not let us choose ids."""
    content: bool
    on_end: Callable[[Session], None]
    keep_file: Callable[[str, str], str] | None = None
    """Keeps a copy of a file beside the store: (path, name) -> its URL. Returns at once."""
    host: Callable[[], dict[str, Any]] = dict
    """The facts of this host, in the original's groups."""
    stored: Callable[[str], Sequence[SpanRecord] | None] | None = None
    """All records of a session, other processes' too, if they can be read here."""
    page: Callable[[], str | None] = lambda: None
    """The URL below which sessions have their pages, if that is known by now."""

    here: Callable[[], Context | None] = lambda: None
    """Where a span starts in the calling context, if something else than the current span says so."""

    def url(self, session_id: str) -> str | None:
        """The page of a session, if it is known by now."""
        page = self.page()
        return None if page is None else page + quote(session_id, safe="")

    def start_root(self, session_id: str, name: str | None, tags: Sequence[str]) -> Span:
        """The root span of a session, linked to the span that is current; its trace is the session's if it can be."""
        around = trace.get_current_span().get_span_context()
        attributes: dict[str, Any] = {names.SESSION_ID: session_id, names.SPAN_KIND: names.KIND_SESSION}
        if tags:
            attributes[names.TAGS] = tags
        with nullcontext() if self.ids is None else self.ids.of(session_id):
            return self.tracer.start_span(
                name or "session",
                context=Context(),
                kind=SpanKind.INTERNAL,
                attributes=attributes,
                links=[Link(around)] if around.is_valid else None,
            )
