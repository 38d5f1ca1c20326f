"""Delivery: one thread that takes finished records to where they are kept, so that nobody else has to wait."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import context as otel_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.faults import Faults
    from agentops_otel.sessions.processor import SessionProcessor

logger = logging.getLogger("agentops_otel")

_BATCH = 512
_GATHER = 0.1
"""Seconds that the thread lets spans gather once the first has come."""


class Receiver(Protocol):
    """Where records go."""

    name: str

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Take these records; False if they could not be taken. May block, may raise."""

    def close(self) -> None:
        """Nothing more will come."""

    def after_fork(self) -> None:
        """This process is a child of the one in which it was made."""


class Delivery:
    """Takes records from the processor to the receivers, on a thread that starts with the first of them."""

    def __init__(
        self,
        receivers: Sequence[Receiver],
        faults: Faults,
        resource: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        """`resource` tells what is added to each record's resource; it is asked once, on the thread."""
        self._resource = resource
        self._resources: dict[int, tuple[Any, Mapping[str, Any]]] = {}
        self._jobs: deque[Callable[[], None]] = deque()
        self.receivers = list(receivers)
        self.delivered = 0
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
        self.delivered = self.undelivered = 0
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

    def flush(self, seconds: float) -> bool:
        """Deliver what waits now; False if that took longer than this."""
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
        if complete:
            for receiver in self.receivers:
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
            self._deliver_all(processor)  # at once: a session must be seen from its first moment
            if processor.wants_prices:
                self._load(processor)
            self._hurry.wait(_GATHER)
            self._hurry.clear()
            self._wanted.clear()
            with self._lock:
                flushes, self._flushes = self._flushes, []
            self._deliver_all(processor)
            for delivered in flushes:
                delivered.set()
            with self._lock:
                if self._flushes:
                    self._hurry.set()
                    self._wanted.set()

    def _load(self, processor: SessionProcessor) -> None:
        """Have the prices ready while the first model call is still on its way."""
        try:
            processor.prices.load()
        except Exception as error:
            self._faults.note("prices.load", error)
        processor.wants_prices = False

    def _deliver_all(self, processor: SessionProcessor) -> None:
        while self._jobs:
            try:
                self._jobs.popleft()()
            except Exception as error:
                self._faults.note("delivery.job", error)
        while True:
            try:
                processor.settle()
                records = processor.take(_BATCH)
            except Exception as error:
                self._faults.note("delivery.take", error)
                return
            if not records:
                return
            self._deliver(records)

    def _whole(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """A record's resource with what is known of the host; one object for each resource."""
        # The resource is kept beside its answer, so that its id stays its own.
        known = self._resources.get(id(resource))
        if known is None:
            told = {} if self._resource is None else self._resource()
            known = self._resources[id(resource)] = (resource, {**told, **resource})
        return known[1]

    def _deliver(self, records: list[SpanRecord]) -> None:
        for record in records:
            record.resource = self._whole(record.resource)
        taken = True
        for receiver in self.receivers:
            try:
                taken = receiver.deliver(records) and taken
            except Exception as error:
                taken = False
                self._complain(receiver, error)
        ended = sum(1 for record in records if record.end_time is not None)
        if taken:
            self.delivered += ended
        else:
            self.undelivered += ended

    def _complain(self, receiver: Receiver, error: Exception) -> None:
        if receiver.name not in self.failures:
            logger.warning("spans cannot be kept in %s: %s", receiver.name, error)
        self.failures[receiver.name] = f"{type(error).__name__}: {error}"
        self._faults.counts[f"deliver.{receiver.name}"] += 1
