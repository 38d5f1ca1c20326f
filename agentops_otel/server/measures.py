"""How long things took over many sessions, what each agent used, what went wrong: read from the spans."""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentops_otel.accounting.record import ERROR
from agentops_otel.accounting.tally import Part, cost_of, price_text
from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import read_usage
from agentops_otel.server.listing import Listing
from agentops_otel.server.queries import duration, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.base import SessionRow, Store

MEASURES: Final = ("duration", "latency", "first_chunk")
"""Seconds of a session, of a model call, and of a call until its first chunk."""
DISTRIBUTED: Final = (*MEASURES, "cost", "tokens", "spans")
GROUPS: Final = ("all", "day", "model", "agent", "tag", "end_state")
MOST_SESSIONS: Final = 2000
_MOST_SPANS: Final = 200_000
_READ_AT_ONCE: Final = 100
_SHARES: Final = (50, 90, 95, 99)
_STEPS: Final = (1, 2, 5)
NO_AGENT: Final = ""
_SECOND: Final = 10**9


class Call(NamedTuple):
    """A model call as far as it is measured; times are seconds, None where they are not known."""

    model: str
    agent: str
    seconds: float
    first_chunk: float | None
    has_failed: bool


@dataclass(slots=True)
class Measured:
    """What was measured in one session."""

    day: str
    end_state: str
    tags: Sequence[str]
    seconds: float | None
    cost: float | None
    tokens: int
    spans: int
    calls: list[Call] = field(default_factory=list)
    agents: dict[str, Part] = field(default_factory=dict)
    agent_errors: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """By the type of what went wrong."""

    @classmethod
    def of(cls, row: SessionRow, records: Sequence[SpanRecord]) -> Measured:
        """Read a session once."""
        day = (timestamp(row.start_time) or "")[:10]
        tokens = row.tokens.get("input_tokens", 0) + row.tokens.get("output_tokens", 0)
        cost = None if row.cost is None else float(row.cost)
        made = cls(day, row.end_state, list(row.tags), duration(row), cost, tokens, len(records))
        listing, agent_of = Listing.of(records), _agents(records)
        for record in listing.llm_records:
            made.add_call(record, agent_of(record))
        for record in listing.error_records:
            told = record.attributes.get(names.ERROR_TYPE) or record.attributes.get(names.EXCEPTION_TYPE)
            made.errors[str(told or "unknown")] += 1
            made.agent_errors[agent_of(record)] += 1
        return made

    def add_call(self, record: SpanRecord, agent: str) -> None:
        """Count a model call of an agent."""
        told = record.attributes
        usage, cost = read_usage(told), cost_of(told)
        is_billed = usage is not None or record.status != ERROR
        self.agents.setdefault(agent, Part()).add(usage, cost, billed=is_billed)
        if record.end_time is None:
            return
        first = told.get(names.RESPONSE_TIME_TO_FIRST_CHUNK)
        self.calls.append(
            Call(
                str(told.get(names.RESPONSE_MODEL) or told.get(names.REQUEST_MODEL) or "unknown"),
                agent,
                max(record.end_time - record.start_time, 0) / _SECOND,
                first if isinstance(first, (int, float)) and 0 <= first < math.inf else None,
                record.status == ERROR,
            )
        )


@dataclass(slots=True)
class Reading:
    """The newest sessions of a time; `is_whole` tells whether these are all of them."""

    sessions: list[Measured]
    is_whole: bool

    def percentiles(self, by: str) -> list[dict[str, Any]]:
        """For each group (one of `GROUPS`) and each of `MEASURES`: how many, and within which time so many per cent."""
        values: dict[tuple[str, str], list[float]] = {}
        for group, measure, value in self._values(by):
            values.setdefault((group, measure), []).append(value)
        order = {measure: place for place, measure in enumerate(MEASURES)}
        rows = []
        for (group, measure), told in sorted(values.items(), key=lambda item: (item[0][0], order[item[0][1]])):
            told.sort()
            keys = {} if by == "all" else {by: group}
            shares = {f"p{share}": told[max(math.ceil(len(told) * share / 100) - 1, 0)] for share in _SHARES}
            rows.append({**keys, "measure": measure, "count": len(told), **shares, "max": told[-1]})
        return rows

    def _values(self, by: str) -> Iterator[tuple[str, str, float]]:
        for session in self.sessions:
            for group in self._groups(session, by):
                if session.seconds is not None:
                    yield group, "duration", session.seconds
            for call in session.calls:
                groups = {"model": [call.model], "agent": [call.agent]}.get(by) or self._groups(session, by)
                for group in groups:
                    if not call.has_failed:
                        yield group, "latency", call.seconds
                    if call.first_chunk is not None:
                        yield group, "first_chunk", call.first_chunk

    @staticmethod
    def _groups(session: Measured, by: str) -> Sequence[str]:
        groups: dict[str, Sequence[str]] = {
            "all": [""],
            "day": [session.day],
            "tag": session.tags,
            "end_state": [session.end_state],
        }
        return groups.get(by, ())

    def distribution(self, measure: str) -> list[dict[str, Any]]:
        """How many lie between bounds of 1, 2 and 5 times a power of ten; `begin` is included, `end` is not."""
        counts: Counter[float] = Counter(_bound(value) for value in self._distributed(measure))
        if not counts:
            return []
        rows, begin, last = [], min(counts), max(counts)
        while begin <= last:
            end = _next(begin)
            rows.append({"begin": begin, "end": end, "count": counts.get(begin, 0)})
            begin = end
        return rows

    def _distributed(self, measure: str) -> Iterator[float]:
        if measure in {"latency", "first_chunk"}:
            yield from (value for _, name, value in self._values("all") if name == measure)
            return
        wanted = {"duration": "seconds"}.get(measure, measure)
        for session in self.sessions:
            value = getattr(session, wanted)
            if value is not None:
                yield value

    def agents(self) -> list[dict[str, Any]]:
        """What each agent used, in all sessions; `agent` is empty for calls that no agent made."""
        totals: dict[str, Part] = {}
        sessions: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for session in self.sessions:
            for agent, part in session.agents.items():
                totals.setdefault(agent, Part()).include(part)
            sessions.update({*session.agents, *session.agent_errors})
            errors.update(session.agent_errors)
        return [
            {
                "agent": agent,
                "sessions": sessions[agent],
                "llm_calls": part.calls,
                "errors": errors[agent],
                "cost": None if part.cost is None else price_text(part.cost),
                "unpriced_calls": part.unpriced_calls,
                "tokens": part.tokens,
            }
            for agent, part in sorted(totals.items())
        ]

    def errors(self) -> list[dict[str, Any]]:
        """What went wrong, by type: how often, in how many sessions, and in what share of them."""
        total: Counter[str] = Counter()
        sessions: Counter[str] = Counter()
        for session in self.sessions:
            total.update(session.errors)
            sessions.update(session.errors.keys())
        return [
            {"error": kind, "errors": count, "sessions": sessions[kind], "rate": sessions[kind] / len(self.sessions)}
            for kind, count in total.most_common()
        ]


