"""google-genai where it is not like others: functions that it calls by itself, chats, raw answers, odd answers."""

from __future__ import annotations

import asyncio
import json

import pytest
from comparison import done

pytest.importorskip("google.genai")

from agentops_otel_instrumentors import _gemini as gemini
from google.genai import types
from rows_google_genai import ASKED, CONFIG, ROWS, USAGE, answer

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Usage
from agentops_otel.demo.provider import Answer

ROW = ROWS[0]
ASKS = {"functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "c1"}}


def asks(number, **more):
    """An answer that asks for a function."""
    return {**answer(usage={**USAGE, "promptTokenCount": number}, **more), "candidates": [
        {"content": {"role": "model", "parts": [ASKS]}, "finishReason": "STOP", "index": 0}
    ]}  # fmt: skip


def sse(*told):
    return Answer(
        headers={"content-type": "text/event-stream"},
        chunks=[f"data: {json.dumps(item)}\r\n\r\n".encode() for item in told],
    )


def weather(city: str) -> str:
    """Tell the weather."""
    return f"Sunny in {city}"


async def aweather(city: str) -> str:
    """Tell the weather."""
    await asyncio.sleep(0)
    return f"Sunny in {city}"


aweather.__name__ = "weather"


def broken(city: str) -> str:
    raise LookupError(city)


broken.__name__ = "weather"

for _function in (weather, aweather, broken):
    _function.__annotations__ = {"city": str}  # older versions do not resolve what stands there as a text

CLOCKS = 1_000_000
"""What two clocks may differ by, in nanoseconds."""
CONFIGS = {
    "dict": lambda tool: {**CONFIG, "tools": [tool]},
    "model": lambda tool: types.GenerateContentConfig(**CONFIG, tools=[tool]),
}


def generate(tool, config="dict"):
    def scenario(row, client):
        return client.models.generate_content(**{**ASKED, "config": CONFIGS[config](tool)})

    return scenario


def agenerate(tool):
    async def scenario(row, client):
        return await client.models.generate_content(**{**ASKED, "config": CONFIGS["dict"](tool)})

    return scenario


def stream(tool):
    def scenario(row, client):
        return list(client.models.generate_content_stream(**{**ASKED, "config": CONFIGS["dict"](tool)}))

    return scenario


def astream(tool):
    async def scenario(row, client):
        chunks = await done(client.models.generate_content_stream(**{**ASKED, "config": CONFIGS["dict"](tool)}))
        return [chunk async for chunk in chunks]

    return scenario


def told(spans):
    return [(span.name, span.attributes.get(names.INPUT_TOKENS)) for span in spans]


WHOLE = [Answer.json(asks(10, responseId="r1")), Answer.json(answer(responseId="r2"))]
NAMELESS = [Answer.json({**asks(10), "responseId": None}), Answer.json({**answer(), "responseId": None})]
CHUNKS = [
    sse(answer("Let me see.", None, None), asks(10)),
    sse(answer("It", None, None, responseId="r2"), answer(" is", responseId="r2")),
]
EXPECTED = [
    ("generate_content gemini-2.5-flash", 10),
    ("execute_tool weather", None),
    ("generate_content gemini-2.5-flash", 20),
]


@pytest.mark.parametrize(
    ("scenario", "answers"),
    [
        (generate(weather), WHOLE),
        (generate(weather, "model"), WHOLE),
        (generate(weather), NAMELESS),
        (agenerate(weather), WHOLE),
        (agenerate(aweather), WHOLE),
        (stream(weather), CHUNKS),
        (astream(weather), CHUNKS),
        (astream(aweather), CHUNKS),
    ],
    ids=["plain", "config model", "no ids", "async", "async function", "stream", "async stream", "async both"],
)
def test_each_model_call_and_each_run_of_a_function_is_a_span(compare, scenario, answers):
    seen = compare(ROW, scenario, answers)
    spans = sorted(seen.spans, key=lambda span: span.start_time)
    assert sorted(told(spans), key=str) == sorted(EXPECTED, key=str)
    run = next(span for span in spans if span.name.startswith("execute"))
    assert json.loads(run.attributes[names.TOOL_CALL_ARGUMENTS]) == {"city": "Rome"}
    assert run.attributes[names.TOOL_CALL_RESULT] == '"Sunny in Rome"'
    assert run.attributes[names.SPAN_KIND] == names.KIND_TOOL
    assert names.PROVIDER_NAME not in run.attributes
    assert {span.parent_id for span in spans} == {spans[0].parent_id}
    first, last = (span for span in spans if span is not run)
    assert first.end_time <= last.start_time + CLOCKS <= last.end_time + CLOCKS
    assert run.start_time >= first.start_time
    assert run.end_time <= last.start_time + CLOCKS
    assert (first.status, run.status, last.status) == ("unset",) * 3


def test_a_function_that_fails_is_answered_for_by_the_library(compare):
    seen = compare(ROW, generate(broken), WHOLE)
    run = next(span for span in seen.spans if span.name.startswith("execute"))
    assert (run.status, run.attributes[names.ERROR_TYPE]) == ("error", "LookupError")
    assert [span.status for span in seen.spans if span is not run] == ["unset", "unset"]


@pytest.mark.parametrize("scenario", [generate(weather), stream(weather)], ids=["plain", "stream"])
def test_the_call_that_is_refused_is_the_one_that_failed(compare, scenario):
    refused = Answer.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, status=400)
    first = WHOLE[0] if scenario.__qualname__.startswith("generate") else CHUNKS[0]
    seen = compare(ROW, scenario, [first, refused])
    calls = sorted((span for span in seen.spans if span.name.startswith("generate")), key=lambda span: span.start_time)
    assert [span.status for span in calls] == ["unset", "error"]
    assert [span.attributes.get(names.INPUT_TOKENS) for span in calls] == [10, None]


