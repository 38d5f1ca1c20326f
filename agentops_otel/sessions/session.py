"""Session: one run, one root span; what happens in it are the spans below."""

from __future__ import annotations

import logging
import math
import os
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from agentops_otel.accounting.tally import Tally, price_text
from agentops_otel.conventions import names, plain
from agentops_otel.faults import guard
from agentops_otel.sessions import around, events, inheritance
from agentops_otel.sessions.budget import Budget
from agentops_otel.sessions.figures import UNKNOWN, analytics, details, end_state_of, event_counts, tags_of
from agentops_otel.sessions.ground import TOLD, Ground
from agentops_otel.sessions.html import Analytics, session_html
from agentops_otel.sessions.identity import new_session_id, trace_id_of
from agentops_otel.sessions.processor import SESSION_KEY, Books
from agentops_otel.sessions.root import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

    from agentops_otel.configuration import Configuration
    from agentops_otel.faults import Faults

logger = logging.getLogger("agentops_otel")


class Session:
    """One run of an agent.

    Made by `init()` or `start_session()`. It is the current session of the context that started it; spans
    that start there, or in what is called from there, belong to it. Used with `with` or `async with` it is
    current within, and ends with the block: a block that raises ends it as `Failure`.

    `session_id` is a str in UUID form, and the trace id of all its spans. Times are ISO 8601 in UTC.
    """

    def __init__(
        self,
        ground: Ground,
        config: Configuration,
        tags: Iterable[str] = (),
        inherited_session_id: str | None = None,
        parent_span_id: int | None = None,
    ) -> None:
        self._ground = ground
        self.config = config
        self.inherited = self.shared = inherited_session_id is not None
        """Whether other processes may contribute: then figures are taken from the store."""
        guarded = self.faults.guarded
        self.session_id: str = inherited_session_id or guarded("session.id", lambda: str(uuid.uuid4()), new_session_id)
        self.project_id = config.project_id
        self.init_timestamp = guarded("session.time", str, events.timestamp)
        self.end_timestamp: str | None = None
        self.end_state: str = names.INDETERMINATE
        self.end_state_reason: str | None = None
        self.video: str | None = None
        self.is_running = True
        self._tags = list(tags)
        self._agents: dict[str, str] = {}
        self.final_tally: Tally | None = None
        """What was counted when it ended."""
        self._root = Root(ground, self.session_id, inherited=self.inherited, parent_span_id=parent_span_id)
        self._root.begin(config.trace_name, self._tags)
        self.session_id = self._root.session_id
        self._trace_id: int = guarded("session.trace", int, trace_id_of, self.session_id)
        self.books = Books(self.session_id, budget=guarded("session.budget", lambda: None, Budget.of, config))
        self.context = otel_context.set_value(SESSION_KEY, self.books, self._root.context)
        self._open_books()

    # --- beginning -----------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """Where our own faults are counted."""
        return self._ground.faults

    @guard("session")
    def _open_books(self, announce: bool = True) -> None:
        self._ground.processor.opened(self._trace_id, self.books, self._root.record() if announce else None)

    def move(self, ground: Ground, config: Configuration, *, announce: bool) -> None:
        """Go on upon another ground; `announce` it there, if that has not seen it begin."""
        self._ground, self.config, self.project_id = ground, config, config.project_id
        self.books.budget = self.faults.guarded("session.budget", lambda: None, Budget.of, config)
        if config.trace_name is not None:
            self.rename(config.trace_name)
        self._open_books(announce)

    def rename(self, name: str) -> None:
        """Give it another name, while it runs."""
        self._root.rename(name)

    def withdraw(self) -> None:
        """Let it never have been: nothing of it is kept."""
        self.is_running = False
        self._ground.processor.closed(self._trace_id)
        self.deactivate()

    @guard("session")
    def activate(self) -> None:
        """Make this the current session of the calling context."""
        around.enter(self)

    @guard("session")
    def deactivate(self) -> None:
        """Give the calling context back what was current before, if this session still is."""
        around.leave(self)

    def after_fork(self) -> None:
        """In a forked child: the session goes on, the parent ends it."""
        self.inherited = self.shared = True
        self._root.after_fork()

    # --- passing it on -------------------------------------------------------------------------------

    def _here(self) -> SpanContext:
        """The current span, if it is within this session; else its root."""
        return trace.get_current_span(self.parent()).get_span_context()

    @guard("session", dict)
    def env(self) -> dict[str, str]:
        """The environment variables by which another process joins; subprocesses get them by themselves."""
        self.shared = True
        return inheritance.environment(self.session_id, self._here())

    @guard("session", dict)
    def headers(self) -> dict[str, str]:
        """HTTP headers that carry the session: W3C `traceparent` and `baggage`, or what OTEL_PROPAGATORS names."""
        self.shared = True
        return inheritance.headers(self.session_id, self._here(), self._ground.faults)

    # --- during --------------------------------------------------------------------------------------

    @guard("session")
    def record(self, event: Any, flush_now: bool = False) -> None:
        """Record an ActionEvent, LLMEvent, ToolEvent or ErrorEvent as part of this session."""
        del flush_now
        if not self.is_running:
            logger.warning("record() came after the session %s ended: the event is not recorded", self.session_id)
            return
        try:
            written = events.write(event)
        except TypeError as error:
            logger.warning("%s", error)
            return
        if event.fault is not None:
            self.faults.note("events.init", event.fault)
        event.session_id = self.session_id
        agent_name = self._agents.get(str(event.agent_id))
        if agent_name is not None:
            written.attributes[names.AGENT_NAME] = agent_name
        if not self._ground.content:
            written.attributes = {name: told for name, told in written.attributes.items() if name not in TOLD}
        span = self._ground.tracer.start_span(
            written.name, context=self.parent(), attributes=written.attributes, start_time=written.start_time
        )
        if written.error is not None:
            span.set_status(Status(StatusCode.ERROR, written.error))
        span.end(written.end_time)

    def parent(self) -> Context:
        """The context in which a span of this session starts: the current one if it is within, else the root's."""
        current = self.faults.guarded("session.here", lambda: None, self._ground.here) or otel_context.get_current()
        within = trace.get_current_span(current).get_span_context().trace_id == self._trace_id
        return current if within else self.context

    @property
    def tags(self) -> list[str]:
        """The tags, in the order in which they came."""
        return list(self._tags)

    @tags.setter
    def tags(self, tags: Any) -> None:
        self.set_tags(tags)

    @guard("session")
    def add_tags(self, tags: Any) -> None:
        """Append tags; those that are there stay once."""
        self._retag(self._tags + tags_of(tags))

    @guard("session")
    def set_tags(self, tags: Any) -> None:
        """Replace all tags."""
        self._retag(tags_of(tags))

    def _retag(self, tags: list[str]) -> None:
        if not self.is_running:
            logger.warning("tags of the session %s stay as they are: it has ended", self.session_id)
            return
        self._tags = list(dict.fromkeys(tags))
        self._root.tell({names.TAGS: self._tags})

    @guard("session")
    def set_video(self, video: str) -> None:
        """Name a recording of the session: a URL, or a file, of which a copy is kept beside the store."""
        told = plain.described(video)
        keep = self._ground.keep_file
        if keep is not None and "://" not in told and os.path.isfile(told):  # noqa: PTH113 - any text may come
            told = keep(told, self.session_id)
        self.video = plain.text(told)
        self._root.tell({names.VIDEO_URL: self.video})

    @property
    @guard("session", dict)
    def host_env(self) -> dict[str, Any]:
        """Basic facts of the machine; {} with `env_data_opt_out`."""
        return {} if self.config.env_data_opt_out else self._ground.host()

    @property
    @guard("session")
    def session_url(self) -> str | None:
        """Where the session's page is, once the server has told it in an answer; None before, and without one."""
        return self._ground.url(self.session_id)

    @guard("session", bool)
    def set_metadata(self, metadata: dict[str, Any], prefix: str) -> bool:
        """Put values on the root span, under `prefix.name`; False if the session has ended or they are no dict."""
        if not self.is_running or not isinstance(metadata, dict):
            return False
        told = {
            f"{prefix}.{plain.described(name)}": value if isinstance(value, (bool, int, float)) else plain.told(value)
            for name, value in metadata.items()
        }
        self._root.tell(told)
        return True

    def create_agent(self, name: str, agent_id: Any = None) -> str:
        """An id for an agent, to be given to events as `agent_id`."""
        told = str(agent_id or uuid.uuid4())
        self._agents[told] = self.faults.guarded("session.agent", lambda: told, plain.described, name)
        return told

    def patch(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with this session current while it runs, whatever is current where it is called."""
        return inheritance.patched(function, self.parent)

    # --- figures -------------------------------------------------------------------------------------

    def _tally(self) -> Tally:
        """What is counted so far: here, or in the store where other processes take part."""
        told = self.faults.guarded("session.tally", lambda: None, self._counted)
        return self.books.tally if told is None else told

    def _counted(self) -> Tally | None:
        ground = self._ground
        ground.processor.settle()
        records = ground.stored(self.session_id) if self.shared and ground.stored is not None else None
        return None if records is None else Tally.of(records)

    @property
    def is_sampled(self) -> bool:
        """Whether its spans are recorded; nothing can be counted of a session that a sampler left out."""
        return self.inherited or self._root.is_sampled

    @property
    @guard("session")
    def token_cost(self) -> Decimal | None:
        """What the session has cost so far in USD, exact; None where not one call has a known price."""
        return self._tally().cost if self.is_sampled else None

    @property
    @guard("session", dict)
    def event_counts(self) -> dict[str, int]:
        """How many events of each kind were recorded, by the original's words."""
        return event_counts(self._tally())

    @guard("session", lambda: Analytics(UNKNOWN))
    def get_analytics(self, detailed: bool = False) -> dict[str, Any]:
        """The figures so far, of all processes of the session, in the documented words; the session goes on.

        `detailed` adds tokens by kind, figures by model, calls without a known price and latencies.
        """
        tally = self._tally()
        told = analytics(tally, self.duration, tally.cost if self.is_sampled else None)
        return Analytics(told | details(tally) if detailed else told)

    @property
    @guard("session", lambda: math.nan)
    def duration(self) -> float:
        """Seconds since it began; up to its end, if it has ended."""
        end = datetime.fromisoformat(self.end_timestamp) if self.end_timestamp else datetime.now(timezone.utc)
        return max((end - datetime.fromisoformat(self.init_timestamp)).total_seconds(), 0.0)

    # --- end -----------------------------------------------------------------------------------------

    def end_session(
        self,
        end_state: Any = names.INDETERMINATE,
        end_state_reason: str | None = None,
        video: str | None = None,
        *,
        for_all: bool = False,
    ) -> str | None:
        """End it, and return its cost in USD: `"0.000195"`; `"nan"` where not one call has a known price.

        `end_state` is Success, Failure (or Fail) or Indeterminate; with any other word the session stays
        open and None is returned, as for a session that has ended before. An inherited session is ended by
        the process that it was inherited from; here it only comes to its end for this process, unless
        `for_all` is set: then this end state holds, until the owner says Success or Failure itself.
        """
        state = self.faults.guarded("session.state", lambda: None, end_state_of, end_state)
        if state is None:
            logger.warning(
                "%r is no end state: use Success, Failure or Indeterminate. The session %s stays open",
                end_state,
                self.session_id,
            )
            return None
        if not self.is_running:
            logger.warning("the session %s has ended already, as %s", self.session_id, self.end_state)
            return None
        self.is_running = False
        if video is not None:
            self.set_video(video)
        self.end_state, self.end_state_reason = state, end_state_reason
        if self.inherited and for_all:
            self._end_for_all()
        self._close()
        self.deactivate()
        self.faults.guarded("session.on_end", lambda: None, self._ground.on_end, self)
        return self._price()

    @guard("session", lambda: "nan")
    def _price(self) -> str:
        tally = self.final_tally
        return price_text(tally.cost if tally is not None and self.is_sampled else None)

    @guard("session")
    def _end_for_all(self) -> None:
        attributes: dict[str, Any] = {names.SPAN_KIND: names.KIND_END, names.END_STATE: self.end_state}
        if self.end_state_reason is not None:
            attributes[names.END_STATE_REASON] = plain.text(str(self.end_state_reason))
        self._ground.tracer.start_span("end_session", context=self.context, attributes=attributes).end()

    @guard("session")
    def _close(self) -> None:
        self.final_tally = self._tally()
        self.end_timestamp = self.faults.guarded("session.time", lambda: None, events.timestamp)
        self._root.end(self.end_state, self.end_state_reason, self.final_tally)
        self._ground.processor.closed(self._trace_id)

    def failed(self, error: BaseException) -> None:
        """End it as Failure, for this reason."""
        reason = self.faults.guarded("session.reason", lambda: type(error).__name__, plain.reason, error)
        self.end_session(names.FAILURE, reason)

    def __enter__(self) -> Session:
        """Make it current within the block."""
        self.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        """End it with the block, unless the block has done so."""
        del trace_back
        if self.is_running:
            if error is None:
                self.end_session(names.SUCCESS)
            else:
                self.failed(error)
        self.deactivate()

    async def __aenter__(self) -> Session:
        """As `with`."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        """As `with`."""
        self.__exit__(kind, error, trace_back)

    def _repr_html_(self) -> str:
        return session_html(self)

    def __repr__(self) -> str:
        state = "running" if self.is_running else self.end_state
        return f"<Session {self.session_id} {state}>"
