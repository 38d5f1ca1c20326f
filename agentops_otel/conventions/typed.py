"""Attributes that a store keeps as text, as the values that they were written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_COUNTS: Final = (
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
    names.CACHE_READ_TOKENS,
    names.CACHE_WRITE_TOKENS,
    names.CACHE_WRITE_1H_TOKENS,
    names.REASONING_TOKENS,
    names.AUDIO_INPUT_TOKENS,
    names.AUDIO_OUTPUT_TOKENS,
    names.AUDIO_CACHE_READ_TOKENS,
    names.IMAGE_INPUT_TOKENS,
    names.IMAGE_OUTPUT_TOKENS,
    names.IMAGE_CACHE_READ_TOKENS,
    names.TEXT_INPUT_TOKENS,
    names.TEXT_OUTPUT_TOKENS,
    names.WEB_SEARCHES,
)
_WHOLE: Final = (
    *_COUNTS,
    *(names.FETCHED + name for name in _COUNTS),
    names.REQUEST_TOP_K,
    names.REQUEST_MAX_TOKENS,
    names.REQUEST_SEED,
    names.REQUEST_CHOICE_COUNT,
    names.REQUEST_STREAM_CURSOR,
    names.EMBEDDINGS_DIMENSION_COUNT,
    names.RETRIEVAL_TOP_K,
    names.MEMORY_RECORD_COUNT,
    names.SERVER_PORT,
    names.LLM_CALLS,
    names.TOOL_CALLS,
    names.ACTIONS,
    names.ERRORS,
    names.TOTAL_INPUT_TOKENS,
    names.TOTAL_OUTPUT_TOKENS,
    names.TOTAL_CACHE_READ_TOKENS,
    names.TOTAL_CACHE_WRITE_TOKENS,
    names.TOTAL_REASONING_TOKENS,
    names.COST_UNPRICED_CALLS,
    names.SEARCH_UNITS,
    names.SESSION_START_TIME,
    "process.pid",
    *(f"agentops.host.{told}" for told in ("cpu.count", "memory.total", "memory.available", "disk.total", "disk.free")),
)
_NUMBERS: Final = (
    names.REQUEST_TEMPERATURE,
    names.REQUEST_TOP_P,
    names.REQUEST_FREQUENCY_PENALTY,
    names.REQUEST_PRESENCE_PENALTY,
    names.RESPONSE_TIME_TO_FIRST_CHUNK,
    names.AUDIO_SECONDS,
    names.FETCHED + names.AUDIO_SECONDS,
    names.COST,
    *names.COST_ALIASES,
)
_TRUTHS: Final = (
    names.REQUEST_STREAM,
    names.USAGE_MISSING,
    names.FETCHED + names.USAGE_MISSING,
    names.CONTENT_DROPPED,
    names.SAME_CALL,
    names.GUARDRAIL_TRIGGERED,
    "exception.escaped",
)
_LISTS: Final = (
    names.TAGS,
    names.RESPONSE_FINISH_REASONS,
    names.REQUEST_STOP_SEQUENCES,
    names.REQUEST_ENCODING_FORMATS,
    names.COST_CONDITIONS,
    names.INNER_USAGE,
    "agentops.packages",
    "process.command_args",
)


def _whole(told: str) -> Any:
    digits = told.removeprefix("-")
    return int(told) if digits.isascii() and digits.isdigit() and len(digits) < 20 else told  # noqa: PLR2004 - 64 bits


def _number(told: str) -> Any:
    try:
        return float(told)
    except ValueError:
        return told


def _truth(told: str) -> Any:
    return {"true": True, "false": False}.get(told, told)


def _list(told: str) -> Any:
    read = loaded(told) if told.startswith("[") else None
    return read if isinstance(read, list) else told


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(_WHOLE, _whole),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_TRUTHS, _truth),
    **dict.fromkeys(_LISTS, _list),
}


def typed(told: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Names and texts as attributes: those that have a type in the conventions get it back, all others stay text.

    What is not of its type stays text too, so that whoever reads it sees it as somebody else's.
    """
    return {name: _READ[name](text) if name in _READ else text for name, text in told}
