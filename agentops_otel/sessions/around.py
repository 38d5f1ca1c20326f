"""Around: the sessions that are current in a context, one within another, and what is so again once one has left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from agentops_otel.sessions.session import Session

_KEY = otel_context.create_key("agentops_otel-around")


class _Around(NamedTuple):
    outside: Context
    """What was current before the first of them."""
    sessions: tuple[Session, ...] = ()
    """Each once, the current one last."""


def enter(session: Session) -> None:
    """Make it the current session of the calling context."""
    current = otel_context.get_current()
    outside, sessions = _around(current)
    if current is not session.context and sessions[-1:] != (session,):
        _attach(outside, (*(other for other in sessions if other is not session), session))


def leave(session: Session) -> None:
    """Give the calling context back what was current before, if this session is: less those that ended meanwhile."""
    outside, sessions = _around(otel_context.get_current())
    if sessions[-1:] == (session,):
        _attach(outside, sessions[:-1])


def _around(current: Context) -> _Around:
    told = current.get(_KEY)
    if not isinstance(told, _Around):
        return _Around(current)
    root = trace.get_current_span(told.sessions[-1].context)
    return told if trace.get_current_span(current) is root else _Around(current)


def _attach(outside: Context, sessions: tuple[Session, ...]) -> None:
    # Never detached by a token: a session may end in another context than it began in.
    running = tuple(session for session in sessions if session.is_running)
    if running:
        outside = otel_context.set_value(_KEY, _Around(outside, running), running[-1].context)
    otel_context.attach(outside)
