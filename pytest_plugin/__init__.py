"""What pytest loads at its start: three options; all else of agentops_otel is imported when one of them is used."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("agentops", "sessions and costs of agents (agentops-otel)")
    group.addoption("--agentops", action="store_true", help="run each test in a session, and tell what it cost")
    group.addoption(
        "--agentops-max-cost",
        type=_dollars,
        metavar="USD",
        help="the same, and fail the run if all tests together cost more than this",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start, if asked to."""
    config.addinivalue_line(
        "markers", "agentops(max_cost=, max_llm_calls=): with --agentops, fail the test if its session exceeds this"
    )
    most = config.getoption("agentops_max_cost")
    if config.getoption("agentops") or most is not None:
        from agentops_otel.testing.plugin import Plugin  # noqa: PLC0415 - nothing is imported unless asked for

        config.pluginmanager.register(Plugin(most), "agentops-sessions")


@pytest.fixture
def captured_sessions() -> Iterator[Any]:
    """The sessions that run in this test, with their spans and figures; they are kept in memory alone.

    Each has `end_state`, `tags`, `cost` (a Decimal in USD, None if unknown), `llm_calls`, `spans` and so on;
    `captured_sessions.only` is the one session of a test that has one. It needs no option.
    """
    from agentops_otel.testing import captured  # noqa: PLC0415 - nothing is imported unless asked for

    with captured() as found:
        yield found


def _dollars(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not found.is_finite() or found < 0:
        raise ValueError(text)
    return found
