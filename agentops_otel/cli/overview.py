"""Sessions as people read them: the table of many, the head of one, its figures."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import price_text
from agentops_otel.cli import text
from agentops_otel.cli.reader import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentops_otel.cli.reader import Row

_SHORT: Final = 8
_ID_COLUMNS: Final = 16
_TAG_COLUMNS: Final = 40
_REASON_COLUMNS: Final = 60
_HEADINGS: Final = (
    "ID",
    "STARTED",
    "STATE",
    "TIME",
    "COST",
    "LLMS",
    "TOOLS",
    "ERRORS",
    "IN/CACHED/OUT",
    "TAGS",
)
_RIGHT: Final = frozenset({3, 4, 5, 6, 7, 8})
_SPARE: Final = (9, 8, 6, 5, 7, 3, 1)
"""What a narrow terminal goes without, first to last."""
_TOTALS: Final = ("SESSIONS", "FAILED", "COST", "LLMS", "TOOLS", "ERRORS", "INPUT", "CACHED", "OUTPUT")
_TOKENS: Final = ("input_tokens", "cache_read_tokens", "output_tokens")


def table(rows: Sequence[Row], colour: bool, room: int | None = None) -> list[str]:
    """A line for each session below headings; in a terminal of `room` columns what is not needed is left out."""
    headings = _painted(_HEADINGS, colour)
    return text.aligned([headings, *(_line(row, colour) for row in rows)], _RIGHT, room, _SPARE)


def head(row: Row, colour: bool) -> list[str]:
    """A session's own facts, a line for each."""
    reason = f": {text.clean(row['end_state_reason'])}" if row["end_state_reason"] else ""
    started = nanoseconds(row["init_timestamp"])
    fields = [
        ("Started", f"{text.local(started):%Y-%m-%d %H:%M:%S}, {_ago(row)}"),
        ("Duration", text.span_of_time(_seconds(row)) + (" so far" if row["is_running"] else "")),
        ("Cost", _cost(row)),
        ("Tokens", _tokens(row)),
        ("Calls", _calls(row, colour)),
        ("Models", text.clean(", ".join(row["models"]))),
        ("Tags", tags(row)),
        ("Video", text.clean(row["video"] or "")),
    ]
    title = text.paint(f"Session {text.clean(row['id'])}", None, on=colour, bold=True)
    told = [f"{text.paint(f'{name:<9}', None, on=colour, dim=True)} {said}" for name, said in fields if said]
    return [title, f"{state(row, colour=colour)}{reason}", *told]


def brief(row: Row) -> str:
    """A session in a few words on one line, without colours: which one is meant."""
    told = text.clean(row["id"]), _started(row), state(row, colour=False), tags(row)
    return "  ".join(told).rstrip()


def outcome(row: Row) -> str:
    """Why a session ended as it did, in what time and for what money."""
    reason = text.cut(text.clean(row["end_state_reason"] or ""), _REASON_COLUMNS)
    return "  ".join(filter(None, (reason, text.span_of_time(_seconds(row)), _cost(row))))


def by_model(figures: dict[str, Any], colour: bool) -> list[str]:
    """The statistics of one session: a line for each model, and the sum."""
    rows = [_model_cells(name, part) for name, part in figures["by_model"].items()]
    if len(rows) != 1:
        whole = {"calls": figures["llm_calls"], "cost": figures["cost"], "tokens": figures["tokens"]}
        rows.append(_model_cells("all", whole, unpriced=figures["unpriced_calls"]))
    headings = _painted(("MODEL", "CALLS", "COST", "INPUT", "CACHED", "OUTPUT"), colour)
    return text.aligned([headings, *rows], frozenset({1, 2, 3, 4, 5}))


def totals(rows: Iterable[Row], by: str) -> list[dict[str, Any]]:
    """The figures of many sessions, for each day, end state or tag, and of all of them at the end.

    A session with several tags counts for each of them. `cost` is a decimal string in USD of the calls with
    a known price, None where not one has; `unpriced_calls` says how many have none.
    """
    groups: dict[str, list[Row]] = {}
    listed = list(rows)
    for row in listed:
        for name in _groups(row, by):
            groups.setdefault(name, []).append(row)
    return [_total(name, groups[name]) for name in sorted(groups)] + [_total("all", listed)]


def totals_table(told: Sequence[dict[str, Any]], by: str, colour: bool, room: int | None = None) -> list[str]:
    """These figures as a table."""
    rows = [
        (
            text.cut(text.clean(total["name"]), _TAG_COLUMNS),
            str(total["sessions"]),
            str(total["failed"]),
            _money(total["cost"], total["unpriced_calls"]),
            *(str(total[name]) for name in ("llm_calls", "tool_calls", "errors")),
            *(text.count(total["tokens"].get(kind, 0)) for kind in _TOKENS),
        )
        for total in told
    ]
    right = frozenset(range(1, len(_TOTALS) + 1))
    return text.aligned([_painted((by.upper().replace("-", " "), *_TOTALS), colour), *rows], right, room, (8, 5, 4, 2))


