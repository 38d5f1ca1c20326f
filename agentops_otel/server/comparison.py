"""Two sessions beside each other: their figures, and their steps, aligned as far as they are the same."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import price_text
from agentops_otel.conventions import names
from agentops_otel.server.outline import outline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.outline import Node

SAME: Final = "same"
CHANGED: Final = "changed"
ONLY_FIRST: Final = "only in the first"
ONLY_SECOND: Final = "only in the second"

_COMPARED: Final = ("duration", "cost", "llm_calls", "tool_calls", "actions", "errors", "unpriced_calls")
_TOKENS: Final = ("input_tokens", "cache_read_tokens", "output_tokens")
_ASKED: Final = (names.SYSTEM_INSTRUCTIONS, names.INPUT_MESSAGES, names.TOOL_CALL_ARGUMENTS, names.EVENT_PARAMS)
_ANSWERED: Final = (names.OUTPUT_MESSAGES, names.TOOL_CALL_RESULT, names.EVENT_RETURNS)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of one session, or the same step of both.

    `state` is `same`, `changed` (the same step with another input, output or outcome: `changes` says which) or tells in
    which session alone it is.
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
    matcher = SequenceMatcher(None, list(map(_label, before)), list(map(_label, after)), autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            for one, other in zip(before[i:j], after[k:m], strict=True):
                changes = tuple(_changes(one, other))
                yield Step(CHANGED if changes else SAME, one, other, changes)
            continue
        yield from (Step(ONLY_FIRST, node, None) for node in before[i:j])
        yield from (Step(ONLY_SECOND, None, node) for node in after[k:m])


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


def _changes(one: Node, other: Node) -> Iterator[str]:
    for what, attributes in (("input", _ASKED), ("output", _ANSWERED)):
        if any(one.record.attributes.get(name) != other.record.attributes.get(name) for name in attributes):
            yield what
    if (one.has_failed, one.error) != (other.has_failed, other.error):
        yield "outcome"


def _difference(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return None
    if isinstance(one, str):  # costs are decimal text
        return price_text(Decimal(other) - Decimal(one))
    return other - one
