"""Tally: span records folded into a session's statistics; the only place that counts."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from agentops_otel.accounting.record import ERROR, SpanRecord, rejoined
from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import read_text, read_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentops_otel.conventions.model import Usage

ACTION_KINDS = frozenset({names.KIND_ACTION, names.KIND_OPERATION, names.KIND_TASK})
_BILLED = frozenset({names.USAGE_MISSING, names.INPUT_TOKENS, names.OUTPUT_TOKENS})
_TOTAL_NAMES = {
    "input_tokens": names.TOTAL_INPUT_TOKENS,
    "output_tokens": names.TOTAL_OUTPUT_TOKENS,
    "cache_read_tokens": names.TOTAL_CACHE_READ_TOKENS,
    "cache_write_tokens": names.TOTAL_CACHE_WRITE_TOKENS,
    "reasoning_tokens": names.TOTAL_REASONING_TOKENS,
}


def is_model_call(attributes: Mapping[str, Any]) -> bool:
    """Whether these attributes are of a call that a provider answers and bills."""
    operation = read_text(attributes, names.OPERATION_NAME)
    if operation is not None:
        return operation in names.MODEL_OPERATIONS
    return attributes.get(names.SPAN_KIND) == names.KIND_LLM


def cost_of(attributes: Mapping[str, Any]) -> Decimal | None:
    """The cost on a span in USD, exact to the digits that were written; None where it is unknown."""
    told = attributes.get(names.COST)
    if told is None:
        return None
    try:
        cost = Decimal(repr(told) if isinstance(told, float) else str(told))
    except InvalidOperation:  # somebody else's, and no number
        return None
    return cost if cost.is_finite() else None


@dataclass(slots=True)
class Part:
    """What one model, or a whole session, used. `cost` is None until a call has a known cost."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal | None = None
    unpriced_calls: int = 0

    def add(self, usage: Usage | None, cost: Decimal | None, *, billed: bool = True) -> None:
        """Count one call by what it used and cost."""
        self.calls += 1
        if usage is not None:
            self.input_tokens += usage.input_tokens or 0
            self.output_tokens += usage.output_tokens or 0
            self.cache_read_tokens += usage.cache_read_tokens or 0
            self.cache_write_tokens += usage.cache_write_tokens or 0
            self.reasoning_tokens += usage.reasoning_tokens or 0
        if cost is None and billed:
            self.unpriced_calls += 1
        self.charge(cost)

    def charge(self, cost: Decimal | None) -> None:
        """Add a cost in USD, if it is known."""
        if cost is not None:
            self.cost = cost if self.cost is None else self.cost + cost

    def include(self, other: Part) -> None:
        """Count all that another part has counted."""
        self.calls += other.calls
        for name in _TOTAL_NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unpriced_calls += other.unpriced_calls
        self.charge(other.cost)

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens by kind; cached ones are part of the input, reasoning is part of the output."""
        return {name: getattr(self, name) for name in _TOTAL_NAMES}


def _billed(record: SpanRecord) -> bool:
    """Whether a call may have cost something.

    A refused request (an error, nothing answered) does not, nor does an event that names no model.
    """
    attributes = record.attributes
    if not _BILLED.isdisjoint(attributes):
        return True
    return record.status != ERROR and (names.REQUEST_MODEL in attributes or names.RESPONSE_MODEL in attributes)


@dataclass(slots=True)
class Tally:
    """The statistics of one session, fed one record at a time, children before their parents.

    A model call that is seen twice (a framework's span around a client's, two instrumentations of one
    client) counts once: the innermost span is the call, the spans above it are not. So does a tool's run. An error that
    several spans report on its way up counts once, where it arose.
    """

    total: Part = field(default_factory=Part)
    by_source: dict[tuple[str, str], Part] = field(default_factory=dict)
    """By provider ("" where none is told) and model."""
    tool_calls: int = 0
    actions: int = 0
    errors: int = 0
    start_time: int | None = None
    end_time: int | None = None
    durations: array[float] = field(default_factory=lambda: array("d"))
    """Seconds that each model call took."""
    # Parents that are still to come, of model calls and of errors that are counted already.
    _called_below: set[str] = field(default_factory=set)
    _failed_below: set[str] = field(default_factory=set)
    # The same of tools: (parent, tool) of a run whose own parent may tell of it too.
    _ran_below: set[tuple[str | None, str]] = field(default_factory=set)
    # Background responses whose usage comes with a later fetch: response id -> provider and model that they count for.
    _awaited: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Exceptions that spans have reported, by type: an event that is recorded of one of them is no second error.
    _reported: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[SpanRecord]) -> Tally:
        """The tally of all these records, whatever their order."""
        tally = cls()
        for record in _children_first(rejoined(list(records))):
            tally.add(record)
        return tally

    @property
    def llm_calls(self) -> int:
        """How many model calls were made."""
        return self.total.calls

    @property
    def by_model(self) -> dict[str, Part]:
        """What each model used, whoever served it."""
        parts: dict[str, Part] = {}
        for (_, model), part in self.by_source.items():
            parts.setdefault(model, Part()).include(part)
        return parts

    @property
    def cost(self) -> Decimal | None:
        """The sum of all known costs in USD: 0 before the first call, None where not one is known."""
        if self.total.cost is None and not self.total.unpriced_calls:
            return Decimal(0)
        return self.total.cost

    def latency(self, share: int) -> float | None:
        """The seconds within which `share` per cent of the model calls were answered; None without calls."""
        ordered = sorted(self.durations)
        return ordered[max(math.ceil(len(ordered) * share / 100) - 1, 0)] if ordered else None

    def add(self, record: SpanRecord, usage: Usage | None = None) -> None:
        """Count a finished span; a start record counts nothing but the session's beginning.

        `usage` is what the span tells of the call, where somebody has read it just now.
        """
        if self.start_time is None or record.start_time < self.start_time:
            self.start_time = record.start_time
        if record.end_time is None:
            return
        if self.end_time is None or record.end_time > self.end_time:
            self.end_time = record.end_time
        kind = record.attributes.get(names.SPAN_KIND)
        if kind == names.KIND_SESSION:
            return
        self._add_work(record, usage)
        if record.status == ERROR or kind == names.KIND_ERROR or record.span_id in self._failed_below:
            self._add_error(record)

    def _add_work(self, record: SpanRecord, usage: Usage | None) -> None:
        attributes = record.attributes
        seen_below = record.span_id in self._called_below
        if seen_below:
            self._called_below.discard(record.span_id)
            self._pass_up(self._called_below, record)
        if is_model_call(attributes):
            if not seen_below:
                self._add_call(record, usage)
                self._pass_up(self._called_below, record)
            return
        if attributes.get(names.OPERATION_NAME) == names.FETCH_RESPONSE:
            self._add_fetched(record)
            return
        kind = read_text(attributes, names.SPAN_KIND)
        if kind == names.KIND_TOOL or attributes.get(names.OPERATION_NAME) == names.EXECUTE_TOOL:
            self._add_tool(record)
        elif kind in ACTION_KINDS:
            self.actions += 1

    def _add_tool(self, record: SpanRecord) -> None:
        """A tool's run, told by whoever asked for it and by whoever ran it, one right below the other, counts once."""
        tool = str(record.attributes.get(names.TOOL_NAME) or record.name)
        if (record.span_id, tool) not in self._ran_below:
            self.tool_calls += 1
        self._ran_below.discard((record.span_id, tool))
        self._ran_below.add((record.parent_id, tool))
        self.total.charge(cost_of(record.attributes))

    def _add_call(self, record: SpanRecord, usage: Usage | None) -> None:
        attributes = record.attributes
        response_id = attributes.get(names.RESPONSE_ID)
        awaited = (
            names.RESPONSE_STATUS in attributes
            and names.INPUT_TOKENS not in attributes
            and read_text(attributes, names.RESPONSE_STATUS) in {"queued", "in_progress"}
        )
        if record.end_time is not None:
            self.durations.append((record.end_time - record.start_time) / 1e9)
        billed = awaited or _billed(record)
        if awaited and response_id:
            self._awaited[str(response_id)] = _source_of(attributes)
        usage, cost = usage or read_usage(attributes), cost_of(attributes)
        for part in (self.total, self._part(_source_of(attributes))):
            part.add(usage, cost, billed=billed)

    def _add_fetched(self, record: SpanRecord) -> None:
        """A response created in the background brings its usage with the fetch that finds it finished."""
        attributes = record.attributes
        response_id = str(attributes.get(names.RESPONSE_ID))
        if response_id not in self._awaited or names.FETCHED + names.INPUT_TOKENS not in attributes:
            return
        source = self._awaited.pop(response_id)
        for part in (self.total, self._part(source)):
            part.calls -= 1
            part.unpriced_calls -= 1
        if not self.by_source[source].calls:
            del self.by_source[source]
        usage, cost = read_usage(attributes, names.FETCHED), cost_of(attributes)
        for part in (self.total, self._part(_source_of(attributes))):
            part.add(usage, cost)

    def _part(self, source: tuple[str, str]) -> Part:
        part = self.by_source.get(source)
        if part is None:
            part = self.by_source[source] = Part()
        return part

    def _add_error(self, record: SpanRecord) -> None:
        reported_below = record.span_id in self._failed_below
        self._failed_below.discard(record.span_id)
        is_event = record.attributes.get(names.SPAN_KIND) == names.KIND_ERROR
        if is_event:
            self.errors += not self._is_reported(read_text(record.attributes, names.EXCEPTION_TYPE))
        elif record.status == ERROR and not reported_below:
            self.errors += 1
            kind = read_text(record.attributes, names.ERROR_TYPE)
            if kind is not None:
                self._reported[kind] = self._reported.get(kind, 0) + 1
        if record.status == ERROR or is_event:
            self._pass_up(self._failed_below, record)

    def _is_reported(self, kind: str | None) -> bool:
        """Whether a span has reported an exception of this kind, of which no event has told yet."""
        if kind is None or not self._reported.get(kind):
            return False
        self._reported[kind] -= 1
        return True

    @staticmethod
    def _pass_up(below: set[str], record: SpanRecord) -> None:
        if record.parent_id is not None:
            below.add(record.parent_id)

    def totals(self) -> dict[str, Any]:
        """The attributes that the root span of the session carries; an unknown cost is absent."""
        attributes: dict[str, Any] = {
            names.LLM_CALLS: self.llm_calls,
            names.TOOL_CALLS: self.tool_calls,
            names.ACTIONS: self.actions,
            names.ERRORS: self.errors,
            names.COST_UNPRICED_CALLS: self.total.unpriced_calls,
        }
        attributes.update((_TOTAL_NAMES[name], tokens) for name, tokens in self.total.tokens.items())
        if self.cost is not None:
            attributes[names.COST] = float(self.cost)
        return attributes


