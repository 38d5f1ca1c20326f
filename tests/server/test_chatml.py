"""Messages of the conventions as the classic export has them."""

from __future__ import annotations

import json

import pytest
from span_records import llm

from agentops_otel.conventions import names


def said(role, *parts, **fields):
    return json.dumps([{"role": role, "parts": list(parts), **fields}])


def text(content):
    return {"type": "text", "content": content}


def test_content_that_was_not_captured_is_null(exported):
    (call,) = exported(llm(None))["llms"]
    assert (call["prompt"], call["completion"], call["cost"]) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain words", {"type": "string", "string": "plain words"}),
        ('"quoted"', {"type": "string", "string": '"quoted"'}),
        ("[]", None),
        (
            '[{"role": "user", "parts": 5}]',
            {"type": "chatml", "messages": [{"role": "user", "content": None}]},
        ),
        ('["user", 5]', {"type": "string", "string": '["user", 5]'}),
        (said("user"), {"type": "chatml", "messages": [{"role": "user", "content": None}]}),
        (
            said("assistant", text("a"), {"type": "tool_call", "id": "c", "name": "f", "arguments": {"x": 1}}),
            {
                "type": "chatml",
                "messages": [
                    {
                        "role": "assistant",
                        "content": "a",
                        "tool_calls": [
                            {
                                "id": "c",
                                "type": "function",
                                "function": {"name": "f", "arguments": '{"x": 1}'},
                            }
                        ],
                    }
                ],
            },
        ),
        (
            said("user", {"type": "tool_call_response", "id": "c", "response": {"y": 2}}, text("and?")),
            {
                "type": "chatml",
                "messages": [
                    {"role": "tool", "tool_call_id": "c", "content": '{"y": 2}'},
                    {"role": "user", "content": "and?"},
                ],
            },
        ),
        (
            said("user", text("see"), {"type": "uri", "modality": "image", "uri": "http://i"}),
            {
                "type": "chatml",
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "see"}, {"type": "image", "uri": "http://i"}],
                    }
                ],
            },
        ),
        (
            said("assistant", {"type": "reasoning", "content": "hm"}, text("a"), text("b")),
            {"type": "chatml", "messages": [{"role": "assistant", "content": "a\nb", "reasoning": "hm"}]},
        ),
    ],
    ids=[
        "text",
        "quoted",
        "none",
        "odd parts",
        "odd messages",
        "empty",
        "tool call",
        "tool result",
        "image",
        "reasoning",
    ],
)
def test_messages(exported, value, expected):
    (call,) = exported(llm(attributes={names.INPUT_MESSAGES: value}))["llms"]
    assert call["prompt"] == expected


def test_system_instructions_in_no_known_form_are_kept(exported):
    told = {names.SYSTEM_INSTRUCTIONS: "be good", names.INPUT_MESSAGES: "hi"}
    (call,) = exported(llm(attributes=told))["llms"]
    assert call["prompt"]["messages"] == [
        {"role": "system", "content": "be good"},
        {"role": "user", "content": "hi"},
    ]
