"""Store: records in, records out; what every store promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.traces import Dependency, Operation, TraceQuery


@dataclass(slots=True)
class SessionRow:
    """One session as a store lists it, read from its root span and from the records below it.

    Times are nanoseconds since the epoch. `end_time` is None while it runs, and for one whose process
    died; `end_state` is `Indeterminate` unless somebody said otherwise. `cost` is None where not one
    call has a known price.
    """

    session_id: str
    project_id: str
    start_time: int
    end_time: int | None
    end_state: str
    end_state_reason: str | None
    is_running: bool
    tags: Sequence[str]
    video: str | None
    cost: Decimal | None
    unpriced_calls: int
    llm_calls: int
    tool_calls: int
    actions: int
    errors: int
    tokens: Mapping[str, int]
    """By kind: input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens."""
    models: Sequence[str] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)
    last_time: int = 0
    """When the newest record of the session ended."""


class StoreError(Exception):
    """A store cannot be opened, read or written; the message says which, why, and what to do."""


class Store(Protocol):
    """Records in, records out. Every method may be called from any thread."""

    def insert(self, records: Sequence[SpanRecord]) -> None:
        """Keep these records durably before returning.

        A record with the ids of one that is kept replaces it only if it is the end of a start record;
        anything sent twice counts once. A start record never replaces an end.
        """

    def sessions(self, limit: int = 50) -> list[SessionRow]:
        """The sessions, newest first."""

    def session(self, session_id: str) -> SessionRow | None:
        """One session by its whole id (UUID form), or None."""

    def find(self, reference: str) -> list[str]:
        """Ids of the sessions that `reference` may mean.

        It is a prefix of an id, with or without dashes, or `@last`, `@last~1` for the newest and those before it.
        """

    def spans(self, session_id: str) -> list[SpanRecord]:
        """All records of a session by start time, start records that never ended included."""

    def delete(self, session_id: str) -> None:
        """Remove a session with all its records; one that is not there is removed already."""

    # --- Traces, as tracing tools ask for them; with a `project`, from this project's spans alone -----

    def services(self, *, project: str | None = None) -> list[str]:
        """The names of the services that spans came from, sorted."""

    def operations(self, service: str, *, project: str | None = None) -> list[Operation]:
        """What the newest spans of a service are called, sorted."""

    def traces(self, query: TraceQuery, *, project: str | None = None) -> list[str]:
        """The ids of the traces that are asked for, the newest first."""

    def trace(
        self, trace_id: str, *, project: str | None = None, content: bool = True, limit: int = 2**63 - 1
    ) -> list[SpanRecord]:
        """The spans of a trace by start time, at most `limit`; without `content`, only what is always small."""

    def dependencies(self, since: int, until: int, *, project: str | None = None) -> list[Dependency]:
        """Which services called which between these times (ns since the epoch)."""

    def close(self) -> None:
        """Release the files; the store opens again by itself if it is used again."""