def _source_of(attributes: Mapping[str, Any]) -> tuple[str, str]:
    model = attributes.get(names.RESPONSE_MODEL) or attributes.get(names.REQUEST_MODEL) or "unknown"
    return str(attributes.get(names.PROVIDER_NAME) or ""), str(model)


def _children_first(records: Sequence[SpanRecord]) -> list[SpanRecord]:
    """The order in which records are folded: the deeper first, for a child may end after its parent; then by end.

    Events of errors come after the spans beside them, which may have reported the same. Fetches come last: what
    they complete may stand anywhere.
    """
    depths = _depths({record.span_id: record.parent_id for record in records})

    def place(record: SpanRecord) -> tuple[bool, int, bool, int, int, str]:
        told = record.attributes
        is_fetch = told.get(names.OPERATION_NAME) == names.FETCH_RESPONSE
        is_event = told.get(names.SPAN_KIND) == names.KIND_ERROR
        depth = -depths[record.span_id]
        return (is_fetch, depth, is_event, record.end_time or 0, -record.start_time, record.span_id)

    return sorted(records, key=place)


def _depths(parents: Mapping[str, str | None]) -> dict[str, int]:
    """How many of these spans stand above each of them."""
    depths: dict[str, int] = {}
    for span_id in parents:
        path = []
        step: str | None = span_id
        while step is not None and step in parents and step not in depths:
            depths[step] = 0  # where parents make a circle, it is cut here
            path.append(step)
            step = parents[step]
        depth = -1 if step is None or step not in depths else depths[step]
        for found in reversed(path):
            depth += 1
            depths[found] = depth
    return depths


def price_text(cost: Decimal | None) -> str:
    """A cost as a decimal string without exponent: `0.000195`, `0.00` for nothing, `nan` for unknown."""
    if cost is None:
        return "nan"
    if not cost:
        return "0.00"
    return format(cost.normalize(), "f")
