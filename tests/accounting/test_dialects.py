"""Dialects: what other instrumentations print becomes what the conventions call it, and nothing else changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from span_records import llm, root, span, tool

from agentops_otel.accounting.dialects import DIALECTS, tells_of_call, translate
from agentops_otel.accounting.enrichment import enrich
from agentops_otel.accounting.prices import Prices
from agentops_otel.accounting.tally import Tally
from agentops_otel.conventions import names
from agentops_otel.conventions.messages import read_messages

PRICES = Prices()
HAIKU = pytest.approx((100 * 1 + 600 * 1.25 + 300 * 0.10 + 10 * 5) / 1e6)
"""What 1000 input tokens (300 of them read, 600 written) and 10 output tokens cost."""
COUNTS = {
    names.INPUT_TOKENS: 1000,
    names.OUTPUT_TOKENS: 10,
    names.CACHE_READ_TOKENS: 300,
    names.CACHE_WRITE_TOKENS: 600,
}
CLAUDE = "claude-haiku-4-5"
ASKED = [("system", ["be brief"]), ("user", ["Weather?"])]
CALLED = [("assistant", ["Let me look.", ("weather", "c1", {"city": "Bonn"})])]


def gained(attributes, *, name="x", events=()):
    """What translation adds or changes."""
    record = span(name, attributes, events=events)
    before = dict(record.attributes)
    after = translate(record)
    assert dict(record.attributes) == before, "the record stays as it is"
    assert set(before) <= set(after), "nothing is taken away"
    return {name: value for name, value in after.items() if name not in before or before[name] != value}


def told(attributes, name):
    """The messages as (role, [text or (tool, id, arguments)])."""
    return [
        (
            message.role,
            [
                part.content if hasattr(part, "content") else (part.name, part.id, part.arguments)
                for part in message.parts
            ],
        )
        for message in read_messages(attributes, name)
    ]


# --- A call of a model, as each of them prints it --------------------------------------------------------

OPENAI_MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "Weather?"}]
ARGUMENTS = '{"city": "Bonn"}'
OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
OPENAI_ANSWER = {"role": "assistant", "content": "Let me look.", "tool_calls": [OPENAI_CALL]}

CALLS = {
    "older conventions": {
        names.OPERATION_NAME: "chat",
        "gen_ai.system": "anthropic",
        names.REQUEST_MODEL: CLAUDE,
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 10,
        "gen_ai.usage.cache_creation.input_tokens": 600,
        "gen_ai.usage.cache_read_input_tokens": 300,
        "events": [
            ("gen_ai.system.message", {"content": "be brief", "gen_ai.system": "anthropic"}),
            ("gen_ai.user.message", {"gen_ai.event.content": '{"role": "user", "content": "Weather?"}'}),
            ("gen_ai.choice", {"index": 0, "finish_reason": "tool_calls", "message": json.dumps(OPENAI_ANSWER)}),
        ],
    },
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "llm.provider": "anthropic",
        "llm.model_name": CLAUDE,
        "llm.token_count.prompt": 1000,
        "llm.token_count.completion": 10,
        "llm.token_count.prompt_details.cache_read": 300,
        "llm.token_count.prompt_details.cache_write": 600,
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "be brief",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.type": "text",
        "llm.input_messages.1.message.contents.0.message_content.text": "Weather?",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Let me look.",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": ARGUMENTS,
    },
    "OpenInference, Anthropic's content": {
        "openinference.span.kind": "LLM",
        "llm.provider": "anthropic",
        "llm.system": "anthropic",
        "llm.model_name": CLAUDE,
        "llm.token_count.prompt": 1000,
        "llm.token_count.completion": 10,
        "llm.token_count.prompt_details.cache_read": 300,
        "llm.token_count.prompt_details.cache_write": 600,
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "be brief",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": "Weather?",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.contents.0.message_content.type": "text",
        "llm.output_messages.0.message.contents.0.message_content.text": "Let me look.",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": ARGUMENTS,
        "llm.output_messages.0.message.contents.1.message_content.type": "tool_use",
        "llm.output_messages.0.message.contents.1.tool_call.id": "c1",
        "llm.output_messages.0.message.contents.1.tool_call.function.name": "weather",
        "llm.output_messages.0.message.contents.1.tool_call.function.arguments": ARGUMENTS,
    },
    "OpenLLMetry": {
        "gen_ai.system": "Anthropic",
        "llm.request.type": "chat",
        names.REQUEST_MODEL: CLAUDE,
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 10,
        "gen_ai.usage.cache_read_input_tokens": 300,
        "gen_ai.usage.cache_creation_input_tokens": 600,
        "llm.usage.total_tokens": 1010,
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "be brief",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": '[{"type": "text", "text": "Weather?"}]',
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Let me look.",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "weather",
        "gen_ai.completion.0.tool_calls.0.arguments": ARGUMENTS,
    },
    "AgentOps 0.4": {
        names.SPAN_KIND: "llm",
        "gen_ai.system": "Anthropic",
        names.REQUEST_MODEL: CLAUDE,
        "gen_ai.usage.prompt_tokens": 100,  # without the cache, as Anthropic prints it
        "gen_ai.usage.completion_tokens": 10,
        "gen_ai.usage.cache_read_input_tokens": 300,
        "gen_ai.usage.cache_creation_input_tokens": 600,
        "gen_ai.usage.total_tokens": 110,
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "be brief",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "Weather?",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Let me look.",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "weather",
        "gen_ai.completion.0.tool_calls.0.arguments": ARGUMENTS,
    },
    "Langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": CLAUDE,
        "langfuse.observation.usage_details": json.dumps(
            {
                "input": 100,
                "output": 10,
                "cache_read_input_tokens": 300,
                "cache_creation_input_tokens": 600,
                "total": 1010,
            }
        ),
        "langfuse.observation.input": json.dumps({"messages": OPENAI_MESSAGES, "tools": []}),
        "langfuse.observation.output": json.dumps(OPENAI_ANSWER),
    },
    "Logfire": {
        "gen_ai.system": "anthropic",
        "logfire.span_type": "span",
        "request_data": json.dumps({"model": CLAUDE, "messages": OPENAI_MESSAGES, "temperature": 0.5}),
        "response_data": json.dumps(
            {
                "message": OPENAI_ANSWER,
                "usage": {
                    "input_tokens": 100,
                    "output_tokens": 10,
                    "cache_read_input_tokens": 300,
                    "cache_creation_input_tokens": 600,
                },
            }
        ),
    },
    "Logfire 5": {
        "gen_ai.system": "anthropic",
        names.PROVIDER_NAME: "anthropic",
        names.OPERATION_NAME: "chat",
        names.REQUEST_MODEL: CLAUDE,
        "logfire.span_type": "span",
        "request_data": json.dumps({"model": CLAUDE}),
        names.INPUT_TOKENS: 100,  # without the cache, as before March 2026
        names.OUTPUT_TOKENS: 10,
        "gen_ai.usage.raw": json.dumps(
            {
                "input_tokens": 100,
                "output_tokens": 10,
                "cache_read_input_tokens": 300,
                "cache_creation_input_tokens": 600,
                "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 600},
            }
        ),
        names.INPUT_MESSAGES: json.dumps(
            [
                {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
                {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
            ]
        ),
        names.OUTPUT_MESSAGES: json.dumps(
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "text", "content": "Let me look."},
                        {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Bonn"}},
                    ],
                }
            ]
        ),
    },
    "Pydantic AI": {
        names.OPERATION_NAME: "chat",
        "gen_ai.system": "anthropic",
        names.REQUEST_MODEL: CLAUDE,
        names.INPUT_TOKENS: 1000,
        names.OUTPUT_TOKENS: 10,
        "gen_ai.usage.details.cache_read_tokens": 300,
        "gen_ai.usage.details.cache_write_tokens": 600,
        "model_request_parameters": "{}",
        "events": json.dumps(
            [
                {"event.name": "gen_ai.system.message", "role": "system", "content": "be brief"},
                {"event.name": "gen_ai.user.message", "role": "user", "content": "Weather?"},
                {"event.name": "gen_ai.choice", "index": 0, "message": OPENAI_ANSWER},
            ]
        ),
    },
    "Vercel, before 6": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "anthropic.messages",
        "ai.model.id": CLAUDE,
        "gen_ai.system": "anthropic.messages",
        names.REQUEST_MODEL: CLAUDE,
        "ai.usage.inputTokens": 100,
        "ai.usage.outputTokens": 10,
        "ai.usage.cachedInputTokens": 300,
        names.INPUT_TOKENS: 100,
        names.OUTPUT_TOKENS: 10,
        "ai.response.providerMetadata": json.dumps({"anthropic": {"usage": {"cache_creation_input_tokens": 600}}}),
        "ai.prompt.messages": json.dumps(OPENAI_MESSAGES),
        "ai.response.text": "Let me look.",
        "ai.response.toolCalls": json.dumps([{"toolCallId": "c1", "toolName": "weather", "input": {"city": "Bonn"}}]),
    },
    "Vercel 6": {
        "ai.operationId": "ai.streamText.doStream",
        "ai.model.provider": "anthropic.messages",
        "ai.model.id": CLAUDE,
        "ai.usage.inputTokens": 1000,
        "ai.usage.outputTokens": 10,
        "ai.usage.inputTokenDetails.noCacheTokens": 100,
        "ai.usage.inputTokenDetails.cacheReadTokens": 300,
        "ai.usage.inputTokenDetails.cacheWriteTokens": 600,
        names.INPUT_TOKENS: 1000,
        names.OUTPUT_TOKENS: 10,
        "ai.prompt.messages": json.dumps(OPENAI_MESSAGES),
        "ai.response.text": "Let me look.",
        "ai.response.toolCalls": json.dumps([{"toolCallId": "c1", "toolName": "weather", "args": ARGUMENTS}]),
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_is_counted_priced_and_read_whoever_tells_of_it(call):
    told_events = call.get("events", ()) if isinstance(call.get("events"), list) else ()
    events = [{"name": name, "timestamp": 0, "attributes": attributes} for name, attributes in told_events]
    record = span("call", {name: value for name, value in call.items() if value is not told_events}, events=events)
    record.attributes = enrich(translate(record), PRICES, start_time=record.start_time)
    found = record.attributes
    assert {name: found.get(name) for name in COUNTS} == COUNTS
    assert found[names.COST] == HAIKU
    assert found.get(names.PROVIDER_NAME) == (None if "langfuse.observation.type" in call else "anthropic")
    assert Tally.of([record]).llm_calls == 1
    assert told(found, names.INPUT_MESSAGES) == ASKED
    assert told(found, names.OUTPUT_MESSAGES) == CALLED


# --- What kind of span it is -----------------------------------------------------------------------------

KINDS = [
    ({"openinference.span.kind": "LLM"}, names.KIND_LLM, "chat"),
    ({"openinference.span.kind": "EMBEDDING"}, names.KIND_LLM, "embeddings"),
    ({"openinference.span.kind": "AGENT"}, names.KIND_AGENT, "invoke_agent"),
    ({"openinference.span.kind": "TOOL"}, names.KIND_TOOL, "execute_tool"),
    ({"openinference.span.kind": "CHAIN"}, names.KIND_WORKFLOW, None),
    ({"openinference.span.kind": "RETRIEVER"}, None, "retrieval"),
    ({"openinference.span.kind": "GUARDRAIL"}, names.KIND_GUARDRAIL, None),
    ({"openinference.span.kind": "RERANKER"}, None, None),
    ({"openinference.span.kind": 7}, None, None),
    ({"traceloop.span.kind": "workflow"}, names.KIND_WORKFLOW, None),
    ({"traceloop.span.kind": "task"}, names.KIND_TASK, None),
    ({"traceloop.span.kind": "agent"}, names.KIND_AGENT, "invoke_agent"),
    ({"traceloop.span.kind": "tool"}, names.KIND_TOOL, "execute_tool"),
    ({"traceloop.span.kind": "unknown"}, None, None),
    ({"llm.request.type": "chat"}, names.KIND_LLM, "chat"),
    ({"llm.request.type": "completion"}, names.KIND_LLM, "text_completion"),
    ({"llm.request.type": "embedding"}, names.KIND_LLM, "embeddings"),
    ({"llm.request.type": "rerank"}, None, None),
    ({"langfuse.observation.type": "generation"}, names.KIND_LLM, "chat"),
    ({"langfuse.observation.type": "embedding"}, names.KIND_LLM, "embeddings"),
    ({"langfuse.observation.type": "agent"}, names.KIND_AGENT, "invoke_agent"),
    ({"langfuse.observation.type": "tool"}, names.KIND_TOOL, "execute_tool"),
    ({"langfuse.observation.type": "chain"}, names.KIND_WORKFLOW, None),
    ({"langfuse.observation.type": "retriever"}, None, "retrieval"),
    ({"langfuse.observation.type": "guardrail"}, names.KIND_GUARDRAIL, None),
    ({"langfuse.observation.type": "span"}, None, None),
    ({"final_result": "x", "agent_name": "a"}, names.KIND_AGENT, "invoke_agent"),
    ({"gen_ai.tool.name": "t", "tool_arguments": "{}"}, names.KIND_TOOL, "execute_tool"),
    ({"ai.operationId": "ai.generateText"}, names.KIND_WORKFLOW, None),
    ({"ai.operationId": "ai.generateText.doGenerate"}, names.KIND_LLM, "chat"),
    ({"ai.operationId": "ai.embed.doEmbed"}, names.KIND_LLM, "embeddings"),
    ({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "t"}, names.KIND_TOOL, "execute_tool"),
    ({"request_data": '{"url": "/images"}', "logfire.span_type": "span"}, None, None),
]


@pytest.mark.parametrize(("attributes", "kind", "operation"), KINDS)
def test_kinds(attributes, kind, operation):
    found = gained(attributes)
    assert (found.get(names.SPAN_KIND), found.get(names.OPERATION_NAME)) == (kind, operation)


SAID = [
    ({"traceloop.association.properties.session_id": "s1"}, {names.SESSION_ID: "s1"}),
    ({"langfuse.session.id": "s1"}, {names.SESSION_ID: "s1"}),
    ({"ai.telemetry.metadata.sessionId": "s1"}, {names.SESSION_ID: "s1"}),
    ({"langfuse.session.id": ""}, {}),
    ({"langfuse.trace.tags": ["a", "b"]}, {names.TAGS: ["a", "b"]}),
    ({"gen_ai.conversation.id": "c1"}, {}),
    ({"agentops.session.end_state": "Success"}, {names.END_STATE: "Success"}),
    ({"agentops.session.end_state": "Fail"}, {names.END_STATE: "Failure"}),
    ({"agentops.session.end_state": "Shutdown"}, {names.END_STATE: "Indeterminate"}),
    ({"agentops.session.end_state": 3}, {}),
    (
        {names.SPAN_KIND: "tool", "operation.name": "search", "agentops.tool.input": "{}", "agentops.tool.output": "7"},
        {names.TOOL_NAME: "search", names.TOOL_CALL_ARGUMENTS: "{}", names.TOOL_CALL_RESULT: "7"},
    ),
    (
        {names.SPAN_KIND: "agent", "agentops.agent.input": "in", "agent.name": "Ada"},
        {names.AGENT_NAME: "Ada", names.INPUT_VALUE: "in"},
    ),
    ({names.SPAN_KIND: "tool", "gen_ai.usage.total_cost": 0.5}, {names.COST: 0.5}),
    ({names.SPAN_KIND: "llm", "gen_ai.usage.total_cost": 0.5}, {}),
    (
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "search", "traceloop.entity.output": "7"},
        {
            names.SPAN_KIND: "tool",
            names.OPERATION_NAME: "execute_tool",
            names.TOOL_NAME: "search",
            names.TOOL_CALL_RESULT: "7",
        },
    ),
    ({"gen_ai.system": "OpenAI"}, {names.PROVIDER_NAME: "openai"}),
    ({"gen_ai.system": "az.ai.openai"}, {names.PROVIDER_NAME: "azure.ai.openai"}),
    ({"gen_ai.system": "Somebody's own"}, {names.PROVIDER_NAME: "somebody's own"}),
    ({"gen_ai.system": ["openai"]}, {names.PROVIDER_NAME: ["openai"]}),
    ({"gen_ai.system": "openai", names.PROVIDER_NAME: "groq"}, {}),
    ({"gen_ai.response.finish_reason": "stop"}, {names.RESPONSE_FINISH_REASONS: ["stop"]}),
    (
        {"llm.model_name": "m", "llm.invocation_parameters": '{"temperature": 0.5, "seed": true, "n": 2}'},
        {names.RESPONSE_MODEL: "m", names.REQUEST_TEMPERATURE: 0.5},
    ),
    ({"llm.model_name": "m", "llm.invocation_parameters": "{"}, {names.RESPONSE_MODEL: "m"}),
    (
        {"langfuse.observation.type": "event", "langfuse.observation.usage_details": '{"prompt_tokens": 7}'},
        {names.INPUT_TOKENS: 7},
    ),
    ({"langfuse.observation.type": "event", "langfuse.observation.usage_details": '{"input": "many"}'}, {}),
    ({"langfuse.observation.type": "event", "langfuse.observation.usage_details": "[1]"}, {}),
    (
        {"ai.model.id": "gpt-5", "ai.model.provider": "openai.chat", "ai.usage.promptTokens": 9},
        {names.REQUEST_MODEL: "gpt-5", names.PROVIDER_NAME: "openai", names.INPUT_TOKENS: 9},
    ),
]


@pytest.mark.parametrize(("attributes", "expected"), SAID)
def test_what_else_they_say(attributes, expected):
    record = span("x")
    record.attributes = attributes  # without the session that spans of tests have
    found = translate(record)
    assert {name: value for name, value in found.items() if name not in attributes} == expected


RENAMED = [(dialect, name) for dialect in DIALECTS for name in dialect.renamed]


@pytest.mark.parametrize(("dialect", "name"), RENAMED, ids=lambda value: value if isinstance(value, str) else "")
def test_each_name_of_theirs_gains_one_of_the_conventions(dialect, name):
    current = dialect.renamed[name]
    assert current not in dialect.marks | dialect.renamed.keys(), "what they call it is not what it is called"
    record = span("x")
    record.attributes = {**dict.fromkeys(dialect.marks, ""), name: "told"}
    assert translate(record)[current] == "told"


def test_a_call_is_known_by_what_it_starts_with():
    calls = [attributes for attributes, kind, _ in KINDS if kind == names.KIND_LLM]
    assert all(tells_of_call(attributes) for attributes in calls)
    others = [attributes for attributes, kind, _ in KINDS if kind != names.KIND_LLM]
    assert not any(tells_of_call(attributes) for attributes in others)


# --- Messages --------------------------------------------------------------------------------------------

MESSAGES = [
    ("Hi", [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]),
    (
        [{"role": "tool", "tool_call_id": "c1", "content": "7"}],
        [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "7"}]}],
    ),
    (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}],
        [{"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://x/y.png"}]}],
    ),
    (
        [{"role": "user", "content": [{"type": "image", "image": "data:" + "A" * 80_000}]}],
        [{"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "omitted:60003-bytes"}]}],
    ),
    (
        [{"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "novel"}, 5, None]}],
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    {"type": "novel"},
                    {"type": "text", "content": "5"},
                ],
            }
        ],
    ),
    (
        [
            {
                "role": "tool",
                "content": [{"type": "tool-result", "toolCallId": "c", "toolName": "t", "output": {"a": 1}}],
            }
        ],
        [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": {"a": 1}}]}],
    ),
    (
        [{"role": "user", "parts": [{"type": "text", "content": "current"}]}],
        [{"role": "user", "parts": [{"type": "text", "content": "current"}]}],
    ),
    ([], None),
    ([None, 7, ""], None),
    ({"nothing": "known"}, None),
    ("", None),
]


@pytest.mark.parametrize(("prompt", "expected"), MESSAGES)
def test_messages(prompt, expected):
    told = prompt if isinstance(prompt, str) else json.dumps(prompt)
    found = gained({"langfuse.observation.type": "generation", "langfuse.observation.input": told})
    assert json.loads(found.get(names.INPUT_MESSAGES, "null")) == expected


FLATTENED = [
    ({"gen_ai.prompt.1.content": "b", "gen_ai.prompt.0.content": "a"}, ["a", "b"]),
    (
        {"gen_ai.prompt.0.content": "a", "gen_ai.prompt.10.content": "c", "gen_ai.prompt.2.content": "b"},
        ["a", "b", "c"],
    ),
    ({"gen_ai.prompt.0.content": "a", "gen_ai.prompt.0.content.x": "b"}, ['{"x":"b"}']),
    ({"gen_ai.prompt.0.content": "a", "gen_ai.prompt.99999999999.content": "b"}, []),
    ({"gen_ai.prompt.0.content": "a", "gen_ai.prompt.²": "b"}, []),
    ({"gen_ai.prompt.0.content": "a", "gen_ai.prompt.": "b"}, []),
    ({"gen_ai.prompt.0.content": "a", "gen_ai.prompt.0": "b"}, ["a"]),
    ({"gen_ai.prompt.0.content": "a", "gen_ai.prompt.0" + ".x" * 5000: "b"}, ["a"]),
]


@pytest.mark.parametrize(("attributes", "expected"), FLATTENED, ids=range(len(FLATTENED)))
def test_flattened_names(attributes, expected):
    found = told(gained(attributes), names.INPUT_MESSAGES)
    assert [part for _, parts in found for part in parts] == expected


# --- Laws ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        root({names.TAGS: ["a"], names.END_STATE: names.SUCCESS}),
        llm(0.5),
        tool(attributes={names.TOOL_CALL_ARGUMENTS: "{}", names.OPERATION_NAME: "execute_tool"}),
        span("agent", {names.OPERATION_NAME: "invoke_agent", names.INPUT_TOKENS: 5, names.AGENT_NAME: "a"}),
        span("GET", {"http.request.method": "GET", "server.address": "example.com"}),
        span("failed", events=[{"name": "exception", "timestamp": 1, "attributes": {"exception.type": "E"}}]),
        span("chat m", {names.OPERATION_NAME: "chat", names.PROVIDER_NAME: "OpenAI", names.INPUT_MESSAGES: "[]"}),
    ],
    ids=lambda record: record.name,
)
def test_spans_of_the_current_conventions_stay_the_same_object(record):
    assert translate(record) is record.attributes


MARKS = sorted(set().union(*(dialect.marks | dialect.renamed.keys() for dialect in DIALECTS)))
CURRENT = [names.SPAN_KIND, names.OPERATION_NAME, names.INPUT_TOKENS, names.TOOL_NAME, names.INPUT_VALUE]
LOOSE = ["gen_ai.prompt.0.tool_calls.0.name", "llm.input_messages.0.message", "llm.tools.0.tool.json_schema", "events"]
_values = (
    st.sampled_from(["LLM", "TOOL", "tool", "llm", "chat", "generation", "ai.toolCall", "anthropic", "", "Success"])
    | st.integers(-1, 2**64)
    | st.floats()
    | st.booleans()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3), max_size=2)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["role", "content", "parts", "tool_calls", "function", "type", "text", "usage", "input"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ).map(json.dumps)
)
_attributes = st.dictionaries(st.sampled_from([*MARKS, *CURRENT, *LOOSE]), _values, max_size=8)
_events = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["gen_ai.choice", "gen_ai.user.message", "gen_ai.content.prompt", "exception"]),
            "attributes": st.dictionaries(
                st.sampled_from(["content", "message", "role", "gen_ai.prompt", "gen_ai.event.content"]), _values
            ),
        }
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=400)
@given(_attributes, _events)
def test_whatever_is_told_twice_is_the_same_as_once(attributes, events):
    record = span("x", attributes, events=events)
    once = translate(record)
    record.attributes = once
    assert translate(record) is once
    assert set(attributes) <= set(once)


CORRECTED = {"ai.operationId", "gen_ai.usage.raw"}
UNCORRECTED = {name: call for name, call in CALLS.items() if not CORRECTED & call.keys()}


@pytest.mark.parametrize("call", UNCORRECTED.values(), ids=UNCORRECTED)
def test_a_known_current_name_wins(call):
    attributes = {name: value for name, value in call.items() if not isinstance(value, list)}
    found = span("x", {**attributes, names.PROVIDER_NAME: "mine", names.INPUT_TOKENS: 1, names.SPAN_KIND: "task"})
    after = translate(found)
    assert (after[names.PROVIDER_NAME], after[names.INPUT_TOKENS], after[names.SPAN_KIND]) == ("mine", 1, "task")


STRANDS = {"gen_ai.event.start_time": "2026-11-21T17:22:18+00:00", "gen_ai.system": "strands-agents"}


def test_strands_tells_of_tools_in_events():
    tool_told = {**STRANDS, names.OPERATION_NAME: names.EXECUTE_TOOL, names.TOOL_NAME: "weather"}
    events = [
        {"name": "gen_ai.tool.message", "attributes": {"role": "tool", "content": '{"city": "Rome"}', "id": "c1"}},
        {"name": "gen_ai.choice", "attributes": {"message": '[{"text": "sunny"}]', "id": "c1"}},
    ]
    told = gained(tool_told, events=events)
    assert told[names.TOOL_CALL_ARGUMENTS] == '{"city": "Rome"}'
    assert told[names.TOOL_CALL_RESULT] == '[{"text": "sunny"}]'
    assert not {names.ERROR_TYPE, names.PROVIDER_NAME} & set(told)
    failed = {**tool_told, "gen_ai.tool.status": "error"}
    assert gained(failed)[names.ERROR_TYPE] == names.TOOL_ERROR
    raised = [{"name": "exception", "attributes": {"exception.type": "ValueError"}}]
    assert gained(failed, events=raised)[names.ERROR_TYPE] == "ValueError"


def test_strands_is_no_provider_and_its_graphs_are_workflows():
    assert gained({**STRANDS, names.OPERATION_NAME: "invoke_graph"}) == {names.SPAN_KIND: names.KIND_WORKFLOW}
    call = {**STRANDS, names.OPERATION_NAME: names.CHAT, names.REQUEST_MODEL: "gpt-4o"}
    record = span("chat", {**call, names.INPUT_TOKENS: 100, names.OUTPUT_TOKENS: 10})
    assert enrich(translate(record), PRICES)[names.COST] == pytest.approx((100 * 2.5 + 10 * 10) / 1e6)
