"""Content: messages, instructions and tools as the JSON schemas of the conventions want them."""

from __future__ import annotations

import json

import jsonschema
import pytest
from conftest import SHARED
from conventions.models import ANSWERED, SENT, TOOLS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentops_otel.conventions import names
from agentops_otel.conventions.messages import write_content, write_messages, write_output
from agentops_otel.conventions.model import (
    Content,
    Media,
    Memories,
    Message,
    Other,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

SCHEMAS = SHARED / "conventions" / "schemas"


@pytest.fixture(scope="module")
def schema():
    """Each schema of the conventions by the end of its name, as a validator."""
    if not SCHEMAS.exists():
        pytest.skip("the schemas of the conventions are not in this checkout")
    return {
        path.stem.removeprefix("gen-ai-"): jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
        for path in SCHEMAS.glob("*.json")
    }


EXAMPLES = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EXAMPLES
@given(sent=SENT)
def test_what_was_sent(schema, sent):
    written = write_content(Content(sent))
    assert (names.INPUT_MESSAGES in written) is bool(sent)
    if sent:
        schema["input-messages"].validate(json.loads(written[names.INPUT_MESSAGES]))


@EXAMPLES
@given(answered=ANSWERED)
def test_what_was_answered(schema, answered):
    schema["output-messages"].validate(json.loads(write_messages(answered, answered=True)))


@EXAMPLES
@given(texts=st.lists(st.builds(Text, st.text(max_size=20)), min_size=1, max_size=3))
def test_instructions(schema, texts):
    schema["system-instructions"].validate(json.loads(write_content(Content(system=texts))[names.SYSTEM_INSTRUCTIONS]))


@EXAMPLES
@given(tools=TOOLS.filter(bool))
def test_tools(schema, tools):
    described = [Tool(tool.name, tool.type, tool.description) for tool in tools]
    schema["tool-definitions"].validate(json.loads(write_content(Content(tools=described))[names.TOOL_DEFINITIONS]))


def test_parameters_of_a_tool(schema):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    written = write_content(Content(tools=[Tool("weather", description="What it says.", parameters=parameters)]))
    told = json.loads(written[names.TOOL_DEFINITIONS])
    schema["tool-definitions"].validate(told)
    assert told == [{"type": "function", "name": "weather", "description": "What it says.", "parameters": parameters}]


PARTS = [
    (Text("hi"), {"type": "text", "content": "hi"}),
    (Reasoning("hm"), {"type": "reasoning", "content": "hm"}),
    (
        ToolCall("weather", "call_1", {"city": "Lisbon"}),
        {"type": "tool_call", "name": "weather", "id": "call_1", "arguments": {"city": "Lisbon"}},
    ),
    (
        ToolCall("web_search", "srv_1", {"query": "x"}, server=True),
        {
            "type": "server_tool_call",
            "name": "web_search",
            "id": "srv_1",
            "server_tool_call": {"type": "web_search", "arguments": {"query": "x"}},
        },
    ),
    (ToolResult("rain", "call_1"), {"type": "tool_call_response", "id": "call_1", "response": "rain"}),
    (
        ToolResult(["a"], "srv_1", server=True),
        {
            "type": "server_tool_call_response",
            "id": "srv_1",
            "server_tool_call_response": {"type": "result", "result": ["a"]},
        },
    ),
    (
        Media("image", "image/png", data="AAAA"),
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
    ),
    (Media("image", uri="https://x/y.png"), {"type": "uri", "modality": "image", "uri": "https://x/y.png"}),
    (Media("document", file_id="file_1"), {"type": "file", "modality": "document", "file_id": "file_1"}),
    (Media("image"), {"type": "blob", "modality": "image", "content": ""}),
    (Other("compaction"), {"type": "compaction"}),
    (Other("something_new"), {"type": "something_new"}),
]


@pytest.mark.parametrize(("part", "expected"), PARTS, ids=[repr(part)[:40] for part, _ in PARTS])
def test_each_part(part, expected):
    told = json.loads(write_messages([Message("assistant", [part], finish_reason="stop")], answered=True))
    assert told == [{"role": "assistant", "parts": [expected], "finish_reason": "stop"}]


@pytest.mark.parametrize(("part", "written"), PARTS, ids=[repr(part)[:40] for part, _ in PARTS])
def test_each_part_is_valid(schema, part, written):
    schema["output-messages"].validate([{"role": "assistant", "parts": [written], "finish_reason": "stop"}])


RECORDS = Memories([("Likes tea.", "m1", 0.5), ("", None, None), ("\ud800", "m2", None)])


@pytest.mark.parametrize("written", [write_output(RECORDS), write_content(Content(memories=RECORDS))])
def test_memories(schema, written):
    told = json.loads(written[names.MEMORY_RECORDS])
    schema["memory-records"].validate(told)
    assert told[:2] == [{"content": "Likes tea.", "id": "m1", "score": 0.5}, {"content": ""}]


@pytest.mark.parametrize("told", [write_output(Memories()), write_content(Content(memory_query=""))])
def test_a_memory_that_says_nothing(told):
    assert told == {}


def test_the_schemas_can_refuse(schema):
    with pytest.raises(jsonschema.ValidationError):
        schema["output-messages"].validate([{"role": "assistant", "parts": [{"content": "no type"}]}])