def test_a_call_within_a_function_is_its_own(compare):
    def scenario(row, client):
        def weather(city: str) -> str:
            """Tell the weather."""
            return client.models.generate_content(**ASKED).text

        weather.__annotations__ = {"city": str}
        return client.models.generate_content(**{**ASKED, "config": CONFIGS["dict"](weather)})

    answers = [WHOLE[0], Answer.json(answer(usage={**USAGE, "promptTokenCount": 7}, responseId="r9")), WHOLE[1]]
    seen = compare(ROW, scenario, answers)
    by_tokens = {span.attributes.get(names.INPUT_TOKENS): span for span in seen.spans}
    assert sorted(by_tokens, key=str) == [10, 20, 7, None]
    assert by_tokens[7].parent_id == by_tokens[None].span_id
    assert by_tokens[20].parent_id == by_tokens[10].parent_id == by_tokens[None].parent_id


def test_a_chat_stream(compare):
    def scenario(row, client):
        return list(client.chats.create(model="gemini-2.5-flash", config=CONFIG).send_message_stream("Hi"))

    seen = compare(ROW, scenario, [ROW.streamed])
    assert told(seen.spans) == [("generate_content gemini-2.5-flash", 20)]


def test_the_raw_answer(compare):
    def scenario(row, client):
        config = types.GenerateContentConfig(should_return_http_response=True)
        return client.models.generate_content(model="gemini-2.5-flash", contents="Hi", config=config)

    span = compare(ROW, scenario, [ROW.whole]).span
    assert span.attributes[names.INPUT_TOKENS] == 20
    assert span.attributes[names.RESPONSE_FINISH_REASONS] == ("STOP",)


def test_a_prompt_that_is_blocked(compare):
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    span = compare(ROW, lambda row, client: client.models.generate_content(**ASKED), [Answer.json(blocked)]).span
    assert span.attributes[names.RESPONSE_FINISH_REASONS] == ("PROHIBITED_CONTENT",)
    assert span.attributes[names.INPUT_TOKENS] == 3


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (None, None),
        ({}, None),
        ({"total_token_count": 4}, None),
        ({"prompt_token_count": "many"}, None),
        ({"prompt_token_count": 15, "thoughts_token_count": 2}, Usage(15, 2, reasoning_tokens=2)),
        (
            {"prompt_token_count": 13, "candidates_token_count": 194, "tool_use_prompt_token_count": 289},
            Usage(302, 194),
        ),
        (
            {
                "prompt_token_count": 30,
                "candidates_token_count": 9,
                "prompt_tokens_details": [
                    {"modality": types.MediaModality.TEXT, "token_count": 10},
                    {"modality": "AUDIO", "token_count": 15},
                    {"modality": "IMAGE", "token_count": 5},
                    None,
                ],
                "candidates_tokens_details": [{"modality": "IMAGE", "token_count": 9}],
                "cache_tokens_details": [{"modality": "AUDIO", "token_count": 3}, {"modality": "AUDIO"}],
            },
            Usage(
                30, 9, audio_input_tokens=15, image_input_tokens=5, image_output_tokens=9, audio_cache_read_tokens=3
            ),
        ),
    ],
)  # fmt: skip
def test_usage(printed, expected):
    assert gemini.usage(printed) == expected


def test_content(compare):
    contents = [
        "Look:",
        types.Part.from_bytes(data=b"png", mime_type="image/png"),
        types.Content(role="model", parts=[types.Part.from_function_call(name="f", args={"a": 1})]),
        types.Content(role="user", parts=[types.Part.from_function_response(name="f", response={"b": 2})]),
        {"role": "user", "parts": [{"text": "And?"}, {"file_data": {"file_uri": "gs://x", "mime_type": "text/plain"}}]},
    ]
    config = {"tools": [{"function_declarations": [{"name": "f", "description": "does"}]}, {"google_search": {}}]}

    def scenario(row, client):
        return client.models.generate_content(model="gemini-2.5-flash", contents=contents, config=config)

    attributes = compare(ROW, scenario, [Answer.json(asks(1))]).span.attributes
    assert json.loads(attributes[names.INPUT_MESSAGES]) == [
        {"role": "user", "parts": [
            {"type": "text", "content": "Look:"},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "cG5n"},
        ]},
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "id": None, "arguments": {"a": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": None, "response": {"b": 2}}]},
        {"role": "user", "parts": [
            {"type": "text", "content": "And?"},
            {"type": "uri", "modality": "document", "mime_type": "text/plain", "uri": "gs://x"},
        ]},
    ]  # fmt: skip
    assert json.loads(attributes[names.OUTPUT_MESSAGES]) == [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "weather", "id": "c1", "arguments": {"city": "Rome"}}],
            "finish_reason": "stop",
        }
    ]
    assert [tool["name"] for tool in json.loads(attributes[names.TOOL_DEFINITIONS])] == ["f", "google_search"]
