"""LangChain's messages, prompts and results, in the words of the model."""

from __future__ import annotations

from typing import Any

from agentops_otel.conventions.model import Message, Part, Response, Text, ToolCall, ToolResult, Usage
from agentops_otel.engine import listed, read, read_text

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "HumanMessageChunk": "user"}


def message(told: Any, *, reason: str | None = None) -> Message | None:
    """A message in any of the forms that LangChain takes: an object, a dict, (role, text) or a text."""
    if isinstance(told, str):
        return Message("user", [Text(told)])
    if isinstance(told, tuple) and len(told) == 2 and isinstance(told[0], str):  # noqa: PLR2004 - (role, text)
        return Message(_ROLES.get(told[0], told[0]), _texts(told[1]))
    role = read_text(told, "type") or read_text(told, "role")
    if role is None:
        return None
    content = read(told, "content")
    if role == "tool":
        return Message(role, [ToolResult(content, read_text(told, "tool_call_id"))])
    calls: list[Part] = [
        ToolCall(str(read(call, "name")), read(call, "id"), read(call, "args"))
        for call in listed(read(told, "tool_calls"))
    ]
    return Message(_ROLES.get(role, role), [*_texts(content), *calls], read_text(told, "name"), reason)


def _texts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)] if content else []
    blocks = [block if isinstance(block, str) else read_text(block, "text") for block in listed(content)]
    return [Text(block) for block in blocks if block]


def messages(told: Any) -> list[Message]:
    """Those of a list, or of the state of a graph; a text is one."""
    if isinstance(told, dict):
        told = told.get("messages") or told.get("input") or told.get("question")
    items = [told] if isinstance(told, str) or read(told, "content") is not None else listed(told)
    found = [message(item) for item in items]
    return [item for item in found if item is not None]


def last(told: Any) -> list[Message]:
    """The last message of a result: what an agent or a chain answered."""
    if isinstance(told, dict):
        told = told.get("messages") or told.get("output")
    items = listed(told) or [told]
    found = Message("assistant", [Text(told)]) if isinstance(told, str) else message(items[-1])
    if found is None:
        return []
    found.finish_reason = found.finish_reason or "stop"
    return [found]


def answered(result: Any) -> list[Message]:
    """The messages that a model generated, each with the reason why it ended."""
    found = []
    for generation in _generations(result):
        told, reason = read(generation, "message"), _reason(generation) or "stop"
        if told is None:
            found.append(Message("assistant", _texts(read(generation, "text")), None, reason))
        elif (answer := message(told, reason=reason)) is not None:
            found.append(answer)
    return found


def is_cached(result: Any) -> bool:
    """Whether the answer comes from LangChain's cache: nothing was asked, and nothing is billed."""
    return any(read(item, "message.usage_metadata.total_cost") == 0 for item in _generations(result))


def response(result: Any) -> Response:
    """Ids, usage and finish reasons of a result."""
    first = next(iter(_generations(result)), None)
    reasons = [_reason(item) for item in _generations(result)]
    response_id = read_text(first, "message.response_metadata.id") or read_text(result, "llm_output.id")
    return Response(
        id=response_id,
        model=read_text(first, "message.response_metadata.model_name") or read_text(result, "llm_output.model_name"),
        finish_reasons=[reason for reason in reasons if reason] or None,
        usage=_usage(result),
    )


def _generations(result: Any) -> list[Any]:
    return listed(next(iter(listed(read(result, "generations"))), None))


def _reason(generation: Any) -> str | None:
    for place in ("message.response_metadata", "generation_info"):
        for name in ("finish_reason", "stop_reason", "done_reason"):
            told = read_text(read(generation, place), name)
            if told is not None:
                return told
    return None


def _usage(result: Any) -> Usage | None:
    # Where several answers are generated at once, the messages share the usage of the call.
    told = next((read(item, "message.usage_metadata") for item in _generations(result)), None)
    if told is not None:
        return Usage(
            input_tokens=read(told, "input_tokens"),
            output_tokens=read(told, "output_tokens"),
            cache_read_tokens=read(told, "input_token_details.cache_read"),
            cache_write_tokens=read(told, "input_token_details.cache_creation"),
            reasoning_tokens=read(told, "output_token_details.reasoning"),
            audio_input_tokens=read(told, "input_token_details.audio"),
            audio_output_tokens=read(told, "output_token_details.audio"),
        )
    told = read(result, "llm_output.token_usage") or read(result, "llm_output.usage")
    if read(told, "prompt_tokens") is None and read(told, "completion_tokens") is None:
        return None
    return Usage(input_tokens=read(told, "prompt_tokens"), output_tokens=read(told, "completion_tokens"))
