"""Budget: what a session may cost and how many model calls it may make, asked before each of them."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

    from agentops_otel.accounting.tally import Tally
    from agentops_otel.configuration import Configuration

logger = logging.getLogger("agentops_otel")


class BudgetExceededError(RuntimeError):
    """A model call was not made, for its session has used up its budget; only with `on_exceed="raise"`.

    `session_id` is the session's, `reason` says which limit was reached.
    """

    def __init__(self, session_id: str, reason: str) -> None:
        super().__init__(f"the session {session_id} has used up its budget: {reason}")
        self.session_id = session_id
        self.reason = reason

    def __reduce__(self) -> Any:
        """It may come back from a worker process."""
        return type(self), (self.session_id, self.reason)


class Budget:
    """The limits of one session in this process; `over` says which of them is reached, None while none is.

    Calls count as they begin, so none comes through beside another. Costs count as calls end: what is still under
    way is not in them.
    """

    def __init__(self, max_cost: Decimal | None, max_llm_calls: int | None, on_exceed: Any) -> None:
        self.max_cost = max_cost
        self.max_llm_calls = max_llm_calls
        self.on_exceed = on_exceed
        self.over: str | None = None
        self._begun = itertools.count(1)
        self._untold = threading.Lock()
        self._warned_of_unpriced = False
        if max_cost is not None and max_cost <= 0:
            self.over = "max_cost is 0"

    @classmethod
    def of(cls, config: Configuration) -> Budget | None:
        """The budget that these settings ask for; None if they ask for none."""
        if config.max_cost is None and config.max_llm_calls is None:
            return None
        return cls(config.max_cost, config.max_llm_calls, config.on_exceed)

    def counted(self, tally: Tally) -> None:
        """A call has been counted: see whether the cost is reached."""
        most = self.max_cost
        if most is None or self.over is not None:
            return
        if tally.total.cost is not None and tally.total.cost >= most:
            self.over = f"${tally.total.cost.normalize():f} of max_cost ${most.normalize():f} is spent"
        elif tally.total.unpriced_calls and not self._warned_of_unpriced:
            self._warned_of_unpriced = True
            logger.warning("max_cost does not see calls of models without a known price; max_llm_calls does")

    def begin(self) -> str | None:
        """A model call is about to begin: why it should not, or None."""
        if self.over is None and self.max_llm_calls is not None and next(self._begun) > self.max_llm_calls:
            self.over = f"max_llm_calls is {self.max_llm_calls}"
        return self.over

    def tell(self, session: Any, reason: str) -> None:
        """Do what was asked for when the budget is used up: raise each time; warn, or call the function, once.

        Raises:
            BudgetExceededError: that was asked for, or the program's own function raised it.
        """
        if self.on_exceed == "raise":
            raise BudgetExceededError(session.session_id, reason)
        if not self._untold.acquire(blocking=False):
            return
        if not callable(self.on_exceed):
            logger.warning("the session %s has used up its budget, and goes on: %s", session.session_id, reason)
            return
        try:
            self.on_exceed(session, reason)
        except BudgetExceededError:
            self._untold.release()  # it wants the next one stopped, too
            raise
        except Exception:
            logger.warning("on_exceed failed; the call goes on", exc_info=True)
