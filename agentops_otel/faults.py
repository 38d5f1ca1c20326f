"""Faults: what went wrong inside this package, counted and told to no one but `doctor`."""

from __future__ import annotations

import functools
import logging
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("agentops_otel")

_Method = TypeVar("_Method", bound="Callable[..., Any]")


class Faults:
    """Counts our own faults by place, so that none of them reaches the program we watch.

    With `AGENTOPS_STRICT=1`, as in our own tests, a fault is raised where it happens.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.strict = os.environ.get("AGENTOPS_STRICT", "") not in {"", "0", "false"}

    def note(self, place: str, error: BaseException) -> None:
        """Count a fault; it is logged once for each place, at debug level."""
        self.counts[place] += 1
        if self.counts[place] == 1:
            logger.debug("fault in %s: %r", place, error, exc_info=error)
        if self.strict:
            raise error

    def guarded(self, place: str, default: Callable[[], Any], function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function says, or `default()` where it fails."""
        try:
            return function(*arguments)
        except Exception as error:
            self.note(place, error)
            return default()


def guard(room: str, instead: Callable[[], Any] = lambda: None) -> Callable[[_Method], _Method]:
    """A method that the program's own code calls: a fault in it is noted, and it returns `instead()`.

    Its object has `faults`. Arguments that do not fit its signature are the caller's own error, and are raised.
    """

    def decorate(method: _Method) -> _Method:
        @functools.wraps(method)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            except Exception as error:
                if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                    raise  # nothing of the method has run
                self.faults.note(f"{room}.{method.__name__}", error)
                return instead()

        return cast("_Method", guarded)

    return decorate
