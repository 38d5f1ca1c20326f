"""Two sessions beside each other as the page shows them: their deltas, and their turns around the parting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agentops_otel.server.comparison import figures, parting
from agentops_otel.server.content import as_json, without_ids
from agentops_otel.server.page.transcript import turns
from agentops_otel.server.queries import session_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.page.transcript import Turn
    from agentops_otel.store.base import SessionRow

_BEFORE: Final = 2
_AFTER: Final = 12


def sides(one: tuple[SessionRow, Sequence[SpanRecord]], other: tuple[SessionRow, Sequence[SpanRecord]]) -> str:
    """Both sessions with their `deltas` (the other less the one), and their steps around the `parting`, as JSON.

    `parting` is the number of the first step that differs, None where none does; `differs` says in what:
    `step` (another call, or none), `said`, `answered`, `results`, `given`, `value`.
    """
    told = [turns(records) for _, records in (one, other)]
    firsts = [min((record.start_time for record in records), default=0) for _, records in (one, other)]
    number, differs = parting(told[0], told[1], _label, _changes)
    begin = max(0, (min(map(len, told)) if number is None else number) - _BEFORE)
    end = begin + _BEFORE + _AFTER
    steps = [
        f"[{', '.join(turn.as_json(first) for turn in each[begin:end])}]"
        for each, first in zip(told, firsts, strict=True)
    ]
    rows = session_json(one[0]), session_json(other[0])
    whole = {
        "a": rows[0],
        "b": rows[1],
        "deltas": {name: each["difference"] for name, each in figures(*rows).items()},
        "totals": [len(each) for each in told],
        "parting": number,
        "differs": differs or ([] if number is None else ["step"]),
        "from": begin,
    }
    return f'{as_json(whole)[:-1]}, "steps": [{", ".join(steps)}]}}'


def _label(turn: Turn) -> tuple[str, str]:
    return turn.node.kind, turn.node.name


def _changes(one: Turn, other: Turn) -> Iterator[str]:
    contents = _content(one), _content(other)
    return (name for name in contents[0] if contents[0][name] != contents[1][name])


def _content(turn: Turn) -> dict[str, str]:
    """What was said and done, without ids, which are others each time."""
    results = [(told["value"], told["error"]) for told in turn.results.values()]
    return {
        "said": as_json([turn.system, without_ids(turn.said)]),
        "answered": as_json(without_ids(turn.answered)),
        "results": as_json(results),
        "given": as_json(turn.given),
        "value": as_json([turn.value, turn.node.error]),
    }
