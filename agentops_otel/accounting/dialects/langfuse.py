"""Langfuse: observations of a type, their input, output and usage as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects import messages
from agentops_otel.accounting.dialects.openinference import parameters
from agentops_otel.accounting.dialects.table import (
    AGENT,
    CHAT,
    EMBEDDINGS,
    GUARDRAIL,
    RETRIEVAL,
    TOOL,
    WORKFLOW,
    Attributes,
    Dialect,
    count,
    parsed,
)
from agentops_otel.accounting.dialects.usage import of_provider
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from agentops_otel.accounting.record import SpanRecord

_TYPE: Final = "langfuse.observation.type"
_INPUT, _OUTPUT = "langfuse.observation.input", "langfuse.observation.output"
_READS: Final = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "input_cache_read_tokens")
_WRITES: Final = ("cache_creation_input_tokens", "input_cache_creation", "input_cache_write_tokens")
_THOUGHTS: Final = ("output_reasoning_tokens", "output_reasoning")


def _read(record: SpanRecord) -> Attributes:
    attributes = record.attributes
    kind = attributes.get(_TYPE)
    said: Attributes = {
        **_usage(parsed(attributes.get("langfuse.observation.usage_details"))),
        **parameters(attributes.get("langfuse.observation.model.parameters")),
    }
    told = attributes.get(_INPUT), attributes.get(_OUTPUT)
    if kind == "generation":
        asked, answered = messages.of_json(told[0]), messages.of_json(told[1], "assistant")
        said |= {names.INPUT_MESSAGES: asked, names.OUTPUT_MESSAGES: answered}
    elif kind == "tool":
        said |= {names.TOOL_NAME: record.name, names.TOOL_CALL_ARGUMENTS: told[0], names.TOOL_CALL_RESULT: told[1]}
    else:
        said |= {names.INPUT_VALUE: told[0], names.OUTPUT_VALUE: told[1]}
    if kind == "agent":
        said[names.AGENT_NAME] = record.name
    return {name: value for name, value in said.items() if value is not None}


def _usage(details: Any) -> dict[str, int]:
    """Usage by type. Types do not overlap: those of the input make the input together, so do those of the output.

    Details in OpenAI's own names are what OpenAI answered, and overlap as that does.
    """
    if not isinstance(details, dict):
        return {}
    if "input" not in details and "output" not in details:
        return of_provider(details)
    counts = {name: tokens for name, told in details.items() if (tokens := count(told)) is not None}
    sums = {
        names.INPUT_TOKENS: [tokens for name, tokens in counts.items() if "input" in name],
        names.OUTPUT_TOKENS: [tokens for name, tokens in counts.items() if "output" in name],
        names.CACHE_READ_TOKENS: [counts[name] for name in _READS if name in counts],
        names.CACHE_WRITE_TOKENS: [counts[name] for name in _WRITES if name in counts],
        names.REASONING_TOKENS: [counts[name] for name in _THOUGHTS if name in counts],
    }
    return {name: sum(told) for name, told in sums.items() if told}


DIALECT: Final = Dialect(
    marks=frozenset({_TYPE, _INPUT, _OUTPUT, "langfuse.session.id", "langfuse.trace.tags"}),
    renamed={
        "langfuse.session.id": names.SESSION_ID,
        "langfuse.trace.tags": names.TAGS,
        "langfuse.observation.model.name": names.RESPONSE_MODEL,
    },
    kinds={
        _TYPE: {
            "generation": CHAT,
            "embedding": EMBEDDINGS,
            "agent": AGENT,
            "tool": TOOL,
            "chain": WORKFLOW,
            "retriever": RETRIEVAL,
            "guardrail": GUARDRAIL,
        }
    },
    reader=_read,
)
