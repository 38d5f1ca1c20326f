"""What is peculiar to openai: its answers, its figures, and who else is spoken to through its client."""

from __future__ import annotations

import json

import httpx2
import openai
import pytest
from cases import ASK, CHAT, RESPONSES, TRIP, Trip
from inline_snapshot import snapshot
from trees import tree

from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer

CALLS = [("weather", {"city": "Lisbon"}), ("ferries", {})]


@pytest.fixture
def client(stage, watched):
    with CHAT.client(stage.provider) as made:
        yield made


def chat(client, **more):
    return client.chat.completions.create(**{"model": "gpt-4o-mini", "messages": ASK, **more})


def told(span, *wanted):
    """These attributes of the span, those that it has."""
    return {name: span.attributes[name] for name in wanted if name in span.attributes}


def said(span):
    return json.loads(span.attributes[names.OUTPUT_MESSAGES])


# --- Chat ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_tool_calls(stage, client, watched, streamed):
    body = bodies.chat("Let me see.", tools=CALLS)
    stage.set([Answer.sse(streams.chat_chunks(body)) if streamed else Answer.json(body)])
    answer = chat(client, stream=streamed)
    if streamed:
        list(answer)
    assert said(watched.span) == snapshot(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "text", "content": "Let me see."},
                    {
                        "type": "tool_call",
                        "name": "weather",
                        "id": "call_a1b63deb4c155ef3e42f38f5",
                        "arguments": {"city": "Lisbon"},
                    },
                    {"type": "tool_call", "name": "ferries", "id": "call_1f110dd02b6c5e713aa78e37", "arguments": {}},
                ],
                "finish_reason": "tool_call",
            }
        ]
    )
    assert watched.span.attributes[names.RESPONSE_FINISH_REASONS] == ("tool_calls",)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_two_choices(stage, client, watched, streamed):
    body = bodies.chat("North.")
    second = bodies.chat(None, tools=CALLS[:1])["choices"][0] | {"index": 1}
    body = body | {"choices": [*body["choices"], second]}
    stage.set([Answer.sse(streams.chat_chunks(body)) if streamed else Answer.json(body)])
    answer = chat(client, n=2, stream=streamed)
    if streamed:
        list(answer)
    assert said(watched.span) == snapshot(
        [
            {"role": "assistant", "parts": [{"type": "text", "content": "North."}], "finish_reason": "stop"},
            {
                "role": "assistant",
                "parts": [
                    {
                        "type": "tool_call",
                        "name": "weather",
                        "id": "call_a1b63deb4c155ef3e42f38f5",
                        "arguments": {"city": "Lisbon"},
                    }
                ],
                "finish_reason": "tool_call",
            },
        ]
    )
    assert told(watched.span, names.REQUEST_CHOICE_COUNT, names.RESPONSE_FINISH_REASONS) == snapshot(
        {"gen_ai.request.choice.count": 2, "gen_ai.response.finish_reasons": ("stop", "tool_calls")}
    )


def test_choices_that_arrive_mixed(stage, client, watched):
    """Choices are told apart by their index, not by the order of the chunks."""
    first = streams.chat_chunks(bodies.chat("To the north."), include_usage=False)
    second = streams.chat_chunks(bodies.chat("To the south."), include_usage=False)
    for chunk in second:
        chunk["choices"][0]["index"] = 1
    mixed = [chunk for pair in zip(second, first, strict=True) for chunk in pair]
    stage.set([Answer.sse(mixed)])
    list(chat(client, n=2, stream=True))
    assert [message["parts"][0]["content"] for message in said(watched.span)] == ["To the north.", "To the south."]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_refusal(stage, client, watched, streamed):
    body = bodies.chat()
    body["choices"][0]["message"]["refusal"] = "I cannot help with heights."
    chunks = streams.chat_chunks(body)
    chunks[0]["choices"][0]["delta"]["refusal"] = "I cannot help with heights."
    stage.set([Answer.sse(chunks) if streamed else Answer.json(body)])
    answer = chat(client, stream=streamed)
    if streamed:
        list(answer)
    assert said(watched.span) == snapshot(
        [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "I cannot help with heights."}],
                "finish_reason": "stop",
            }
        ]
    )


