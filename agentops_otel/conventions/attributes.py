"""The model as span attributes and back: the only writer and the only reader of `gen_ai.*`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import compress, repeat
from operator import attrgetter, is_not
from typing import TYPE_CHECKING, Any

from agentops_otel.conventions import names, plain
from agentops_otel.conventions.model import Request, Response, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Attributes = dict[str, Any]
_HIGHEST = 2**63
_NOTHING = repeat(None)
_SHORT = 1_000
"""Characters of a text that is nowhere near any limit."""


def _int(value: Any) -> int | None:
    if type(value) is int and -_HIGHEST < value < _HIGHEST:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if abs(value) < _HIGHEST else None


def _count(value: Any) -> int | None:
    if type(value) is int and 0 <= value < _HIGHEST:
        return value
    whole = _int(value)
    return whole if whole is not None and whole >= 0 else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _seconds(value: Any) -> float | None:
    seconds = _float(value)
    return seconds if seconds is not None and seconds >= 0 else None


def text_of(value: Any) -> str | None:
    """A text as a span can carry it; None for an empty one, and for anything else."""
    return plain.text(value) if isinstance(value, str) and value else None


def _strs(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        value = (value,) if value else ()
    if not isinstance(value, (list, tuple)):
        return None
    return tuple([plain.text(item) for item in value if isinstance(item, str)]) or None


def _true(value: Any) -> bool | None:
    return True if value is True else None


def _several(value: Any) -> int | None:
    count = _count(value)
    return count if count != 1 else None


def _uncommon(value: Any) -> str | None:
    return None if value == "auto" else text_of(value)


def _money(value: Any) -> str | None:
    return str(value) if isinstance(value, Decimal) and value.is_finite() and value >= 0 else None


Row = tuple[str, str, "Callable[[Any], Any]"]
_REQUEST: tuple[Row, ...] = (
    ("model", names.REQUEST_MODEL, text_of),
    ("stream", names.REQUEST_STREAM, _true),
    ("temperature", names.REQUEST_TEMPERATURE, _float),
    ("top_p", names.REQUEST_TOP_P, _float),
    ("top_k", names.REQUEST_TOP_K, _int),
    ("max_tokens", names.REQUEST_MAX_TOKENS, _int),
    ("frequency_penalty", names.REQUEST_FREQUENCY_PENALTY, _float),
    ("presence_penalty", names.REQUEST_PRESENCE_PENALTY, _float),
    ("stop_sequences", names.REQUEST_STOP_SEQUENCES, _strs),
    ("seed", names.REQUEST_SEED, _int),
    ("choice_count", names.REQUEST_CHOICE_COUNT, _several),
    ("reasoning_level", names.REQUEST_REASONING_LEVEL, text_of),
    ("output_type", names.OUTPUT_TYPE, text_of),
    ("previous_response_id", names.REQUEST_PREVIOUS_RESPONSE_ID, text_of),
    ("conversation_id", names.CONVERSATION_ID, text_of),
    ("encoding_formats", names.REQUEST_ENCODING_FORMATS, _strs),
    ("api_type", names.OPENAI_API_TYPE, text_of),
    ("service_tier", names.OPENAI_REQUEST_SERVICE_TIER, _uncommon),
    ("response_id", names.RESPONSE_ID, text_of),
    ("agent_name", names.AGENT_NAME, text_of),
    ("agent_id", names.AGENT_ID, text_of),
    ("workflow_name", names.WORKFLOW_NAME, text_of),
    ("data_source_id", names.DATA_SOURCE_ID, text_of),
    ("tool_name", names.TOOL_NAME, text_of),
    ("tool_type", names.TOOL_TYPE, text_of),
    ("tool_description", names.TOOL_DESCRIPTION, text_of),
    ("tool_call_id", names.TOOL_CALL_ID, text_of),
    ("name", names.STEP_NAME, text_of),
)
_RESPONSE: tuple[Row, ...] = (
    ("id", names.RESPONSE_ID, text_of),
    ("model", names.RESPONSE_MODEL, text_of),
    ("finish_reasons", names.RESPONSE_FINISH_REASONS, _strs),
    ("status", names.RESPONSE_STATUS, text_of),
    ("service_tier", names.SERVICE_TIER, text_of),
    ("system_fingerprint", names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT, text_of),
    ("conversation_id", names.CONVERSATION_ID, text_of),
    ("dimension_count", names.EMBEDDINGS_DIMENSION_COUNT, _count),
    ("conditions", names.COST_CONDITIONS, _strs),
    ("error", names.ERROR_TYPE, text_of),
)
_USAGE: tuple[Row, ...] = (
    ("input_tokens", names.INPUT_TOKENS, _count),
    ("output_tokens", names.OUTPUT_TOKENS, _count),
    ("cache_read_tokens", names.CACHE_READ_TOKENS, _count),
    ("cache_write_tokens", names.CACHE_WRITE_TOKENS, _count),
    ("cache_write_1h_tokens", names.CACHE_WRITE_1H_TOKENS, _count),
    ("reasoning_tokens", names.REASONING_TOKENS, _count),
    ("audio_input_tokens", names.AUDIO_INPUT_TOKENS, _count),
    ("audio_output_tokens", names.AUDIO_OUTPUT_TOKENS, _count),
    ("audio_cache_read_tokens", names.AUDIO_CACHE_READ_TOKENS, _count),
    ("image_input_tokens", names.IMAGE_INPUT_TOKENS, _count),
    ("image_output_tokens", names.IMAGE_OUTPUT_TOKENS, _count),
    ("image_cache_read_tokens", names.IMAGE_CACHE_READ_TOKENS, _count),
    ("text_input_tokens", names.TEXT_INPUT_TOKENS, _count),
    ("text_output_tokens", names.TEXT_OUTPUT_TOKENS, _count),
    ("web_searches", names.WEB_SEARCHES, _count),
    ("audio_seconds", names.AUDIO_SECONDS, _seconds),
    ("cost", names.PROVIDER_COST, _money),
)


class Table:
    """Fields of a thing and the attributes that they become; all fields are taken at once, for most are None."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self.rows = rows
        self._columns = [(name, clean) for _, name, clean in rows]
        self._values = attrgetter(*(field for field, _, _ in rows))

    def write(self, thing: Any, attributes: Attributes, prefix: str = "") -> Attributes:
        """Add the thing's attributes to these; values of the wrong type are left out."""
        values = self._values(thing)
        told = compress(zip(self._columns, values, strict=True), map(is_not, values, _NOTHING))
        for (name, clean), value in told:
            if value is False:
                continue
            cleaned: Any
            if clean is _count:  # nearly all that is written is a count or a short name, and needs no cleaning
                cleaned = value if type(value) is int and 0 <= value < _HIGHEST else clean(value)
            elif clean is text_of and type(value) is str and 0 < len(value) < _SHORT and value.isascii():
                cleaned = value
            else:
                cleaned = clean(value)
            if cleaned is not None:
                attributes[prefix + name] = cleaned
        return attributes

    def read(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that these attributes tell of."""
        cleaned = {field: clean(attributes[name]) for field, name, clean in self.rows if name in attributes}
        return {field: value for field, value in cleaned.items() if value is not None}


_REQUESTS, _RESPONSES, _USAGES = Table(_REQUEST), Table(_RESPONSE), Table(_USAGE)
_USAGE_ROWS = {name: (field, clean) for field, name, clean in _USAGE}


def write_request(request: Request) -> Attributes:
    """The attributes of a request; values of the wrong type are left out."""
    attributes = _REQUESTS.write(request, {})
    return attributes | _more(request.more) if request.more else attributes


def _more(told: Mapping[str, Any]) -> Attributes:
    """Attributes of other conventions, as far as their values are such that a span can have."""
    cleaned = {name: _plain(value) for name, value in told.items() if isinstance(name, str)}
    return {name: value for name, value in cleaned.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _int(value)
    return (
        _float(value)
        if isinstance(value, float)
        else _strs(value)
        if isinstance(value, (list, tuple))
        else text_of(value)
    )


def write_response(response: Response, *, fetched: bool = False) -> Attributes:
    """The attributes of a response; those of a `fetched` one keep its usage apart from the first call's."""
    attributes = _RESPONSES.write(response, {})
    if response.openai and names.SERVICE_TIER in attributes:
        attributes[names.OPENAI_RESPONSE_SERVICE_TIER] = attributes.pop(names.SERVICE_TIER)
    if response.usage is not None:
        _USAGES.write(response.usage, attributes, names.FETCHED if fetched else "")
    if response.inner:
        attributes[names.INNER_USAGE] = tuple(_inner(model, usage) for model, usage in response.inner)
    return attributes | _more(response.more) if response.more else attributes


def read_request(attributes: Mapping[str, Any]) -> Request:
    """The request that these attributes tell of."""
    return Request(**_REQUESTS.read(attributes))


def read_response(attributes: Mapping[str, Any]) -> Response:
    """The response that these attributes tell of, usage included."""
    response = Response(**_RESPONSES.read(attributes))
    if names.OPENAI_RESPONSE_SERVICE_TIER in attributes:
        response.service_tier, response.openai = attributes[names.OPENAI_RESPONSE_SERVICE_TIER], True
    response.usage = read_usage(attributes)
    response.inner = read_inner(attributes)
    return response


def _inner(model: str | None, usage: Usage) -> str:
    return plain.to_json(_USAGES.write(usage, {} if model is None else {names.RESPONSE_MODEL: model}))


def read_inner(attributes: Mapping[str, Any]) -> list[tuple[str | None, Usage]]:
    """(model, usage) of the work that is billed beside a call's own; empty usage where it is illegible."""
    inner = [loaded(item) for item in listed(attributes.get(names.INNER_USAGE))]
    told = [item if isinstance(item, dict) else {} for item in inner]
    return [(text_of(item.get(names.RESPONSE_MODEL)), read_usage(item) or Usage()) for item in told]


def loaded(value: Any) -> Any:
    """The JSON of a text; None where it is none, for limits of others may have cut it."""
    try:
        return json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return None


def listed(value: Any) -> Sequence[Any]:
    """A list or tuple as it is; nothing for anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def read_text(attributes: Mapping[str, Any], name: str) -> str | None:
    """The text under this name; None where there is none, or where anybody put something else there."""
    value = attributes.get(name)
    return value if isinstance(value, str) else None


def read_usage(attributes: Mapping[str, Any], prefix: str = "") -> Usage | None:
    """The usage that these attributes tell of; None where they tell of none."""
    told: dict[str, Any] = {}
    for name in _USAGE_ROWS.keys() & attributes.keys() if not prefix else _USAGE_ROWS:
        value = attributes.get(prefix + name)
        if value is not None:
            field, clean = _USAGE_ROWS[name]
            if type(value) is int and clean is _count and 0 <= value < _HIGHEST:
                told[field] = value
                continue
            cleaned = _decimal(value) if field == "cost" else clean(value)
            if cleaned is not None:
                told[field] = cleaned
    return Usage(**told) if told else None


def _decimal(value: Any) -> Decimal | None:
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None
