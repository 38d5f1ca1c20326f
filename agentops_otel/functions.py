"""The functions of the package: each acts on the default client, and on the session that is current."""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from agentops_otel.client import default as client
from agentops_otel.configuration import Configuration, ConfigurationError
from agentops_otel.conventions import names
from agentops_otel.diagnosis import Diagnosis, diagnose
from agentops_otel.sessions.typed import decorator

if TYPE_CHECKING:
    from agentops_otel.sessions.events import Event
    from agentops_otel.sessions.session import Session

logger = logging.getLogger("agentops_otel")


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
    told = {
        "api_key": api_key,
        "parent_key": parent_key,
        "endpoint": endpoint,
        "max_wait_time": max_wait_time,
        "max_queue_size": max_queue_size,
        "default_tags": default_tags,
        "instrument_llm_calls": instrument_llm_calls,
        "auto_start_session": auto_start_session,
        "skip_auto_end_session": skip_auto_end_session,
        **settings,
    }
    said = {name: value for name, value in told.items() if value is not None}
    return client.init(readable({**client.configured, **said}), tags, inherited_session_id)


def readable(told: dict[str, Any]) -> Configuration:
    """The configuration as far as it can be read; what cannot is warned about."""
    try:
        return Configuration.read(**told)
    except ConfigurationError as error:
        logger.warning("%s; it is ignored", error)
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
        client.configure(**settings)
    except ConfigurationError as error:
        logger.warning("%s; nothing was changed", error)


def start_session(
    tags: Any = None, inherited_session_id: Any = None, config: Configuration | None = None
) -> Session | None:
    """A new session, current from here on."""
    return client.start_session(tags, inherited_session_id, config)


def end_session(
    end_state: Any,
    end_state_reason: str | None = None,
    video: str | None = None,
    is_auto_end: bool | None = False,
    *,
    for_all: bool = False,
) -> str | None:
    """End the current session, and return its cost in USD as a str; see `Session.end_session`."""
    if is_auto_end and client.config.skip_auto_end_session:
        return None
    session = client.current(doing="end_session()")
    return None if session is None else session.end_session(end_state, end_state_reason, video, for_all=for_all)


def end_all_sessions() -> None:
    """End every open session as Indeterminate."""
    for session in client.sessions:
        session.end_session()


def record(event: Event) -> None:
    """Record an event in the current session."""
    session = client.current(doing="record()")
    if session is not None:
        session.record(event)


def add_tags(tags: Any) -> None:
    """Append tags to those of the current session."""
    session = client.current(doing="add_tags()")
    if session is not None:
        session.add_tags(tags)


def set_tags(tags: Any) -> None:
    """Replace the tags of the current session."""
    session = client.current(doing="set_tags()")
    if session is not None:
        session.set_tags(tags)


def get_session(session_id: Any = None) -> Session | None:
    """An open session by its id: str, UUID or hex; without one, the current session."""
    return client.current(quiet=True) if session_id is None else client.session(session_id)


def get_analytics(detailed: bool = False) -> dict[str, Any] | None:
    """The figures of the current session so far; see `Session.get_analytics`."""
    session = client.current(doing="get_analytics()")
    return None if session is None else session.get_analytics(detailed)


def create_agent(name: str, agent_id: Any = None) -> str | None:
    """An id for an agent of the current session, to be given to events as `agent_id`."""
    session = client.current(doing="create_agent()")
    return None if session is None else session.create_agent(name, agent_id)


def get_api_key() -> str | None:
    """The API key in use."""
    return client.config.api_key


def set_api_key(key: str) -> None:
    """Use this API key from the next session on."""
    configure(api_key=key)


def set_parent_key(key: str) -> None:
    """Use this parent key from the next session on."""
    configure(parent_key=key)


# --- decorators ------------------------------------------------------------------------------------------


@decorator
def session(target: Any = None, *, name: str | None = None, tags: Any = None) -> Any:
    """Run the decorated function in a session of its own: `Success` if it returns, `Failure` if it raises."""
    return client.decorators.made(names.KIND_SESSION, target, name=name, tags=tags)


@decorator
def agent(target: Any = None, *, name: str | None = None, **settings: Any) -> Any:
    """The decorated function, or class, is an agent."""
    return client.decorators.made(names.KIND_AGENT, target, name=name, **settings)