def test_a_function_call_of_the_old_kind(stage, client, watched):
    body = bodies.chat()
    body["choices"][0]["message"]["function_call"] = {"name": "weather", "arguments": '{"city": "Lisbon"}'}
    body["choices"][0]["finish_reason"] = "function_call"
    stage.set([Answer.json(body)])
    chat(client, functions=[{"name": "weather", "parameters": {"type": "object"}}])
    assert said(watched.span) == snapshot(
        [
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "name": "weather", "id": None, "arguments": {"city": "Lisbon"}}],
                "finish_reason": "tool_call",
            }
        ]
    )
    assert json.loads(watched.span.attributes[names.TOOL_DEFINITIONS]) == snapshot(
        [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    )


@pytest.mark.parametrize(
    ("reason", "written"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("tool_calls", "tool_call")],
)
def test_finish_reasons(stage, client, watched, reason, written):
    body = bodies.chat("So.")
    body["choices"][0]["finish_reason"] = reason
    stage.set([Answer.json(body)])
    chat(client)
    assert watched.span.attributes[names.RESPONSE_FINISH_REASONS] == (reason,)
    assert said(watched.span)[0]["finish_reason"] == written


def test_all_figures(stage, client, watched):
    usage = bodies.chat_usage(1000, 200, cached_tokens=800, reasoning_tokens=150)
    usage["prompt_tokens_details"] |= {"cache_write_tokens": 64, "audio_tokens": 3}
    usage["completion_tokens_details"]["audio_tokens"] = 4
    stage.set([Answer.json(bodies.chat("So.", usage=usage) | {"service_tier": "flex"})])
    chat(client, service_tier="flex", temperature=0.5, top_p=0.9, max_completion_tokens=300, seed=7, stop=["\n"])
    span = watched.span
    assert {
        name: value for name, value in span.attributes.items() if "usage" in name and "cost" not in name
    } == snapshot(
        {
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 200,
            "gen_ai.usage.cache_read.input_tokens": 800,
            "gen_ai.usage.cache_write.input_tokens": 64,
            "gen_ai.usage.reasoning.output_tokens": 150,
            "gen_ai.usage.audio.input_tokens": 3,
            "gen_ai.usage.audio.output_tokens": 4,
        }
    )
    assert {name: value for name, value in span.attributes.items() if "request" in name} == snapshot(
        {
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.max_tokens": 300,
            "gen_ai.request.stop_sequences": ("\n",),
            "gen_ai.request.seed": 7,
            "openai.request.service_tier": "flex",
        }
    )
    assert {name: value for name, value in span.attributes.items() if ".response." in name} == snapshot(
        {
            "gen_ai.response.id": "chatcmpl-002fc5db67f6e29d1cffc65c",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.response.finish_reasons": ("stop",),
            "openai.response.system_fingerprint": "fp_0a1b2c3d4e",
            "openai.response.service_tier": "flex",
        }
    )


def test_time_to_first_chunk_is_for_streams_alone(stage, client, watched):
    stage.set([CHAT.whole, CHAT.sse()])
    chat(client)
    list(chat(client, stream=True))
    whole, streamed = watched.spans
    assert names.RESPONSE_TIME_TO_FIRST_CHUNK not in whole.attributes
    assert names.REQUEST_STREAM not in whole.attributes
    assert streamed.attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] > 0


def test_a_stream_that_was_not_asked_for_its_usage(stage, client, watched):
    stage.set([Answer.sse(streams.chat_chunks(bodies.chat("So."), include_usage=False))])
    list(chat(client, stream=True))
    assert tree(watched.spans) == snapshot("chat gpt-4o-mini usage missing")
    assert watched.session.event_counts["llms"] == 1
    assert watched.session.token_cost is None


def test_the_last_usage_counts(stage, client, watched):
    """Some servers tell the usage so far with each chunk."""
    chunks = streams.chat_chunks(bodies.chat("To the north."))
    for number, chunk in enumerate(chunks[:-1]):
        chunk["usage"] = bodies.chat_usage(20, number)
    stage.set([Answer.sse(chunks)])
    list(chat(client, stream=True))
    assert watched.span.attributes[names.OUTPUT_TOKENS] == 10


def test_an_error_for_a_body(stage, client, watched):
    """Some gateways answer 200 and say in the body that it failed."""
    stage.set([Answer.json({"error": {"message": "busy", "code": "upstream_busy"}})])
    chat(client)
    assert tree(watched.spans) == snapshot("chat gpt-4o-mini usage missing ERROR upstream_busy")


