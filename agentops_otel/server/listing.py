"""Listing: a tally that remembers which spans it counted, so that lists and statistics cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from agentops_otel.accounting.tally import Tally
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.conventions.model import Usage


@dataclass
class Listing(Tally):
    """The statistics of a session, and beside each figure the records that it counts, by start time.

    `fetched` holds the spans that brought the usage of a background response, by response id.
    """

    llm_records: list[SpanRecord] = field(default_factory=list)
    tool_records: list[SpanRecord] = field(default_factory=list)
    action_records: list[SpanRecord] = field(default_factory=list)
    error_records: list[SpanRecord] = field(default_factory=list)
    fetched: dict[str, SpanRecord] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[SpanRecord]) -> Listing:
        """The listing of all these records, whatever their order."""
        listing = cast("Listing", super().of(records))
        for listed in listing.lists:
            listed.sort(key=lambda record: record.start_time)
        return listing

    @property
    def lists(self) -> tuple[list[SpanRecord], ...]:
        """LLM calls, tools, actions and errors, in this order."""
        return self.llm_records, self.tool_records, self.action_records, self.error_records

    def add(self, record: SpanRecord, usage: Usage | None = None) -> None:
        """Count a record, and keep it in the list of what it counted as."""
        total = self.total
        calls, tools, actions, errors = total.calls, self.tool_calls, self.actions, self.errors
        is_fetch = record.attributes.get(names.OPERATION_NAME) == names.FETCH_RESPONSE
        tokens = total.tokens if is_fetch else None
        super().add(record, usage)
        if total.calls > calls:
            self.llm_records.append(record)
        if self.tool_calls > tools:
            self.tool_records.append(record)
        if self.actions > actions:
            self.action_records.append(record)
        if self.errors > errors:
            self.error_records.append(record)
        if is_fetch and tokens != total.tokens:
            self.fetched[str(record.attributes.get(names.RESPONSE_ID))] = record
