"""The tables that the collector's clickhouse exporter makes, and records written into them as the exporter does."""

from __future__ import annotations

import atexit
import functools
import json
import math
import shutil
import tempfile
import threading
from pathlib import Path

from agentops_otel.conventions import names, plain
from agentops_otel.store.clickhouse.store import ClickHouseStore

try:
    import chdb  # noqa: F401
except ModuleNotFoundError:
    IS_HERE = False
else:
    IS_HERE = True

FORMS = ("newest", "bloom", "project")
"""The newest form with its text indexes; the one before it; one for many projects, which leads with theirs."""

_TEXT = (
    "INDEX i_trace TraceId TYPE text(tokenizer = 'array')",
    "INDEX i_key mapKeys(SpanAttributes) TYPE text(tokenizer = 'array')",
    "INDEX i_items SpanAttributeItems TYPE text(tokenizer = 'array')",
)
_BLOOM = (
    "INDEX i_trace TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
    "INDEX i_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1",
    "INDEX i_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1",
)
_MAP = "Map(LowCardinality(String), String) CODEC(ZSTD(1))"
_SPAN_COLUMNS = (
    ("Timestamp", "DateTime64(9) CODEC(Delta(8), ZSTD(1))"),
    *((name, "String CODEC(ZSTD(1))") for name in ("TraceId", "SpanId", "ParentSpanId", "TraceState")),
    *((name, "LowCardinality(String) CODEC(ZSTD(1))") for name in ("SpanName", "SpanKind", "ServiceName")),
    ("ResourceAttributes", _MAP),
    ("ScopeName", "String CODEC(ZSTD(1))"),
    ("ScopeVersion", "String CODEC(ZSTD(1))"),
    ("SpanAttributes", _MAP),
    ("Duration", "UInt64 CODEC(ZSTD(1))"),
    ("StatusCode", "LowCardinality(String) CODEC(ZSTD(1))"),
    ("StatusMessage", "String CODEC(ZSTD(1))"),
    (
        "Events",
        "Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String))",
    ),
    (
        "Links",
        "Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String))",
    ),
)
_LOG_COLUMNS = (
    ("Timestamp", "DateTime64(9) CODEC(Delta(8), ZSTD(1))"),
    ("TraceId", "String"),
    ("SpanId", "String"),
    ("TraceFlags", "UInt8"),
    ("SeverityText", "LowCardinality(String)"),
    ("SeverityNumber", "UInt8"),
    ("ServiceName", "LowCardinality(String)"),
    ("Body", "String"),
    ("ResourceSchemaUrl", "LowCardinality(String)"),
    ("ResourceAttributes", _MAP),
    ("ScopeSchemaUrl", "LowCardinality(String)"),
    ("ScopeName", "String"),
    ("ScopeVersion", "LowCardinality(String)"),
    ("ScopeAttributes", _MAP),
    ("LogAttributes", _MAP),
)


def make(command, database, form="newest", logs=True):
    """Make the tables of this form in a database."""
    columns = [f"{name} {kind}" for name, kind in _SPAN_COLUMNS]
    if form == "newest":
        pairs = "arrayMap(kv -> concat(kv.1, '=', kv.2), CAST({}, 'Array(Tuple(String, String))'))"
        columns += [f"SpanAttributeItems Array(String) ALIAS {pairs.format('SpanAttributes')}", *_TEXT]
    else:
        columns += _BLOOM
    key = "ServiceName, SpanName, toDateTime(Timestamp)"
    if form == "project":
        columns.append("project_id String MATERIALIZED ResourceAttributes['agentops.project.id']")
        key = "project_id, toDateTime(Timestamp)"
    command(f"CREATE DATABASE IF NOT EXISTS {database}")
    command(
        f"CREATE TABLE {database}.otel_traces ({', '.join(columns)}) ENGINE = MergeTree "
        f"PARTITION BY toDate(Timestamp) ORDER BY ({key}) SETTINGS ttl_only_drop_parts = 1"
    )
    if logs:
        columns = [f"{name} {kind}" for name, kind in _LOG_COLUMNS]
        if form == "newest":
            columns.append("EventName String")
        command(
            f"CREATE TABLE {database}.otel_logs ({', '.join(columns)}) ENGINE = MergeTree "
            "PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, Timestamp)"
        )


