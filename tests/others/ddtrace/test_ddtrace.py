"""Datadog's tracer: its spans and ours, each once and apart, whichever is set up first."""

from __future__ import annotations

import pytest
from beside import ORDERS, Beside

THEIRS = """
import ddtrace
from ddtrace.trace import TraceFilter, tracer

kept = []

class Keep(TraceFilter):
    def process_trace(self, trace):
        kept.extend(trace)
        return None

tracer.configure(trace_processors=[Keep()])
ddtrace.patch(openai=True)
if OTEL:
    from ddtrace.opentelemetry import TracerProvider
    from opentelemetry import trace
    trace.set_tracer_provider(TracerProvider())
theirs = tracer.trace

def seen():
    return [(span.name, f"{span.trace_id:032x}", f"{span.span_id:016x}") for span in kept]
"""


@pytest.mark.parametrize("settings", ["", "isolated=True"])
@pytest.mark.parametrize("otel", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_nothing_is_lost_or_doubled(tmp_path, order, otel, settings):
    beside = Beside(
        tmp_path,
        THEIRS.replace("OTEL:", f"{otel}:"),
        order,
        settings,
        DD_TRACE_OTEL_ENABLED=str(otel).lower(),
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
    )
    beside.check()
