"""SessionProcessor: stamps the spans of sessions, enriches and tallies them, and hands them on for delivery."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from agentops_otel.accounting.dialects import tells_of_call, translate
from agentops_otel.accounting.enrichment import enrich, reckon
from agentops_otel.accounting.record import SpanRecord, record_of, without_words
from agentops_otel.accounting.tally import Tally, is_model_call
from agentops_otel.conventions import names
from agentops_otel.sessions.doubles import OURS, Doubles
from agentops_otel.sessions.spans import OwnSpan
from agentops_otel.sessions.underway import UnderWay, left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.trace import SpanContext

    from agentops_otel.accounting.prices import Prices
    from agentops_otel.faults import Faults
    from agentops_otel.sessions.budget import Budget
    from agentops_otel.sessions.doubles import Frameworks

SESSION_KEY = "agentops_otel.session"
"""Under this key a context carries its session's `Books`."""
AGENT_KEY = "agentops_otel.agent"
"""Under this key a context carries the (id, name) of the agent that acts in it."""
NONE_OPEN = "no session was open"
NONE_CURRENT = "several sessions were open, and none was current there"
_ENDED_KEPT = 2048
_SMALL = 4_096
"""Bytes that a span may always have."""


@dataclass(slots=True)
class Books:
    """What is counted of one session in this process."""

    session_id: str
    tally: Tally = field(default_factory=Tally)
    is_open: bool = True
    budget: Budget | None = None


