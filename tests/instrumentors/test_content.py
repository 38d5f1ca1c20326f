"""Messages: written as the conventions say where they are captured, and nowhere at all where they are not."""

from __future__ import annotations

import json

import jsonschema
import pytest
from cases import ANTHROPIC, CASES, CHAT, EMBEDDINGS, MESSAGES, OPENAI, RESPONSES, STREAMED, Trip
from comparison import done
from conftest import SHARED

from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer

SCHEMAS = SHARED / "conventions" / "schemas"
CANARY = "canary-4711"
FILES = {
    names.INPUT_MESSAGES: "gen-ai-input-messages.json",
    names.OUTPUT_MESSAGES: "gen-ai-output-messages.json",
    names.SYSTEM_INSTRUCTIONS: "gen-ai-system-instructions.json",
    names.TOOL_DEFINITIONS: "gen-ai-tool-definitions.json",
}

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])

FUNCTION = {"name": "weather", "description": CANARY, "parameters": {"type": "object"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": CANARY})}}
CHAT_PARTS = [
    {"type": "text", "text": CANARY},
    {"type": "image_url", "image_url": {"url": f"https://pictures.example/{CANARY}"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVpZ2h0cw=="}},
    {"type": "input_audio", "input_audio": {"data": "aGVpZ2h0cw==", "format": "wav"}},
    {"type": "file", "file": {"file_id": "file-1"}},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGVpZ2h0cw==", "filename": "a.pdf"}},
]
CHAT_MESSAGES = [
    {"role": "system", "content": CANARY},
    {"role": "developer", "content": [{"type": "text", "text": CANARY}]},
    {"role": "user", "content": CHAT_PARTS, "name": "ada"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": CANARY},
    {"role": "assistant", "content": "", "refusal": CANARY},
    {"role": "user", "content": "Where to?"},
]
INPUT = [
    {"role": "developer", "content": CANARY},
    {
        "role": "user",
        "content": [{"type": "input_text", "text": CANARY}, {"type": "input_image", "image_url": "https://a.example"}],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": CANARY}]},
    {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": json.dumps({"city": CANARY})},
    {"type": "function_call_output", "call_id": "call_1", "output": CANARY},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": CANARY}},
    {"type": "item_reference", "id": "msg_1"},
]
BLOCKS = [
    {"role": "user", "content": CANARY},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": CANARY, "signature": "s"},
            {"type": "redacted_thinking", "data": CANARY},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": CANARY}},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": CANARY}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": CANARY, "is_error": True},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVpZ2h0cw=="}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "text", "text": CANARY, "cache_control": {"type": "ephemeral"}},
        ],
    },
]
TOOLS = [("weather", {"city": CANARY})]

RICH = {
    "chat": (
        CHAT,
        {"messages": CHAT_MESSAGES, "tools": [{"type": "function", "function": FUNCTION}]},
        bodies.chat(CANARY, tools=TOOLS),
        streams.chat_chunks,
    ),
    "response": (
        RESPONSES,
        {"input": INPUT, "instructions": CANARY, "tools": [{"type": "function", **FUNCTION}, {"type": "web_search"}]},
        bodies.response(CANARY, reasoning=CANARY, tools=TOOLS),
        streams.response_events,
    ),
    "message": (
        MESSAGES,
        {
            "messages": BLOCKS,
            "system": [{"type": "text", "text": CANARY}],
            "tools": [{"name": "weather", "description": CANARY, "input_schema": {"type": "object"}}],
        },
        bodies.message(CANARY, thinking=CANARY, tools=TOOLS),
        streams.message_events,
    ),
}
by_rich = pytest.mark.parametrize("rich", RICH.values(), ids=RICH)
streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def converse(stage, rich, *, streamed):
    case, asked, body, apart = rich
    stage.set([Answer.sse(apart(body)) if streamed else Answer.json(body)])
    with case.client(stage.provider) as client:
        answer = case.call(client, **asked, stream=streamed)
        return list(answer) if streamed else answer


def valid(file, told):
    """The value is what its schema says, and each of its parts what the schema says of parts of its own type."""
    schema = json.loads((SCHEMAS / file).read_text())
    jsonschema.validate(told, schema)
    kinds = {
        kind["properties"]["type"]["const"]: {**kind, "$defs": schema["$defs"]}
        for kind in schema["$defs"].values()
        if "const" in kind.get("properties", {}).get("type", {})
    }
    for item in told:
        for part in item.get("parts", [item]):
            jsonschema.validate(part, kinds.get(part["type"], {}))


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas are not beside this checkout")
@by_rich
@streamed_or_not
def test_messages_are_written_as_the_conventions_say(stage, watched, rich, streamed):
    converse(stage, rich, streamed=streamed)
    told = watched.span.attributes
    assert {names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.TOOL_DEFINITIONS} <= set(told)
    for name, file in FILES.items():
        if name in told:
            valid(file, json.loads(told[name]))


@by_rich
@streamed_or_not
def test_all_that_is_said_is_captured(stage, watched, rich, streamed):
    """Once for each time that it was said, but for what the conventions have no place for."""
    converse(stage, rich, streamed=streamed)
    case, asked, _, _ = rich
    told = watched.span.attributes
    sent = json.dumps(asked).count(CANARY)
    written = sum(told.get(name, "").count(CANARY) for name in FILES if name != names.OUTPUT_MESSAGES)
    assert written == sent - (1 if case is MESSAGES else 0)  # what is redacted says nothing
    assert told[names.OUTPUT_MESSAGES].count(CANARY) == {"openai-chat": 2}.get(case.id, 3)


def nowhere(watched, word=CANARY):
    """The word is in no attribute, event or status of any span."""
    for span in watched.all:
        assert word not in repr((span.name, dict(span.attributes), list(span.events), span.status_message, span.links))


@by_rich
@streamed_or_not
def test_no_word_is_captured_unless_wanted(stage, make_watched, rich, streamed):
    watched = make_watched(capture_content=False)
    converse(stage, rich, streamed=streamed)
    assert watched.span.attributes[names.OUTPUT_TOKENS] == 10
    assert not set(watched.span.attributes) & set(FILES)
    nowhere(watched)


@by_rich
@streamed_or_not
def test_no_word_is_captured_of_an_error_unless_wanted(stage, make_watched, rich, streamed):
    watched = make_watched(capture_content=False)
    case, asked, _, _ = rich
    error = bodies.openai_error if case.library is OPENAI else bodies.anthropic_error
    stage.set([error(400, f"no such thing: {CANARY}")])
    with case.client(stage.provider) as client, pytest.raises(case.library.module.BadRequestError) as caught:
        case.call(client, **asked, stream=streamed)
    assert CANARY in str(caught.value)
    span = watched.span
    assert span.attributes[names.ERROR_TYPE] == f"{case.library.module.__name__}.BadRequestError"
    assert span.status_message == "BadRequestError"
    nowhere(watched)


@by_rich
def test_no_word_of_the_readers_own_error_unless_wanted(stage, make_watched, rich):
    watched = make_watched(capture_content=False)
    case, asked, body, apart = rich
    stage.set([Answer.sse(apart(body))])

    def read(client):
        with case.call(client, **asked, stream=True) as stream:
            for _ in stream:
                error = LookupError(f"{CANARY}\n{CANARY}")
                error.add_note(CANARY)
                raise error

    with case.client(stage.provider) as client, pytest.raises(LookupError):
        read(client)
    assert watched.span.attributes[names.ERROR_TYPE] == "LookupError"
    nowhere(watched)


def test_no_word_that_is_embedded_is_captured_at_all(stage, watched):
    stage.set([EMBEDDINGS.whole])
    with EMBEDDINGS.client(stage.provider) as client:
        EMBEDDINGS.call(client, input=[CANARY])
    nowhere(watched)


KEY = "sk-canary-0001"


@by_case
@both
@pytest.mark.parametrize("content", [False, True], ids=["no content", "content"])
async def test_no_key_is_captured_whatever_is_echoed(stage, make_watched, case, asynchronous, content):
    watched = make_watched(capture_content=content)
    error = bodies.anthropic_error if case.library is ANTHROPIC else bodies.openai_error
    stage.set([error(401, f"Incorrect API key provided: {KEY}. Sent was Bearer {KEY}")])
    client = case.client(stage.provider, asynchronous=asynchronous)
    with pytest.raises(case.library.module.AuthenticationError, match=KEY):
        await done(case.call(client))
    await done(client.close())
    assert watched.span.status == "error"
    nowhere(watched, KEY)


@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.id)
def test_what_had_been_said_when_a_stream_is_left(stage, watched, case):
    stage.set([case.sse()])
    with case.client(stage.provider) as client:
        stream = case.stream(client)
        said = ""
        while "Cacilhas" not in said:
            said += str(next(stream))
        stream.close()
    (message,) = json.loads(watched.span.attributes[names.OUTPUT_MESSAGES])
    assert message["parts"][-1]["content"] == "Take the ferry to Cacilhas "
    assert message["finish_reason"] == "error"


@pytest.mark.parametrize("case", [CHAT, MESSAGES], ids=lambda case: case.id)
def test_the_form_of_a_structured_answer_is_told(stage, watched, case):
    stage.set([Answer.json(bodies.chat("{}") if case is CHAT else bodies.message("{}"))])
    schema = Trip.model_json_schema()
    form = {"type": "json_schema", "json_schema": {"name": "trip", "schema": schema}}
    asked = {"response_format": form}
    if case is MESSAGES:
        asked = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    with case.client(stage.provider) as client:
        case.call(client, **asked)
    assert watched.span.attributes[names.OUTPUT_TYPE] == "json"
