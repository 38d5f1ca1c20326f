"""Endings: how this process ends, and what that makes of the sessions that are open."""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import wrapt

from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNAL_SECONDS = 1.5
"""What a signal that kills may be delayed by."""

Ending = tuple[str, str]
"""End state and reason."""


class Endings:
    """Knows why the process ends, without a handler of the program's own being replaced.

    An uncaught exception is read from `sys.last_value`, where the interpreter leaves it. `sys.exit` is
    listened to for its code. Only where SIGTERM would kill the process at once (Python's default, under
    which nothing runs) a handler is set: it ends the sessions, and then lets the signal kill as before.
    """

    def __init__(self, on_signal: Callable[[Ending], None]) -> None:
        self._on_signal = on_signal
        self._exit: Any = None
        self._announced: tuple[Any, FrameType, int] | None = None
        self._handled = False

    def listen(self) -> None:
        """Start to listen; once."""
        if self._exit is None:
            self._exit = sys.exit
            sys.exit = wrapt.FunctionWrapper(sys.exit, self._noted_exit)
        if (
            not self._handled
            and not _is_worker()
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ):
            signal.signal(signal.SIGTERM, self._terminated)
            self._handled = True

    def stop(self) -> None:
        """Leave everything as it was."""
        if self._exit is not None:
            if isinstance(sys.exit, wrapt.FunctionWrapper):
                sys.exit = self._exit
            self._exit = None
        self.leave_signals()

    def leave_signals(self) -> None:
        """Let SIGTERM kill at once again, as it must in workers: their owner waits for them to die.

        A handler of Python's runs only when the interpreter does; a worker that is told to die on its way into
        waiting for its next task would wait for ever.
        """
        if self._handled and threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGTERM) == self._terminated:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._handled = False

    @property
    def code(self) -> int:
        """The exit code as far as it is known: what `sys.exit` was given, else 0."""
        if self._announced is None:
            return 0
        code, frame, position = self._announced
        if frame.f_lasti != position or code is None:
            return 0  # it was caught: the program went on from there
        return code if isinstance(code, int) else 1

    def at_exit(self) -> Ending:
        """What the end of this process makes of an open session."""
        error = None if _is_interactive() else getattr(sys, "last_value", None)
        if isinstance(error, KeyboardInterrupt):
            return names.INDETERMINATE, "Signal SIGINT"
        if error is not None:
            return names.FAILURE, plain.reason(error)
        return names.INDETERMINATE, f"process exited (code {self.code}) without end_session"

    def _noted_exit(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        del instance
        with suppress(Exception):  # who ends says so to Python first of all
            self._announce(inspect.currentframe(), args[0] if args else 0)
        return wrapped(*args, **kwargs)

    def _announce(self, frame: FrameType | None, code: Any) -> None:
        if frame is not None and threading.current_thread() is threading.main_thread():
            while frame.f_back is not None:
                frame = frame.f_back
            self._announced = (code, frame, frame.f_lasti)

    def _terminated(self, number: int, frame: Any) -> None:
        del frame
        try:
            # On a thread, with a limit: the code that was interrupted here may hold any lock.
            ending = (names.INDETERMINATE, f"Signal {signal.Signals(number).name}")
            thread = threading.Thread(target=self._on_signal, args=(ending,), daemon=True)
            thread.start()
            thread.join(_SIGNAL_SECONDS)
        finally:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _is_worker() -> bool:
    """Whether this process was started by multiprocessing."""
    multiprocessing: Any = sys.modules.get("multiprocessing")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


def _is_interactive() -> bool:
    """In a REPL or a notebook the last error is not why the process ends."""
    return hasattr(sys, "ps1") or "IPython" in sys.modules
