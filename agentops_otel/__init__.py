"""See what your agents did and what it cost: sessions on OpenTelemetry.

    import agentops_otel as agentops

    session = agentops.init(tags=["quickstart"])
    ...  # calls of openai, anthropic and others are captured by themselves
    cost = agentops.end_session("Success")  # "0.000195", in USD
"""

from __future__ import annotations

import logging as _logging
from typing import Any

from agentops_otel import client as _client
from agentops_otel.configuration import Configuration, ConfigurationError
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
    "configure",
    "end_all_sessions",
    "end_session",
    "flush",
    "get_analytics",
    "get_session",
    "init",
    "record",
    "set_tags",
    "start_session",
    "stop_instrumenting",
]

Client = _client.Client
_logger = _logging.getLogger("agentops_otel")


def init(
    api_key: str | None = None,
    parent_key: str | None = None,
    endpoint: str | None = None,
    max_wait_time: int | None = None,
    max_queue_size: int | None = None,
    tags: Any = None,
    default_tags: Any = None,
    instrument_llm_calls: bool | None = None,
    auto_start_session: bool | None = None,
    inherited_session_id: Any = None,
    skip_auto_end_session: bool | None = None,
    **settings: Any,
) -> Session | None:
    """Set up, and start a session unless `auto_start_session=False`; whatever is missing, it works.

    With no `endpoint` (nor AGENTOPS_API_ENDPOINT, nor OTEL_EXPORTER_OTLP_ENDPOINT) sessions are kept on this
    machine. `settings` are the other fields of `Configuration`; unknown ones are warned about and ignored.
    """
    told = dict(
        api_key=api_key,
        parent_key=parent_key,
        endpoint=endpoint,
        max_wait_time=max_wait_time,
        max_queue_size=max_queue_size,
        default_tags=default_tags,
        instrument_llm_calls=instrument_llm_calls,
        auto_start_session=auto_start_session,
        skip_auto_end_session=skip_auto_end_session,
        **settings,
    )
    return _client.default.init(_readable(told), tags, inherited_session_id)


def _readable(told: dict[str, Any]) -> Configuration:
    """The configuration as far as it can be read; what cannot is warned about."""
    try:
        return Configuration.read(**told)
    except ConfigurationError as error:
        _logger.warning("%s; it is ignored", error)
    sound = {}
    for name, value in told.items():
        try:
            Configuration.read(**{name: value})
        except ConfigurationError:
            continue
        sound[name] = value
    try:
        return Configuration.read(**sound)
    except ConfigurationError:  # the environment itself is wrong
        return Configuration()


def configure(**settings: Any) -> None:
    """Change settings; only between sessions."""
    try:
        _client.default.configure(**settings)
    except ConfigurationError as error:
        _logger.warning("%s; nothing was changed", error)


def start_session(
    tags: Any = None, inherited_session_id: Any = None, config: Configuration | None = None
) -> Session | None:
    """A new session, current from here on."""
    return _client.default.start_session(tags, inherited_session_id, config)


def end_session(
    end_state: Any,
    end_state_reason: str | None = None,
    video: str | None = None,
    is_auto_end: bool | None = False,
) -> str | None:
    """End the current session, and return its cost in USD as a str; see `Session.end_session`."""
    client = _client.default
    if is_auto_end and client.config.skip_auto_end_session:
        return None
    session = client.current(doing="end_session()")
    return None if session is None else session.end_session(end_state, end_state_reason, video)


def end_all_sessions() -> None:
    """End every open session as Indeterminate."""
    for session in _client.default.sessions:
        session.end_session()


def record(event: Event) -> None:
    """Record an event in the current session."""
    session = _client.default.current(doing="record()")
    if session is not None:
        session.record(event)


def add_tags(tags: Any) -> None:
    """Append tags to those of the current session."""
    session = _client.default.current(doing="add_tags()")
    if session is not None:
        session.add_tags(tags)


def set_tags(tags: Any) -> None:
    """Replace the tags of the current session."""
    session = _client.default.current(doing="set_tags()")
    if session is not None:
        session.set_tags(tags)


def get_session(session_id: Any) -> Session | None:
    """An open session by its id: str, UUID or hex."""
    return _client.default.session(session_id)


def get_analytics() -> dict[str, int | str] | None:
    """The figures of the current session so far."""
    session = _client.default.current(doing="get_analytics()")
    return None if session is None else session.get_analytics()


def flush(seconds: float | None = None) -> bool:
    """Deliver what waits to be delivered; False if that took longer than `seconds`."""
    return _client.default.flush(seconds)


def stop_instrumenting() -> None:
    """Leave all client libraries as they were."""
    _client.default.registry.uninstrument()
