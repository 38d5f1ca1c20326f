"""Delivery: one thread that takes finished records to where they are kept, so that nobody else has to wait."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from opentelemetry import context as otel_context

from agentops_otel.redaction import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.faults import Faults
    from agentops_otel.redaction import Redaction
    from agentops_otel.sessions.processor import SessionProcessor

logger = logging.getLogger("agentops_otel")


class Receiver(Protocol):
    """Where records go."""

    name: str

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Take these records; False if they could not be taken. May block, may raise."""

    def close(self) -> None:
        """Nothing more will come."""

    def after_fork(self) -> None:
        """This process is a child of the one in which it was made."""


@runtime_checkable
class Later(Protocol):
    """A receiver that takes all there is at once, and brings it to its place later."""

    def counts(self) -> tuple[int, Counter[str]]:
        """How many of the spans that it took still wait, and how many were given up, by reason."""

    def drain(self, seconds: float) -> bool:
        """Try to bring all that waits to its place; False if something is left after this time, or sooner."""


@dataclass(frozen=True)
class Counts:
    """What became of the spans of this process: `made == delivered + waiting + dropped.total()` once all is still."""

    made: int
    delivered: int
    waiting: int
    dropped: Counter[str]
    """By reason."""


class Delivery:
    """Takes records from the processor to the receivers, on a thread that starts with the first of them."""

    def __init__(
        self,
        receivers: Sequence[Receiver],
        faults: Faults,
        resource: Callable[[], Mapping[str, Any]] | None = None,
        redaction: Redaction | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        """`resource` tells what is added to each record's resource; it is asked once, on the thread.

        `identity` is what holds whatever a record's resource says: whose the records are now.
        """
        self._identity = identity or {}
        self.gather = 0.1
        """Seconds that the thread lets spans gather once the first has come."""
        self.batch = 512
        """Records that receivers are given at once."""
        self._redaction = redaction
        self._resource = resource
        self._resources: dict[int, tuple[Any, Mapping[str, Any]]] = {}
        self._jobs: deque[Callable[[], None]] = deque()
        self.receivers = list(receivers)
        self._taken = 0
        self.undelivered = 0
        self.failures: dict[str, str] = {}
        self._faults = faults
        self._processor: SessionProcessor | None = None
        self._closed = False
        self._renew()

    def _renew(self) -> None:
        self._wanted = threading.Event()
        self._hurry = threading.Event()
        self._flushes: list[threading.Event] = []
        # Reentrant: a signal that ends the process may come while the main thread is in here.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """In a forked child: the thread is gone, and its locks may be held for ever."""
        self._renew()
        self._resources.clear()
        self._jobs.clear()
        self._taken = self.undelivered = 0
        for receiver in self.receivers:
            receiver.after_fork()

    def serve(self, processor: SessionProcessor) -> None:
        """Take what this processor gives."""
        self._processor = processor
        processor.wake = self.wake

    def wake(self) -> None:
        """Something waits to be taken. Called for every span: cheap once the thread runs."""
        if not self._wanted.is_set():
            self._wanted.set()
            if self._thread is None:
                self._start()

    def do(self, job: Callable[[], None]) -> None:
        """Have something done on the thread that nobody should wait for."""
        self._jobs.append(job)
        self.wake()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="agentops-otel-delivery", daemon=True)
                contextvars.Context().run(self._thread.start)  # it belongs to no session

    @property
    def delivered(self) -> int:
        """Spans that are where they were to go."""
        return self._taken - sum(waiting + dropped.total() for waiting, dropped in self._later())

    def _later(self) -> list[tuple[int, Counter[str]]]:
        return [receiver.counts() for receiver in self.receivers if isinstance(receiver, Later)]

    def counts(self) -> Counts:
        """What has become of all spans until now."""
        processor = self._processor
        later = self._later()
        dropped: Counter[str] = Counter()
        for _, reasons in later:
            dropped += reasons
        if self.undelivered:
            dropped["not kept"] += self.undelivered
        waiting = sum(number for number, _ in later)
        delivered = self._taken - waiting - sum(reasons.total() for _, reasons in later)
        if processor is None:
            return Counts(delivered + waiting + dropped.total(), delivered, waiting, dropped)
        return Counts(processor.made, delivered, waiting + processor.waiting, dropped + processor.dropped_by)

    def flush(self, seconds: float) -> bool:
        """Deliver what waits now; False if that took longer than this, or is refused."""
        deadline = time.monotonic() + seconds
        complete = self._flush(seconds)
        for receiver in self.receivers:
            if isinstance(receiver, Later):
                try:
                    complete = receiver.drain(max(0.0, deadline - time.monotonic())) and complete
                except Exception as error:
                    complete = False
                    self._faults.note("delivery.drain", error)
        return complete

    def _flush(self, seconds: float) -> bool:
        """Hand over to the receivers what waits."""
        processor = self._processor
        if processor is None or (self._thread is None and not processor.waiting and not self._jobs):
            return True
        if self._thread is None:
            self._start()
        delivered = threading.Event()
        with self._lock:
            self._flushes.append(delivered)
        self._hurry.set()
        self._wanted.set()
        return delivered.wait(seconds)

    def close(self, seconds: float) -> bool:
        """Deliver what waits and stop; False if something still waits then."""
        complete = self.flush(seconds)
        self._closed = True
        self._hurry.set()
        self._wanted.set()
        for receiver in self.receivers:
            if complete or isinstance(receiver, Later):
                try:
                    receiver.close()
                except Exception as error:
                    self._faults.note("delivery.close", error)
        return complete

    def _run(self) -> None:
        processor = self._processor
        assert processor is not None  # noqa: S101 - serve() comes first
        # Whoever instruments HTTP clients must not trace what we send.
        otel_context.attach(otel_context.set_value("suppress_instrumentation", True))
        while not self._closed:
            self._wanted.wait()
            self._guarded("all", self._deliver_all, processor)  # at once: a session must be seen from its first moment
            if processor.wants_prices:
                self._guarded("prices", self._load, processor)
                processor.wants_prices = False
            self._hurry.wait(self.gather)
            self._hurry.clear()
            self._wanted.clear()
            with self._lock:
                flushes, self._flushes = self._flushes, []
            self._guarded("all", self._deliver_all, processor)
            for delivered in flushes:
                delivered.set()
            with self._lock:
                if self._flushes:
                    self._hurry.set()
                    self._wanted.set()

    def _guarded(self, place: str, step: Callable[..., None], *arguments: Any) -> bool:
        """Whether the step was done. Without this, one fault would end the thread, and all that comes would wait."""
        try:
            step(*arguments)
        except Exception as error:
            self._faults.note(f"delivery.{place}", error)
            return False
        return True

    def _load(self, processor: SessionProcessor) -> None:
        """Have the prices ready while the first model call is still on its way."""
        processor.prices.load()

    def _deliver_all(self, processor: SessionProcessor) -> None:
        while self._jobs:
            self._guarded("job", self._jobs.popleft())
        while True:
            try:
                processor.settle()
                records = processor.take(self.batch)
            except Exception as error:
                self._faults.note("delivery.take", error)
                return
            if not records:
                return
            if not self._guarded("deliver", self._deliver, records):
                self.undelivered += _ended(records)

    def _whole(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """A record's resource with what is known of the host; one object for each resource."""
        # The resource is kept beside its answer, so that its id stays its own.
        known = self._resources.get(id(resource))
        if known is None:
            told = {} if self._resource is None else self._faults.guarded("delivery.host", dict, self._resource)
            whole: Mapping[str, Any] = {**told, **resource, **self._identity}
            if self._redaction is not None:
                whole = self._faults.guarded("delivery.redact", dict, self._redaction.attributes, whole)
            known = self._resources[id(resource)] = (resource, whole)
        return known[1]

    def _deliver(self, records: list[SpanRecord]) -> None:
        for record in records:
            self._prepare(record)
        taken = True
        for receiver in self.receivers:
            try:
                taken = receiver.deliver(records) and taken
            except Exception as error:
                taken = False
                self._complain(receiver, error)
        if taken:
            self._taken += _ended(records)
        else:
            self.undelivered += _ended(records)

    def _prepare(self, record: SpanRecord) -> None:
        """Complete it, and take out what is not to leave; where that fails, all that may hold it stays here."""
        record.resource = self._faults.guarded("delivery.resource", dict, self._whole, record.resource)
        if self._redaction is not None and not self._guarded("redact", self._redaction.apply, record):
            bare(record)

    def _complain(self, receiver: Receiver, error: Exception) -> None:
        if receiver.name not in self.failures:
            logger.warning("spans cannot be kept in %s: %s", receiver.name, error)
        self.failures[receiver.name] = f"{type(error).__name__}: {error}"
        self._faults.counts[f"deliver.{receiver.name}"] += 1


def _ended(records: Sequence[SpanRecord]) -> int:
    return sum(1 for record in records if record.end_time is not None)
