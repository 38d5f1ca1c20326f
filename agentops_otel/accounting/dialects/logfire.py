"""Logfire's spans of a client's calls: request, response and usage as JSON beside the names of a convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects import messages
from agentops_otel.accounting.dialects.openinference import parameters
from agentops_otel.accounting.dialects.table import CHAT, Attributes, Dialect, entries, parsed
from agentops_otel.accounting.dialects.usage import of_provider
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.accounting.record import SpanRecord

_REQUEST, _RESPONSE, _RAW = "request_data", "response_data", "gen_ai.usage.raw"


def _read(record: SpanRecord) -> Attributes:
    request = entries(parsed(record.attributes.get(_REQUEST)))
    response = entries(parsed(record.attributes.get(_RESPONSE)))
    if "messages" not in request:
        return {}
    answer = response.get("message", response.get("combined_chunk_content"))
    said: Attributes = {
        **CHAT,
        **parameters(request),
        **of_provider(response.get("usage")),
        names.REQUEST_MODEL: request.get("model"),
        names.INPUT_MESSAGES: messages.of_json(request["messages"]),
        names.OUTPUT_MESSAGES: messages.of_json(answer, "assistant"),
    }
    if request.get("stream") is True:
        said[names.REQUEST_STREAM] = True
    return {name: value for name, value in said.items() if value is not None}


def _corrected(attributes: Mapping[str, Any]) -> Attributes:
    """What the provider answered: it tells of the cache, which Logfire's own counts have left out of Anthropic's."""
    return dict(of_provider(parsed(attributes.get(_RAW))))


DIALECT: Final = Dialect(marks=frozenset({_REQUEST, _RESPONSE, _RAW}), reader=_read, corrector=_corrected)
