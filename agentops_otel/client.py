"""Client: the one object that holds state; the functions of the package act on the default one."""

from __future__ import annotations

import atexit
import logging
import shlex
import shutil
import sys
import threading
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from agentops_otel import pipeline
from agentops_otel.configuration import Configuration, ConfigurationError, key_problem
from agentops_otel.conventions import names
from agentops_otel.engine import Recorder, Registry
from agentops_otel.engine.metrics import Metrics
from agentops_otel.faults import Faults
from agentops_otel.sessions.identity import session_id_of
from agentops_otel.sessions.processor import SESSION_KEY
from agentops_otel.sessions.session import Ground, Session, duration_text, tags_of
from agentops_otel.store.paths import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.delivery import Receiver

logger = logging.getLogger("agentops_otel")

_SUMMARIES_KEPT = 5


class Client:
    """Sessions of one process, and what they stand on.

    `init` sets it up; everything else does so by itself with the defaults if it comes first.
    """

    def __init__(self, receivers: Sequence[Receiver] | None = None) -> None:
        """`receivers` take the records instead of the store or endpoint that the configuration names."""
        self.receivers = receivers
        self.config = Configuration()
        self.faults = Faults()
        self.registry = Registry()
        self.pipeline: pipeline.Pipeline | None = None
        self._ground: Ground | None = None
        self._recorder: Recorder | None = None
        self._sessions: dict[str, Session] = {}
        self._ended: list[Session] = []
        self._ended_count = 0
        self._warned: set[str] = set()
        self._lock = threading.RLock()
        self._at_exit = False

    # --- setting up ----------------------------------------------------------------------------------

    def init(self, config: Configuration, tags: Any = None, inherited_session_id: Any = None) -> Session | None:
        """Set up with this configuration, and start a session unless it says not to.

        Again with the same configuration it returns the session that runs.
        """
        with self._lock:
            if self.pipeline is not None:
                if config != self.config:
                    self.warn_once(
                        "init", "init() was called before with another configuration, which stays in force; "
                        "to change it, end all sessions and call configure()"
                    )
                running = self.current(quiet=True)
                if running is not None:
                    running.add_tags(tags_of(tags))
                    return running
            else:
                self._set_up(config)
            if not self.config.auto_start_session:
                if inherited_session_id is not None:
                    logger.warning("inherited_session_id has no effect with auto_start_session=False")
                return None
            return self.start_session(tags, inherited_session_id)

    def _set_up(self, config: Configuration) -> None:
        if config.api_key is not None:
            problem = key_problem(config.api_key)
            if problem is not None:
                logger.warning("%s. It is not used: sessions are kept without it", problem)
                config = replace(config, api_key=None)
        self.config = config
        built = pipeline.build(config, self.faults, self.receivers)
        self.pipeline = built
        content = config.content_captured(built.endpoint)
        if built.endpoint is not None and not content:
            logger.info("messages are not captured for %s; capture_content=True sends them", built.endpoint)
        self._ground = Ground(
            built.tracer, built.processor, self.faults, built.ids, content, self._session_ended
        )
        self._recorder = Recorder(
            built.tracer,
            self.faults,
            parent=self._parent,
            content=content,
            metrics=Metrics(pipeline.SCOPE, pipeline.package_version()) if Metrics.wanted() or config.metrics else None,
            enrich=built.processor.enrich_now,
        )
        if config.instrument_llm_calls:
            self.registry.instrument(self._recorder, config.disabled_instrumentations)
        if not self._at_exit:
            self._at_exit = True
            atexit.register(self._exit)

    def configure(self, **settings: Any) -> None:
        """Change settings between sessions.

        Raises:
            ConfigurationError: no such setting, or a value of the wrong type.
        """
        with self._lock:
            if self._sessions:
                self.warn_once("configure", "configure() has no effect while a session is open: end it first")
                return
            told = {name: value for name, value in settings.items() if value is not None}
            config = replace(Configuration.read(**told))
            if self.pipeline is None:
                self._set_up(config)
                return
            self.shut_down()
            self._set_up(config)

    def _ready(self) -> Ground:
        with self._lock:
            if self._ground is None:
                logger.warning("agentops_otel was used before init(): it starts with its defaults")
                self._set_up(Configuration.read())
            assert self._ground is not None  # noqa: S101 - _set_up made it
            return self._ground

    # --- sessions ------------------------------------------------------------------------------------

    def start_session(
        self, tags: Any = None, inherited_session_id: Any = None, config: Configuration | None = None
    ) -> Session | None:
        """A new session, current from here on; None if `inherited_session_id` is no session id."""
        ground = self._ready()
        inherited = None
        if inherited_session_id is not None:
            try:
                inherited = session_id_of(inherited_session_id)
            except ValueError as error:
                logger.warning("no session was started: %s", error)
                return None
        chosen = config or self.config
        session = Session(ground, chosen, [*tags_of(chosen.default_tags), *tags_of(tags)], inherited)
        self._sessions[session.session_id] = session
        session.activate()
        return session

    def current(self, *, quiet: bool = False, doing: str = "this") -> Session | None:
        """The session of the calling context, else the only one that is open."""
        books: Any = otel_context.get_value(SESSION_KEY)
        if books is not None and books.is_open and books.session_id in self._sessions:
            return self._sessions[books.session_id]
        sessions = list(self._sessions.values())
        if len(sessions) == 1:
            return sessions[0]
        if not quiet:
            if sessions:
                self.warn_once(
                    f"many.{doing}",
                    f"{doing} did nothing: {len(sessions)} sessions are open and none of them is current here; "
                    "call it on the session",
                )
            else:
                self.warn_once(f"none.{doing}", f"{doing} did nothing: no session is open; start one with init()")
        return None

    def session(self, session_id: Any) -> Session | None:
        """An open session by its id."""
        try:
            return self._sessions.get(session_id_of(session_id))
        except ValueError:
            return None

    @property
    def sessions(self) -> list[Session]:
        """The open sessions."""
        return list(self._sessions.values())

    def _parent(self) -> Any:
        """Where a call starts that was made in a context of no session: in the only session there is."""
        if otel_context.get_value(SESSION_KEY) is None and len(self._sessions) == 1:
            return next(iter(self._sessions.values())).parent()
        return None

    def _session_ended(self, session: Session) -> None:
        self._sessions.pop(session.session_id, None)
        if session.config.log_summary:
            self._ended_count += 1
            if len(self._ended) < _SUMMARIES_KEPT:
                self._ended.append(session)

    # --- the end -------------------------------------------------------------------------------------

    def flush(self, seconds: float | None = None) -> bool:
        """Deliver what waits; False if that took longer than `seconds` (`max_wait_time` by default)."""
        if self.pipeline is None:
            return True
        return self.pipeline.delivery.flush(self.config.max_wait_time / 1000 if seconds is None else seconds)

    def shut_down(self) -> bool:
        """Leave all libraries as they were, and deliver what waits; False if something still waits."""
        self.registry.uninstrument()
        built, self.pipeline, self._ground = self.pipeline, None, None
        return built is None or built.delivery.close(self.config.max_wait_time / 1000)

    def _exit(self) -> None:
        try:
            if self._recorder is not None:
                for stream in list(self._recorder.open_streams):
                    stream.closed()
            for session in self.sessions:
                session.end_session(names.INDETERMINATE, "process exited without end_session")
            built = self.pipeline
            if built is not None:
                built.delivery.close(self.config.max_wait_time / 1000)
            self._summarise()
        except Exception as error:
            self.faults.note("client.exit", error)

    def _summarise(self) -> None:
        """The classic line for each session, then where to look. Only what can be opened is named."""
        built = self.pipeline
        if not self._ended or built is None:
            return
        lines = [summary_line(session) for session in self._ended]
        if self._ended_count > len(self._ended):
            lines.append(f"... and {self._ended_count - len(self._ended)} more sessions")
        lost = built.processor.made - built.delivery.delivered
        if lost:
            lines.append(f"{lost} spans did not reach {built.endpoint or 'the local store'}")
        elif built.endpoint is not None:
            lines.append(f"Sent to {built.endpoint}")
        else:
            which = self._ended[0].session_id[:8] if self._ended_count == 1 else None
            lines.append(f"Look at it: {command(self.config.store, 'show' if which else 'ls', which)}")
        try:
            sys.stderr.write("".join(f"{line}\n" for line in lines))
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # stderr is closed, or there is none
            return

    def warn_once(self, about: str, message: str) -> None:
        """Warn, the first time only."""
        if about not in self._warned:
            self._warned.add(about)
            logger.warning("%s", message)


