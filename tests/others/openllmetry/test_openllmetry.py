"""OpenLLMetry: its spans and ours in one provider, each once, whichever is set up first."""

from __future__ import annotations

import pytest
from beside import ORDERS, Beside

THEIRS = """
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from traceloop.sdk import Traceloop
kept = InMemorySpanExporter()
Traceloop.init(app_name="theirs", exporter=kept, disable_batch=True, telemetry_enabled=False)
theirs = trace.get_tracer("theirs").start_as_current_span
def seen():
    return [
        (span.name, f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
        for span in kept.get_finished_spans()
    ]
"""


@pytest.mark.parametrize("order", ORDERS)
def test_nothing_is_lost_or_doubled(tmp_path, order):
    beside = Beside(tmp_path, THEIRS, order)
    beside.check()
    beside.linked()
    assert sum("gpt-4o-mini" in name or "Chat Completion" in name or "streaming" in name for name in beside.names) >= 2


@pytest.mark.parametrize("order", ORDERS)
def test_isolated(tmp_path, order):
    beside = Beside(tmp_path, THEIRS, order, "isolated=True")
    beside.check()
    ours = {record.span_id for record in beside.records if record.scope.startswith("agentops_otel")}
    assert ours
    assert not ours & {item[2] for item in beside.seen}