def test_an_answer_that_is_too_long_to_be_parsed_is_billed(stage, client, watched):
    body = bodies.chat(TRIP[:5])
    body["choices"][0]["finish_reason"] = "length"
    stage.set([Answer.json(body)])
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="gpt-4o-mini", messages=ASK, response_format=Trip)
    assert tree(watched.spans) == snapshot(
        "chat gpt-4o-mini 20->10 tokens $0.000009 ERROR openai.LengthFinishReasonError"
    )


# --- Responses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_response(stage, client, watched, streamed):
    usage = bodies.response_usage(1000, 200, cached_tokens=800, reasoning_tokens=150)
    body = bodies.response("So.", reasoning="Heights.", tools=CALLS[:1], usage=usage)
    stage.set([Answer.sse(streams.response_events(body)) if streamed else Answer.json(body)])
    answer = client.responses.create(model="gpt-4.1", input="Where to?", instructions="Be brief.", stream=streamed)
    if streamed:
        list(answer)
    assert said(watched.span) == snapshot(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Heights."},
                    {"type": "text", "content": "So."},
                    {
                        "type": "tool_call",
                        "name": "weather",
                        "id": "call_a1b63deb4c155ef3e42f38f5",
                        "arguments": {"city": "Lisbon"},
                    },
                ],
                "finish_reason": "stop",
            }
        ]
    )
    assert {
        name: value for name, value in watched.span.attributes.items() if "usage" in name and "cost" not in name
    } == snapshot(
        {
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 200,
            "gen_ai.usage.cache_read.input_tokens": 800,
            "gen_ai.usage.reasoning.output_tokens": 150,
        }
    )
    assert json.loads(watched.span.attributes[names.SYSTEM_INSTRUCTIONS]) == snapshot(
        [{"type": "text", "content": "Be brief."}]
    )


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_a_response_that_ends_otherwise(stage, client, watched, streamed, status):
    body = bodies.response("So.") | {"status": status}
    if status == "incomplete":
        body |= {"incomplete_details": {"reason": "max_output_tokens"}}
    else:
        body |= {"error": {"code": "server_error", "message": "busy"}, "usage": None}
    events = [
        *streams.response_events(body)[:-1],
        {"type": f"response.{status}", "response": body, "sequence_number": 99},
    ]
    stage.set([Answer.sse(events) if streamed else Answer.json(body)])
    answer = client.responses.create(model="gpt-4.1", input="Where to?", stream=streamed)
    if streamed:
        list(answer)
    expected = snapshot(
        {
            "incomplete": {
                "gen_ai.response.finish_reasons": ("incomplete:max_output_tokens",),
                "gen_ai.response.status": "incomplete",
            },
            "failed": {
                "gen_ai.response.finish_reasons": ("failed",),
                "gen_ai.response.status": "failed",
                "error.type": "server_error",
            },
        }
    )
    assert (
        told(watched.span, names.RESPONSE_FINISH_REASONS, names.RESPONSE_STATUS, names.ERROR_TYPE) == expected[status]
    )
    assert watched.span.status == ("error" if status == "failed" else "unset")


def test_tools_of_the_providers_own(stage, client, watched):
    body = bodies.response("Rain.")
    search = {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "rain"},
    }
    stage.set([Answer.json(body | {"output": [search, search | {"id": "ws_2"}, *body["output"]]})])
    client.responses.create(model="gpt-4.1", input="Rain?", tools=[{"type": "web_search"}])
    assert said(watched.span)[0]["parts"][0] == snapshot(
        {
            "type": "server_tool_call",
            "name": "web_search_call",
            "id": "ws_1",
            "server_tool_call": {"type": "web_search_call", "arguments": {"type": "search", "query": "rain"}},
        }
    )
    assert json.loads(watched.span.attributes[names.TOOL_DEFINITIONS]) == snapshot(
        [{"type": "web_search", "name": "web_search"}]
    )
    assert watched.span.attributes[names.WEB_SEARCHES] == 2


def test_a_response_made_in_the_background_is_counted_once(stage, client, watched):
    done = bodies.response("So.") | {"background": True}
    queued = done | {"status": "queued", "output": [], "usage": None}
    stage.set(
        [Answer.json(queued), Answer.json(queued | {"status": "in_progress"}), Answer.json(done), Answer.json(done)]
    )
    client.responses.create(model="gpt-4.1", input="Where to?", background=True)
    for _ in range(3):
        client.responses.retrieve(done["id"])
    assert tree(watched.spans) == snapshot("""\
chat gpt-4.1 usage missing
fetch_response
fetch_response $0.00012
fetch_response $0.00012\
""")
    session = watched.session
    assert session.get_analytics()["LLM calls"] == 1
    session.end_session("Success")
    (root,) = [record for record in watched.all if record.is_session]
    assert told(
        root, names.LLM_CALLS, names.TOTAL_INPUT_TOKENS, names.TOTAL_OUTPUT_TOKENS, names.COST_UNPRICED_CALLS
    ) == snapshot(
        {
            "agentops.llm_calls": 1,
            "agentops.usage.input_tokens": 20,
            "agentops.usage.output_tokens": 10,
            "agentops.cost.unpriced_calls": 0,
        }
    )