@decorator
def workflow(target: Any = None, *, name: str | None = None, **settings: Any) -> Any:
    """The decorated function, or class, is a workflow."""
    return client.decorators.made(names.KIND_WORKFLOW, target, name=name, **settings)


@decorator
def task(target: Any = None, *, name: str | None = None, **settings: Any) -> Any:
    """The decorated function, or class, is a task."""
    return client.decorators.made(names.KIND_TASK, target, name=name, **settings)


@decorator
def operation(target: Any = None, *, name: str | None = None, **settings: Any) -> Any:
    """The decorated function, or class, is an operation."""
    return client.decorators.made(names.KIND_OPERATION, target, name=name, **settings)


@decorator
def tool(target: Any = None, *, name: str | None = None, cost: float | None = None, **settings: Any) -> Any:
    """The decorated function, or class, is a tool; each use of it costs `cost` USD."""
    return client.decorators.made(names.KIND_TOOL, target, name=name, cost=cost, **settings)


@decorator
def guardrail(target: Any = None, *, name: str | None = None, **settings: Any) -> Any:
    """The decorated function, or class, is a check on what goes in or comes out."""
    return client.decorators.made(names.KIND_GUARDRAIL, target, name=name, **settings)


@decorator
def record_action(name: Any = None) -> Any:
    """Record each call of a function as an action: `@record_action("name")`."""
    return client.decorators.made(names.KIND_ACTION, name)


@decorator
def record_tool(name: Any = None) -> Any:
    """Record each call of a function as the use of a tool: `@record_tool("name")`."""
    return client.decorators.made(names.KIND_TOOL, name)


@decorator
def track_agent(name: Any = None) -> Any:
    """`@track_agent("name")`: instances of the class are agents; what their methods do carries their name."""
    return client.decorators.track_agent(name)


# --- traces: sessions under their later name -------------------------------------------------------------


def start_trace(trace_name: str = "session", tags: Any = None) -> Session:
    """Open a session with this name, current from here on; used with `with`, it ends with the block."""
    opened = client.open_session(tags, trace_name)
    opened.activate()
    return opened


def end_trace(trace_context: Session | None = None, end_state: Any = names.SUCCESS) -> None:
    """End this session; without one, every open session."""
    for opened in client.sessions if trace_context is None else [trace_context]:
        opened.end_session(end_state)


def update_trace_metadata(metadata: dict[str, Any], prefix: str = "trace.metadata") -> bool:
    """Put these values on the root of the current session, as attributes `prefix.name`; False if none is open."""
    opened = client.current(doing="update_trace_metadata()")
    if opened is None:
        return False
    return opened.set_metadata(metadata, prefix)


@decorator
def track_endpoint(target: Any = None, *, name: str | None = None, tags: Any = None) -> Any:
    """Run the decorated view of a web application in a session of its own, whichever session is open around it."""
    return client.decorators.made(names.KIND_SESSION, target, name=name, tags=tags)


trace = session
track_tool = tool
record_function = record_action


def flush(seconds: float | None = None) -> bool:
    """Deliver what waits to be delivered; False if that took longer than `seconds`."""
    return client.flush(seconds)


def stop_instrumenting() -> None:
    """Leave all client libraries as they were."""
    client.registry.uninstrument()


def doctor() -> Diagnosis:
    """What is captured here and what is not, library by library; `print(agentops_otel.doctor())` for people.

    It imports no library, changes nothing and never raises.
    """
    return diagnose(client)


# --- what is there only where LangChain is ---------------------------------------------------------------

_WITH_LANGCHAIN = frozenset({"AsyncLangchainCallbackHandler", "LangchainCallbackHandler"})


def with_langchain(name: str) -> Any:
    """LangChain's callbacks by their name in the package, imported when they are asked for.

    Raises:
        AttributeError: there is no such name, or LangChain is not installed.
    """
    if name not in _WITH_LANGCHAIN:
        raise AttributeError(f"module 'agentops_otel' has no attribute {name!r}")
    if find_spec("langchain_core") is None:
        raise AttributeError(f"agentops_otel.{name} needs LangChain: pip install langchain-core")
    return getattr(import_module("agentops_otel.langchain"), name)
