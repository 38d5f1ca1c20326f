"""See what your agents did and what it cost: sessions on OpenTelemetry.

import agentops_otel as agentops

session = agentops.init(tags=["quickstart"])
...  # calls of openai, anthropic and others are captured by themselves
cost = agentops.end_session("Success")  # "0.000195", in USD
"""

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration, ConfigurationError
from agentops_otel.functions import (
    add_tags,
    agent,
    configure,
    create_agent,
    end_all_sessions,
    end_session,
    end_trace,
    flush,
    get_analytics,
    get_api_key,
    get_session,
    guardrail,
    init,
    operation,
    record,
    record_action,
    record_function,
    record_tool,
    session,
    set_api_key,
    set_parent_key,
    set_tags,
    start_session,
    start_trace,
    stop_instrumenting,
    task,
    tool,
    trace,
    track_agent,
    update_trace_metadata,
    workflow,
)
from agentops_otel.sessions.events import (
    ActionEvent,
    EndState,
    ErrorEvent,
    Event,
    EventType,
    LLMEvent,
    ToolEvent,
)
from agentops_otel.sessions.session import Session

__all__ = [
    "ActionEvent",
    "Client",
    "Configuration",
    "ConfigurationError",
    "EndState",
    "ErrorEvent",
    "Event",
    "EventType",
    "LLMEvent",
    "Session",
    "ToolEvent",
    "add_tags",
    "agent",
    "configure",
    "create_agent",
    "end_all_sessions",
    "end_session",
    "end_trace",
    "flush",
    "get_analytics",
    "get_api_key",
    "get_session",
    "guardrail",
    "init",
    "operation",
    "record",
    "record_action",
    "record_function",
    "record_tool",
    "session",
    "set_api_key",
    "set_parent_key",
    "set_tags",
    "start_session",
    "start_trace",
    "stop_instrumenting",
    "task",
    "tool",
    "trace",
    "track_agent",
    "update_trace_metadata",
    "workflow",
]
