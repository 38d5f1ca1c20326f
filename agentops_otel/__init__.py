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
    doctor,
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
    track_endpoint,
    track_tool,
    update_trace_metadata,
    workflow,
)
from agentops_otel.functions import with_langchain as __getattr__  # noqa: F401 - Python asks for it by this name
from agentops_otel.sessions.budget import BudgetExceededError
from agentops_otel.sessions.events import (
    ActionEvent,
    EndState,
    ErrorEvent,
    Event,
    EventType,
    LLMEvent,
    ToolEvent,
    TraceState,
)
from agentops_otel.sessions.session import Session
from agentops_otel.validation import ValidationError, print_validation_summary, validate_trace_spans

__all__ = [
    "ActionEvent",
    "BudgetExceededError",
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
    "TraceState",
    "ValidationError",
    "add_tags",
    "agent",
    "configure",
    "create_agent",
    "doctor",
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
    "print_validation_summary",
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
    "track_endpoint",
    "track_tool",
    "update_trace_metadata",
    "validate_trace_spans",
    "workflow",
]
