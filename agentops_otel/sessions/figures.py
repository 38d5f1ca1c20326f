"""Figures: how a session's words and numbers are read and told."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import StatusCode

from agentops_otel.accounting.tally import price_text
from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from agentops_otel.accounting.tally import Part, Tally

_OTHER_WORDS = {
    "Fail": names.FAILURE,
    "Error": names.FAILURE,
    "Ok": names.SUCCESS,
    "Unset": names.INDETERMINATE,
}
"""What the original's versions said for the same."""


def end_state_of(value: Any) -> str | None:
    """`Success`, `Failure` or `Indeterminate` for a word in any case, an EndState or a StatusCode; else None."""
    told = value.name if isinstance(value, StatusCode) else getattr(value, "value", value)
    word = str(told).strip().capitalize()
    word = _OTHER_WORDS.get(word, word)
    return word if word in STATUS else None


def tags_of(value: Any) -> list[str]:
    """Tags from a str, or from any collection of what can be told as text; order kept, doubles dropped."""
    if value is None:
        return []
    if isinstance(value, str):
        value = [value]
    elif isinstance(value, dict):
        value = [f"{key}:{item}" for key, item in value.items()]
    try:
        found = [plain.described(tag) for tag in value if tag is not None]
    except TypeError:
        found = [plain.described(value)]
    return list(dict.fromkeys(tag for tag in found if tag))


def duration_text(seconds: float) -> str:
    """Seconds as the documents print them: `0.9s`, `1m 3.2s`, `1h 3.2s`; parts that are zero are left out."""
    minutes, rest = divmod(round(max(seconds, 0.0), 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours}h"] if hours else []
    parts += [f"{minutes}m"] if minutes else []
    return " ".join([*parts, f"{rest:.1f}s"])


def cost_text(cost: Decimal | None) -> str:
    """A cost as the documents print it: `0.00` for nothing, else six decimals; `unknown` where it is."""
    if cost is None:
        return "unknown"
    if not cost:
        return "0.00"
    return str(cost.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP))


STATUS = {
    names.SUCCESS: StatusCode.OK,
    names.FAILURE: StatusCode.ERROR,
    names.INDETERMINATE: StatusCode.UNSET,
}
"""The status of the root span for each end state."""
UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(("LLM calls", "Tool calls", "Actions", "Errors"), None),
    **dict.fromkeys(("Duration", "Cost"), "unknown"),
}
"""The six figures where they cannot be told."""


def analytics(tally: Tally, seconds: float, cost: Decimal | None) -> dict[str, Any]:
    """The six figures of the documents, in their words and formats."""
    return {
        "LLM calls": tally.llm_calls,
        "Tool calls": tally.tool_calls,
        "Actions": tally.actions,
        "Errors": tally.errors,
        "Duration": duration_text(seconds),
        "Cost": cost_text(cost),
    }


def event_counts(tally: Tally) -> dict[str, int]:
    """The events of each kind, by the original's words."""
    return {
        "llms": tally.llm_calls,
        "tools": tally.tool_calls,
        "actions": tally.actions,
        "errors": tally.errors,
        "apis": 0,
    }


def details(tally: Tally) -> dict[str, Any]:
    """What the six figures leave out: tokens, models, calls without a price, latencies in seconds."""
    return {
        "Tokens": tally.total.tokens,
        "Models": {model: _part(part) for model, part in sorted(tally.by_model.items())},
        "Unpriced calls": tally.total.unpriced_calls,
        "Latency": {f"p{share}": tally.latency(share) for share in (50, 90, 95, 99)},
    }


def _part(part: Part) -> dict[str, Any]:
    cost = None if part.cost is None else price_text(part.cost)
    return {"calls": part.calls, "cost": cost, "unpriced_calls": part.unpriced_calls, **part.tokens}
