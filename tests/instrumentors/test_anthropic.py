"""What is peculiar to anthropic: its blocks, its figures, its batches, and the clouds of others."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib

import anthropic
import pytest
from cases import ASK, MESSAGE_BODY, MESSAGES, TRIP, Trip
from inline_snapshot import snapshot
from trees import tree

from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer

CALLS = [("weather", {"city": "Lisbon"}), ("ferries", {})]
ASKED = {"model": "claude-sonnet-4-6", "max_tokens": 200, "messages": ASK}


@pytest.fixture
def client(stage, watched):
    with MESSAGES.client(stage.provider) as made:
        yield made


def told(span, *wanted):
    """These attributes of the span, those that it has."""
    return {name: span.attributes[name] for name in wanted if name in span.attributes}


def usage(span):
    return {name: value for name, value in span.attributes.items() if "usage" in name and "cost" not in name}


def said(span):
    return json.loads(span.attributes[names.OUTPUT_MESSAGES])


def ask(stage, client, body, *, streamed=False, **more):
    stage.set([Answer.sse(streams.message_events(body)) if streamed else Answer.json(body)])
    answer = client.messages.create(**ASKED, **more, stream=streamed)
    return list(answer) if streamed else answer


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

# --- Messages --------------------------------------------------------------------------------------------


@both
def test_thinking_and_tool_uses(stage, client, watched, streamed):
    ask(stage, client, bodies.message("Let me see.", thinking="Heights.", tools=CALLS), streamed=streamed)
    assert said(watched.span) == snapshot(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Heights."},
                    {"type": "text", "content": "Let me see."},
                    {
                        "type": "tool_call",
                        "name": "weather",
                        "id": "toolu_a1b63deb4c155ef3e42f38f5",
                        "arguments": {"city": "Lisbon"},
                    },
                    {"type": "tool_call", "name": "ferries", "id": "toolu_1f110dd02b6c5e713aa78e37", "arguments": {}},
                ],
                "finish_reason": "tool_call",
            }
        ]
    )
    assert watched.span.attributes[names.RESPONSE_FINISH_REASONS] == ("tool_use",)


@both
def test_all_figures(stage, client, watched, streamed):
    figures = bodies.message_usage(100, 50, cache_read=1000, cache_5m=300, cache_1h=200, thinking=30, tier="priority")
    figures["server_tool_use"] = {"web_search_requests": 2, "web_fetch_requests": 1}
    more = {"temperature": 0.5, "top_k": 3}
    ask(stage, client, bodies.message("So.", usage=figures), streamed=streamed, extra_body=more, system="Be brief.")
    assert usage(watched.span) == snapshot(
        {
            "gen_ai.usage.input_tokens": 1600,
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.cache_write.input_tokens": 500,
            "agentops.usage.cache_write_1h.input_tokens": 200,
            "gen_ai.usage.reasoning.output_tokens": 30,
            "agentops.usage.web_searches": 2,
        }
    )
    assert told(watched.span, names.SERVICE_TIER, names.REQUEST_TOP_K, names.REQUEST_TEMPERATURE) == snapshot(
        {"agentops.response.service_tier": "priority", "gen_ai.request.top_k": 3, "gen_ai.request.temperature": 0.5}
    )
    assert json.loads(watched.span.attributes[names.SYSTEM_INSTRUCTIONS]) == snapshot(
        [{"type": "text", "content": "Be brief."}]
    )


@both
def test_what_else_the_price_depends_on(stage, client, watched, streamed):
    figures = bodies.message_usage() | {"speed": "fast", "inference_geo": "us"}
    ask(stage, client, bodies.message("So.", usage=figures), streamed=streamed)
    assert watched.span.attributes[names.COST_CONDITIONS] == ("speed=fast", "inference_geo=us")


@both
def test_the_standard_is_no_condition(stage, client, watched, streamed):
    figures = bodies.message_usage() | {"speed": "standard", "inference_geo": "not_available"}
    ask(stage, client, bodies.message("So.", usage=figures), streamed=streamed)
    assert names.COST_CONDITIONS not in watched.span.attributes


@both
def test_work_that_is_billed_beside(stage, client, watched, streamed):
    """A compaction is billed, and the usage that the message prints leaves it out."""
    inner = [
        {"type": "compaction", "input_tokens": 5000, "output_tokens": 300},
        {"type": "message", "input_tokens": 20, "output_tokens": 10},
    ]
    ask(stage, client, bodies.message("So.", usage=bodies.message_usage() | {"iterations": inner}), streamed=streamed)
    assert [json.loads(item) for item in watched.span.attributes[names.INNER_USAGE]] == snapshot(
        [{"gen_ai.usage.input_tokens": 5000, "gen_ai.usage.output_tokens": 300}]
    )


@pytest.mark.parametrize(
    ("reason", "written"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_call"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
@both
def test_finish_reasons(stage, client, watched, reason, written, streamed):
    ask(stage, client, bodies.message("So.") | {"stop_reason": reason}, streamed=streamed)
    assert watched.span.attributes[names.RESPONSE_FINISH_REASONS] == (reason,)
    assert said(watched.span)[0]["finish_reason"] == written


def test_a_tool_use_that_is_cut_off(stage, client, watched):
    events = streams.message_events(bodies.message(tools=CALLS[:1]) | {"stop_reason": "max_tokens"})
    deltas = [event for event in events if event["type"] == "content_block_delta"]
    stage.set([Answer.sse([event for event in events if event is not deltas[-1]])])
    list(client.messages.create(**ASKED, stream=True))
    assert said(watched.span)[0]["parts"][0]["arguments"] == snapshot('{"city": "Li')


@both
def test_tools_of_the_providers_own(stage, client, watched, streamed):
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    body = bodies.message("Rain.")
    whole = body | {"content": [search, found, *body["content"]]}
    events = streams.message_events(body)
    begun = [
        {"type": "content_block_start", "index": index, "content_block": block}
        for index, block in ((5, search), (6, found))
    ]
    stage.set([Answer.sse([events[0], *begun, *events[1:]]) if streamed else Answer.json(whole)])
    answer = client.messages.create(
        **ASKED, tools=[{"type": "web_search_20250305", "name": "web_search"}], stream=streamed
    )
    if streamed:
        list(answer)
    assert said(watched.span)[0]["parts"][:2] == snapshot(
        [
            {
                "type": "server_tool_call",
                "name": "web_search",
                "id": "srvtoolu_1",
                "server_tool_call": {"type": "web_search", "arguments": {"query": "rain"}},
            },
            {
                "type": "server_tool_call_response",
                "id": "srvtoolu_1",
                "server_tool_call_response": {"type": "result", "result": []},
            },
        ]
    )
    assert json.loads(watched.span.attributes[names.TOOL_DEFINITIONS]) == snapshot(
        [{"type": "web_search_20250305", "name": "web_search"}]
    )


def test_what_is_sent(stage, client, watched):
    tool = {"name": "weather", "description": "Of a city.", "input_schema": {"type": "object"}}
    image = {"type": "base64", "media_type": "image/png", "data": "aGVpZ2h0cw=="}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Rain?"}, {"type": "image", "source": image}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Lisbon"}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Sun."}]},
                {"type": "document", "source": {"type": "url", "url": "https://papers.example/1.pdf"}},
            ],
        },
    ]
    stage.set([MESSAGES.whole])
    client.messages.create(
        **ASKED | {"messages": messages}, tools=[tool], system=[{"type": "text", "text": "Be brief."}]
    )
    assert json.loads(watched.span.attributes[names.INPUT_MESSAGES]) == snapshot(
        [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "Rain?"},
                    {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGVpZ2h0cw=="},
                ],
            },
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "name": "weather", "id": "toolu_1", "arguments": {"city": "Lisbon"}}],
            },
            {
                "role": "user",
                "parts": [
                    {"type": "tool_call_response", "id": "toolu_1", "response": "Sun."},
                    {"type": "uri", "modality": "document", "uri": "https://papers.example/1.pdf"},
                ],
            },
        ]
    )
    assert json.loads(watched.span.attributes[names.TOOL_DEFINITIONS]) == snapshot(
        [{"type": "function", "name": "weather", "description": "Of a city.", "parameters": {"type": "object"}}]
    )
    assert json.loads(watched.span.attributes[names.SYSTEM_INSTRUCTIONS]) == snapshot(
        [{"type": "text", "content": "Be brief."}]
    )


@both
def test_a_text_completion(stage, client, watched, streamed):
    """The library has dropped it; the address is still there."""
    body = {
        "type": "completion",
        "id": "compl_1",
        "model": "claude-2.1",
        "completion": "So.",
        "stop_reason": "stop_sequence",
    }
    chunks = [body | {"completion": "S", "stop_reason": None}, body | {"completion": "o."}]
    stage.set([Answer.sse(chunks) if streamed else Answer.json(body)])
    asked = {"model": "claude-2.1", "max_tokens_to_sample": 9, "prompt": "Where to?"}
    kind = anthropic.Stream[object]
    answer = client.post("/v1/complete", body=asked, cast_to=object, stream=streamed, stream_cls=kind)
    if streamed:
        assert len(list(answer)) == 2
    assert tree(watched.spans) == snapshot("text_completion claude-2.1 usage missing")
    assert said(watched.span) == snapshot(
        [{"role": "assistant", "parts": [{"type": "text", "content": "So."}], "finish_reason": "stop"}]
    )
    assert json.loads(watched.span.attributes[names.INPUT_MESSAGES]) == snapshot(
        [{"role": "user", "parts": [{"type": "text", "content": "Where to?"}]}]
    )


def test_an_answer_that_cannot_be_parsed(stage, client, watched):
    stage.set([Answer.json(bodies.message(TRIP[:5]))])
    with pytest.raises(ValueError, match="EOF"):
        client.messages.parse(**ASKED, output_format=Trip)
    assert tree(watched.spans) == snapshot("chat claude-sonnet-4-6 ERROR pydantic_core._pydantic_core.ValidationError")


def test_counting_tokens_is_no_model_call(stage, client, watched):
    stage.set([Answer.json({"input_tokens": 9})])
    client.messages.count_tokens(model="claude-sonnet-4-6", messages=ASK)
    assert watched.spans == []


# --- Batches ---------------------------------------------------------------------------------------------


def _line(number, kind="succeeded", **more):
    return {"custom_id": f"ask-{number}", "result": {"type": kind, **more}}


FIGURES = bodies.message_usage(100, 10, tier="batch")
RESULTS = [
    _line(1, message=bodies.message("North.", usage=FIGURES)),
    _line(2, "errored", error=bodies.anthropic_error_body(400)),
    _line(3, message=bodies.message("South.", usage=FIGURES)),
    _line(4, "expired"),
]
BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 1},
    "ended_at": "2026-01-01T00:00:00Z",
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-02T00:00:00Z",
    "results_url": "",
}


def batch(stage):
    """Answers to whoever asks for a batch or for its results."""
    results = "".join(json.dumps(line) + "\n" for line in RESULTS)
    found = Answer.json(BATCH | {"results_url": f"{stage.provider.url}/v1/messages/batches/msgbatch_1/results"})
    told = Answer(body=results, headers={"content-type": "application/x-jsonl"})
    stage.set(lambda request: told if request.path.endswith("/results") else found)


def test_the_results_of_a_batch_are_calls_each_of_them_once(stage, client, watched):
    batch(stage)
    for _ in range(2):
        assert len(list(client.messages.batches.results("msgbatch_1"))) == 4
    assert tree(watched.spans) == snapshot("""\
