"""Held: one open SQLite connection, kept from threads that come at once and from forks."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

_FORK_SECONDS: Final = 1.0


class Held:
    """At most one connection, for one thread at a time: what stands in `locked` may use `connection`, or set it.

    SQLite keeps a process's locks in memory, and a child inherits that memory without the locks. A connection that
    the child opens beside an inherited one then takes no lock, and its writes are lost when the parent closes the
    file (seen with SQLite 3.40). So no connection to a file is open across a fork: it is closed before, and whoever
    comes next opens it again. One that could not be closed in time must be neither used nor closed in the child; it
    is put away there. Only a database in memory is left open (`is_file=False`).
    """

    def __init__(self, *, is_file: bool = True) -> None:
        self.connection: sqlite3.Connection | None = None
        self._is_file = is_file
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._forking = 0
        # Now, not with the first connection: a fork may come while that is being opened.
        self._watch_forks()

    @contextlib.contextmanager
    def locked(self, seconds: float, too_long: Callable[[], Exception]) -> Iterator[None]:
        """Have it alone; what `too_long` makes is raised after this time.

        Bounded, for a signal's code may run inside a use of it and use it itself.
        """
        lock = self._lock
        if not lock.acquire(timeout=seconds):
            raise too_long()
        try:
            if self._process != os.getpid():
                self._process = os.getpid()
                if self.connection is not None:
                    self._inherited.append(self.connection)
                    self.connection = None
            yield
        finally:
            lock.release()

    def release(self) -> None:
        """Close the connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def _watch_forks(self) -> None:
        if not hasattr(os, "register_at_fork"):
            return
        this = weakref.ref(self)

        def call(name: str) -> None:
            held = this()
            if held is not None:
                getattr(held, name)()

        os.register_at_fork(
            before=lambda: call("_before_fork"),
            after_in_parent=lambda: call("_after_fork"),
            after_in_child=lambda: call("_begin_in_child"),
        )

    def _before_fork(self) -> None:
        if self._lock.acquire(timeout=_FORK_SECONDS):
            self._forking = threading.get_ident()
            if self._is_file:
                self.release()

    def _after_fork(self) -> None:
        # Two threads may fork at once; the one that did not get the lock must not give it back.
        if self._forking == threading.get_ident():
            self._forking = 0
            self._lock.release()

    def _begin_in_child(self) -> None:
        # The thread that held the old lock, if it was not this one, does not exist here.
        self._lock = threading.Lock()
        self._forking = 0
