"""What providers print as the cost of a call, beside its tokens."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from agentops_otel.engine import read

if TYPE_CHECKING:
    from collections.abc import Mapping

_TICKS = Decimal(10_000_000_000)
"""xAI's ticks in one USD."""


def cost(usage: Mapping[str, Any]) -> Decimal | None:
    """The cost in USD that the fields of a usage of OpenAI's shape print; None where they print none.

    A bare `cost` says neither whose it is nor in which currency. So only these are read: OpenRouter's, which has its
    parts beside it; Perplexity's, an object with a total; xAI's, whose name has the currency in it.
    """
    if "cost" not in usage and "cost_in_usd_ticks" not in usage:
        return None
    ticks = amount(usage.get("cost_in_usd_ticks"))
    if ticks is not None:
        return ticks / _TICKS
    told = usage.get("cost")
    if read(told, "total_cost") is not None:
        return amount(read(told, "total_cost")) if read(told, "currency", "USD") == "USD" else None
    own, by_own_key = amount(told), usage.get("is_byok")
    if own is None or (by_own_key is None and usage.get("cost_details") is None):
        return None
    if not by_own_key:
        return own
    # With the user's own key OpenRouter charges its fee; the model's price goes on the bill of who runs it.
    upstream = amount(read(usage.get("cost_details"), "upstream_inference_cost"))
    return None if upstream is None else own + upstream


def amount(told: Any) -> Decimal | None:
    """A number that can be a price; None for anything else."""
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return None
    try:
        # 15 digits are what a float holds of the decimal that it stands for; more are traces of adding floats up.
        number = Decimal(f"{told:.15g}" if isinstance(told, float) else told)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