def text(value):
    """A value as the collector writes it into a map of texts; spans carry no lone surrogates."""
    if isinstance(value, str):
        return plain.text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        return repr(value).removesuffix(".0").replace("e-0", "e-")
    if isinstance(value, (list, tuple, dict)):
        return plain.text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))
    return str(value)


def _map(attributes):
    return {text(name): text(value) for name, value in attributes.items() if value is not None}


def _time(nanoseconds):
    return max(nanoseconds, 0)


def _span_row(record):
    end = record.start_time if record.end_time is None else record.end_time
    return [
        _time(record.start_time), record.trace_id, record.span_id, record.parent_id or "", "",
        text(record.name), record.kind.title(), text(record.resource.get("service.name", "")), _map(record.resource),
        text(record.scope), text(record.scope_version), _map(record.attributes), max(end - record.start_time, 0),
        record.status.title(), text(record.status_message or ""),
        [_time(event.get("timestamp") or 0) for event in record.events],
        [text(event.get("name", "")) for event in record.events],
        [_map(event.get("attributes") or {}) for event in record.events],
        [link["trace_id"] for link in record.links],
        [link["span_id"] for link in record.links],
        ["" for _ in record.links],
        [_map(link.get("attributes") or {}) for link in record.links],
    ]  # fmt: skip


_SPAN_NAMES = (
    *(name for name, _ in _SPAN_COLUMNS[:-2]),
    *("Events.Timestamp", "Events.Name", "Events.Attributes"),
    *("Links.TraceId", "Links.SpanId", "Links.TraceState", "Links.Attributes"),
)
_LOG_NAMES = (
    "Timestamp",
    "TraceId",
    "SpanId",
    "ServiceName",
    "ResourceAttributes",
    "ScopeName",
    "ScopeVersion",
    "LogAttributes",
)


def _log_row(record):
    attributes = {
        names.EVENT_NAME: names.SESSION_HEARTBEAT if record.is_heartbeat else names.SESSION_START,
        names.SESSION_START_TIME: record.start_time,
        **record.attributes,
    }
    return [
        _time(attributes.pop(names.SESSION_HEARD, record.start_time)), record.trace_id, record.span_id, text(record.resource.get("service.name", "")),
        _map(record.resource), text(record.scope), text(record.scope_version), _map(attributes),
    ]  # fmt: skip


def write(client, database, records):
    """Insert records as the exporter does: spans as spans, the start of a session as a log record."""
    spans = [_span_row(record) for record in records if record.end_time is not None]
    starts = [_log_row(record) for record in records if record.end_time is None]
    if spans:
        client.insert(f"{database}.otel_traces", spans, column_names=_SPAN_NAMES)
    if starts:
        client.insert(f"{database}.otel_logs", starts, column_names=_LOG_NAMES)


@functools.cache
def engine():
    """The engine of this process, which can have but one."""
    return Engine()


class Engine:
    """ClickHouse's engine, with a database for whoever asks."""

    def __init__(self):
        from clickhouse_connect import get_client  # noqa: PLC0415 - only where it is

        folder = tempfile.mkdtemp(prefix="clickhouse-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.path = str(Path(folder) / "engine")
        self._get = get_client
        self.client = self.connect()
        self._count = 0
        self._lock = threading.Lock()

    def connect(self, database=None):
        # Small tables and many questions: threads and compilers would cost more than they bring.
        settings = {"max_threads": 1, "compile_expressions": 0, "compile_aggregate_expressions": 0}
        return self._get(dsn=f"chdb://{self.path}", database=database, settings=settings)

    def database(self, form="newest", logs=True):
        with self._lock:
            self._count += 1
            name = f"otel_{self._count}"
        make(self.client.command, name, form, logs)
        return name


class CollectedStore(ClickHouseStore):
    """A ClickHouse store, and the collector that writes for it: `insert` takes the way of a collector."""

    def __init__(self, engine, database):
        self._engine = engine
        self.name = database
        super().__init__(f"clickhouse://test/{database}", lambda: engine.connect(database))

    def insert(self, records):
        write(self._engine.client, self.name, records)
