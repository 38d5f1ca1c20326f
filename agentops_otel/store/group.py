"""Group commit: one thread writes what many requests bring, and each is answered when its records are kept."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentops_otel.accounting.record import SpanRecord

_WAITING: Final = 64
"""Requests that wait for the thread; whoever comes then is told to come again."""
_RECORDS: Final = 4096
"""Records of one commit, unless one request alone has more."""
_PATIENCE_SECONDS: Final = 30.0


class Writer(Protocol):
    """What keeps records: a store, or what stands before one."""

    def insert(self, records: Sequence[SpanRecord]) -> None:
        """Keep these records durably before returning."""


class BusyError(StoreError):
    """The store is behind with its work; the same records can be sent again soon."""


class _Job(NamedTuple):
    records: Sequence[SpanRecord]
    done: Future[None]


class GroupWriter:
    """Inserts into `store` on a thread of its own: what waits together is committed together.

    `after` is called on the thread after each commit. The thread starts with the first insert and ends with
    `close`.
    """

    def __init__(self, store: Writer, after: Callable[[], None] | None = None) -> None:
        self._store = store
        self._after = after
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def insert(self, records: Sequence[SpanRecord]) -> None:
        """Return when the records are kept.

        Raises:
            BusyError: too many wait already, or this one waited for too long.
            StoreError: they could not be kept.
        """
        if not records:
            return
        job = _Job(records, Future())
        try:
            self._started()
            self._jobs.put_nowait(job)
        except queue.Full:
            raise BusyError("too many requests wait to be kept: send this one again in a moment") from None
        try:
            job.done.result(_PATIENCE_SECONDS)
        except FutureTimeoutError:
            raise BusyError("the records were not kept in time: send them again in a moment") from None

    def close(self) -> None:
        """Keep what waits, and end the thread."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()

    def _started(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._closed:
                    raise StoreError("the server is ending: send this again to the next one")
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="agentops-otel-writer", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            jobs, is_last = self._gathered()
            if jobs:
                self._write(jobs)
                if self._after is not None:
                    self._after()
            if is_last:
                return

    def _gathered(self) -> tuple[list[_Job], bool]:
        """What waits now, and whether it is the last."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        count = 0
        while job is not None:
            jobs.append(job)
            count += len(job.records)
            if count >= _RECORDS:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _write(self, jobs: list[_Job]) -> None:
        try:
            self._store.insert([record for job in jobs for record in job.records])
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].done.set_exception(error)
                return
            # One request must not fail for what another has brought.
            for job in jobs:
                self._write([job])
            return
        for job in jobs:
            job.done.set_result(None)
