"""Strands Agents: its own spans of agents, tools, graphs and swarms; clients tell of the model calls.

Strands' own span of a model call is kept only where no client tells of that call.
"""

from __future__ import annotations

from agentops_otel.conventions import names
from agentops_otel.engine import Instrumentor


class StrandsInstrumentor(Instrumentor):
    """strands-agents: adopts the spans that it makes itself, which go to the tracer provider of the process."""

    library = "strands"
    distribution = "strands-agents"
    requires = ">=1.62,<2"
    emits = (frozenset({"strands", "telemetry", "tracer"}),)
    asides = ("execute_event_loop_cycle",)
    adopts = (names.CHAT, names.EXECUTE_TOOL, names.INVOKE_AGENT, names.INVOKE_WORKFLOW)
