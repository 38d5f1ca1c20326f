"""Bodies and streams of the demo, read by the real client libraries, the oldest supported ones included."""

from __future__ import annotations

import anthropic
import openai
import pytest

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

ASK = [{"role": "user", "content": "Where to?"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASK}
MESSAGE = {"model": "claude-sonnet-4-6", "messages": ASK, "max_tokens": 100}
RESPONSE = {"model": "gpt-4.1", "input": "Where to?"}
# The oldest clients that are supported know neither of these.
since_responses = pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="no Responses API")
since_thinking = pytest.mark.skipif(not hasattr(anthropic.types, "ThinkingBlock"), reason="no thinking")
TOOLS = [("look_up", {"city": "Lisbon", "days": 2}), ("book", {"seats": 2})]


def openai_client(provider, kind=openai.OpenAI, **options):
    return kind(api_key="none", base_url=provider.openai_url, **options)


def anthropic_client(provider, kind=anthropic.Anthropic, **options):
    return kind(api_key="none", base_url=provider.anthropic_url, **options)


# --- OpenAI ----------------------------------------------------------------------------------------


def test_chat_has_text_tools_and_usage():
    usage = bodies.chat_usage(1200, 150, cached_tokens=1000, reasoning_tokens=64)
    answer = Answer.json(bodies.chat("To Lisbon.", tools=TOOLS, usage=usage))
    with Provider([answer]) as provider, openai_client(provider) as client:
        completion = client.chat.completions.create(**CHAT)
    choice = completion.choices[0]
    assert choice.message.content == "To Lisbon."
    assert choice.finish_reason == "tool_calls"
    assert [call.function.name for call in choice.message.tool_calls] == ["look_up", "book"]
    assert choice.message.tool_calls[0].function.arguments == '{"city": "Lisbon", "days": 2}'
    assert completion.usage.to_dict() == usage
    assert usage["total_tokens"] == 1350
    assert usage["prompt_tokens_details"]["cached_tokens"] == 1000
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 64


@pytest.mark.parametrize("include_usage", [True, False])
def test_chat_stream_says_what_the_whole_says(include_usage):
    whole = bodies.chat("Take the tram, then walk.", tools=TOOLS)
    chunks = streams.chat_chunks(whole, include_usage=include_usage)
    with Provider([Answer.sse(chunks)]) as provider, openai_client(provider) as client:
        seen = list(client.chat.completions.create(**CHAT, stream=True))
    deltas = [chunk.choices[0].delta for chunk in seen if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Take the tram, then walk."
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert [call.function.name for call in calls if call.id] == ["look_up", "book"]
    arguments = "".join(call.function.arguments for call in calls if call.index == 0)
    assert arguments == '{"city": "Lisbon", "days": 2}'
    assert {chunk.id for chunk in seen} == {whole["id"]}
    assert (seen[-1].usage is not None) is include_usage


def test_chat_stream_through_the_clients_own_accumulator():
    whole = bodies.chat("Over the hill.", usage=bodies.chat_usage(9, 4))
    answer = Answer.sse(streams.chat_chunks(whole))
    with Provider([answer]) as provider, openai_client(provider) as client:
        # openai 1 had it among the betas
        chat = client.chat if hasattr(client.chat.completions, "stream") else client.beta.chat
        with chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as stream:
            final = stream.get_final_completion()
    assert final.choices[0].message.content == "Over the hill."
    assert final.usage.total_tokens == 13


@since_responses
def test_response_whole_and_streamed():
    usage = bodies.response_usage(300, 40, cached_tokens=256, reasoning_tokens=16)
    whole = bodies.response("Lisbon, by train.", reasoning="Trains are fun.", tools=TOOLS, usage=usage)
    answers = [Answer.json(whole), Answer.sse(streams.response_events(whole))]
    with Provider(answers) as provider, openai_client(provider) as client:
        plain = client.responses.create(**RESPONSE)
        events = list(client.responses.create(**RESPONSE, stream=True))
    assert plain.output_text == "Lisbon, by train."
    assert [item.type for item in plain.output] == ["reasoning", "message", "function_call", "function_call"]
    assert plain.usage.to_dict() == usage
    assert events[-1].type == "response.completed"
    assert events[-1].response == plain
    written = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(written) == "Lisbon, by train."
    assert [event.sequence_number for event in events] == list(range(len(events)))


@since_responses
def test_response_stream_through_the_clients_own_accumulator():
    whole = bodies.response("By tram.", reasoning="Hills.", tools=TOOLS)
    answer = Answer.sse(streams.response_events(whole))
    with (
        Provider([answer]) as provider,
        openai_client(provider) as client,
        client.responses.stream(**RESPONSE) as stream,
    ):
        final = stream.get_final_response()
    assert final.output_text == "By tram."
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call", "function_call"]


@pytest.mark.parametrize("encoded", [False, pytest.param(True, marks=since_responses)])
def test_embeddings(encoded):
    body = bodies.embeddings(2, dimensions=4, encoded=encoded, prompt_tokens=7)
    with Provider([Answer.json(body)]) as provider, openai_client(provider) as client:
        answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert answer.data[0].embedding == pytest.approx([-0.3, -0.2, -0.1, 0.0], abs=1e-6)
    assert len(answer.data) == 2
    assert answer.usage.total_tokens == 7


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, openai.BadRequestError, None),
        (401, openai.AuthenticationError, "invalid_api_key"),
        (404, openai.NotFoundError, "model_not_found"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
    ],
)
def test_openai_errors(status, error, code):
    answer = bodies.openai_error(status, "No such luck.")
    with (
        Provider([answer]) as provider,
        openai_client(provider, max_retries=0) as client,
        pytest.raises(error, match="No such luck") as caught,
    ):
        client.chat.completions.create(**CHAT)
    assert caught.value.code == code
    assert caught.value.request_id.startswith("req_")


