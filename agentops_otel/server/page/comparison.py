"""Two sessions beside each other: how their figures differ, and the first step at which they part."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import price_text
from agentops_otel.server.answers import as_json
from agentops_otel.server.page.transcript import parts_of, turns
from agentops_otel.server.queries import duration, session_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.page.transcript import Turn
    from agentops_otel.store.base import SessionRow

_BEFORE: Final = 2
_AFTER: Final = 12
_COUNTS: Final = ("llm_calls", "tool_calls", "actions", "errors", "unpriced_calls")
_TOKENS: Final = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")


def comparison(one: tuple[SessionRow, Sequence[SpanRecord]], other: tuple[SessionRow, Sequence[SpanRecord]]) -> str:
    """Both sessions with their `deltas` (the other less the one), and their steps around the `parting`, as JSON.

    `parting` is the number of the first step that differs, None where none does; `differs` says in what:
    `step` (another call, or none), `said`, `answered`, `results`, `given`, `value`.
    """
    told = [turns(records) for _, records in (one, other)]
    firsts = [min((record.start_time for record in records), default=0) for _, records in (one, other)]
    parting, differs = _parting(*told)
    begin = max(0, (min(map(len, told)) if parting is None else parting) - _BEFORE)
    end = begin + _BEFORE + _AFTER
    steps = [
        f"[{', '.join(turn.as_json(first) for turn in each[begin:end])}]"
        for each, first in zip(told, firsts, strict=True)
    ]
    whole = {
        "a": session_json(one[0]),
        "b": session_json(other[0]),
        "deltas": _deltas(one[0], other[0]),
        "totals": [len(each) for each in told],
        "parting": parting,
        "differs": differs,
        "from": begin,
    }
    return f'{as_json(whole)[:-1]}, "steps": [{", ".join(steps)}]}}'


def _deltas(one: SessionRow, other: SessionRow) -> dict[str, Any]:
    costs = (one.cost, other.cost)
    lengths = (duration(one), duration(other))
    known = [cost for cost in costs if cost is not None]
    deltas: dict[str, Any] = {
        "cost": _signed(known[1] - known[0]) if len(known) == len(costs) else None,
        "duration": None if None in lengths else lengths[1] - lengths[0],  # type: ignore[operator]
    }
    deltas |= {name: getattr(other, name) - getattr(one, name) for name in _COUNTS}
    return deltas | {name: other.tokens.get(name, 0) - one.tokens.get(name, 0) for name in _TOKENS}


def _signed(cost: Decimal) -> str:
    return price_text(cost) if cost >= 0 else f"-{price_text(-cost)}"


def _parting(one: Sequence[Turn], other: Sequence[Turn]) -> tuple[int | None, list[str]]:
    for number, (left, right) in enumerate(itertools.zip_longest(one, other)):
        if left is None or right is None or (left.node.kind, left.node.name) != (right.node.kind, right.node.name):
            return number, ["step"]
        sides = (_content(left), _content(right))
        differs = [name for name in sides[0] if sides[0][name] != sides[1][name]]
        if differs:
            return number, differs
    return None, []


def _content(turn: Turn) -> dict[str, str]:
    """What was said and done, without ids, which are others each time."""
    results = [(told["value"], told["error"]) for told in turn.results.values()]
    return {
        "said": _bare(turn.said),
        "answered": _bare(turn.answered),
        "results": as_json(results),
        "given": as_json(turn.given),
        "value": as_json([turn.value, turn.node.error]),
    }


def _bare(messages: Sequence[dict[str, Any]]) -> str:
    told = [[message.get("role"), [{**part, "id": None} for part in parts_of(message)]] for message in messages]
    return as_json(told)
