"""ClickHouse: the tables that the OpenTelemetry Collector writes, read as a store."""

from agentops_otel.store.clickhouse.store import ClickHouseStore

__all__ = ["ClickHouseStore"]
