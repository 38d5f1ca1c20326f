"""What the tables of a database look like: the collector's, in the forms that they have had, and ours beside them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.store.base import StoreError
from agentops_otel.store.clickhouse.facts import NAMES, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentops_otel.store.clickhouse.database import Database

FACTS_TABLE: Final = "agentops_spans"
SESSIONS_TABLE: Final = "agentops_sessions"
VIEWS: Final = ("agentops_spans_of_traces", "agentops_spans_of_logs", "agentops_sessions_of_spans")
VERSION: Final = 2
COMPLETE: Final = f"agentops_otel {VERSION}: complete"
"""The comment of our table once all that was there before it is in it."""
FILLING: Final = f"agentops_otel {VERSION}: being filled"
_LOOK_SECONDS: Final = 30.0

SPAN_COLUMNS: Final = {
    "Timestamp": "DateTime64",
    "TraceId": "String",
    "SpanId": "String",
    "ParentSpanId": "String",
    "SpanName": "String",
    "SpanKind": "String",
    "ServiceName": "String",
    "ResourceAttributes": "Map",
    "ScopeName": "String",
    "ScopeVersion": "String",
    "SpanAttributes": "Map",
    "Duration": "Int64",
    "StatusCode": "String",
    "StatusMessage": "String",
    "Events.Timestamp": "Array",
    "Events.Name": "Array",
    "Events.Attributes": "Array",
    "Links.TraceId": "Array",
    "Links.SpanId": "Array",
    "Links.Attributes": "Array",
}
LOG_COLUMNS: Final = {
    "Timestamp": "DateTime64",
    "TraceId": "String",
    "SpanId": "String",
    "ServiceName": "String",
    "ResourceAttributes": "Map",
    "ScopeName": "String",
    "ScopeVersion": "String",
    "LogAttributes": "Map",
}
"""The columns that are read, and what stands in the name of their type."""


@dataclass(frozen=True)
class Layout:
    """The tables of a database as they were found."""

    told: Told
    database: str
    has_items: bool
    """The newest form of the exporter's table, with its index of attributes as `name=value`."""
    is_migrated: bool

    def ours(self, table: str) -> str:
        """The quoted name of a table of ours."""
        return f"`{self.database}`.`{table}`"

    def facts(self, asked: Iterable[str]) -> str:
        """The facts of all spans and starts, as far as they are named in these texts, as a source of a query."""
        if self.is_migrated:
            return self.ours(FACTS_TABLE)
        asked = list(asked)
        starts = self.told.of_starts(asked)
        return f"({self.told.of_spans(asked)}{'' if starts is None else f' UNION ALL {starts}'})"


class Looking:
    """Knows the layout of a database, and looks again now and then, for tables come and go."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: Layout | None = None
        self._latest = 0.0
        self._lock = threading.Lock()

    def layout(self) -> Layout:
        """The layout as it was lately.

        Raises:
            StoreError: the collector's tables are not there, or are not what can be read.
        """
        with self._lock:
            if self._found is None or time.monotonic() > self._latest:
                self._found = found(self._database)
                self._latest = time.monotonic() + _LOOK_SECONDS
            return self._found

    def forget(self) -> None:
        """Look again before the next answer."""
        self._found = None


def found(database: Database) -> Layout:
    """The layout of a database as it is.

    Raises:
        StoreError: the collector's tables cannot be read.
    """
    address = database.address
    columns = _columns(database, (address.traces, address.logs, FACTS_TABLE))
    spans = columns.get(address.traces)
    where = f"{address.database}.{address.traces}"
    if spans is None:
        raise StoreError(
            f"ClickHouse at {address.shown} has no table {where}: the collector's clickhouse exporter makes it "
            "(create_schema: true) when it first writes; or name another one with ?traces=TABLE"
        )
    _check(where, spans, SPAN_COLUMNS)
    logs = columns.get(address.logs)
    if logs is not None:
        _check(f"{address.database}.{address.logs}", logs, LOG_COLUMNS)
    project = next((name for name in ("project_id", "ProjectId") if "String" in spans.get(name, "")), None)
    told = Told(
        f"`{address.database}`.`{address.traces}`",
        None if logs is None else f"`{address.database}`.`{address.logs}`",
        has_event_name=logs is not None and "EventName" in logs,
        project=project,
        is_merge_tree=_is_merge_tree(database),
    )
    is_migrated = _is_migrated(database, columns.get(FACTS_TABLE))
    return Layout(told, address.database, "SpanAttributeItems" in spans, is_migrated)


def _columns(database: Database, tables: tuple[str, ...]) -> Mapping[str, dict[str, str]]:
    statement = (
        "SELECT table, name, type FROM system.columns "
        "WHERE database = {database:String} AND table IN {tables:Array(String)}"
    )
    values: dict[str, Any] = {"database": database.address.database, "tables": list(tables)}
    columns: dict[str, dict[str, str]] = {}
    for table, name, kind in database.rows(statement, values):
        columns.setdefault(table, {})[name] = kind
    return columns


def _check(table: str, columns: Mapping[str, str], needed: Mapping[str, str]) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        raise StoreError(
            f"the table {table} has no column {', '.join(missing)}: it is none of the collector's clickhouse exporter, "
            "or one of an older form. Let a current collector make it anew: rename this one "
            f"(RENAME TABLE {table} TO {table}_old), and start the collector with create_schema: true"
        )
    others = [f"{name} is {columns[name]}" for name, kind in needed.items() if kind not in columns[name]]
    if others:
        raise StoreError(
            f"the table {table} has columns of another kind ({'; '.join(others)}): attributes are read from maps, so "
            "set `json: false` in the collector's clickhouse exporter, and let it make the table anew "
            f"(RENAME TABLE {table} TO {table}_old)"
        )


def _is_merge_tree(database: Database) -> bool:
    """Whether the spans lie in a table itself, and not in a view of some."""
    statement = "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}"
    values = {"database": database.address.database, "table": database.address.traces}
    return any(str(engine).endswith("MergeTree") for (engine,) in database.rows(statement, values))


def _is_migrated(database: Database, columns: Mapping[str, str] | None) -> bool:
    if columns is None or not set(NAMES) <= set(columns):
        return False
    statement = (
        "SELECT name, comment FROM system.tables WHERE database = {database:String} AND name IN {tables:Array(String)}"
    )
    wanted = (FACTS_TABLE, SESSIONS_TABLE, VIEWS[0], VIEWS[2])
    rows = database.rows(statement, {"database": database.address.database, "tables": list(wanted)})
    comments = {str(name): str(comment) for name, comment in rows}
    return set(wanted) == set(comments) and comments[FACTS_TABLE] == COMPLETE