def state(row: Row, *, colour: bool) -> str:
    """`running`, or the end state, after a coloured dot."""
    told = "running" if row["is_running"] else text.clean(row["end_state"])
    return f"{text.paint('●', text.COLOURS.get(told), on=True)} {told}" if colour else told


def short(session_id: str) -> str:
    """The first eight digits of a UUID; more of an id that somebody made up."""
    shown = text.clean(session_id)
    return shown[:_SHORT] if shown[_SHORT : _SHORT + 1] == "-" else text.cut(shown, _ID_COLUMNS)


def _line(row: Row, colour: bool) -> tuple[str, ...]:
    return (
        short(row["id"]),
        _started(row),
        state(row, colour=colour),
        text.span_of_time(_seconds(row)),
        _money(row["cost"], row["unpriced_calls"]),
        str(row["llm_calls"]),
        str(row["tool_calls"]),
        text.paint(str(row["errors"]), "red", on=colour) if row["errors"] else "0",
        "/".join(text.count(row["tokens"].get(kind, 0)) for kind in _TOKENS),
        text.cut(tags(row), _TAG_COLUMNS),
    )


def _model_cells(name: str, part: dict[str, Any], unpriced: int = 0) -> tuple[str, ...]:
    counts = [part["tokens"].get(kind, 0) for kind in _TOKENS]
    # A call that failed used nothing, and has no price that one could fail to know.
    cost = _money(part["cost"], unpriced) if part["cost"] is not None or any(counts) else "-"
    return text.clean(name), str(part["calls"]), cost, *(f"{count:,}" for count in counts)


def _groups(row: Row, by: str) -> Sequence[str]:
    if by == "tag":
        return sorted(set(row["tags"])) or ["(none)"]
    if by == "end-state":
        return [state(row, colour=False)]
    return [f"{text.local(nanoseconds(row['init_timestamp'])):%Y-%m-%d}"]


def _total(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    costs = [Decimal(row["cost"]) for row in rows if row["cost"] is not None]
    tokens: Counter[str] = Counter()
    for row in rows:
        tokens.update(row["tokens"])
    counts = ("llm_calls", "tool_calls", "actions", "errors", "unpriced_calls")
    return {
        "name": name,
        "sessions": len(rows),
        "failed": sum(row["end_state"] == "Failure" for row in rows),
        "cost": price_text(sum(costs, Decimal())) if costs else None,
        **{count: sum(row[count] for row in rows) for count in counts},
        "tokens": dict(tokens),
    }


def _painted(headings: Sequence[str], colour: bool) -> tuple[str, ...]:
    return tuple(text.paint(heading, None, on=colour, dim=True) for heading in headings)


def _money(cost: str | None, unpriced: int) -> str:
    return text.money(None if cost is None else Decimal(cost), unpriced=unpriced)


def _cost(row: Row) -> str:
    unknown = f"{text.several(row['unpriced_calls'], 'call')} of unknown price" if row["unpriced_calls"] else ""
    known = _money(row["cost"], 0) if row["cost"] is not None else ""
    return " and ".join(filter(None, (known, unknown)))


def _tokens(row: Row) -> str:
    tokens = row["tokens"]

    def parts(*kinds: tuple[str, str]) -> str:
        told = [f"{tokens[kind]:,} {word}" for kind, word in kinds if tokens.get(kind)]
        return f" ({', '.join(told)})" if told else ""

    read = parts(("cache_read_tokens", "from cache"), ("cache_write_tokens", "to cache"))
    written = parts(("reasoning_tokens", "reasoning"))
    return f"{tokens.get('input_tokens', 0):,} in{read}, {tokens.get('output_tokens', 0):,} out{written}"


def _calls(row: Row, colour: bool) -> str:
    errors = text.several(row["errors"], "error")
    told = [
        text.several(row["llm_calls"], "LLM call"),
        text.several(row["tool_calls"], "tool call"),
        text.several(row["actions"], "action"),
        text.paint(errors, "red", on=colour) if row["errors"] else errors,
    ]
    return ", ".join(told)


def _started(row: Row) -> str:
    begun, now = text.local(nanoseconds(row["init_timestamp"])), text.local(time.time_ns())
    if begun.date() == now.date():
        return f"{begun:%H:%M} {_ago(row)}"
    return f"{begun:%b %d %H:%M} {_ago(row)}" if begun.year == now.year else f"{begun:%Y-%m-%d} {_ago(row)}"


def _ago(row: Row) -> str:
    return text.ago(_since(row))


def _seconds(row: Row) -> float | None:
    duration: float | None = row["duration"]
    return _since(row) if row["is_running"] else duration


def _since(row: Row) -> float:
    return max(time.time_ns() - nanoseconds(row["init_timestamp"]), 0) / 10**9


def tags(row: Row) -> str:
    """Its tags on one line."""
    return text.clean(", ".join(row["tags"]))