fetch_response
chat claude-sonnet-4-6 100->10 tokens $0.000225
chat claude-sonnet-4-6 100->10 tokens $0.000225
fetch_response\
""")
    (first, *_) = [span for span in watched.spans if span.name.startswith("chat")]
    assert told(first, names.COST_CONDITIONS, names.RESPONSE_ID, names.SERVICE_TIER) == snapshot(
        {"agentops.cost.conditions": ("processing=batch",), "gen_ai.response.id": "msg_8f6cfc955df275b8c332e9ec"}
    )
    assert said(first) == snapshot(
        [{"role": "assistant", "parts": [{"type": "text", "content": "North."}], "finish_reason": "stop"}]
    )
    assert watched.session.event_counts["llms"] == 2


def test_the_results_of_a_batch_read_by_a_task(stage, watched):
    async def read():
        async with MESSAGES.client(stage.provider, asynchronous=True) as client:
            return [line async for line in await client.beta.messages.batches.results("msgbatch_1")]

    batch(stage)
    assert len(asyncio.run(read())) == 4
    assert tree(watched.spans) == snapshot("""\
fetch_response
chat claude-sonnet-4-6 100->10 tokens $0.000225
chat claude-sonnet-4-6 100->10 tokens $0.000225\
""")


def test_the_results_of_a_batch_read_in_part(stage, client, watched):
    batch(stage)
    results = client.messages.batches.results("msgbatch_1")
    assert next(results).custom_id == "ask-1"
    results.close()
    assert tree(watched.spans) == snapshot("""\