def summary_line(session: Session) -> str:
    """`Session Stats - Duration: 1.4s | Cost: $0.000195 | LLMs: 1 | Tools: 0 | Actions: 0 | Errors: 0`."""
    tally = session.books.tally
    unpriced = tally.total.unpriced_calls
    cost = tally.cost
    told = "unknown" if cost is None else f"${_dollars(cost)}"
    if unpriced:
        calls = "call" if unpriced == 1 else "calls"
        told += f" ({unpriced} {calls} without a known price)"
    return (
        f"Session Stats - Duration: {duration_text(session.duration)} | Cost: {told} | LLMs: {tally.llm_calls} | "
        f"Tools: {tally.tool_calls} | Actions: {tally.actions} | Errors: {tally.errors}"
    )


def _dollars(cost: Decimal) -> str:
    return f"{cost:.2f}" if not cost else f"{cost:.6f}"


def command(store: str | None, verb: str, session_id: str | None = None) -> str:
    """The command that opens a session, as it can be typed here and now, in another terminal too."""
    words = ["agentops-otel"] if shutil.which("agentops-otel") else [sys.executable, "-m", "agentops_otel"]
    words += ["sessions", verb]
    if session_id is not None:
        words.append(session_id)
    if store is not None:
        words += ["--store", str(resolve(store))]
    return shlex.join(words)


default = Client()

__all__ = ["Client", "ConfigurationError", "command", "default", "summary_line"]
