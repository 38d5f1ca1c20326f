"""What a store can be asked, and the answers: plain data, the same for every store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agentops_otel.store.base import SessionRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

SORTS: Final = ("start", "cost", "duration", "tokens", "llm_calls", "errors")
"""What sessions can be sorted by."""
GROUPS: Final = ("day", "model", "provider", "tag", "end_state", "project")
"""What figures can be grouped by."""
FACETS: Final = ("tag", "model", "provider", "error", "host")
"""What sessions have values of, which they can be filtered by."""


class QuestionError(ValueError):
    """A question that makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Which sessions, in what order, and how many.

    Times are nanoseconds since the epoch (`since` included, `until` not), costs USD, durations seconds; all
    bounds of costs and durations are included. A session must have all `tags`. `text` is what was said or
    written anywhere in it (see `Store.search`). `cursor` is that of the page before, asked with the same query.
    `is_running` is asked of the processes themselves; None takes both.
    """

    end_state: str | None = None
    tags: tuple[str, ...] = ()
    model: str | None = None
    provider: str | None = None
    error_type: str | None = None
    host: str | None = None
    since: int | None = None
    until: int | None = None
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None
    min_duration: float | None = None
    max_duration: float | None = None
    is_running: bool | None = None
    text: str | None = None
    sort: str = "start"
    descending: bool = True
    limit: int = 50
    cursor: str | None = None
    project: str | None = None


class SessionPage(list[SessionRow]):
    """Sessions, and the `cursor` of the page after them: None where they are the last."""

    def __init__(self, rows: Sequence[SessionRow] = (), cursor: str | None = None) -> None:
        super().__init__(rows)
        self.cursor = cursor


@dataclass(frozen=True, slots=True)
class FiguresQuery:
    """Sums over sessions, for each combination of what they are grouped by (any of `GROUPS`).

    A session counts, with all its calls, on the day (UTC) on which it began; `since` and `until` are
    nanoseconds since the epoch and mean the days that they lie in. Tags cannot be combined with models or
    providers.
    """

    by: tuple[str, ...] = ("day",)
    since: int | None = None
    until: int | None = None
    end_state: str | None = None
    tag: str | None = None
    model: str | None = None
    provider: str | None = None
    project: str | None = None


@dataclass(slots=True)
class Figures:
    """One group of a `FiguresQuery`.

    `keys` hold what it was grouped by; days are ISO dates. Where it is grouped or filtered by model or
    provider, the figures are those of the calls that these answered, and tools, actions and errors are 0.
    A session with several tags, models or providers counts in each of their groups. `cost` is None where
    not one call has a known price.
    """

    keys: Mapping[str, str]
    sessions: int
    llm_calls: int
    tool_calls: int
    actions: int
    errors: int
    tokens: Mapping[str, int]
    cost: Decimal | None
    unpriced_calls: int


@dataclass(slots=True)
class Hit:
    """A span in which a text was found; `excerpt` is what stands around it."""

    session_id: str
    span_id: str
    name: str
    start_time: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class Change:
    """A session that has changed, as it is now; `row` is None where it was deleted."""

    number: int
    session_id: str
    project_id: str
    row: SessionRow | None
