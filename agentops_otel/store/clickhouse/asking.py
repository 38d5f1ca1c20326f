"""Questions to one database: values that are bound, and where the rows of a session stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agentops_otel.conventions import names
from agentops_otel.store import rows
from agentops_otel.store.clickhouse.database import Address, Database, DatabaseError
from agentops_otel.store.clickhouse.facts import SESSION, Told, quoted
from agentops_otel.store.clickhouse.layout import FACTS_TABLE, Layout, Looking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clickhouse_connect.driver.client import Client

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ATTRIBUTE: Final = f"SpanAttributes[{quoted(names.SESSION_ID)}]"
_ATTRIBUTE_OF_START: Final = f"LogAttributes[{quoted(names.SESSION_ID)}]"


class Values:
    """The values of a statement, bound by ClickHouse itself: nothing from outside becomes part of a text of SQL."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def text(self, value: str) -> str:
        """The place of a text."""
        return self._place(rows.clean(value), "String")

    def texts(self, values: Sequence[str]) -> str:
        """The place of some texts."""
        return self._place([rows.clean(value) for value in values], "Array(String)")

    def whole(self, value: int) -> str:
        """The place of a whole number."""
        return self._place(min(max(int(value), -rows.LATEST), rows.LATEST), "Int64")

    def number(self, value: float) -> str:
        """The place of a number."""
        return self._place(float(value), "Float64")

    def place(self, value: str | float) -> str:
        """The place of a text, a whole number or a number."""
        if isinstance(value, str):
            return self.text(value)
        return self.whole(value) if isinstance(value, int) else self.number(value)

    def where(self, *conditions: tuple[str, str | float | None]) -> list[str]:
        """Those of some conditions on a value that have one, with its place in them."""
        return [condition.format(self.place(value)) for condition, value in conditions if value is not None]

    def _place(self, value: Any, kind: str) -> str:
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return f"{{{name}:{kind}}}"


class Place(NamedTuple):
    """Where the rows of some sessions stand: the `WHERE` of spans, to which more may be added; conditions on logs."""

    told: Told
    spans: str
    starts: str

    def facts(self, asked: Iterable[str]) -> str:
        """Their facts, as far as they are named in these texts, as a source of a query."""
        asked = list(asked)
        parts = [f"{self.told.of_spans(asked)} {self.spans}"]
        of_starts = self.told.of_starts(asked)
        if of_starts is not None:
            parts.append(f"{of_starts} AND {self.starts}")
        return f"({' UNION ALL '.join(parts)})"


class Asking:
    """Asks a database whose tables are known; every failure is a `StoreError`."""

    def __init__(self, address: str, connect: Callable[[], Client] | None = None) -> None:
        self.database = Database(Address.of(address), connect)
        self._looking = Looking(self.database)

    @property
    def layout(self) -> Layout:
        """What the tables look like."""
        return self._looking.layout()

    def rows(self, statement: str, values: Values | None = None) -> Sequence[Sequence[Any]]:
        """What a statement finds."""
        try:
            return self.database.rows(statement, None if values is None else values.bound)
        except DatabaseError as error:
            if error.is_of_schema:
                self._looking.forget()
            raise

    def close(self) -> None:
        """Let the connection go."""
        self._looking.forget()
        self.database.close()

    def facts_of(
        self, values: Values, session_ids: Sequence[str], project: str | None
    ) -> Callable[[Iterable[str]], str]:
        """What gives the facts of these sessions as a source of a query; with a project, of its sessions alone."""
        layout = self.layout
        if not layout.is_migrated:
            return self.place_of(values, session_ids, project).facts
        owned = "" if project is None else f" AND project = {values.text(project)}"
        ours = f"(SELECT * FROM {layout.ours(FACTS_TABLE)} WHERE session IN {values.texts(session_ids)}{owned})"
        return lambda _: ours

    def place_of(self, values: Values, session_ids: Sequence[str], project: str | None) -> Place:
        """Where the rows of these sessions stand; with a project, of its sessions alone.

        A span belongs to the session that it names, else to that of its trace. No index knows that, but one knows of
        traces: so these are looked up first, and only their spans are read.
        """
        told = self.layout.told
        named = values.texts(session_ids)
        owned_span = owned_start = ""
        if project is not None:
            owner = values.text(project)
            owned_span = f" AND {told.project_of_span} = {owner}"
            owned_start = f" AND {told.project_of_start} = {owner}"
        traces, first, last = self._traces(session_ids)
        asked = values.texts(sorted(traces))
        of_trace = f"TraceId IN {asked}"
        if last:
            # Which leaves out all partitions of other days.
            of_trace += f" AND Timestamp BETWEEN {_moment(values.whole(first))} AND {_moment(values.whole(last))}"
        spans = told.where(of_trace, f"{SESSION} IN {named}{owned_span}")
        of_start = SESSION.replace("SpanAttributes[", "LogAttributes[")
        starts = f"({_ATTRIBUTE_OF_START} IN {named} OR TraceId IN {asked}) AND {of_start} IN {named}{owned_start}"
        return Place(told, spans, starts)

    def _traces(self, session_ids: Sequence[str]) -> tuple[set[str], int, int]:
        """The traces that these sessions have, and between what times, where that is known."""
        layout, values = self.layout, Values()
        traces = {session_id.replace("-", "") for session_id in session_ids if _UUID.fullmatch(session_id)}
        if layout.is_migrated:
            statement = (
                f"SELECT groupUniqArray(trace), min(start), max(start) FROM {layout.ours(FACTS_TABLE)} "
                f"WHERE session IN {values.texts(session_ids)}"
            )
            ((found, first, last),) = self.rows(statement, values)
            return {*traces, *found}, first, last
        asked = f"{_ATTRIBUTE} IN {values.texts(session_ids)}"
        if layout.has_items:
            items = [f"{names.SESSION_ID}={session_id}" for session_id in session_ids]
            # One by one they are answered by the index alone.
            asked = " OR ".join(f"has(SpanAttributeItems, {values.text(item)})" for item in items)
        found = self.rows(f"SELECT DISTINCT TraceId FROM {layout.told.spans} WHERE {asked}", values)
        return {*traces, *(trace for (trace,) in found)}, 0, 0


def _moment(nanoseconds: str) -> str:
    return f"fromUnixTimestamp64Nano({nanoseconds})"
