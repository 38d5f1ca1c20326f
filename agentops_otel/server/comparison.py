"""Two sessions beside each other: their figures, where they part, and their steps, aligned where they are the same."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agentops_otel.accounting.tally import price_text
from agentops_otel.conventions import names
from agentops_otel.server.content import as_json, messages_of, without_ids
from agentops_otel.server.outline import outline
from agentops_otel.server.queries import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.outline import Node

SAME: Final = "same"
CHANGED: Final = "changed"
ONLY_FIRST: Final = "only in the first"
ONLY_SECOND: Final = "only in the second"

_COMPARED: Final = ("duration", "cost", "llm_calls", "tool_calls", "actions", "errors", "unpriced_calls")
_TOKENS: Final = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
_MESSAGES: Final = frozenset({names.INPUT_MESSAGES, names.OUTPUT_MESSAGES})
_ASKED: Final = (names.SYSTEM_INSTRUCTIONS, names.INPUT_MESSAGES, names.TOOL_CALL_ARGUMENTS, names.EVENT_PARAMS)
_ANSWERED: Final = (names.OUTPUT_MESSAGES, names.TOOL_CALL_RESULT, names.EVENT_RETURNS)

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of one session, or the same step of both.

    `state` is `same`, `changed` (the same step with another input, output or outcome: `changes` says which; ids of tool
    calls are none) or tells in which session alone it is.
    """

    state: str
    first: Node | None
    second: Node | None
    changes: tuple[str, ...] = ()

    @property
    def node(self) -> Node:
        """The step, in the first session that has it."""
        node = self.first or self.second
        assert node is not None  # noqa: S101 - a step is of one session at least
        return node


def steps(first: Sequence[SpanRecord], second: Sequence[SpanRecord]) -> Iterator[Step]:
    """All steps of both in order; two are the same where kind, name and depth are, in a common run of steps."""
    before, after = (list(_steps(records)) for records in (first, second))
    labels, others = list(map(_label, before)), list(map(_label, after))
    begin = _alike(labels, others)
    yield from map(_both, before[:begin], after[:begin])
    matcher = SequenceMatcher(None, labels[begin:], others[begin:], autojunk=False)
    for kind, *places in matcher.get_opcodes():
        i, j, k, m = (begin + place for place in places)
        if kind == "equal":
            yield from map(_both, before[i:j], after[k:m])
            continue
        yield from (Step(ONLY_FIRST, node, None) for node in before[i:j])
        yield from (Step(ONLY_SECOND, None, node) for node in after[k:m])


def parting(
    first: Sequence[_Item],
    second: Sequence[_Item],
    label: Callable[[_Item], Hashable],
    changes: Callable[[_Item, _Item], Iterable[str]],
) -> tuple[int | None, list[str]]:
    """The number of the first step that differs, and in what: nothing told where it is another step, or none.

    `label` says which steps are the same, `changes` in what two that are the same differ. The number is None where
    all are alike.
    """
    begin = _alike(*(list(map(label, each)) for each in (first, second)))
    for number, (one, other) in enumerate(zip(first[:begin], second[:begin], strict=True)):
        if differs := list(changes(one, other)):
            return number, differs
    return (None if begin == max(len(first), len(second)) else begin), []


def figures(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures of both, as `statistics` tells them, and how much more the second has; unknown is None."""
    told = {name: (first[name], second[name]) for name in _COMPARED}
    told |= {name: (first["tokens"].get(name, 0), second["tokens"].get(name, 0)) for name in _TOKENS}
    return {
        name: {"first": one, "second": other, "difference": _difference(one, other)}
        for name, (one, other) in told.items()
    }


def _steps(records: Sequence[SpanRecord]) -> Iterator[Node]:
    return (node for node in outline(records) if not node.record.is_session)


def _label(node: Node) -> tuple[int, str, str]:
    return len(node.lasts), node.kind, node.name


def _alike(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """How many both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(first), len(second)))


def _both(one: Node, other: Node) -> Step:
    changes = tuple(_changes(one, other))
    return Step(CHANGED if changes else SAME, one, other, changes)


def _changes(one: Node, other: Node) -> Iterator[str]:
    for what, attributes in (("input", _ASKED), ("output", _ANSWERED)):
        if any(_differ(name, *(node.record.attributes.get(name) for node in (one, other))) for name in attributes):
            yield what
    if (one.has_failed, one.error) != (other.has_failed, other.error):
        yield "outcome"


def _differ(name: str, one: Any, other: Any) -> bool:
    """Whether two attributes of this name tell something else, however it is written."""
    if one == other:
        return False
    told = ((without_ids(messages_of(each)) if name in _MESSAGES else parsed(each)) for each in (one, other))
    return len(set(map(as_json, told))) > 1


def _difference(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return None
    if isinstance(one, str):  # costs are decimal text
        return price_text(Decimal(other) - Decimal(one))
    return other - one
