"""Visits: one request as a session, from its first line to the last byte of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import get_current

from agentops_otel.client import default as client
from agentops_otel.conventions import names, plain
from agentops_otel.sessions import inheritance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context

    from agentops_otel.sessions.session import Session

KEY: Final = "agentops_otel.session"
"""Under this key the scope or environ of a request carries its session."""
HEALTH: Final = (
    "/favicon.ico",
    "/health",
    "/health/*",
    "/healthz",
    "/live",
    "/livez",
    "/metrics",
    "/ping",
    "/ready",
    "/readyz",
)
"""Paths that are asked again and again and have no session, unless `exclude` says otherwise."""
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500


def end_state_of(status: int) -> tuple[str, str | None]:
    """The end state for an HTTP status, and the reason: 5xx is Failure, 4xx Indeterminate, the rest Success."""
    if status >= _SERVER_ERROR:
        return names.FAILURE, f"HTTP {status}"
    return (names.INDETERMINATE, f"HTTP {status}") if status >= _CLIENT_ERROR else (names.SUCCESS, None)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which requests are sessions.

    `only` and `exclude` are paths, with `*` for anything. `tags` are given to each session. With `join` a request
    whose `baggage` names a session becomes part of that session: only for callers that are trusted.
    """

    only: Sequence[str] = ("*",)
    exclude: Sequence[str] = HEALTH
    tags: Any = None
    join: bool = False

    def wants(self, path: str) -> bool:
        """Whether a request of this path is a session."""
        return any(fnmatchcase(path, told) for told in self.only) and not any(
            fnmatchcase(path, told) for told in self.exclude
        )

    def open(self, method: str, path: str, headers: Mapping[str, str]) -> Visit | None:
        """A session for this request; None where it gets none. `headers` have their names in lower case."""
        try:
            if not self.wants(path):
                return None
            asked_by = _extracted(headers)
            inherited = _named(asked_by) if self.join else None
            with inheritance.within(asked_by):
                session = client.open_session(
                    self.tags,
                    plain.text(f"{method} {path}"),
                    inherited=inherited,
                    environ={inheritance.PARENT_VARIABLE: headers.get("traceparent", "")},
                )
            session.set_metadata({"method": method}, "http.request")
            session.set_metadata({"path": path}, "url")
            return Visit(session, method)
        except Exception as error:
            client.faults.note("web.open", error)
            return None


def _extracted(headers: Mapping[str, str]) -> Context:
    """The calling context, with the span that asks where no span of this process is current."""
    from opentelemetry import propagate  # noqa: PLC0415 - it looks for propagators, and may find wrong ones

    here = get_current()
    told = propagate.extract(headers, here)
    return trace.set_span_in_context(trace.get_current_span(here), told) if _is_traced(here) else told


def _is_traced(context: Context) -> bool:
    # A span that has ended may have been left behind in the context.
    return trace.get_current_span(context).is_recording()


def _named(context: Context) -> str | None:
    from opentelemetry import baggage  # noqa: PLC0415 - only where sessions are joined

    return inheritance.told_by(
        {inheritance.SESSION_VARIABLE: str(baggage.get_baggage(inheritance.BAGGAGE_ITEM, context))}
    )


class Visit:
    """One request under way. `status`, `error` and `route` are filled in as they become known; it ends once."""

    __slots__ = ("_method", "error", "is_complete", "is_gone", "route", "session", "status")

    def __init__(self, session: Session, method: str) -> None:
        self.session = session
        self._method = method
        self.status: int | None = None
        self.error: BaseException | None = None
        self.route: str | None = None
        self.is_complete = False
        """Whether the last byte of the answer has been given."""
        self.is_gone = False
        """Whether whoever asked has gone before that."""

    def fail(self, error: BaseException) -> None:
        """End it with what the application raised."""
        self.error = self.error or error
        self.end()

    def end(self) -> None:
        """End the session, unless the application has done so itself."""
        session = self.session
        if not session.is_running:
            return
        try:
            if self.route is not None:
                session.rename(f"{self._method} {self.route}")
                session.set_metadata({"route": self.route}, "http")
            if self.status is not None:
                session.set_metadata({"status_code": self.status}, "http.response")
            session.end_session(*self._outcome())
        except Exception as error:
            client.faults.note("web.end", error)

    def _outcome(self) -> tuple[str, str | None]:
        error = self.error
        if isinstance(error, Exception):
            return names.FAILURE, f"{type(error).__name__}: {plain.described(error)}".rstrip(": ")
        if error is not None:  # a cancelled task, a generator that was closed, the end of the process
            return names.INDETERMINATE, "the client has gone" if self.is_gone else type(error).__name__
        if self.is_gone and not self.is_complete:
            return names.INDETERMINATE, "the client has gone"
        if self.status is None:
            return names.FAILURE, "no answer"
        return end_state_of(self.status)
