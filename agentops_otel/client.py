"""Client: the one object that holds state; the functions of the package act on the default one."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from agentops_otel import pipeline, summary
from agentops_otel.configuration import Configuration, key_problem
from agentops_otel.engine import Registry
from agentops_otel.engine.runs import here, model_called
from agentops_otel.faults import Faults, guard
from agentops_otel.sessions import inheritance
from agentops_otel.sessions.decorators import Decorators
from agentops_otel.sessions.endings import Endings
from agentops_otel.sessions.figures import tags_of
from agentops_otel.sessions.identity import session_id_of, trace_id_of
from agentops_otel.sessions.processor import SESSION_KEY
from agentops_otel.sessions.seat import Seats
from agentops_otel.sessions.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentops_otel.delivery import Receiver
    from agentops_otel.engine import Recorder
    from agentops_otel.sessions.ground import Ground

logger = logging.getLogger("agentops_otel")

_SUMMARIES_KEPT = 5
_SIGNAL_SECONDS = 1.0


class Client:
    """Sessions of one process, and what they stand on.

    `init` sets it up; everything else does so by itself with the defaults if it comes first.
    `receivers` take the records instead of the store or endpoint that the configuration names.
    """

    def __init__(self, receivers: Sequence[Receiver] | None = None) -> None:
        self.receivers = receivers
        self.config = Configuration()
        self.faults = Faults()
        self.registry = Registry()
        self.endings = Endings(self._on_signal)
        self.inheritance = inheritance.Inheritance(lambda: self.current(quiet=True), self._joining, self.faults)
        self.decorators = Decorators(self._ready, lambda: self.current(quiet=True), self.open_session, self.faults)
        self.pipeline: pipeline.Pipeline | None = None
        self._ground: Ground | None = None
        self._recorder: Recorder | None = None
        self._seats = Seats()
        self.configured: dict[str, Any] = {}
        """What `configure()` was told: it holds for every `init()` that does not say otherwise."""
        self._assumed = False  # whether the configuration is not the program's own word
        self._sessions: dict[str, Session] = {}
        self._ended: list[Session] = []
        self._ended_count = 0
        self._warned: set[str] = set()
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._hooked = False

    # --- setting up ----------------------------------------------------------------------------------

    @guard("client")
    def init(
        self, config: Configuration, tags: Any = None, inherited_session_id: Any = None, *, assumed: bool = False
    ) -> Session | None:
        """Set up with this configuration, and start a session unless it says not to.

        Again with the same configuration it returns the session that runs. With another one it sets up anew while
        no session is open, or where the former was only `assumed`, for the program had not spoken yet.
        """
        with self._lock:
            config = self._usable(config)
            if self.pipeline is None:
                self._set_up(config)
            elif self._assumed and not assumed:
                self._take_over(config, inherited_session_id)
            elif config != self.config and not self._sessions:
                self.shut_down()
                self._set_up(config)
            elif config != self.config:
                self.warn_once(
                    "init",
                    "init() was called before with another configuration, which stays in force; "
                    "to change it, end all sessions first",
                )
            self._assumed = assumed
            if (running := self.current(quiet=True)) is not None:
                running.add_tags(tags)
                return running
            if not self.config.auto_start_session:
                if inherited_session_id is not None:
                    logger.warning("inherited_session_id has no effect with auto_start_session=False")
                return None
            told = inherited_session_id or inheritance.told_by(os.environ)
            return self.start_session(tags, told)

    def _usable(self, config: Configuration) -> Configuration:
        problem = key_problem(config.api_key) if config.api_key is not None else None
        if problem is None:
            return config
        self.warn_once("key", f"{problem}. It is not used: sessions are kept without it")
        return replace(config, api_key=None)

    def _take_over(self, config: Configuration, inherited: Any) -> None:
        """The program speaks for itself: what was begun for it goes on as it says, or ends where it wants another."""
        former = self.pipeline
        assert former is not None  # noqa: S101 - init() has looked
        former.processor.settle()
        if config != self.config:
            self.registry.uninstrument()
            self._set_up(config)
        wanted = config.auto_start_session and (inherited is None or self.session(inherited) is not None)
        assert self.pipeline is not None and self._ground is not None  # noqa: PT018, S101 - _set_up made them
        for session in self.sessions:
            pipeline.move(session, former, self.pipeline, self._ground, config)
            if not wanted and session.books.tally.end_time is None:
                self._sessions.pop(session.session_id)
                pipeline.withdraw(session, self.pipeline)
            elif not wanted:
                session.end_session(end_state_reason="the program starts its own sessions")
        if former is not self.pipeline:
            former.delivery.close(config.max_wait_time / 1000)

    def _set_up(self, config: Configuration) -> None:
        self.config = config = self._usable(config)
        if config.log_level is not None:
            logger.setLevel(config.log_level.upper() if isinstance(config.log_level, str) else config.log_level)
        built = self.pipeline = pipeline.build(config, self.faults, self._seats, self.receivers)
        self._ground = built.ground(config, self.faults, self._session_ended, here)
        self._recorder = built.recorder(config, self.faults, self._parent)
        built.processor.follow(model_called, self.registry, content=built.content)
        if config.instrument_llm_calls:
            self.registry.instrument(self._recorder, config.disabled_instrumentations)
        self.inheritance.install()
        if not self._hooked:
            self._hooked = True
            atexit.register(self._exit)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._after_fork, after_in_parent=self._forked)
        self.endings.listen()

    def configure(self, **settings: Any) -> None:
        """Change settings between sessions; what is not named stays as it is.

        Raises:
            ConfigurationError: no such setting, or a value of the wrong type.
        """
        with self._lock:
            if self._sessions:
                self.warn_once("configure", "configure() has no effect while a session is open: end it first")
                return
            told = {name: value for name, value in settings.items() if value is not None}
            checked = Configuration.read(**told)
            self.configured.update(told)
            base = self.config if self.pipeline is not None else Configuration.read()
            self.shut_down()
            self._set_up(replace(base, **{name: getattr(checked, name) for name in told}))

    def _ready(self) -> Ground:
        with self._lock:
            if self._ground is None:
                self.warn_once("ready", "agentops_otel was used before init(): it starts with its defaults")
                self._set_up(Configuration.read())
            assert self._ground is not None  # noqa: S101 - _set_up made it
            return self._ground

    # --- sessions ------------------------------------------------------------------------------------

    @guard("client")
    def start_session(
        self, tags: Any = None, inherited_session_id: Any = None, config: Configuration | None = None
    ) -> Session | None:
        """A new session, current from here on; None if `inherited_session_id` is no session id."""
        inherited = None
        if inherited_session_id is not None:
            try:
                inherited = session_id_of(inherited_session_id)
            except ValueError as error:
                logger.warning("no session was started: %s", error)
                return None
        session = self.open_session(tags, inherited=inherited, config=config)
        session.activate()
        return session

    def open_session(
        self,
        tags: Any = None,
        name: str | None = None,
        *,
        inherited: str | None = None,
        config: Configuration | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Session:
        """A new session that is not current anywhere yet; `environ` tells the span that an inherited one is below."""
        ground = self._ready()
        chosen = config or self.config
        chosen = chosen if name is None else replace(chosen, trace_name=name)
        parent = inheritance.parent_told_by(environ, trace_id_of(inherited)) if inherited else None
        session = Session(ground, chosen, self._tags(chosen.default_tags, tags), inherited, parent)
        self._sessions[session.session_id] = session
        if session.books.budget is not None and self._recorder is not None:
            self._recorder.ask = self._ask
        return session

    @guard("client", list)
    def _tags(self, *told: Any) -> list[str]:
        return [tag for tags in told for tag in tags_of(tags)]

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
        """An open session."""
        with suppress(ValueError):
            return self._sessions.get(session_id_of(session_id))
        return None

    @property
    def recorder(self) -> Recorder | None:
        """Where calls go; None before it is set up."""
        return self._recorder

    @property
    def sessions(self) -> list[Session]:
        """The open sessions."""
        return list(self._sessions.values())

    def _parent(self, current: Any = None) -> Any:
        """Where a call starts: in the run that its context carries, or in the only session there is."""
        current = otel_context.get_current() if current is None else current
        if (run := here(current)) is not None:
            return run
        books: Any = current.get(SESSION_KEY)
        if (books is None or not books.is_open) and len(self._sessions) == 1:
            return next(iter(self._sessions.values())).parent()
        return None

    def _ask(self) -> None:
        """Whether a model call may begin here: the word of the session's budget, if it has one."""
        try:
            session = self.current(quiet=True)
            budget = None if session is None else session.books.budget
            reason = None if budget is None else budget.begin()
        except Exception as error:
            self.faults.note("client.ask", error)
            return
        if session is not None and budget is not None and reason is not None:
            budget.tell(session, reason)

    def _session_ended(self, session: Session) -> None:
        self._sessions.pop(session.session_id, None)
        if session.config.log_summary and not session.inherited:
            self._ended_count += 1
            if len(self._ended) < _SUMMARIES_KEPT:
                self._ended.append(session)

    # --- other processes -----------------------------------------------------------------------------

    def _joining(self, session: Session) -> inheritance.Joining:
        plain = {name: value for name, value in asdict(self.config).items() if isinstance(value, (str, int, Decimal))}
        return inheritance.Joining(join, session.env(), plain)

    def _forked(self) -> None:
        """In the parent of a forked child: the child may contribute to what is open."""
        for session in self.sessions:
            session.shared = True

    @guard("client")
    def _after_fork(self) -> None:
        """In a forked child: go on with the sessions as their guest, on threads and locks of its own."""
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._ended.clear()
        self._ended_count = 0
        if self.pipeline is None:
            return
        self.pipeline.processor.after_fork()
        self.pipeline.delivery.after_fork()
        for session in self.sessions:
            session.after_fork()
        self.follow_multiprocessing()

    def follow_multiprocessing(self) -> None:
        """In a child: its processes leave through os._exit, but run finalizers before that."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.register_after_fork(self, Client._finish_with_process)

    def _finish_with_process(self) -> None:
        self.endings.leave_signals()
        util: Any = sys.modules["multiprocessing.util"]
        util.Finalize(None, self._exit, exitpriority=100)

    # --- the end -------------------------------------------------------------------------------------

    @guard("client", bool)
    def flush(self, seconds: float | None = None) -> bool:
        """Deliver what waits; False if that took longer than `seconds` (`max_wait_time` by default)."""
        if self.pipeline is None:
            return True
        return self.pipeline.delivery.flush(self.config.max_wait_time / 1000 if seconds is None else seconds)

    def shut_down(self) -> bool:
        """Leave all libraries as they were, and deliver what waits; False if something still waits."""
        self.registry.uninstrument()
        self.inheritance.uninstall()
        self.endings.stop()
        built, self.pipeline, self._ground = self.pipeline, None, None
        self._seats.leave()
        return built is None or built.delivery.close(self.config.max_wait_time / 1000)

    def _end_all(self, end_state: str, reason: str) -> None:
        if self._recorder is not None and self.pipeline is not None:
            self._recorder.close()
            self.pipeline.processor.abandon()
        for session in self.sessions:
            if session.is_running:
                session.end_session(end_state, reason)

    @guard("client")
    def _on_signal(self, ending: tuple[str, str]) -> None:
        self._end_all(*ending)
        self.flush(min(_SIGNAL_SECONDS, self.config.max_wait_time / 1000))

    def _exit(self) -> None:
        try:
            self._end_all(*self.endings.at_exit())
            if (built := self.pipeline) is None:
                return
            built.delivery.close(self.config.max_wait_time / 1000)
            missed = self.config.log_summary and built.processor.outside
            if (self._ended or missed) and os.getpid() == self._process:
                more = self._ended_count - len(self._ended)
                told = summary.summary(self._ended, more, built, self.config.store, self.registry.blind())
                self._ended.clear()
                sys.stderr.write(told)
                sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # stderr is closed, or there is none
            return
        except Exception as error:
            self.faults.note("client.exit", error)

    @guard("client")
    def warn_once(self, about: str, message: str) -> None:
        """Warn, the first time only."""
        if about not in self._warned:
            self._warned.add(about)
            logger.warning("%s", message)


def join(environ: dict[str, str], settings: dict[str, Any]) -> inheritance.Joining:
    """Join a session of another process, unless this process has done so."""
    try:
        told = inheritance.told_by(environ)
        if told is not None and default.session(told) is None:
            os.environ.update(environ)
            default.init(Configuration(**settings), inherited_session_id=told)
            default.follow_multiprocessing()
    except Exception as error:
        default.faults.note("client.join", error)
    return inheritance.Joining(join, environ, settings)


default = Client()

__all__ = ["Client", "default", "join"]
