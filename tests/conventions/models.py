"""Strategies for the model of a call: every field of it, with values that spans can carry."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from agentops_otel.conventions.model import (
    Media,
    Message,
    Other,
    Reasoning,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

WORD = st.text(min_size=1, max_size=20)
WORDS = st.lists(WORD, min_size=1, max_size=3).map(tuple)
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
COUNT = st.integers(0, 2**63 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none()

JSON = st.recursive(
    st.one_of(MAYBE, st.booleans(), WHOLE, NUMBER, st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


def complete(kind: type, values: dict[str, st.SearchStrategy[Any]], **always: Any) -> st.SearchStrategy[Any]:
    """Objects of this kind, each field None or as told; no field may be forgotten."""
    assert {field.name for field in fields(kind)} == {*values, *always}
    return st.builds(kind, **{name: st.one_of(MAYBE, told) for name, told in values.items()}, **always)


USAGE = complete(
    Usage,
    {
        **{field.name: COUNT for field in fields(Usage)},
        "audio_seconds": st.floats(0, allow_infinity=False),
        "cost": st.decimals(min_value=0, max_value=10**6, allow_nan=False),
    },
)
REQUEST = complete(
    Request,
    {
        "model": WORD,
        "temperature": NUMBER,
        "top_p": NUMBER,
        "top_k": WHOLE,
        "max_tokens": WHOLE,
        "frequency_penalty": NUMBER,
        "presence_penalty": NUMBER,
        "stop_sequences": WORDS,
        "seed": WHOLE,
        "choice_count": COUNT.filter(lambda count: count != 1),
        "reasoning_level": WORD,
        "output_type": WORD,
        "previous_response_id": WORD,
        "conversation_id": WORD,
        "encoding_formats": WORDS,
        "api_type": WORD,
        "service_tier": WORD.filter(lambda tier: tier != "auto"),
        "response_id": WORD,
        **dict.fromkeys(["agent_name", "agent_id", "workflow_name", "data_source_id"], WORD),
        **dict.fromkeys(["tool_name", "tool_type", "tool_description", "tool_call_id", "name"], WORD),
    },
    stream=st.booleans(),
    more=MAYBE,
)
RESPONSE = complete(
    Response,
    {
        "id": WORD,
        "model": WORD,
        "finish_reasons": WORDS,
        "usage": USAGE.filter(lambda usage: usage != Usage()),
        "status": WORD,
        "system_fingerprint": WORD,
        "conversation_id": WORD,
        "dimension_count": COUNT,
        "error": WORD,
        "conditions": WORDS,
    },
    service_tier=WORD,
    inner=st.lists(st.tuples(st.one_of(MAYBE, WORD), USAGE), max_size=2),
    openai=st.booleans(),
    more=MAYBE,
)

MODALITY = st.sampled_from(["image", "audio", "video", "document"])
KNOWN_PARTS = frozenset(
    [
        "text",
        "reasoning",
        "tool_call",
        "tool_call_response",
        "server_tool_call",
        "server_tool_call_response",
        "blob",
        "uri",
        "file",
    ]
)
PART = st.one_of(
    st.builds(Text, st.text(max_size=50)),
    st.builds(Reasoning, st.text(max_size=50)),
    st.builds(ToolCall, WORD, st.one_of(MAYBE, WORD), JSON, st.booleans()),
    st.builds(ToolResult, JSON, st.one_of(MAYBE, WORD), st.booleans()),
    st.builds(Media, MODALITY, st.one_of(MAYBE, WORD), data=st.text(max_size=20)),
    st.builds(Media, MODALITY, st.one_of(MAYBE, WORD), uri=st.text(max_size=20)),
    st.builds(Media, MODALITY, st.one_of(MAYBE, WORD), file_id=st.text(max_size=20)),
    st.builds(Other, WORD.filter(lambda kind: kind not in KNOWN_PARTS)),
)
ROLE = st.one_of(st.sampled_from(["system", "user", "assistant", "tool"]), WORD)
REASON = st.sampled_from(["stop", "length", "content_filter", "tool_call", "error"])
PARTS = st.lists(PART, max_size=4)
SENT = st.lists(st.builds(Message, ROLE, PARTS, st.one_of(MAYBE, WORD)), max_size=3)
ANSWERED = st.lists(st.builds(Message, ROLE, PARTS, st.one_of(MAYBE, WORD), REASON), max_size=3)
SCHEMA = st.dictionaries(st.text(max_size=8), JSON, max_size=4)
TOOLS = st.lists(
    st.one_of(
        st.builds(Tool, WORD, st.just("function"), st.one_of(MAYBE, WORD), st.one_of(MAYBE, SCHEMA)),
        st.builds(Tool, WORD, st.sampled_from(["web_search", "code_interpreter"])),
    ),
    max_size=3,
)
