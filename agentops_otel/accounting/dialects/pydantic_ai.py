"""Pydantic AI's own spans: agents and tools by names of its own, usage in details."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects import messages, older
from agentops_otel.accounting.dialects.table import AGENT, TOOL, Attributes, Dialect, count, parsed
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.accounting.record import SpanRecord

_RUNS: Final = frozenset({"all_messages_events", "pydantic_ai.all_messages", "final_result"})
_ARGUMENTS, _RESULT = "tool_arguments", "tool_response"

# The input count includes the tokens of the cache, for every provider.
_RENAMED: Final = {
    "gen_ai.usage.details.cache_read_tokens": names.CACHE_READ_TOKENS,
    "gen_ai.usage.details.cache_read_input_tokens": names.CACHE_READ_TOKENS,
    "gen_ai.usage.details.cached_tokens": names.CACHE_READ_TOKENS,
    "gen_ai.usage.details.cache_write_tokens": names.CACHE_WRITE_TOKENS,
    "gen_ai.usage.details.cache_creation_input_tokens": names.CACHE_WRITE_TOKENS,
    "gen_ai.usage.details.reasoning_tokens": names.REASONING_TOKENS,
    "agent_name": names.AGENT_NAME,
    _ARGUMENTS: names.TOOL_CALL_ARGUMENTS,
    _RESULT: names.TOOL_CALL_RESULT,
}


def _read(record: SpanRecord) -> Attributes:
    attributes = record.attributes
    if _ARGUMENTS in attributes and names.TOOL_NAME in attributes:
        return dict(TOOL)
    is_run = not _RUNS.isdisjoint(attributes)
    said: Attributes = dict(AGENT) if is_run else {}
    if isinstance(attributes.get("final_result"), str):
        said[names.OUTPUT_VALUE] = attributes["final_result"]
    said.update(_conversation(attributes))
    told = parsed(attributes.get("events", attributes.get("all_messages_events")))
    if isinstance(told, list):
        events = [{"name": event.get("event.name"), "attributes": event} for event in told if isinstance(event, dict)]
        asked, answered = older.of_events(events)
        for name, found in ((names.INPUT_MESSAGES, asked), (names.OUTPUT_MESSAGES, answered)):
            written = messages.written(found) if found else None
            if written is not None:
                said[name] = written
    return said


def _conversation(attributes: Mapping[str, Any]) -> Attributes:
    """What an agent was asked in this run, and its last answer; the messages between them are those of its calls."""
    told = parsed(attributes.get("pydantic_ai.all_messages"))
    begin = count(attributes.get("pydantic_ai.new_message_index")) or 0
    new = [message for message in told[begin:] if isinstance(message, dict)] if isinstance(told, list) else []
    asked = list(takewhile(lambda message: message.get("role") != "assistant", new))
    answered = [message for message in new[-1:] if message.get("role") == "assistant"]
    found = ((names.INPUT_MESSAGES, asked), (names.OUTPUT_MESSAGES, answered))
    return {name: messages.written(some) for name, some in found if some}


DIALECT: Final = Dialect(
    marks=frozenset({*_RUNS, *_RENAMED, "model_request_parameters"} - {"agent_name"}),
    renamed=_RENAMED,
    reader=_read,
)