class Measures:
    """The measures of a store's sessions; what was read is kept until its session changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, str | None], tuple[int, Measured]] = OrderedDict()
        self._lock = threading.Lock()

    def since(self, since: int | None, project: str | None) -> Reading:
        """The sessions that began since this time (ns): the newest of them, as many as can be read at once."""
        versions = self._store.versions(since, MOST_SESSIONS + 1, project)
        found: list[Measured] = []
        spans = 0
        for begin in range(0, min(len(versions), MOST_SESSIONS), _READ_AT_ONCE):
            for measured in self._of(versions[begin : min(begin + _READ_AT_ONCE, MOST_SESSIONS)], project):
                if spans > _MOST_SPANS:
                    return Reading(found, is_whole=False)
                found.append(measured)
                spans += measured.spans
        return Reading(found, is_whole=len(versions) <= MOST_SESSIONS)

    def _of(self, versions: Sequence[tuple[str, int]], project: str | None) -> Iterator[Measured]:
        """The measures of these sessions in their order: those that are kept, and those that are read now."""
        with self._lock:
            kept = {session_id: self._kept.get((session_id, project)) for session_id, _ in versions}
        read = [session_id for session_id, version in versions if (kept[session_id] or (None,))[0] != version]
        told = self._store.bare_sessions(read, project)
        made = {row.session_id: Measured.of(row, records) for row, records in told}
        for session_id, version in versions:
            known = kept[session_id]
            if session_id in made:
                self._keep((session_id, project), version, made[session_id])
                yield made[session_id]
            elif known is not None and session_id not in read:
                yield known[1]

    def _keep(self, place: tuple[str, str | None], version: int, made: Measured) -> None:
        with self._lock:
            self._kept[place] = (version, made)
            while len(self._kept) > 2 * MOST_SESSIONS:
                self._kept.popitem(last=False)


def _agents(records: Sequence[SpanRecord]) -> Callable[[SpanRecord], str]:
    """Tells the name of the agent that a record ran under: the nearest one."""
    by_id: Mapping[str, SpanRecord] = {record.span_id: record for record in records}
    known: dict[str, str] = {}

    def agent_of(record: SpanRecord) -> str:
        path: list[str] = []
        step: SpanRecord | None = record
        agent = NO_AGENT
        while step is not None and step.span_id not in path:
            if step.span_id in known:
                agent = known[step.span_id]
                break
            path.append(step.span_id)
            told = step.attributes
            named = told.get(names.AGENT_NAME)
            if named or told.get(names.SPAN_KIND) == names.KIND_AGENT:
                agent = str(named or step.name)
                break
            step = by_id.get(step.parent_id or "")
        known.update(dict.fromkeys(path, agent))
        return agent

    return agent_of


def _bound(value: float) -> float:
    """The largest of 0, ..., 0.1, 0.2, 0.5, 1, 2, 5, 10, ... that is not above a value."""
    if value <= 0:
        return 0.0
    power = math.floor(math.log10(value))
    return max(
        (bound for step in _STEPS for bound in (float(f"{step}e{power}"),) if bound <= value),
        default=float(f"5e{power - 1}"),
    )


def _next(bound: float) -> float:
    if bound <= 0:
        return 1e-6
    mantissa, _, power = f"{bound:.0e}".partition("e")
    place = _STEPS.index(int(mantissa))
    return float(f"{_STEPS[(place + 1) % 3]}e{int(power) + (place == 2)}")  # noqa: PLR2004 - after 5 comes 10
