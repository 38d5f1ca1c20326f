"""Upkeep: a thread of the server that keeps roll-ups and text index near the records, and old sessions out."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agentops_otel.store.base import Store

logger = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.5
_BUSY_SECONDS: Final = 5.0
"""So long it waits, at most, for those who write to pause."""
_SHARE, _BUSY_SHARE = 3, 15
"""It rests this many times as long as it has worked, so that those who write and read go first."""
_PRUNE_SECONDS: Final = 600.0


class Upkeep:
    """Does the work of readers before they ask: `wake` it when records have come, `close` it at the end."""

    def __init__(self, store: Store) -> None:
        self._store = weakref.ref(store)  # a store that nobody else has needs no upkeep
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pruned = 0.0
        self._is_behind = False

    def wake(self) -> None:
        """Something was written. Cheap once the thread runs."""
        if not self._wanted.is_set():
            self._wanted.set()
        if self._thread is None and not self._ended.is_set():
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="agentops-otel-upkeep", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """End after the piece of work that is being done."""
        self._ended.set()
        self._wanted.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            share = _SHARE if self._is_quiet() else _BUSY_SHARE
            if self._ended.is_set():
                return
            begun = time.monotonic()
            self._work()
            if self._ended.wait((time.monotonic() - begun) * share):
                return

    def _is_quiet(self) -> bool:
        """Wait until nothing is written any more; False where it goes on for too long to wait for its end.

        A roll-up is made of all that a session has, so what is made in the middle of a stream is soon made again.
        """
        # Who is behind already does not wait: a stream that never ends would leave ever more to those who ask.
        latest = time.monotonic() + (0 if self._is_behind else _BUSY_SECONDS)
        while True:
            self._wanted.clear()
            if self._ended.wait(_PAUSE_SECONDS) or not self._wanted.is_set():
                return True
            if time.monotonic() > latest:
                self._wanted.clear()
                return False

    def _work(self) -> None:
        try:
            store = self._store()
            if store is None:
                return
            is_done = store.catch_up()
            if time.monotonic() - self._pruned > _PRUNE_SECONDS:
                store.prune()
                self._pruned = time.monotonic()
        except Exception as error:  # nobody waits for this work: readers do it themselves, and are told
            logger.debug("upkeep is put off: %r", error)
            return
        self._is_behind = not is_done
        if self._is_behind:
            self._wanted.set()
