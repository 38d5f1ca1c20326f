"""StoreExporter: what an SDK exports is in the store."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from agentops_otel.accounting.record import record_of
from agentops_otel.store import StoreExporter
from agentops_otel.store.sqlite import SQLiteStore


def test_the_exporter_keeps_what_an_sdk_exports(store):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(StoreExporter(store)))
    with provider.get_tracer("mine", "1.0").start_as_current_span("work", attributes={"a": (1, 2)}) as made:
        made.add_event("seen", {"b": 2})
    (kept,) = store.spans(store.sessions()[0].session_id)
    sent = record_of(made)
    assert (kept.span_id, kept.name, kept.scope, kept.end_time) == (
        sent.span_id,
        "work",
        "mine",
        sent.end_time,
    )
    assert kept.attributes == {"a": [1, 2]}
    assert kept.events[0]["attributes"] == {"b": 2}
    assert kept.resource == dict(sent.resource)
    provider.shutdown()
    assert StoreExporter(store).export([made]) is SpanExportResult.SUCCESS


def test_the_exporter_never_raises(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    exporter = StoreExporter(SQLiteStore(tmp_path / "file" / "sessions.db"))
    with TracerProvider().get_tracer("mine").start_as_current_span("work") as made:
        pass
    assert exporter.export([made]) is SpanExportResult.FAILURE
    assert exporter.export([made]) is SpanExportResult.FAILURE
    assert len(caplog.records) == 1
    exporter = StoreExporter(SQLiteStore(tmp_path / "sessions.db"))
    assert exporter.export([object(), made]) is SpanExportResult.SUCCESS
    assert len(exporter.store.sessions()) == 1
    assert exporter.force_flush()
    exporter.shutdown()
    assert exporter.export([made]) is SpanExportResult.FAILURE
