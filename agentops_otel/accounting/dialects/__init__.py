"""Dialects: spans of other instrumentations, told in the names of the current conventions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects import (
    agentops,
    langfuse,
    logfire,
    older,
    openinference,
    openllmetry,
    pydantic_ai,
    strands,
    vercel,
)
from agentops_otel.accounting.tally import is_model_call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentops_otel.accounting.dialects.table import Dialect
    from agentops_otel.accounting.record import SpanRecord

__all__ = ["DIALECTS", "tells_of_call", "translate"]

DIALECTS: Final[tuple[Dialect, ...]] = (
    vercel.DIALECT,
    langfuse.DIALECT,
    openinference.DIALECT,
    agentops.DIALECT,
    openllmetry.DIALECT,
    pydantic_ai.DIALECT,
    strands.DIALECT,
    logfire.DIALECT,
    older.DIALECT,
)
"""Those that say more stand first: what one of them tells, a later one does not tell otherwise."""

_MARKS: Final = frozenset().union(*(dialect.marks for dialect in DIALECTS))


_CALLS: Final = {
    name: frozenset(value for value, told in values.items() if is_model_call(told))
    for dialect in DIALECTS
    for name, values in dialect.kinds.items()
}


def tells_of_call(attributes: Mapping[str, Any]) -> bool:
    """Whether these attributes are of a model call, in whatever dialect; those that a span starts with are enough."""
    if is_model_call(attributes):
        return True
    told = ((attributes.get(name), values) for name, values in _CALLS.items())
    return any(isinstance(value, str) and value in values for value, values in told)


def translate(record: SpanRecord) -> Mapping[str, Any]:
    """The attributes of a record with what its dialects say added in current names; the same object where none speaks.

    Nothing is taken away. A current name that is there already stays as it is, except where its emitter is known to
    print another figure under it than the conventions want. Twice is the same as once.
    """
    if not record.events and _MARKS.isdisjoint(record.attributes):
        return record.attributes
    speaking = [dialect for dialect in DIALECTS if dialect.speaks(record)]
    attributes = record.attributes
    while new := _gained(replace(record, attributes=attributes), speaking):
        attributes = {**attributes, **new}
        if len(speaking) == 1:
            break  # one alone has said everything; of several, one may read what another has told
    return attributes


def _gained(record: SpanRecord, speaking: Sequence[Dialect]) -> dict[str, Any]:
    attributes = record.attributes
    said: dict[str, Any] = {}
    corrected: dict[str, Any] = {}
    for dialect in speaking:
        said = {**dialect.read(record), **said}
        corrected = {**dialect.correct(attributes), **corrected}
    new = {name: value for name, value in said.items() if name not in attributes}
    new.update((name, value) for name, value in corrected.items() if attributes.get(name) != value)
    return new
