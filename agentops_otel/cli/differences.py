"""Two sessions beside each other, as agents, programs and people are told."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import price_text
from agentops_otel.cli import overview, text
from agentops_otel.server import comparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agentops_otel.cli.reader import Reader
    from agentops_otel.server.comparison import Step
    from agentops_otel.server.outline import Node

_SIGNS: Final = {comparison.CHANGED: "~", comparison.ONLY_FIRST: "-", comparison.ONLY_SECOND: "+"}
_COLOURS: Final = {comparison.CHANGED: "yellow", comparison.ONLY_FIRST: "red", comparison.ONLY_SECOND: "green"}
_NAME_COLUMNS: Final = 48


def compared(reader: Reader, first: str, second: str, limit: int | None = None) -> dict[str, Any]:
    """Both sessions' figures with their difference, and the steps in which they differ, at most `limit`, in order.

    Costs are decimal strings in USD, durations seconds; what is unknown is None.
    """
    figures = comparison.figures(reader.statistics(first), reader.statistics(second))
    steps = list(comparison.steps(reader.spans(first), reader.spans(second)))
    differ = [_step(number, step) for number, step in enumerate(steps, 1) if step.state != comparison.SAME]
    return {
        "first": first,
        "second": second,
        "figures": figures,
        "steps_in_all": len(steps),
        "same_steps": len(steps) - len(differ),
        "different_steps": differ[:limit],
        "different_steps_left_out": 0 if limit is None else max(len(differ) - limit, 0),
    }


def step_json(node: Node) -> dict[str, Any]:
    """A step with what was counted there."""
    told: dict[str, Any] = {"depth": len(node.lasts), "kind": node.kind, "name": node.name, "seconds": node.seconds}
    if node.figures is not None:
        told |= {
            "input_tokens": node.figures.input_tokens,
            "output_tokens": node.figures.output_tokens,
            "cost": None if node.figures.cost is None else price_text(node.figures.cost),
        }
    if node.has_failed:
        told |= {"failed": True, "error": node.error}
    return told


def lines(told: Mapping[str, Any], colour: bool) -> Iterator[str]:
    """What `compared` tells, for people: a table of figures, and a line for each step that differs."""
    yield from text.aligned([_heading(told, colour), *_figures(told["figures"])], frozenset({1, 2, 3}))
    yield ""
    differ, steps = told["different_steps"], text.several(told["steps_in_all"], "step")
    if not told["steps_in_all"]:
        yield "Neither has a step"
    elif not differ:
        yield f"Nothing differs in {steps}"
    else:
        yield f"{told['same_steps']:,} of {steps} the same. What differs:"
        yield from text.aligned([_cells(step, colour) for step in differ], frozenset({1}))


def _step(number: int, step: Step) -> dict[str, Any]:
    return {
        "number": number,
        "state": step.state,
        **({"changes": list(step.changes)} if step.changes else {}),
        "first": None if step.first is None else step_json(step.first),
        "second": None if step.second is None else step_json(step.second),
    }


def _heading(told: Mapping[str, Any], colour: bool) -> tuple[str, ...]:
    sessions = (overview.short(told["first"]), overview.short(told["second"]))
    return tuple(text.paint(cell, None, on=colour, dim=True) for cell in ("FIGURE", *sessions, "DIFFERENCE"))


def _figures(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for name, each in figures.items():
        told = (_amount(name, each[side], figures["unpriced_calls"][side]) for side in ("first", "second"))
        yield name.replace("_", " ").replace("llm", "LLM"), *told, _more(name, each["difference"])


def _more(name: str, difference: Any) -> str:
    if difference is None:
        return "?"
    number = Decimal(difference)
    return "same" if not number else f"{'+' if number > 0 else '-'}{_amount(name, str(abs(number)))}"


def _amount(name: str, value: Any, unpriced: int = 0) -> str:
    if value is None:
        return "?"
    if name == "duration":
        return text.span_of_time(float(value))
    return text.money(Decimal(value), unpriced=unpriced) if name == "cost" else f"{int(value):,}"


def _cells(step: Mapping[str, Any], colour: bool) -> tuple[str, ...]:
    node = step["first"] or step["second"]
    sign = text.paint(_SIGNS[step["state"]], _COLOURS[step["state"]], on=colour)
    name = text.cut(f"{text.clean(node['kind'])} {text.clean(node['name'])}", _NAME_COLUMNS)
    return sign, str(step["number"]), name, _state(step)


def _state(step: Mapping[str, Any]) -> str:
    changes = ", ".join(step.get("changes", ()))
    return f"{step['state']}: {changes}" if changes else str(step["state"])
