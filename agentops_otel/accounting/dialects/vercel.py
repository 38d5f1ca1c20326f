"""The AI SDK of Vercel: operations by their id, an outer span for the whole and an inner one for each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects import messages
from agentops_otel.accounting.dialects.table import (
    CHAT,
    EMBEDDINGS,
    TOOL,
    WORKFLOW,
    Attributes,
    Dialect,
    count,
    entries,
    parsed,
    provider,
)
from agentops_otel.accounting.dialects.usage import with_cache
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.accounting.record import SpanRecord

_ID: Final = "ai.operationId"
_CALLS: Final = ("generateText.doGenerate", "streamText.doStream", "generateObject.doGenerate", "streamObject.doStream")
_DETAILS: Final = "ai.usage.inputTokenDetails."

_RENAMED: Final = {
    "ai.telemetry.metadata.sessionId": names.SESSION_ID,
    "ai.telemetry.metadata.session.id": names.SESSION_ID,
    "ai.model.provider": names.PROVIDER_NAME,
    "ai.model.id": names.REQUEST_MODEL,
    "ai.response.model": names.RESPONSE_MODEL,
    "ai.response.id": names.RESPONSE_ID,
    "ai.usage.inputTokens": names.INPUT_TOKENS,
    "ai.usage.promptTokens": names.INPUT_TOKENS,
    "ai.usage.tokens": names.INPUT_TOKENS,
    "ai.usage.outputTokens": names.OUTPUT_TOKENS,
    "ai.usage.completionTokens": names.OUTPUT_TOKENS,
    "ai.usage.cachedInputTokens": names.CACHE_READ_TOKENS,
    _DETAILS + "cacheReadTokens": names.CACHE_READ_TOKENS,
    _DETAILS + "cacheWriteTokens": names.CACHE_WRITE_TOKENS,
    "ai.usage.reasoningTokens": names.REASONING_TOKENS,
    "ai.usage.outputTokenDetails.reasoningTokens": names.REASONING_TOKENS,
    "ai.toolCall.name": names.TOOL_NAME,
    "ai.toolCall.id": names.TOOL_CALL_ID,
    "ai.toolCall.args": names.TOOL_CALL_ARGUMENTS,
    "ai.toolCall.result": names.TOOL_CALL_RESULT,
    "ai.prompt": names.INPUT_VALUE,
}


def _read(record: SpanRecord) -> Attributes:
    attributes = record.attributes
    said: Attributes = {}
    asked = messages.of_json(attributes.get("ai.prompt.messages"))
    if asked is not None:
        said[names.INPUT_MESSAGES] = asked
    text, calls = attributes.get("ai.response.text"), parsed(attributes.get("ai.response.toolCalls"))
    if isinstance(text, str) or isinstance(calls, list):
        answer: dict[str, Any] = {"role": "assistant", "content": text, "tool_calls": calls}
        reason = attributes.get("ai.response.finishReason")
        if isinstance(reason, str):
            answer["finish_reason"] = reason.replace("-", "_")
            said[names.RESPONSE_FINISH_REASONS] = [answer["finish_reason"]]
        said[names.OUTPUT_MESSAGES] = messages.written([answer], "assistant")
    started = attributes.get("ai.response.msToFirstChunk")
    if isinstance(started, (int, float)) and not isinstance(started, bool):
        said[names.RESPONSE_TIME_TO_FIRST_CHUNK] = started / 1000
    return said


def _corrected(attributes: Mapping[str, Any]) -> Attributes:
    """Before version 6 (which prints details) Anthropic's counts came as they are: without the cache."""
    told = count(attributes.get("ai.usage.inputTokens", attributes.get("ai.usage.promptTokens")))
    maker = provider(attributes.get("ai.model.provider"))
    if told is None or maker != "anthropic" or any(name.startswith(_DETAILS) for name in attributes):
        return {}
    inner = entries(entries(parsed(attributes.get("ai.response.providerMetadata"))).get("anthropic"))
    usage = entries(inner.get("usage"))
    read = count(attributes.get("ai.usage.cachedInputTokens", usage.get("cache_read_input_tokens")))
    write = count(usage.get("cache_creation_input_tokens", inner.get("cacheCreationInputTokens")))
    return dict(with_cache(told, read, write)) if read or write else {}


DIALECT: Final = Dialect(
    marks=frozenset({_ID, "ai.model.id", "ai.toolCall.name", "ai.telemetry.metadata.sessionId"}),
    renamed=_RENAMED,
    kinds={
        _ID: {
            **{f"ai.{call}": CHAT for call in _CALLS},
            **{f"ai.{call.partition('.')[0]}": WORKFLOW for call in _CALLS},
            "ai.embed.doEmbed": EMBEDDINGS,
            "ai.embedMany.doEmbed": EMBEDDINGS,
            "ai.embed": WORKFLOW,
            "ai.embedMany": WORKFLOW,
            "ai.toolCall": TOOL,
        }
    },
    reader=_read,
    corrector=_corrected,
)
