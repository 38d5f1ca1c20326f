"""OpenLLMetry (Traceloop): entities of a kind, prompts and completions in flattened names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agentops_otel.accounting.dialects import messages
from agentops_otel.accounting.dialects.table import (
    AGENT,
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    TASK,
    TOOL,
    WORKFLOW,
    Attributes,
    Dialect,
    tree,
)
from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from agentops_otel.accounting.record import SpanRecord

_KIND: Final = "traceloop.span.kind"
_ENTITY: Final = "traceloop.entity.name"

# The prompt count includes cached tokens, Anthropic's too.
_RENAMED: Final = {
    "traceloop.association.properties.session_id": names.SESSION_ID,
    "llm.request.model": names.REQUEST_MODEL,
    "llm.response.model": names.RESPONSE_MODEL,
    "llm.usage.prompt_tokens": names.INPUT_TOKENS,
    "llm.usage.completion_tokens": names.OUTPUT_TOKENS,
    "llm.usage.reasoning_tokens": names.REASONING_TOKENS,
    "gen_ai.usage.cache_read_input_tokens": names.CACHE_READ_TOKENS,
    "llm.is_streaming": names.REQUEST_STREAM,
    "llm.frequency_penalty": names.REQUEST_FREQUENCY_PENALTY,
    "llm.presence_penalty": names.REQUEST_PRESENCE_PENALTY,
    "llm.top_k": names.REQUEST_TOP_K,
    "llm.chat.stop_sequences": names.REQUEST_STOP_SEQUENCES,
    "llm.temperature": names.REQUEST_TEMPERATURE,
}
_REQUESTS: Final = {"chat": CHAT, "completion": COMPLETION, "embedding": EMBEDDINGS}


def _read(record: SpanRecord) -> Attributes:
    attributes = record.attributes
    said: Attributes = {}
    for name, prefixes, role in (
        (names.INPUT_MESSAGES, ("gen_ai.prompt.", "llm.prompts."), "user"),
        (names.OUTPUT_MESSAGES, ("gen_ai.completion.", "llm.completions."), "assistant"),
    ):
        told = next((found for prefix in prefixes if isinstance(found := tree(attributes, prefix), list)), [])
        found = messages.written(told, role)
        if found is not None:
            said[name] = found
    functions = tree(attributes, "llm.request.functions.")
    if isinstance(functions, list) and functions:
        tools = [{"type": "function", **function} for function in functions if isinstance(function, dict)]
        said[names.TOOL_DEFINITIONS] = plain.to_json(tools)
    return {**said, **_entity(record)}


def _entity(record: SpanRecord) -> Attributes:
    attributes, kind = record.attributes, record.attributes.get(_KIND)
    if not isinstance(kind, str):
        return {}
    name = {"tool": names.TOOL_NAME, "agent": names.AGENT_NAME, "workflow": names.WORKFLOW_NAME}.get(kind)
    inputs, outputs = (
        (names.TOOL_CALL_ARGUMENTS, names.TOOL_CALL_RESULT)
        if kind == "tool"
        else (names.INPUT_VALUE, names.OUTPUT_VALUE)
    )
    told = {inputs: attributes.get("traceloop.entity.input"), outputs: attributes.get("traceloop.entity.output")}
    if name is not None:
        told[name] = attributes.get(_ENTITY)
    return {name: value for name, value in told.items() if value is not None}


DIALECT: Final = Dialect(
    marks=frozenset(
        {
            _KIND,
            "traceloop.association.properties.session_id",
            "llm.request.type",
            "gen_ai.request.type",
            "gen_ai.prompt.0.content",
            "gen_ai.prompt.0.role",
            "gen_ai.completion.0.content",
            "gen_ai.completion.0.role",
            "llm.prompts.0.content",
            "llm.completions.0.content",
            "llm.usage.prompt_tokens",
            "llm.usage.completion_tokens",
        }
    ),
    renamed=_RENAMED,
    kinds={
        _KIND: {"workflow": WORKFLOW, "task": TASK, "agent": AGENT, "tool": TOOL},
        "llm.request.type": _REQUESTS,
        "gen_ai.request.type": _REQUESTS,
    },
    reader=_read,
)
