"""Faults: what went wrong inside this package, counted and told to no one but `doctor`."""

from __future__ import annotations

import logging
import os
from collections import Counter

logger = logging.getLogger("agentops_otel")


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
