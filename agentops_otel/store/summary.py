"""A session's row, made from its records: the rules that every store lists sessions by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import Tally
from agentops_otel.conventions import names
from agentops_otel.store.base import SessionRow
from agentops_otel.store.owners import LEASED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.accounting.tally import Part

RULES: Final = 4
"""Raise it when `summarise` or the tally reads the same records differently: roll-ups are then made anew."""

_DECIDED: Final = frozenset({names.SUCCESS, names.FAILURE})
DEFAULT_PROJECT: Final = "default"
DIED: Final = "process ended without a word"
NO_END: Final = "no end was received"


@dataclass(slots=True)
class Summary:
    """What the records alone say of a session. Whether an open one still runs must be asked each time."""

    row: SessionRow
    is_open: bool
    """The root has started and not ended."""
    owner: str | None
    """The process that the root says it belongs to."""
    sources: Mapping[tuple[str, str], Part] = field(default_factory=dict)
    """What was used, by provider and model; empty where the summary was read from its row."""
    error_types: frozenset[str] = frozenset()
    """The kinds of errors that the records tell of."""

    def settled(self, is_alive: Callable[[str | None, int], bool]) -> SessionRow:
        """The row as of now; `is_alive` is asked with the owner and the time of the newest record (ns)."""
        if not self.is_open:
            return self.row
        if is_alive(self.owner, self.row.last_time):
            return replace(self.row, is_running=True)
        return replace(self.row, end_state_reason=DIED)


def summarise(session_id: str, records: Sequence[SpanRecord], project: str | None = None) -> Summary:
    """Read a session from all of its records, of which there must be one at least, whatever their order.

    They are all of one `project`; where that is not told, of the one that their resources name.
    """
    ordered = sorted(records, key=lambda record: (not record.is_session, record.start_time))
    first = ordered[0]
    root = first if first.is_session else None
    tellers = ordered if root is None else [root]
    tally = Tally.of(ordered)
    row = SessionRow(
        session_id=session_id,
        project_id=project or str(_first_of(tellers, names.PROJECT_ID, of_resource=True) or DEFAULT_PROJECT),
        start_time=first.start_time,
        end_time=root.end_time if root is not None else None,
        end_state=names.INDETERMINATE,
        end_state_reason=None if root is not None else NO_END,
        is_running=False,
        tags=tags_of(_first_of(tellers, names.TAGS)),
        video=_text(_first_of(tellers, names.VIDEO_URL)),
        cost=tally.cost,
        unpriced_calls=tally.total.unpriced_calls,
        llm_calls=tally.llm_calls,
        tool_calls=tally.tool_calls,
        actions=tally.actions,
        errors=tally.errors,
        tokens=tally.total.tokens,
        models=sorted(tally.by_model, key=lambda model: (-tally.by_model[model].calls, model)),
        resource=first.resource,
        last_time=max(max(record.start_time, record.end_time or _heard(record)) for record in records),
    )
    made = Summary(row, is_open=False, owner=None, sources=tally.by_source, error_types=_error_types(ordered))
    told = _told_end(ordered)
    if told is not None and (root is None or root.attributes.get(names.END_STATE) not in _DECIDED):
        row.end_time = told.end_time if root is None or root.end_time is None else root.end_time
        row.end_state = str(told.attributes[names.END_STATE])
        row.end_state_reason = _text(told.attributes.get(names.END_STATE_REASON))
        return made
    if root is None or root.end_time is None:
        made.is_open, made.owner = root is not None, None if root is None else _owner(root)
        return made
    row.end_state = str(root.attributes.get(names.END_STATE) or names.INDETERMINATE)
    row.end_state_reason = _text(root.attributes.get(names.END_STATE_REASON))
    return made


def _error_types(records: Sequence[SpanRecord]) -> frozenset[str]:
    told = (
        record.attributes.get(names.ERROR_TYPE) or record.attributes.get(names.EXCEPTION_TYPE) for record in records
    )
    return frozenset(str(kind) for kind in told if kind)


def _told_end(ordered: Sequence[SpanRecord]) -> SpanRecord | None:
    """The last word of a process that does not own the session, but was told to end it."""
    told = [record for record in ordered if record.attributes.get(names.SPAN_KIND) == names.KIND_END]
    return next((record for record in reversed(told) if names.END_STATE in record.attributes), None)


def _first_of(records: Sequence[SpanRecord], name: str, *, of_resource: bool = False) -> Any:
    for record in records:
        value = (record.resource if of_resource else record.attributes).get(name)
        if value:
            return value
    return None


def _owner(root: SpanRecord) -> str | None:
    named = _text(root.attributes.get(names.OWNER) or root.resource.get(names.OWNER))
    return f"{LEASED}{named or ''}" if _heard(root) else named


def _heard(record: SpanRecord) -> int:
    """When its process was last heard of, in nanoseconds; 0 if it never tells."""
    told = record.attributes.get(names.SESSION_HEARD)
    return told if isinstance(told, int) else 0


def tags_of(value: Any) -> list[str]:
    """The tags of a session, as its root tells them: a list, or one by itself."""
    if isinstance(value, (list, tuple)):
        return [str(tag) for tag in value]
    return [str(value)] if value else []


def _text(value: Any) -> str | None:
    return str(value) if value else None