def test_a_stored_response_that_is_looked_up_costs_nothing(stage, client, watched):
    stage.set([RESPONSES.whole, RESPONSES.whole, RESPONSES.sse()])
    client.responses.create(**RESPONSES.arguments)
    client.responses.retrieve(RESPONSES.body["id"])
    list(client.responses.retrieve(RESPONSES.body["id"], stream=True))
    assert tree(watched.spans) == snapshot("""\
chat gpt-4.1 20->10 tokens $0.00012
fetch_response $0.00012
fetch_response $0.00012\
""")
    assert watched.session.event_counts["llms"] == 1
    fetched = watched.spans[1]
    assert names.INPUT_TOKENS not in fetched.attributes
    assert fetched.attributes[names.FETCHED + names.INPUT_TOKENS] == 20


# --- Who answers -----------------------------------------------------------------------------------------


def test_the_address_of_the_server(stage, client, watched):
    stage.set([CHAT.whole])
    chat(client)
    port = int(stage.provider.url.rpartition(":")[2])
    assert told(watched.span, names.SERVER_ADDRESS, names.SERVER_PORT) == {
        names.SERVER_ADDRESS: "127.0.0.1",
        names.SERVER_PORT: port,
    }


SERVERS = [
    ("https://api.openai.com/v1", "openai", "api.openai.com", 443),
    ("http://gateway.internal/v1", "openai", "gateway.internal", 80),
    ("https://gateway.internal:8443/v1", "openai", "gateway.internal", 8443),
    ("https://api.deepseek.com", "deepseek", "api.deepseek.com", 443),
    ("https://api.x.ai/v1", "x_ai", "api.x.ai", 443),
    ("https://mine.openai.azure.com/openai/v1", "azure.ai.openai", "mine.openai.azure.com", 443),
    (
        "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1",
        "aws.bedrock",
        "bedrock-runtime.eu-west-1.amazonaws.com",
        443,
    ),
]


def _silent(body):
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=body)))


@pytest.mark.parametrize(("url", "provider", "address", "port"), SERVERS, ids=[row[0] for row in SERVERS])
def test_providers_are_told_by_their_host(watched, url, provider, address, port):
    with openai.OpenAI(api_key="x", base_url=url, http_client=_silent(CHAT.body)) as client:
        chat(client)
    assert told(watched.span, names.PROVIDER_NAME, names.SERVER_ADDRESS, names.SERVER_PORT) == {
        names.PROVIDER_NAME: provider,
        names.SERVER_ADDRESS: address,
        names.SERVER_PORT: port,
    }


def test_one_client_that_changes_its_server(watched):
    with openai.OpenAI(api_key="x", base_url="https://api.openai.com/v1", http_client=_silent(CHAT.body)) as client:
        chat(client)
        chat(client.with_options(base_url="https://api.x.ai/v1"))
        client.base_url = "https://api.deepseek.com"
        chat(client)
    assert [span.attributes[names.PROVIDER_NAME] for span in watched.spans] == ["openai", "x_ai", "deepseek"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_azure(stage, watched, streamed):
    filters = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
    chunks = [filters, *streams.chat_chunks(CHAT.body)]
    stage.set([Answer.sse(chunks) if streamed else CHAT.whole])
    with openai.AzureOpenAI(
        api_key="x", api_version="2024-10-21", azure_endpoint=stage.provider.url, azure_deployment="mine"
    ) as client:
        answer = chat(client, stream=streamed)
        if streamed:
            list(answer)
    assert stage.provider.requests[0].path == "/openai/deployments/mine/chat/completions"
    assert watched.span.attributes[names.PROVIDER_NAME] == "azure.ai.openai"
    assert tree(watched.spans) == snapshot("chat gpt-4o-mini 20->10 tokens $0.000009")
    assert watched.span.attributes[names.RESPONSE_ID] == CHAT.body["id"]
