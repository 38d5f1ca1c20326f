"""GenAI conventions before 1.37: attributes that have been renamed since, and content in span events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.dialects import messages
from agentops_otel.accounting.dialects.table import Attributes, Dialect, parsed
from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.accounting.record import SpanRecord

_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE: Final = "gen_ai.choice"
_PROMPT, _COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"

_RENAMED: Final = {
    "gen_ai.system": names.PROVIDER_NAME,
    "gen_ai.usage.prompt_tokens": names.INPUT_TOKENS,
    "gen_ai.usage.completion_tokens": names.OUTPUT_TOKENS,
    "gen_ai.usage.cache_creation.input_tokens": names.CACHE_WRITE_TOKENS,
    "gen_ai.usage.cache_creation_input_tokens": names.CACHE_WRITE_TOKENS,
    "gen_ai.usage.cache_read_input_tokens": names.CACHE_READ_TOKENS,
    "gen_ai.usage.reasoning_tokens": names.REASONING_TOKENS,
    "gen_ai.openai.request.seed": names.REQUEST_SEED,
    "gen_ai.openai.request.service_tier": names.OPENAI_REQUEST_SERVICE_TIER,
    "gen_ai.openai.response.service_tier": names.OPENAI_RESPONSE_SERVICE_TIER,
    "gen_ai.openai.response.system_fingerprint": names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
}


def _read(record: SpanRecord) -> Attributes:
    said: Attributes = {}
    asked, answered = of_events(record.events)
    for name, told, role in (
        (names.INPUT_MESSAGES, asked, "user"),
        (names.OUTPUT_MESSAGES, answered, "assistant"),
    ):
        found = messages.written(told, role) if told else None
        if found is not None:
            said[name] = found
    reason = record.attributes.get("gen_ai.response.finish_reason")
    if isinstance(reason, str) and reason:
        said[names.RESPONSE_FINISH_REASONS] = [reason]
    return said


def of_events(events: Any) -> tuple[list[Any], list[Any]]:
    """The messages that were sent, and those that were answered, out of events as `{"name", "attributes"}`."""
    asked: list[Any] = []
    answered: list[Any] = []
    for event in events:
        name = event.get("name")
        body = _body(event.get("attributes") or {})
        if name in _ROLES:
            asked.append({"role": _ROLES[name], **body})
        elif name == _CHOICE:
            inner = parsed(body.get("message"))
            inner = inner if isinstance(inner, dict) else {} if inner is None else {"content": inner}
            answered.append({"role": "assistant", **body, **inner})
        elif name in {_PROMPT, _COMPLETION}:
            told = parsed(body.get("gen_ai.prompt" if name == _PROMPT else "gen_ai.completion"))
            (asked if name == _PROMPT else answered).extend(told if isinstance(told, list) else [told])
    return asked, answered


def _body(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says: its attributes, or the JSON that some emitters keep in one of them."""
    inner = parsed(attributes.get("gen_ai.event.content"))
    return {**attributes, **inner} if isinstance(inner, dict) else dict(attributes)


DIALECT: Final = Dialect(
    marks=frozenset({*_RENAMED, "gen_ai.response.finish_reason"}),
    renamed=_RENAMED,
    events=frozenset({*_ROLES, _CHOICE, _PROMPT, _COMPLETION}),
    reader=_read,
)
