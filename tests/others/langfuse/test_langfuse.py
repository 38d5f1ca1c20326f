"""Langfuse: its observations and our sessions, each once, whichever is set up first."""

from __future__ import annotations

import pytest
from beside import ORDERS, Beside

THEIRS = """
from langfuse import Langfuse
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
kept = InMemorySpanExporter()
langfuse = Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", span_exporter=kept)
def theirs(name):
    return langfuse.start_as_current_observation(name=name)
def seen():
    langfuse.flush()
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


@pytest.mark.parametrize("order", ORDERS)
def test_isolated(tmp_path, order):
    beside = Beside(tmp_path, THEIRS, order, "isolated=True")
    beside.check()
    ours = {record.span_id for record in beside.records if record.scope.startswith("agentops_otel")}
    assert ours
    assert not ours & {item[2] for item in beside.seen}
