"""Configuration: what a client was told, in the order argument, AGENTOPS_*, OTEL_*, default."""

from __future__ import annotations

import json
import logging
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentops_otel.conventions import secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("agentops_otel")


def sdk_disabled() -> bool:
    """Whether the environment asks that nothing at all is recorded."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CONTENT_ON = frozenset({"span_only", "span_and_event", "true", "1"})
_CONTENT_OFF = frozenset({"no_content", "event_only", "false", "0"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


class ConfigurationError(ValueError):
    """A setting is wrong; the message says which, and what it may be."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Configuration:
    """The settings of a client, or of one session. Every field may be left out.

    `Configuration.read(**arguments)` fills what is left out from the environment.
    """

    api_key: str | None = field(default=None, repr=False)
    """Sent to the endpoint as X-Agentops-Api-Key; a UUID."""
    parent_key: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    """Where spans go: the base URL of an OTLP receiver. None: the local store."""
    exporter_endpoint: str | None = None
    """The same under its later name."""
    store: str | None = None
    """The file of the local store; None: in the user's data directory."""
    max_wait_time: int = 2_000
    """Milliseconds that the end of the process may wait for delivery."""
    max_queue_size: int = 20_000
    """Spans that may wait for delivery; what comes on top is dropped and counted."""
    max_queue_bytes: int = 64 * 1024 * 1024
    """Bytes that they may have; what comes on top loses its messages, but not its figures."""
    schedule_delay: int = 100
    """Milliseconds that spans gather before they are delivered."""
    max_export_batch_size: int = 512
    """Spans that are delivered at once."""
    max_spool_size: int = 256 * 1024 * 1024
    """Bytes on disk for what an endpoint has not taken yet, beside the store. 0: nothing is kept on disk."""
    max_spool_days: int = 7
    """Days after which that is given up."""
    default_tags: Sequence[str] = ()
    trace_name: str | None = None
    """The name of session spans."""
    instrument_llm_calls: bool = True
    auto_start_session: bool = True
    skip_auto_end_session: bool = False
    env_data_opt_out: bool = False
    exporter: Any = None
    """A SpanExporter of the program's own, to be used instead of the store or an endpoint."""
    processor: Any = None
    """A SpanProcessor of the program's own, to be added to the tracer provider."""
    log_level: str | int | None = None
    """The level of this package's logger."""
    log_summary: bool = True
    """Whether a line for each session is printed to stderr when the process ends."""
    capture_content: bool | None = None
    """Whether messages are captured. None: where they stay on this machine."""
    redact: Any = field(default=None, repr=False)
    """What is taken out of spans: `(name, value) -> value`, a compiled pattern, the name of a key, or several of these.

    Whatever has the shape of a secret is taken out in any case, unless this is False.
    """
    cost_aliases: bool = True
    """Whether costs are written under the names that Langfuse and Logfire read, too."""
    prices: Mapping[str, Any] = field(default_factory=dict)
    """Own prices by model, in USD for a million tokens: `{"my-model": {"input": 1, "output": 2}}`, 0 for free.

    In the environment the same as JSON, or the path of a file of JSON.
    """
    export: str = "sessions"
    """`sessions`: spans of sessions only. `all`: every span of the tracer provider."""
    disabled_instrumentations: Sequence[str] = ()
    isolated: bool = False
    """True: a tracer provider of our own, set nowhere, whatever the program uses."""
    metrics: bool | None = None
    max_cost: Decimal | None = None
    """USD that a session may cost: once it has, no further model call begins unnoticed. A number, or its text."""
    max_llm_calls: int | None = None
    """Model calls that a session may make; the next one is noticed before it begins."""
    on_exceed: Any = "warn"
    """What happens then: `warn` once, `raise` BudgetExceededError each time, or a function of session and reason."""
    log_session_replay_url: bool = True
    """Whether the summary says where to look."""
    app_url: str | None = None
    """Of no effect: there is no hosted application."""
    auto_init: bool | None = None
    """Of no effect: `init` is called, or everything else calls it."""
    fail_safe: bool | None = None
    """Of no effect: nothing of this package ever raises into the program."""

    def __repr__(self) -> str:
        told = (f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return secrets.scrub(f"{type(self).__name__}({', '.join(told)})")

    @classmethod
    def read(cls, **arguments: Any) -> Configuration:
        """The configuration from these arguments and the environment; an argument of None counts as left out.

        Raises:
            ConfigurationError: a value is of the wrong type.
        """
        known = {item.name for item in fields(cls)}
        unknown = set(arguments) - known
        if unknown:
            raise ConfigurationError(f"no such setting: {', '.join(sorted(unknown))}")
        told = {**_environment(), **{name: value for name, value in arguments.items() if value is not None}}
        return replace(cls(), **{name: _checked(name, value) for name, value in told.items()})

    @property
    def receiver(self) -> str | None:
        """The OTLP endpoint that was asked for by argument or AGENTOPS_*; None where it was not."""
        return self.exporter_endpoint or self.endpoint

    @property
    def project_id(self) -> str:
        """The project of the API key: a UUID that tells nothing of the key; "default" without one."""
        if not self.api_key:
            return "default"
        digest = sha256(b"agentops.project:" + self.api_key.encode()).digest()
        return (
            str(uuid.UUID(bytes=digest[:16], version=8))
            if hasattr(uuid, "uuid8")
            else str(uuid.UUID(bytes=digest[:16]))
        )

    def content_captured(self, endpoint: str | None) -> bool:
        """Whether messages are captured when spans go to `endpoint` (None: the local store)."""
        if self.capture_content is not None:
            return self.capture_content
        variable = os.environ.get(CONTENT_VARIABLE, "").strip().lower()
        if variable in _CONTENT_ON:
            return True
        if variable in _CONTENT_OFF:
            return False
        return endpoint is None or is_loopback(endpoint)


def is_loopback(endpoint: str) -> bool:
    """Whether this URL, or host:port, is on this machine."""
    host = endpoint.partition("://")[2] or endpoint
    host = host.partition("/")[0].rpartition("@")[2]
    name = host if host in _LOOPBACK else host.rpartition(":")[0] or host
    return name in _LOOPBACK or name.startswith("127.")


def key_problem(api_key: str) -> str | None:
    """Why this cannot be an API key; None if it can."""
    try:
        uuid.UUID(api_key)
    except (ValueError, AttributeError, TypeError):
        return "Invalid API key format: an API key is a UUID, like 01234567-89ab-cdef-0123-456789abcdef"
    return None


def _are_rules(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(callable(rule) or isinstance(rule, (str, re.Pattern)) for rule in value)
    return isinstance(value, (bool, str, re.Pattern)) or callable(value)


_VARIABLES = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "max_queue_size",
    "OTEL_BSP_SCHEDULE_DELAY": "schedule_delay",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "max_export_batch_size",
    "AGENTOPS_API_KEY": "api_key",
    "AGENTOPS_PARENT_KEY": "parent_key",
    "AGENTOPS_API_ENDPOINT": "endpoint",
    "AGENTOPS_EXPORTER_ENDPOINT": "exporter_endpoint",
    "AGENTOPS_STORE": "store",
    "AGENTOPS_MAX_WAIT_TIME": "max_wait_time",
    "AGENTOPS_MAX_QUEUE_SIZE": "max_queue_size",
    "AGENTOPS_MAX_QUEUE_BYTES": "max_queue_bytes",
    "AGENTOPS_MAX_SPOOL_SIZE": "max_spool_size",
    "AGENTOPS_MAX_SPOOL_DAYS": "max_spool_days",
    "AGENTOPS_REDACT": "redact",
    "AGENTOPS_DEFAULT_TAGS": "default_tags",
    "AGENTOPS_TRACE_NAME": "trace_name",
    "AGENTOPS_INSTRUMENT_LLM_CALLS": "instrument_llm_calls",
    "AGENTOPS_AUTO_START_SESSION": "auto_start_session",
    "AGENTOPS_SKIP_AUTO_END_SESSION": "skip_auto_end_session",
    "AGENTOPS_ENV_DATA_OPT_OUT": "env_data_opt_out",
    "AGENTOPS_LOG_LEVEL": "log_level",
    "AGENTOPS_LOGGING_LEVEL": "log_level",
    "AGENTOPS_LOG_SUMMARY": "log_summary",
    "AGENTOPS_LOG_SESSION_REPLAY_URL": "log_session_replay_url",
    "AGENTOPS_CAPTURE_CONTENT": "capture_content",
    "AGENTOPS_PRICES": "prices",
    "AGENTOPS_MAX_COST": "max_cost",
    "AGENTOPS_MAX_LLM_CALLS": "max_llm_calls",
    "AGENTOPS_ON_EXCEED": "on_exceed",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "disabled_instrumentations",
}
_FLAGS = frozenset(item.name for item in fields(Configuration) if "bool" in str(item.type))
_NUMBERS = frozenset(item.name for item in fields(Configuration) if str(item.type).startswith("int"))
_LISTS = frozenset({"default_tags", "disabled_instrumentations", "redact"})


def _environment() -> dict[str, Any]:
    found = {}
    for variable, name in _VARIABLES.items():
        value = os.environ.get(variable, "").strip()
        if value:
            try:
                found[name] = _parsed(variable, name, value)
            except ConfigurationError as error:
                if not variable.startswith("OTEL_"):
                    raise
                logger.warning("%s; it is ignored", error)  # as OpenTelemetry's specification has it
    return found


def _parsed(variable: str, name: str, value: str) -> Any:
    if name in _FLAGS:
        return value.lower() in {"1", "true", "yes", "on"}
    if name in _NUMBERS:
        if not value.isdecimal():
            raise ConfigurationError(f"{variable} is a whole number, not {value!r}")
        return int(value)
    if name == "prices":
        return _prices(variable, value)
    if name in _LISTS:
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


def _prices(variable: str, told: str) -> Any:
    try:
        return json.loads(told if told.startswith("{") else Path(told).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError) as error:
        wanted = "a JSON object of prices by model, or the path of a file with one"
        raise ConfigurationError(f"{variable} is {wanted}: {error}") from error


def _checked(name: str, value: Any) -> Any:
    if name in _FLAGS and not isinstance(value, bool):
        raise ConfigurationError(f"{name} is True or False, not {value!r}")
    if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ConfigurationError(f"{name} is a whole number, not {value!r}")
    if name == "redact" and not _are_rules(value):
        raise ConfigurationError(
            "redact is a function of name and value, a compiled pattern, a key, or a list of these"
        )
    if name == "prices" and not isinstance(value, Mapping):
        raise ConfigurationError(f"prices are by model, as {{'my-model': {{'input': 1, 'output': 2}}}}, not {value!r}")
    if name == "export" and value not in {"sessions", "all"}:
        raise ConfigurationError(f'export is "sessions" or "all", not {value!r}')
    if name == "on_exceed" and value not in {"warn", "raise"} and not callable(value):
        raise ConfigurationError(f'on_exceed is "warn", "raise" or a function, not {value!r}')
    if name == "max_cost":
        return _dollars(value)
    if name == "store" and isinstance(value, str) and "://" in value:
        raise ConfigurationError(
            f"store is a file, not {value.partition('://')[0]}://...: a program sends to a collector (endpoint=...), "
            "and `agentops-otel serve --store` reads what that wrote"
        )
    if name in {"endpoint", "exporter_endpoint", "store", "trace_name"}:
        return os.fspath(value)
    return value


def _dollars(value: Any) -> Decimal:
    wrong = ConfigurationError(f"max_cost is a number of US dollars, not {value!r}")
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise wrong
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise wrong from None
    if not found.is_finite() or found < 0:
        raise wrong
    return found
