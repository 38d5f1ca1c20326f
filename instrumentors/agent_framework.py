"""Microsoft's Agent Framework: its own spans of agents, workflows and tools; clients tell of the model calls.

What was said to agents and tools is in them where the program has switched that on (`ENABLE_SENSITIVE_DATA`); what
models were asked and answered is in the spans of the clients.
"""

from __future__ import annotations

from agentops_otel.conventions import names
from agentops_otel.engine import Instrumentor


class AgentFrameworkInstrumentor(Instrumentor):
    """agent-framework-core: adopts the spans that it makes itself, which go to the tracer provider of the process."""

    library = "agent_framework"
    distribution = "agent-framework-core"
    requires = ">=1.23,<2"
    emits = (frozenset({"agent", "framework"}),)
    adopts = (names.CHAT, names.EXECUTE_TOOL, names.INVOKE_AGENT, names.INVOKE_WORKFLOW)
