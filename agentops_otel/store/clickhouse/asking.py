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

    def _place(self, value: Any, kind: str) -> str:
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return f"{{{name}:{kind}}}"


class Place(NamedTuple):
    """Where the rows of some sessions stand: conditions on rows of spans, each of which is under one, and on logs."""

    told: Told
    spans: list[str]
    starts: str
    ours: str | None
    """The facts of these sessions in our own table."""

    def facts(self, asked: Iterable[str]) -> str:
        """Their facts, as far as they are named in these texts, as a source of a query."""
        if self.ours is not None:
            return self.ours
        asked = list(asked)
        parts = [f"{self.told.of_spans(asked)} WHERE {condition}" for condition in self.spans]
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


def place_of(layout: Layout, values: Values, session_ids: Sequence[str], project: str | None) -> Place:
    """Where the rows of these sessions stand; with a project, of its sessions alone.

    A span belongs to the session that it names, else to that of its trace. Both can be looked up by an index as they
    stand here; the expression of the two together could not.
    """
    told = layout.told
    named = values.texts(session_ids)
    owned = None if project is None else values.text(project)
    traces = [session_id.replace("-", "") for session_id in session_ids if _UUID.fullmatch(session_id)]
    of_traces = values.texts(traces)
    if layout.is_migrated:
        facts = f"{layout.ours(FACTS_TABLE)} WHERE session IN {named}" + (
            "" if owned is None else f" AND project = {owned}"
        )
        first, last = (f"fromUnixTimestamp64Nano((SELECT {end}(start) FROM {facts}))" for end in ("min", "max"))
        spans = [
            (
                f"TraceId IN (SELECT trace FROM {facts}) AND Timestamp >= {first} "
                f"AND Timestamp <= {last} AND {SESSION} IN {named}"
            )
        ]
    else:
        by_items = ""
        if layout.has_items:
            items = values.texts([f"{names.SESSION_ID}={session_id}" for session_id in session_ids])
            by_items = f"hasAny(SpanAttributeItems, {items}) AND "
        spans = [f"{by_items}{_ATTRIBUTE} IN {named}"]
        if traces:
            spans.append(f"TraceId IN {of_traces} AND {_ATTRIBUTE} = ''")
    starts = f"(LogAttributes[{quoted(names.SESSION_ID)}] IN {named} OR TraceId IN {of_traces})"
    starts += f" AND {SESSION.replace('SpanAttributes[', 'LogAttributes[')} IN {named}"
    if owned is not None:
        spans = [f"{condition} AND {told.project_of_span} = {owned}" for condition in spans]
        starts += f" AND {told.project_of_start} = {owned}"
    return Place(told, spans, starts, f"(SELECT * FROM {facts})" if layout.is_migrated else None)
