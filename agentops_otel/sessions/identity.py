"""Identity: a session id is its trace id, and the id of its root span follows from it."""

from __future__ import annotations

import secrets
import threading
import uuid
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import SpanContext, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Iterator


def new_session_id() -> str:
    """A new id: 128 random bits in the form of a UUID.

    Not a uuid4: its fixed bits lie where samplers look, so that at most ratios all or none of them are kept.
    """
    return str(uuid.UUID(int=secrets.randbits(128) or 1))


def session_id_of(value: Any) -> str:
    """The session id that a str, a UUID or 32 hex digits stand for.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, uuid.UUID):
        found = value
    elif isinstance(value, str):
        try:
            found = uuid.UUID(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is no session id: it is a UUID, or 32 hex digits") from None
    else:
        raise ValueError(f"{value!r} is no session id: it is a UUID, or 32 hex digits")  # noqa: TRY004 - one error for all
    if not found.int:
        raise ValueError("a session id of zeros only is none")
    return str(found)


def trace_id_of(session_id: str) -> int:
    """The trace of a session."""
    return uuid.UUID(session_id).int


def root_span_id_of(session_id: str) -> int:
    """The root span of a session, which any process that knows the id can name as parent."""
    digest = sha256(b"agentops.session:" + uuid.UUID(session_id).bytes).digest()
    return int.from_bytes(digest[:8], "big") or 1


def root_context_of(session_id: str, span_id: int | None = None, *, sampled: bool = True) -> SpanContext:
    """The root span of a session that lives in another process, or that span of it, as a parent."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(
        trace_id_of(session_id), span_id or root_span_id_of(session_id), is_remote=True, trace_flags=flags
    )


class SessionIds(IdGenerator):
    """An id generator that gives a session's root span the ids that follow from its session id."""

    def __init__(self, others: IdGenerator | None = None) -> None:
        self.others = others or RandomIdGenerator()
        self._fixed = threading.local()

    @contextmanager
    def of(self, session_id: str) -> Iterator[None]:
        """Within, the next root span that this thread starts is the session's."""
        self._fixed.ids = (trace_id_of(session_id), root_span_id_of(session_id))
        try:
            yield
        finally:
            self._fixed.ids = None

    def generate_trace_id(self) -> int:
        """The session's, or a random one."""
        ids = getattr(self._fixed, "ids", None)
        return ids[0] if ids else self.others.generate_trace_id()

    def generate_span_id(self) -> int:
        """The root's, or a random one."""
        ids = getattr(self._fixed, "ids", None)
        return ids[1] if ids else self.others.generate_span_id()

    def is_trace_id_random(self) -> bool:
        """All bits of a new session's id are random; an inherited one may be anything."""
        return True