class SessionProcessor(SpanProcessor):
    """Sits in a tracer provider, whoever owns it.

    On the caller's thread it only stamps `session.id` on a span that starts and queues one that ends.
    `settle` counts what is queued; `take` gives away what is counted. Both may run on any thread.
    """

    takes_own_spans = True

    def __init__(
        self,
        prices: Prices,
        faults: Faults,
        *,
        wake: Callable[[], None] = lambda: None,
        max_queue_size: int = 20_000,
        max_queue_bytes: int = 64 * 1024 * 1024,
        everything: bool = False,
        aliases: bool = True,
    ) -> None:
        self.prices = prices
        self.faults = faults
        self.wake = wake
        self.wants_prices = False
        self.dropped_by: Counter[str] = Counter()
        """Spans that were dropped, by reason."""
        self.outside: Counter[str] = Counter()
        """Model calls that were captured and are in no session, by reason."""
        self._on_model_call: Callable[[], None] = lambda: None
        self._settled = 0
        self._limit = max_queue_size
        self._byte_limit = max_queue_bytes
        self._held = 0
        self._everything = everything
        self._aliases = aliases
        self._open: dict[int, Books] = {}
        # Spans may start below a session that has ended: they are late, not lost.
        self._ended: OrderedDict[int, Books] = OrderedDict()
        # Each with the bytes that it counts.
        self._queue: deque[tuple[ReadableSpan | OwnSpan | SpanRecord, int]] = deque()
        self._counted: deque[tuple[SpanRecord, int]] = deque()
        self._counting = threading.RLock()
        self._dropping = threading.Lock()
        self._doubles = Doubles()
        self._under_way = UnderWay()
        self._content = True
        self._born = 0
        self._counts_at_once = False
        """Whether a session wants to know its cost before its next call."""

    def after_fork(self) -> None:
        """In a forked child: what the parent has queued, and the spans that it has open, are the parent's."""
        self._counting = threading.RLock()
        self._dropping = threading.Lock()
        self._queue.clear()
        self._counted.clear()
        self.dropped_by.clear()
        self.outside.clear()
        self._under_way.forget()
        self._settled = self._held = 0
        self._born = time.time_ns()
        for books in self._open.values():
            books.tally = Tally()

    def follow(self, on_model_call: Callable[[], None], frameworks: Frameworks, *, content: bool) -> None:
        """Have each span of a model call told of as it starts, and leave out what is told twice of these frameworks."""
        self._on_model_call = on_model_call
        self._doubles.frameworks = frameworks
        self._content = content

    # --- sessions come and go ------------------------------------------------------------------------

    def opened(self, trace_id: int, books: Books, start: SpanRecord | None) -> None:
        """A session begins: its spans are stamped from now on, and its start record is delivered at once."""
        self._open[trace_id] = books
        self._counts_at_once = self._counts_at_once or (books.budget is not None and books.budget.max_cost is not None)
        if start is not None:
            self._counted.append((start, 0))
            self.wake()

    def carry(self, records: Iterable[SpanRecord]) -> None:
        """Take in what was counted elsewhere already, to be given away here."""
        for record in records:
            self._settled += record.end_time is not None
            self._counted.append((record, 0))
        self.wake()

    def closed(self, trace_id: int) -> None:
        """A session has ended."""
        books = self._open.pop(trace_id, None)
        if books is not None:
            books.is_open = False
            self._ended[trace_id] = books
            while len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)

    # --- spans, on the caller's thread ---------------------------------------------------------------

    def on_start(self, span: Span | OwnSpan, parent_context: Context | None = None) -> None:
        """Stamp the session on a span that starts in it."""
        try:
            books = self._books_of(span, parent_context)
            attributes = span.attributes or {}
            if books is not None:
                span.set_attribute(names.SESSION_ID, books.session_id)
                self._under_way.started(span)
                context = otel_context.get_current() if parent_context is None else parent_context
                agent: Any = context.get(AGENT_KEY)
                if agent is not None and names.AGENT_NAME not in attributes:
                    span.set_attributes({names.AGENT_ID: agent[0], names.AGENT_NAME: agent[1]})
            if self._doubles.started(span):
                self._on_model_call()
                if names.MCP_METHOD in attributes:
                    self._tie(span, parent_context)
            if not self.wants_prices and not self.prices.loaded:
                self._ask_for_prices(span)
        except Exception as error:
            self.faults.note("processor.on_start", error)

    def _tie(self, span: Span | OwnSpan, parent_context: Context | None) -> None:
        """The server knows a call over MCP by the id of a span that is left out: the one that is kept links to it."""
        context = span.context
        if context is not None and self._doubles.leaves_out(context.span_id):
            trace.get_current_span(parent_context).add_link(context, {names.SAME_CALL: True})

    def _ask_for_prices(self, span: Span | OwnSpan) -> None:
        """A model is being called: by the time it answers, another thread has loaded the prices."""
        if tells_of_call(span.attributes or {}):
            self.wants_prices = True
            self.wake()

    def _books_of(self, span: Span | OwnSpan, parent_context: Context | None) -> Books | None:
        trace_id = span.place.trace_id if type(span) is OwnSpan else span.get_span_context().trace_id
        books = self._open.get(trace_id)
        if books is None and parent_context is not None:
            carried: Any = parent_context.get(SESSION_KEY)
            books = carried if carried is not None and carried.is_open else None
        return books if books is not None else self._ended.get(trace_id)

    def is_untold(self, span: Any) -> bool:
        """Whether a span is in a session that is open, and yet never came here: it is in another tracer provider."""
        told = getattr(span, "attributes", None)
        if told is None or span.get_span_context().trace_id not in self._open:
            return False
        return names.SESSION_ID not in told

    def on_end(self, span: ReadableSpan | OwnSpan) -> None:
        """Queue a span that ended; nothing else happens on this thread."""
        try:
            is_told = self._under_way.ended(span)
            if not self._doubles.ended(span) and not is_told:
                self._keep(span, None)
        except Exception as error:
            self.faults.note("processor.on_end", error)

    def abandon(self) -> None:
        """The process ends: tell of the spans that are under way; of those of others, too, which nobody will end."""
        for span in self._under_way.leave():
            try:
                if not self._doubles.ended(span):
                    self._keep(span, left(span))
            except Exception as error:
                self.faults.note("processor.abandon", error)

    def _keep(self, span: ReadableSpan | OwnSpan, record: SpanRecord | None) -> None:
        """Queue a span, or what is known of it, if it is one of a session's."""
        attributes = span.attributes
        if not (self._everything or (attributes and names.SESSION_ID in attributes)):
            self._left_out(span)
            return
        if type(span) is not OwnSpan and not _is_sampled(span.context):
            return
        if self._born and (span.start_time or 0) < self._born:
            return  # begun before this process was forked: the parent ends it
        is_root = attributes is not None and attributes.get(names.SPAN_KIND) == names.KIND_SESSION
        if len(self._queue) + len(self._counted) >= self._limit and not is_root:
            self._drop("the queue is full")
            return
        self._queue.append(self._within(span if record is None else record, attributes))
        self.wake()
        if self._counts_at_once and self.prices.loaded:
            self.settle(wait=False)

    def _left_out(self, span: ReadableSpan | OwnSpan) -> None:
        """Count a model call of ours that is in no session: whoever looks for it is told why."""
        scope = span.instrumentation_scope
        if scope is not None and scope.name.startswith(OURS) and is_model_call(span.attributes or {}):
            with self._dropping:
                self.outside[NONE_CURRENT if self._open else NONE_OPEN] += 1

    def _within(
        self, span: ReadableSpan | OwnSpan | SpanRecord, attributes: Mapping[str, Any] | None
    ) -> tuple[ReadableSpan | OwnSpan | SpanRecord, int]:
        """The span and about how many bytes its texts have; without its messages where too many bytes wait."""
        if type(span) is OwnSpan and not self._content:
            return span, 0  # names and figures
        size = sum([len(value) for value in attributes.values() if type(value) is str]) if attributes else 0
        with self._dropping:
            if self._held + size <= self._byte_limit or size < _SMALL:
                self._held += size
                return span, size
        return _without_content(_recorded(span)), 0

    def _drop(self, reason: str) -> None:
        with self._dropping:
            self.dropped_by[reason] += 1

    @property
    def dropped(self) -> int:
        """Spans that were dropped here, for whatever reason."""
        return sum(self.dropped_by.values())

    def enrich_now(self, span: Any) -> None:
        """Add its cost to a span that is about to end, if that can be told without waiting.

        A span of our own is enriched when it is counted: nobody sees it before.
        """
        if type(span) is OwnSpan or not self.prices.loaded:
            return
        told = dict(span.attributes or {})  # the SDK's own mapping locks at every look
        enriched = enrich(told, self.prices, aliases=self._aliases, wait=False)
        if enriched is not told:
            span.set_attributes({name: value for name, value in enriched.items() if name not in told})

    # --- counting, on whichever thread needs the figures ---------------------------------------------

    def settle(self, *, wait: bool = True) -> None:
        """Count every span that has ended by now; unless `wait`, not while another thread is counting."""
        if not self._counting.acquire(blocking=wait):
            return
        try:
            for _ in range(len(self._queue)):
                if not self._settle_one():
                    return
        finally:
            self._counting.release()

    def _settle_one(self) -> bool:
        try:
            span, size = self._queue.popleft()
        except IndexError:
            return False
        self._settled += 1
        try:
            self._count(span, size)
        except Exception as error:
            self._settled -= 1
            self._let_go(size)
            self._drop("it cannot be read")
            self.faults.note("processor.settle", error)
        return True

    def _count(self, span: ReadableSpan | OwnSpan | SpanRecord, size: int) -> None:
        record = _recorded(span)
        record.parent_id = self._doubles.kept_parent(record.span_id, record.parent_id)
        attributes = translate(record)
        if not self._content and self._doubles.is_adopted(record.scope):
            attributes = without_words(record, attributes)
        reckoned = reckon(attributes, self.prices, start_time=record.start_time, aliases=self._aliases)
        record.attributes = reckoned.attributes
        books = self._books_named(record)
        if books is not None:
            if record.attributes.get(names.SESSION_ID) != books.session_id:
                # Others have a use of their own for the name: OpenInference writes a conversation's id over ours.
                record.attributes = {**record.attributes, names.SESSION_ID: books.session_id}
            books.tally.add(record, reckoned.usage)
            if books.budget is not None:
                books.budget.counted(books.tally)
        self._counted.append((record, size))

    def _books_named(self, record: SpanRecord) -> Books | None:
        """The books of the session that the record names; of its trace's, where it names none that is known here."""
        trace_id, session_id = int(record.trace_id, 16), record.attributes.get(names.SESSION_ID)
        books = self._open.get(trace_id) or self._ended.get(trace_id)
        if books is not None and books.session_id == session_id:
            return books
        known = [*list(self._open.values()), *list(self._ended.values())]
        return next((found for found in known if found.session_id == session_id), books)

    def _let_go(self, size: int) -> None:
        if size:
            with self._dropping:
                self._held -= size

    def take(self, most: int) -> list[SpanRecord]:
        """Up to `most` counted records, oldest first; they are the caller's now."""
        taken = []
        for _ in range(most):
            try:
                record, size = self._counted.popleft()
            except IndexError:
                break
            taken.append(record)
            self._let_go(size)
        return taken

    @property
    def made(self) -> int:
        """How many spans of sessions have ended: those that were settled, dropped, or wait."""
        return self._settled + self.dropped + len(self._queue)

    @property
    def waiting(self) -> int:
        """How many spans wait to be counted or taken."""
        return len(self._queue) + len(self._counted)

    def shutdown(self) -> None:
        """Nothing to do: whoever delivers decides when it is over, and the provider may not be ours."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Hand everything over; delivery has a deadline of its own."""
        del timeout_millis
        self.wake()
        return True


def _recorded(span: ReadableSpan | OwnSpan | SpanRecord) -> SpanRecord:
    if type(span) is OwnSpan:
        return span.record()
    return span if isinstance(span, SpanRecord) else record_of(span)


def _is_sampled(context: SpanContext | None) -> bool:
    return context is not None and bool(context.trace_flags & 1)


def _without_content(record: SpanRecord) -> SpanRecord:
    """The record without its longer texts, and the word that it is so."""
    record.attributes = {**_without_long(record.attributes), names.CONTENT_DROPPED: True}
    record.events = [{**event, "attributes": _without_long(event["attributes"])} for event in record.events]
    return record


def _without_long(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if type(value) is not str or len(value) < _SMALL}