fetch_response abandoned
chat claude-sonnet-4-6 100->10 tokens $0.000225\
""")


# --- The clouds of others --------------------------------------------------------------------------------


def _clouds(url):
    keys = {"aws_access_key": "AK", "aws_secret_key": "SK"}
    return {
        "Bedrock": ("AnthropicBedrock", {"aws_region": "eu-west-1", "base_url": url, **keys}),
        "Vertex": ("AnthropicVertex", {"region": "us", "project_id": "p", "access_token": "t", "base_url": url}),
        "Foundry": ("AnthropicFoundry", {"api_key": "x", "base_url": url}),
        "AWS": ("AnthropicAWS", {"aws_region": "eu-west-1", "workspace_id": "w", "base_url": url, **keys}),
        "Mantle": ("AnthropicBedrockMantle", {"aws_region": "eu-west-1", "base_url": url, **keys}),
    }


CLOUDS = {
    "Bedrock": "aws.bedrock",
    "Vertex": "gcp.vertex_ai",
    "Foundry": "azure.ai.inference",
    "AWS": "anthropic",
    "Mantle": "aws.bedrock",
}


def frame(event):
    """An event in Amazon's binary framing: lengths, headers, payload, each with its checksum."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    headers = b""
    for name, value in ((":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    head = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    whole = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def _streamed_as(cloud):
    events = streams.message_events(MESSAGE_BODY)
    if cloud != "Bedrock":
        return Answer.sse(events)
    return Answer(
        chunks=[frame(event) for event in events], headers={"content-type": "application/vnd.amazon.eventstream"}
    )


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("cloud", CLOUDS)
async def test_clouds(stage, watched, cloud, streamed, asynchronous):
    name, options = _clouds(stage.provider.url)[cloud]
    client = getattr(anthropic, f"Async{name}" if asynchronous else name)(**options, max_retries=0)
    stage.set([_streamed_as(cloud) if streamed else Answer.json(MESSAGE_BODY)])
    answer = client.messages.create(**ASKED, stream=streamed)
    answer = await answer if asynchronous else answer
    if streamed:
        read = [item async for item in answer] if asynchronous else list(answer)
        assert read[-1].type == "message_stop"
    await (client.close() if asynchronous else asyncio.to_thread(client.close))
    span = watched.span
    assert span.attributes[names.PROVIDER_NAME] == CLOUDS[cloud]
    assert {name: span.attributes.get(name) for name in MESSAGES.expected} == MESSAGES.expected | {
        names.PROVIDER_NAME: CLOUDS[cloud]
    }
    assert said(span)[0]["parts"][-1]["content"] == MESSAGE_BODY["content"][-1]["text"]
    assert "traceparent" not in stage.provider.requests[0].headers


def test_every_client_of_the_library_is_wrapped_once(watched):
    status = watched.client.registry.status()["anthropic"]
    assert status["missing"] == []
