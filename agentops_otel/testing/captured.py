"""Captured: the sessions that run within a block, with their spans and figures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from agentops_otel.accounting.tally import Tally
from agentops_otel.client import default as client
from agentops_otel.configuration import Configuration
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from agentops_otel.accounting.record import SpanRecord

_SECONDS = 10.0


@dataclass(frozen=True)
class CapturedSession:
    """One session as it is now; `spans` are its records that have ended, the oldest first, without the root."""

    session_id: str
    name: str
    end_state: str | None
    """Success, Failure or Indeterminate; None while it runs."""
    end_state_reason: str | None
    tags: tuple[str, ...]
    spans: list[SpanRecord] = field(repr=False)
    tally: Tally = field(repr=False)

    @property
    def cost(self) -> Decimal | None:
        """What its calls cost in USD; None where not one of them has a known price."""
        return self.tally.cost

    @property
    def llm_calls(self) -> int:
        """How many model calls it made."""
        return self.tally.llm_calls

    @property
    def tool_calls(self) -> int:
        """How many tools it ran."""
        return self.tally.tool_calls

    @property
    def errors(self) -> int:
        """How many errors arose in it."""
        return self.tally.errors

    @property
    def tokens(self) -> dict[str, int]:
        """Its tokens by kind, as `input_tokens`."""
        return self.tally.total.tokens


class CapturedSessions(Sequence[CapturedSession]):
    """The sessions that have begun, in their order; it can be asked at any time."""

    name = "captured sessions"

    def __init__(self) -> None:
        self._records: list[SpanRecord] = []

    # --- As a receiver -------------------------------------------------------------------------------

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Keep these records."""
        self._records.extend(records)
        return True

    def close(self) -> None:
        """Nothing to do."""

    def after_fork(self) -> None:
        """What was captured before is the parent's."""
        self._records.clear()

    # --- As a sequence -------------------------------------------------------------------------------

    @property
    def all(self) -> list[CapturedSession]:
        """All of them as they are now."""
        client.flush(_SECONDS)
        groups: dict[str, list[SpanRecord]] = {}
        for record in list(self._records):
            session_id = record.attributes.get(names.SESSION_ID)
            if session_id is not None:
                groups.setdefault(str(session_id), []).append(record)
        return [_session(session_id, records) for session_id, records in groups.items()]

    @property
    def only(self) -> CapturedSession:
        """The only one.

        Raises:
            AssertionError: there is none, or there are several.
        """
        found = self.all
        if len(found) != 1:
            raise AssertionError(f"{len(found)} sessions were captured, not one: {found}")
        return found[0]

    @overload
    def __getitem__(self, index: int) -> CapturedSession: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CapturedSession]: ...
    def __getitem__(self, index: int | slice) -> CapturedSession | Sequence[CapturedSession]:
        """The session of this place."""
        return self.all[index]

    def __len__(self) -> int:
        """How many have begun."""
        return len(self.all)

    def __repr__(self) -> str:
        return f"CapturedSessions({self.all})"


def _session(session_id: str, records: list[SpanRecord]) -> CapturedSession:
    roots = sorted((record for record in records if record.is_session), key=lambda record: record.end_time or 0)
    root: Any = roots[-1] if roots else None
    told = {} if root is None else root.attributes
    ended = sorted(
        (record for record in records if record.end_time is not None and not record.is_session),
        key=lambda record: record.start_time,
    )
    return CapturedSession(
        session_id,
        "session" if root is None else root.name,
        told.get(names.END_STATE),
        told.get(names.END_STATE_REASON),
        tuple(told.get(names.TAGS) or ()),
        ended,
        Tally.of(ended),
    )


@contextmanager
def captured() -> Iterator[CapturedSessions]:
    """Keep the sessions that run within a block.

    `with captured() as sessions: ...; assert sessions.only.end_state == "Success"`.

    Where the program has not called `init()` yet, everything stays in memory, whatever `init()` says within the
    block, and all libraries are left as they were after it. Where it has, sessions go where they went, too.
    """
    found = CapturedSessions()
    running = client.pipeline
    if running is not None:
        running.delivery.receivers.append(found)
        try:
            yield found
        finally:
            client.flush(_SECONDS)
            running.delivery.receivers.remove(found)
        return
    client.receivers = [found]
    try:
        assumed = Configuration.read(auto_start_session=False, isolated=True, log_summary=False, capture_content=True)
        client.init(assumed, assumed=True)
        yield found
    finally:
        for session in client.sessions:
            session.end_session(end_state_reason="the test ended")
            session.deactivate()
        client.shut_down()
        client.receivers = None
