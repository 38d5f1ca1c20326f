"""Usage as providers print it, counted by the rule of the conventions: cached tokens are part of the input."""

from __future__ import annotations

from typing import Any

from agentops_otel.accounting.dialects.table import count, entries
from agentops_otel.conventions import names


def with_cache(told: int | None, read: int | None, write: int | None) -> dict[str, int]:
    """The attributes of an input count that leaves out what was read from and written to a cache."""
    parts = {names.CACHE_READ_TOKENS: read, names.CACHE_WRITE_TOKENS: write}
    known = {name: tokens for name, tokens in parts.items() if tokens is not None}
    return known if told is None else {names.INPUT_TOKENS: told + sum(known.values()), **known}


def of_provider(usage: Any) -> dict[str, int]:
    """The attributes of a `usage` object as OpenAI or Anthropic answer it; {} for anything else."""
    usage = entries(usage)
    details = entries(usage.get("prompt_tokens_details", usage.get("input_tokens_details")))
    outputs = entries(usage.get("completion_tokens_details", usage.get("output_tokens_details")))
    read, write = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    told = count(usage.get("prompt_tokens", usage.get("input_tokens")))
    if read is not None or write is not None:
        counts: dict[str, int | None] = {**with_cache(told, read, write)}
    else:
        counts = {names.INPUT_TOKENS: told, names.CACHE_READ_TOKENS: count(details.get("cached_tokens"))}
    lasting = count(entries(usage.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    counts[names.CACHE_WRITE_1H_TOKENS] = lasting or None
    counts[names.OUTPUT_TOKENS] = count(usage.get("completion_tokens", usage.get("output_tokens")))
    counts[names.REASONING_TOKENS] = count(outputs.get("reasoning_tokens"))
    return {name: tokens for name, tokens in counts.items() if tokens is not None}
