"""Serverless: a session for each call of a function that is frozen as soon as it returns."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any

from agentops_otel.client import default as client
from agentops_otel.web.visits import end_state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("agentops_otel")


def serverless(
    function: Callable[..., Any] | None = None, *, seconds: float = 2.0, margin: float = 0.5, tags: Any = None
) -> Any:
    """Run each call of the function in a session, and deliver it before the function returns.

    `@serverless` stands above the entry point of AWS Lambda, Google Cloud Functions, Azure Functions or the like,
    a coroutine function too. Delivery takes `seconds` at most; where the platform tells how much time is left, as the
    context of AWS Lambda does, it leaves a `margin` of seconds of that. What is not delivered by then is for the next
    call. A result with a `statusCode` ends the session by that, as in a web application.
    """
    if function is None:
        return functools.partial(serverless, seconds=seconds, margin=margin, tags=tags)
    name = getattr(function, "__name__", "function")

    def open_session() -> Any:
        return client.open_session(tags, name)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            with open_session() as session:
                return _ended(session, function(*args, **kwargs))
        finally:
            _deliver(seconds, margin, [*args, *kwargs.values()])

    @functools.wraps(function)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        try:
            with open_session() as session:
                return _ended(session, await function(*args, **kwargs))
        finally:
            _deliver(seconds, margin, [*args, *kwargs.values()])

    return awaited if inspect.iscoroutinefunction(function) else called


def _ended(session: Any, result: Any) -> Any:
    status = result.get("statusCode") if isinstance(result, dict) else None
    if isinstance(status, int) and session.is_running:
        session.end_session(*end_state_of(status))
    return result


def _deliver(seconds: float, margin: float, given: list[Any]) -> None:
    try:
        left = next(_seconds_left(given), None)
        most = seconds if left is None else max(0.0, min(seconds, left - margin))
        if not client.flush(most):
            logger.info("not everything was delivered within %.1f s; the next call goes on with it", most)
    except Exception as error:
        client.faults.note("web.serverless", error)


def _seconds_left(given: list[Any]) -> Iterator[float]:
    """What the context among these arguments says is left of the time."""
    for argument in given:
        ask = getattr(argument, "get_remaining_time_in_millis", None)
        if callable(ask):
            yield ask() / 1000
