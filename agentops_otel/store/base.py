"""Store: records in, records out; what every store promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.questions import Change, Figures, FiguresQuery, Hit, SessionPage, SessionQuery
    from agentops_otel.store.traces import Dependency, Operation, TraceIds, TraceQuery


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


class ReadOnlyError(StoreError):
    """This store is only read; the message says who writes it."""


class Store(Protocol):
    """Records in, records out. Every method may be called from any thread."""

    def insert(self, records: Sequence[SpanRecord]) -> None:
        """Keep these records durably before returning.

        A record with the ids of one that is kept replaces it only if it is the end of a start record;
        anything sent twice counts once. A start record never replaces an end. All that is only within a project:
        records of another one, which their resource names, are others, whatever their ids.
        """

    # With a project, only its sessions are seen; with None all are. Where one session is asked for by an id that
    # sessions of several projects have, it is then the one that began last.

    def sessions(self, query: SessionQuery | None = None) -> SessionPage:
        """One page of the sessions that are asked for; by default the newest 50.

        Raises:
            QuestionError: the query makes no sense.
        """

    def session(self, session_id: str, project: str | None = None) -> SessionRow | None:
        """One session by its whole id (UUID form), or None."""

    def find(self, reference: str, project: str | None = None) -> list[str]:
        """Ids of the sessions that `reference` may mean.

        It is a prefix of an id, with or without dashes, or `@last`, `@last~1` for the newest and those before it.
        """

    def spans(self, session_id: str, project: str | None = None) -> list[SpanRecord]:
        """All records of a session by start time, start records that never ended included."""

    def whole(self, session_id: str, project: str | None = None) -> tuple[SessionRow, list[SpanRecord]] | None:
        """A session with all its records, as `session` and `spans` have them; None where it is not there."""

    # --- Sessions in parts, for those who show them -----

    def version(self, session_id: str, project: str | None = None) -> int:
        """A number that is another one whenever a record of the session has come or gone; 0 without any."""

    def versions(self, since: int | None, limit: int, project: str | None = None) -> list[tuple[str, int]]:
        """The newest sessions that began since this time (ns), each with its `version`."""

    def some_spans(
        self,
        session_id: str,
        span_ids: Sequence[str] | None = None,
        limit: int | None = None,
        project: str | None = None,
    ) -> list[SpanRecord]:
        """The records with these ids, or the first `limit` of a session, by start time."""

    def bare_spans(self, session_id: str, project: str | None = None) -> list[SpanRecord]:
        """All records of a session by start time, without contents, events and links."""

    def bare_sessions(
        self, session_ids: Sequence[str], project: str | None = None
    ) -> Iterator[tuple[SessionRow, list[SpanRecord]]]:
        """Some sessions with their records, as `bare_spans` has them; those that are not there are left out."""

    def first_inputs(self, session_ids: Iterable[str], project: str | None = None) -> Mapping[str, str]:
        """What was first asked in these sessions, shortened; those that do not tell are left out."""

    def facets(self, facet: str, since: int = 0, limit: int = 100, project: str | None = None) -> list[tuple[str, int]]:
        """The values that sessions can be filtered by (one of `FACETS`), and how many sessions have each.

        Raises:
            QuestionError: there is no such facet.
        """

    # --- Figures -----

    def figures(self, query: FiguresQuery) -> list[Figures]:
        """Sums over sessions, ordered by what they are grouped by.

        Raises:
            QuestionError: the query makes no sense.
        """

    def search(self, text: str, limit: int = 50, project: str | None = None) -> list[Hit]:
        """The spans in which all these words are found, newest first.

        Words are looked for in names, ids, tags, errors, and all that was said; `"a b"` stands for words in
        this order, `begin*` for all that begin so.

        Raises:
            QuestionError: there is no word to look for.
        """

    def change(self) -> int:
        """The number of the last change; each that comes has a higher one."""

    def changes(self, after: int, limit: int = 100, project: str | None = None) -> list[Change]:
        """The sessions that were changed after this number, as they are now, in the order of their last change.

        There may be more than `limit`, for what was changed at once is told at once.
        """

    def delete(self, session_id: str, project: str | None = None) -> bool:
        """Delete a session with all its records; False if there is none."""

    def prune(self, max_age: float | None = None, max_bytes: int | None = None, *, most: int | None = None) -> int:
        """Delete the oldest sessions, never one that runs, until the rest is within the limits; how many these were.

        `max_age` is in seconds since the last sign of life. Where neither is told, the store's own limits hold. With
        `most`, it stops after about so many, whatever is left.
        """

    def catch_up(self) -> bool:
        """Do a piece of the work that readers would wait for; whether there is no more of it."""

    # --- Traces, as tracing tools ask for them; with a `project`, from this project's spans alone -----

    def services(self, *, project: str | None = None) -> list[str]:
        """The names of the services that spans came from, sorted."""

    def operations(self, service: str, *, project: str | None = None) -> list[Operation]:
        """What the newest spans of a service are called, sorted."""

    def traces(self, query: TraceQuery, *, project: str | None = None) -> TraceIds:
        """The ids of the traces that are asked for, the newest first, as far as a bounded search finds them."""

    def trace(
        self, trace_id: str, *, project: str | None = None, content: bool = True, limit: int = 2**63 - 1
    ) -> list[SpanRecord]:
        """The spans of a trace by start time, at most `limit`; without `content`, only what is always small."""

    def dependencies(self, since: int, until: int, *, project: str | None = None) -> list[Dependency]:
        """Which services called which between these times (ns since the epoch)."""

    def close(self) -> None:
        """Release the files; the store opens again by itself if it is used again."""
