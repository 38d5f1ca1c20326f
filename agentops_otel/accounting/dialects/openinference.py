"""OpenInference (Arize): spans of a kind, messages and tools in flattened names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects import messages
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
    entries,
    parsed,
    tree,
)
from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.accounting.record import SpanRecord

_KIND: Final = "openinference.span.kind"

# The prompt count has included cached tokens for every provider since March 2025.
_RENAMED: Final = {
    "llm.provider": names.PROVIDER_NAME,
    "llm.system": names.PROVIDER_NAME,
    "llm.model_name": names.RESPONSE_MODEL,
    "embedding.model_name": names.RESPONSE_MODEL,
    "llm.token_count.prompt": names.INPUT_TOKENS,
    "llm.token_count.completion": names.OUTPUT_TOKENS,
    "llm.token_count.prompt_details.cache_read": names.CACHE_READ_TOKENS,
    "llm.token_count.prompt_details.cache_write": names.CACHE_WRITE_TOKENS,
    "llm.token_count.prompt_details.audio": names.AUDIO_INPUT_TOKENS,
    "llm.token_count.completion_details.reasoning": names.REASONING_TOKENS,
    "llm.token_count.completion_details.audio": names.AUDIO_OUTPUT_TOKENS,
    "tool_call.id": names.TOOL_CALL_ID,
    "agent.name": names.AGENT_NAME,
}
_PARAMETERS: Final = {
    "temperature": names.REQUEST_TEMPERATURE,
    "top_p": names.REQUEST_TOP_P,
    "max_tokens": names.REQUEST_MAX_TOKENS,
    "max_completion_tokens": names.REQUEST_MAX_TOKENS,
    "frequency_penalty": names.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": names.REQUEST_PRESENCE_PENALTY,
    "seed": names.REQUEST_SEED,
}


def _read(record: SpanRecord) -> Attributes:
    attributes = record.attributes
    said: Attributes = {}
    if attributes.get(_KIND) == "TOOL":
        said |= _tool(record)
    for name, prefix, role in (
        (names.INPUT_MESSAGES, "llm.input_messages.", "user"),
        (names.OUTPUT_MESSAGES, "llm.output_messages.", "assistant"),
    ):
        told = tree(attributes, prefix)
        found = messages.written(told, role) if isinstance(told, list) else None
        if found is not None:
            said[name] = found
    tools = tree(attributes, "llm.tools.")
    if isinstance(tools, list) and tools:
        said[names.TOOL_DEFINITIONS] = plain.to_json([_definition(tool) for tool in tools])
    return {**said, **parameters(attributes.get("llm.invocation_parameters"))}


def parameters(told: Any) -> Attributes:
    """The parameters of a request out of their JSON."""
    found = entries(parsed(told))
    return {
        current: found[name]
        for name, current in _PARAMETERS.items()
        if isinstance(found.get(name), (int, float)) and not isinstance(found[name], bool)
    }


def _tool(record: SpanRecord) -> Attributes:
    attributes = record.attributes
    told = {
        names.TOOL_NAME: attributes.get("tool.name") or record.name,
        names.TOOL_DESCRIPTION: attributes.get("tool.description"),
        names.TOOL_CALL_ARGUMENTS: attributes.get(names.INPUT_VALUE),
        names.TOOL_CALL_RESULT: attributes.get(names.OUTPUT_VALUE),
    }
    return {name: value for name, value in told.items() if value is not None}


def _definition(tool: Any) -> Mapping[str, Any]:
    told = entries(tool)
    told = entries(told.get("tool")) or told
    try:
        schema = json.loads(told.get("json_schema", "{}"))
    except (ValueError, TypeError, RecursionError):
        schema = {}
    inner = entries(entries(schema).get("function")) or entries(schema)
    written = {
        "type": "function",
        "name": told.get("name") or inner.get("name") or "",
        "description": told.get("description") or inner.get("description"),
        "parameters": inner.get("parameters") or inner.get("input_schema"),
    }
    return {name: value for name, value in written.items() if value is not None}


DIALECT: Final = Dialect(
    marks=frozenset({_KIND, "llm.model_name", "llm.token_count.prompt", "llm.token_count.completion"}),
    renamed=_RENAMED,
    kinds={
        _KIND: {
            "LLM": CHAT,
            "EMBEDDING": EMBEDDINGS,
            "AGENT": AGENT,
            "TOOL": TOOL,
            "CHAIN": WORKFLOW,
            "RETRIEVER": RETRIEVAL,
            "GUARDRAIL": GUARDRAIL,
        }
    },
    reader=_read,
)