def test_a_client_retries_a_rate_limit():
    answers = [bodies.openai_error(429), Answer.json(bodies.chat("At last."))]
    with Provider(answers) as provider, openai_client(provider, max_retries=1) as client:
        completion = client.chat.completions.create(**CHAT)
    assert completion.choices[0].message.content == "At last."
    assert len(provider.requests) == 2


def test_error_in_the_middle_of_a_chat_stream():
    chunks = [*streams.chat_chunks(bodies.chat("So far so good."))[:3], bodies.openai_error_body(500)]
    with Provider([Answer.sse(chunks)]) as provider, openai_client(provider) as client:
        stream = client.chat.completions.create(**CHAT, stream=True)
        with pytest.raises(openai.APIError, match="The server had an error"):
            list(stream)


async def test_async_openai():
    whole = bodies.chat("Hello.")
    answers = [Answer.json(whole), Answer.sse(streams.chat_chunks(whole))]
    with Provider(answers) as provider:
        async with openai_client(provider, openai.AsyncOpenAI) as client:
            completion = await client.chat.completions.create(**CHAT)
            stream = await client.chat.completions.create(**CHAT, stream=True)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
    assert text == completion.choices[0].message.content == "Hello."


# --- Anthropic -------------------------------------------------------------------------------------

USAGE = bodies.message_usage(12, 60, cache_read=2000, cache_5m=300, cache_1h=40, thinking=25, tier="priority")


def test_message_has_thinking_text_tools_and_usage():
    body = bodies.message("Dear Ada,", thinking="Be brief.", tools=TOOLS, usage=USAGE)
    with Provider([Answer.json(body)]) as provider, anthropic_client(provider) as client:
        message = client.messages.create(**MESSAGE)
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.content[2].input == {"city": "Lisbon", "days": 2}
    assert message.stop_reason == "tool_use"
    assert message.usage.to_dict() == USAGE
    assert USAGE["cache_creation_input_tokens"] == 340
    assert USAGE["cache_creation"] == {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 40}
    assert provider.requests[0].path == "/v1/messages"


@since_thinking
def test_message_stream_says_what_the_whole_says():
    whole = bodies.message("Dear Ada,\n it rains.", thinking="Be brief.", tools=TOOLS, usage=USAGE)
    answers = [Answer.json(whole), Answer.sse(streams.message_events(whole))]
    with Provider(answers) as provider, anthropic_client(provider) as client:
        plain = client.messages.create(**MESSAGE)
        with client.messages.stream(**MESSAGE) as stream:
            final = stream.get_final_message()
    assert [block.to_dict() for block in final.content] == whole["content"]
    assert final.stop_reason == plain.stop_reason
    assert final.usage.output_tokens == 60
    assert final.usage.cache_creation == plain.usage.cache_creation


def test_message_events_in_the_order_of_the_wire():
    whole = bodies.message("Hi there")
    events = streams.message_events(whole)
    with Provider([Answer.sse(events)]) as provider, anthropic_client(provider) as client:
        seen = [event.type for event in client.messages.create(**MESSAGE, stream=True)]
    middle = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    assert seen == ["message_start", *middle, "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
def test_anthropic_errors(status, error):
    answer = bodies.anthropic_error(status, "No such luck.")
    with (
        Provider([answer]) as provider,
        anthropic_client(provider, max_retries=0) as client,
        pytest.raises(error, match="No such luck") as caught,
    ):
        client.messages.create(**MESSAGE)
    assert caught.value.status_code == status
    assert caught.value.request_id == caught.value.body["request_id"]


def test_error_event_in_the_middle_of_a_message_stream():
    events = [*streams.message_events(bodies.message("Hi there"))[:4], bodies.anthropic_error_body(529)]
    with (
        Provider([Answer.sse(events)]) as provider,
        anthropic_client(provider) as client,
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
    ):
        list(client.messages.create(**MESSAGE, stream=True))


async def test_async_anthropic():
    whole = bodies.message("Hello.")
    answers = [Answer.json(whole), Answer.sse(streams.message_events(whole))]
    with Provider(answers) as provider:
        async with anthropic_client(provider, anthropic.AsyncAnthropic) as client:
            message = await client.messages.create(**MESSAGE)
            async with client.messages.stream(**MESSAGE) as stream:
                text = "".join([part async for part in stream.text_stream])
    assert text == message.content[0].text == "Hello."
