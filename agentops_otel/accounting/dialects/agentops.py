"""AgentOps 0.4: the original's own spans, which have our kinds and older names for all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects.table import Attributes, Dialect, count, provider
from agentops_otel.accounting.dialects.usage import with_cache
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.accounting.record import SpanRecord

_STATE: Final = "agentops.session.end_state"
_STATES: Final = {
    "success": names.SUCCESS,
    "ok": names.SUCCESS,
    "fail": names.FAILURE,
    "failure": names.FAILURE,
    "error": names.FAILURE,
}
_KINDS: Final = ("session", "agent", "task", "operation", "workflow", "tool", "guardrail", "entity")
_NAMED: Final = {
    "tool": names.TOOL_NAME,
    "agent": names.AGENT_NAME,
    "workflow": names.WORKFLOW_NAME,
}
_RENAMED: Final = {
    "agentops.legacy.end_state_reason": names.END_STATE_REASON,
    "tool.name": names.TOOL_NAME,
    "tool.description": names.TOOL_DESCRIPTION,
    "tool.parameters": names.TOOL_CALL_ARGUMENTS,
    "tool.result": names.TOOL_CALL_RESULT,
    "agent.name": names.AGENT_NAME,
    "agent.id": names.AGENT_ID,
    "workflow.name": names.WORKFLOW_NAME,
}


def _read(record: SpanRecord) -> Attributes:
    attributes = record.attributes
    kind = attributes.get(names.SPAN_KIND)
    said: Attributes = {}
    state = attributes.get(_STATE)
    if isinstance(state, str):
        said[names.END_STATE] = _STATES.get(state.lower(), names.INDETERMINATE)
    is_tool = kind == names.KIND_TOOL
    for end, current in (
        ("input", names.TOOL_CALL_ARGUMENTS if is_tool else names.INPUT_VALUE),
        ("output", names.TOOL_CALL_RESULT if is_tool else names.OUTPUT_VALUE),
    ):
        told = next((found for name in _KINDS if (found := attributes.get(f"agentops.{name}.{end}")) is not None), None)
        if told is not None:
            said[current] = told
    operation = attributes.get("operation.name")
    if isinstance(kind, str) and kind in _NAMED and isinstance(operation, str):
        said[_NAMED[kind]] = operation
    cost = attributes.get("gen_ai.usage.total_cost")
    if is_tool and isinstance(cost, (int, float)) and not isinstance(cost, bool):
        said[names.COST] = cost
    return {**said, **_cached(attributes)}


def _cached(attributes: Mapping[str, Any]) -> Attributes:
    """Anthropic's counts, which it prints as they come: without the tokens of the cache."""
    told = count(attributes.get("gen_ai.usage.prompt_tokens"))
    is_call = attributes.get(names.SPAN_KIND) == names.KIND_LLM and provider(attributes.get("gen_ai.system"))
    if told is None or is_call != "anthropic":
        return {}
    read = count(attributes.get("gen_ai.usage.cache_read_input_tokens"))
    return dict(with_cache(told, read, count(attributes.get("gen_ai.usage.cache_creation_input_tokens"))))


DIALECT: Final = Dialect(
    marks=frozenset(
        {
            _STATE,
            *(f"agentops.{kind}.{end}" for kind in _KINDS for end in ("input", "output")),
            "agentops.legacy.end_state_reason",
            "gen_ai.usage.prompt_tokens",
            "gen_ai.usage.total_cost",
            "operation.name",
        }
    ),
    renamed=_RENAMED,
    reader=_read,
)
