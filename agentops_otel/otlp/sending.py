"""Sending: what waits in a spool goes to its endpoint, oldest first, on a thread of its own."""

from __future__ import annotations

import contextvars
import logging
import random
import threading
import time
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry import context as otel_context

from agentops_otel.conventions import names
from agentops_otel.otlp.bodies import divided, events_body
from agentops_otel.otlp.transport import TOO_LARGE, Answer, Meaning
from agentops_otel.spool import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    from agentops_otel.otlp.transport import Transport
    from agentops_otel.spool import Address, Batch, Spool

logger = logging.getLogger("agentops_otel")

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_REPAIR_PAUSE: Final = 300.0
_LOOK_AGAIN: Final = 60.0
"""Seconds between two looks at what other processes left."""
_LOOKS: Final = 5
_SHORTLY: Final = 0.05
_SMALL: Final = 16_384
"""Bytes of a request that nobody can mean when they say that it is too large."""
_MOST_STARTS: Final = 1000
"""Sessions whose beginning waits to be told; of more than these, only the ends are."""
_HEARTBEAT: Final = 30.0
"""Seconds after which it is told again which sessions are still open."""
_SOONEST: Final = 1.0
"""Seconds after a failure within which nobody's hurry makes it try again."""


class Sending:
    """Sends what is in the spools for one address; `spools` are looked at in their order."""

    def __init__(
        self,
        spools: list[Spool],
        address: Address,
        make_transport: Callable[[], Transport],
        faults: Counter[str],
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """`prepare` is called on the thread while nothing is on its way, before each look into the spools."""
        self.delivered = 0
        """Spans of this process that the endpoint has taken."""
        self.recovered = 0
        """Spans of processes that ended before, which it has taken."""
        self.dropped: Counter[str] = Counter()
        """Spans of this process that were given up, by reason."""
        self.trouble: str | None = None
        """Why nothing is taken now."""
        self.page: str | None = None
        """The URL below which sessions have their pages, once the endpoint has told it."""
        self._starts: dict[str, ExportLogsServiceRequest] = {}
        self._open: dict[str, ExportLogsServiceRequest] = {}
        """Sessions whose beginning is told, and whose end is not."""
        self._beat_at = 0.0
        self._takes_starts = True
        self._spools = spools
        self._address = address
        self._make_transport = make_transport
        self._faults = faults
        self._prepare = prepare
        self._renew()

    def _renew(self) -> None:
        self._transport = self._make_transport()
        self._wanted = threading.Event()
        # Reentrant: a signal that ends the process may come while the main thread is in here.
        self._lock = threading.RLock()
        self.settling = threading.RLock()
        """Held while a batch leaves a spool and is counted, so that both agree for whoever holds it."""
        self._drains: list[threading.Event] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self._empty = True
        self._failures = 0
        self._failed_at = 0.0
        self._not_before = 0.0
        self._is_told = False
        """Whether `_not_before` is the receiver's own wish."""
        self._refuses_all = False
        self._taken = 0
        self._acknowledged: dict[tuple[int, int], Answer] = {}
        self._looked_at = -_LOOK_AGAIN

    def after_fork(self) -> None:
        """In a forked child: the thread is gone, and what the parent counted is the parent's."""
        self.delivered = self.recovered = 0
        self.dropped.clear()
        self.trouble = None
        self._starts.clear()
        self._open.clear()
        self._renew()

    def wake(self) -> None:
        """Something was put into a spool."""
        self._empty = False
        self._wanted.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._closed:
                    thread = threading.Thread(target=self._run, name="agentops-otel-sending", daemon=True)
                    contextvars.Context().run(thread.start)
                    self._thread = thread

    def announce(self, span_id: str, start: ExportLogsServiceRequest) -> None:
        """Tell that the session of this root span has begun, as soon as possible, unless `withdraw` is called before.

        It is not kept for other processes. Until then, a heartbeat says now and then that it is open.
        """
        with self._lock:
            if not self._takes_starts or len(self._starts) >= _MOST_STARTS:
                return
            self._starts[span_id] = start
        self.wake()

    def withdraw(self, span_id: str) -> None:
        """The session has ended; its end tells more than its beginning."""
        with self._lock:
            self._starts.pop(span_id, None)
            self._open.pop(span_id, None)

    def drain(self, seconds: float) -> bool:
        """Try to send all there is; False if something is left, after this time or as soon as it is refused."""
        if self._thread is None:
            return self._empty
        drained = threading.Event()
        with self._lock:
            self._drains.append(drained)
        self._wanted.set()
        return drained.wait(seconds) and self._empty

    def close(self) -> None:
        """Send nothing more after what is being sent."""
        self._closed = True
        self._wanted.set()

    # --- On the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        # Whoever instruments HTTP clients must not trace what we send.
        otel_context.attach(otel_context.set_value("suppress_instrumentation", True))
        while not self._closed:
            self._wanted.clear()
            self._guarded(self._look_around)
            with self._lock:
                drains, self._drains = self._drains, []
            self._guarded(self._tell_starts)
            self._guarded(self._beat)
            self._guarded(self._prepare)
            self._guarded(self._send_all, bool(drains))
            for drained in drains:
                drained.set()
            if not self._drains:
                self._wanted.wait(self._guarded(self._rest, otherwise=_FIRST_PAUSE))
        self._guarded(self._transport.close)

    def _rest(self) -> float | None:
        """Seconds until there is something to do; None if that is not before something comes."""
        due = [self._not_before] if self._starts or not self._empty else []
        due += [max(self._beat_at, self._not_before)] if self._open else []
        return max(0.01, min(due) - time.monotonic()) if due else None

    def _guarded(self, step: Callable[..., Any], *arguments: Any, otherwise: Any = None) -> Any:
        try:
            return step(*arguments)
        except Exception as error:
            self._faults["otlp.sending"] += 1
            if not isinstance(error, SpoolError):
                logger.debug("fault in sending: %r", error, exc_info=error)
            self._pause(_FIRST_PAUSE)
            return otherwise

    def _look_around(self) -> None:
        """Give up what is too old, and take over what processes left that have ended."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_AGAIN:
            return
        self._looked_at = now
        for spool in self._spools:
            if not self._looked_into(spool):  # no fault of the endpoint's: what is in the other one is sent at once
                self._faults["spool"] += 1
                self._looked_at = -_LOOK_AGAIN

    def _looked_into(self, spool: Spool) -> bool:
        """Whether it could be: another thread may be writing into it just now."""
        for _ in range(_LOOKS):
            try:
                self._look_into(spool)
            except SpoolError:
                time.sleep(_SHORTLY)
            else:
                return True
        return False

    def _look_into(self, spool: Spool) -> None:
        lost = spool.expire()
        if lost:
            self.dropped["too old"] += lost
        spool.adopt(self._address)

    def _tell_starts(self) -> None:
        """Tell of the sessions that have begun. Best effort: who does not take log records is not asked again."""
        while self._starts and not self._closed and time.monotonic() >= self._not_before:
            with self._lock:
                span_id, start = next(iter(self._starts.items()))
            if not self._tell([start], names.SESSION_START):
                return
            with self._lock:
                if self._starts.pop(span_id, None) is not None:
                    self._open[span_id] = start

    def _beat(self) -> None:
        """Tell which sessions are open still, for a process that is killed cannot tell that it is not."""
        now = time.monotonic()
        if not self._open or now < max(self._beat_at, self._not_before):
            return
        with self._lock:
            starts = list(self._open.values())
        if self._beat_at:
            self._tell(starts, names.SESSION_HEARTBEAT)
        self._beat_at = now + _HEARTBEAT

    def _tell(self, starts: Sequence[ExportLogsServiceRequest], event: str) -> bool:
        """Whether this was taken."""
        answer = self._transport.tell(events_body(starts, event))
        self.page = answer.page or self.page
        if answer.meaning is Meaning.LATER:
            self._put_off(answer)
        elif answer.meaning is not Meaning.TAKEN:
            self._takes_starts = False
            with self._lock:
                self._starts.clear()
                self._open.clear()
        return answer.meaning is Meaning.TAKEN

    def _send_all(self, in_a_hurry: bool) -> None:
        complete = self._looked_at >= 0  # else there may be more than is known of
        for spool in list(self._spools):
            try:
                if not self._send_from(spool, in_a_hurry):
                    return
            except SpoolError:  # what is in the other one can be sent
                complete = False
                self._faults["spool"] += 1
        if not complete:
            self._not_before = time.monotonic() + _FIRST_PAUSE  # to look again, which a drain need not wait for
        self._empty = complete and not self._wanted.is_set()  # set: put while the last one was looked for

    def _send_from(self, spool: Spool, in_a_hurry: bool) -> bool:
        """Send what is in this spool; False where the endpoint wants to be left alone."""
        while (batch := spool.next(self._address)) is not None:
            now = time.monotonic()
            hurried = in_a_hurry and not self._is_told and now - self._failed_at > _SOONEST
            if self._closed or (now < self._not_before and not hurried):
                return False
            if not self._send(spool, batch):
                return False
        return True

    def _send(self, spool: Spool, batch: Batch, *, by_halves: bool = False) -> bool:
        """Send one batch; False where the endpoint wants to be left alone."""
        try:
            answer = self._acknowledged.get((id(spool), batch.id)) or self._transport.send(batch.body)
        except (OSError, EOFError, zlib.error):  # not the network's: the body cannot be read
            answer = Answer(Meaning.REFUSED, "damaged on disk")
        if answer.meaning is Meaning.TAKEN:
            self._took(spool, batch, answer)
            return True
        if answer.meaning is Meaning.LATER:
            self._put_off(answer)
            return False
        if answer.meaning is Meaning.KEPT:
            self._is_told = True
            self._pause(_REPAIR_PAUSE)
            self._complain(answer.reason)
            return False
        if answer.meaning is Meaning.SMALLER and batch.spans > 1 and not self._refuses_all:
            too_large = answer.reason == TOO_LARGE and len(batch.body) > _SMALL
            return self._send_parts(spool, batch, answer.reason, by_halves=by_halves or too_large)
        self._give_up(spool, batch, answer.reason)
        return True

    def _put_off(self, answer: Answer) -> None:
        self._failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        self._is_told = answer.after is not None
        # Full jitter, so that those who failed together do not come back together.
        self._pause(answer.after if answer.after is not None else random.uniform(pause / 2, pause))  # noqa: S311
        self._complain(answer.reason)

    def _took(self, spool: Spool, batch: Batch, answer: Answer) -> None:
        self._taken += 1
        self.page = answer.page or self.page
        # Should the deletion fail, it is not to be sent again and again.
        self._acknowledged[id(spool), batch.id] = answer
        rejected = min(answer.rejected, batch.spans)
        with self.settling:
            spool.done(batch)
            if batch.is_own:
                self.delivered += batch.spans - rejected
                if rejected:
                    self.dropped["rejected by the receiver"] += rejected
            else:
                self.recovered += batch.spans - rejected
        del self._acknowledged[id(spool), batch.id]
        self._refuses_all = False
        self._failures, self._not_before, self._is_told = 0, 0.0, False
        if self.trouble is not None:
            logger.info("spans are sent to %s again", self._address.destination)
            self.trouble = None

    def _send_parts(self, spool: Spool, batch: Batch, reason: str, *, by_halves: bool) -> bool:
        """Send it in parts, so that one bad span loses only itself.

        An endpoint that takes neither the first span alone nor the last one takes nothing at all: it is not
        asked for each of the others.
        """
        try:
            parts = divided(batch.body, ends=not by_halves)
        except (OSError, EOFError, zlib.error, DecodeError):
            self._give_up(spool, batch, reason)
            return True
        taken = self._taken
        made = spool.split(batch, parts)
        for number, part in enumerate(made):
            if not by_halves and number == 2 and self._taken == taken:  # noqa: PLR2004 - after first and last
                self._refuses_all = True
                self._give_up(spool, part, reason)
            elif not self._send(spool, part, by_halves=True):
                return False
        return True

    def _give_up(self, spool: Spool, batch: Batch, reason: str) -> None:
        with self.settling:
            spool.done(batch)
            if batch.is_own:
                self.dropped[reason] += batch.spans
        if not self._faults[f"refused.{reason}"]:
            logger.warning("%d spans were refused by %s: %s", batch.spans, self._address.destination, reason)
        self._faults[f"refused.{reason}"] += 1

    def _pause(self, seconds: float) -> None:
        self._failed_at = time.monotonic()
        self._not_before = self._failed_at + seconds

    def _complain(self, reason: str) -> None:
        if self.trouble is None:
            logger.warning("spans cannot be sent to %s now: %s; they are kept", self._address.destination, reason)
        self.trouble = reason
