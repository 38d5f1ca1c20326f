"""Strands Agents' own spans: what a tool was given and answered stands in events, graphs are operations of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects.table import WORKFLOW, Attributes, Dialect
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from agentops_otel.accounting.record import SpanRecord

_STATUS: Final = "gen_ai.tool.status"
_TOLD: Final = {
    "gen_ai.tool.message": (names.TOOL_CALL_ARGUMENTS, "content"),
    "gen_ai.choice": (names.TOOL_CALL_RESULT, "message"),
}


def _read(record: SpanRecord) -> Attributes:
    if record.attributes.get(names.OPERATION_NAME) != names.EXECUTE_TOOL:
        return {}
    said: Attributes = {}
    for event in record.events:
        told: Any = event.get("attributes") or {}
        if event.get("name") in _TOLD:
            name, field = _TOLD[event["name"]]
            if told.get(field) is not None:
                said[name] = told[field]
        elif record.attributes.get(_STATUS) == "error" and isinstance(told.get(names.EXCEPTION_TYPE), str):
            said[names.ERROR_TYPE] = told[names.EXCEPTION_TYPE]
    if record.attributes.get(_STATUS) == "error":
        said.setdefault(names.ERROR_TYPE, names.TOOL_ERROR)
    return said


DIALECT: Final = Dialect(
    marks=frozenset({"gen_ai.event.start_time"}),
    kinds={names.OPERATION_NAME: {"invoke_graph": WORKFLOW, "invoke_swarm": WORKFLOW}},
    reader=_read,
)
