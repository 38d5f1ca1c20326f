"""What is read of answers in OpenAI's shape, through the clients that speak it: tool calls, choices, reasoning, content."""

from __future__ import annotations

import json

import pytest
from openai_shaped import ASK, USAGE, chunk, head, whole
from rows import installed, rows

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

CHATS = [row for row in rows() if row.id in {"groq-chat", "together-chat", "cerebras-chat", "portkey-chat"}]
TOOL = {
    "type": "function",
    "function": {"name": "ferry", "description": "When it leaves", "parameters": {"type": "object"}},
}


def by_row(test):
    return pytest.mark.parametrize("row", CHATS, ids=lambda row: row.id)(test)


def ask(row, provider, **more):
    client = row.make(provider.url, False)
    answer = client.chat.completions.create(model="some-model", messages=ASK, **more)
    return list(answer) if more.get("stream") else answer


def said(span):
    return json.loads(span.attributes[names.OUTPUT_MESSAGES])


def test_there_are_rows():
    assert len(CHATS) == sum(map(installed, ("groq", "together", "cerebras.cloud.sdk", "portkey_ai")))


CALL = {"type": "tool_call", "id": "call_1", "name": "ferry", "arguments": {"to": "Cacilhas"}}


@by_row
def test_tool_call(row, watched):
    function = {"name": "ferry", "arguments": '{"to": "Cacilhas"}'}
    answer = whole("some-model", content=None, tool_calls=[{"id": "call_1", "type": "function", "function": function}])
    answer["choices"][0]["finish_reason"] = "tool_calls"
    with Provider([Answer.json(answer)]) as provider:
        ask(row, provider, tools=[TOOL])
    assert said(watched.span) == [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}]
    assert watched.span.attributes[names.RESPONSE_FINISH_REASONS] == ("tool_calls",)
    assert json.loads(watched.span.attributes[names.TOOL_DEFINITIONS])[0]["name"] == "ferry"


@by_row
def test_streamed_tool_call_and_reasoning(row, watched):
    def called(**function):
        return {"tool_calls": [{"index": 0, "type": "function", "function": function}]}

    begin = called(name="ferry", arguments="")
    begin["tool_calls"][0]["id"] = "call_1"
    deltas = [{"role": "assistant", "content": "", "reasoning": "Hm"}, {"role": "assistant", "reasoning": "."}]
    deltas += [begin, called(arguments='{"to": '), called(arguments='"Cacilhas"}')]
    events = [chunk("some-model", {"role": "assistant", **delta}) for delta in deltas]
    events.append(chunk("some-model", {"role": "assistant"}, "tool_calls", usage=USAGE))
    with Provider([Answer.sse(events)]) as provider:
        ask(row, provider, stream=True)
    parts = [{"type": "reasoning", "content": "Hm."}, CALL]
    assert said(watched.span) == [{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]


@by_row
def test_choices(row, watched):
    texts = ((1, "Walk.", None), (0, "Sail.", None), (1, "", "length"), (0, "", "stop"))
    events = [
        {
            **head("some-model"),
            "choices": [{"index": index, "delta": {"role": "assistant", "content": text}, "finish_reason": reason}],
        }
        for index, text, reason in texts
    ]
    with Provider([Answer.sse(events)]) as provider:
        ask(row, provider, stream=True, n=2)
    assert watched.span.attributes[names.RESPONSE_FINISH_REASONS] == ("stop", "length")
    assert [item["parts"][0]["content"] for item in said(watched.span)] == ["Sail.", "Walk."]
    assert watched.span.attributes[names.USAGE_MISSING] is True
    assert names.COST not in watched.span.attributes


def test_transcript(watched):
    groq = pytest.importorskip("groq")
    with Provider([Answer.json({"text": "The ferry."})]) as provider:
        client = groq.Groq(api_key="k", base_url=provider.url, max_retries=0)
        client.audio.transcriptions.create(model="whisper-large-v3", file=("a.wav", b"RIFF"))
    assert watched.span.name == "generate_content whisper-large-v3"
    assert said(watched.span)[0]["parts"] == [{"type": "text", "content": "The ferry."}]


def test_ready_body_of_azure(watched):
    inference = pytest.importorskip("azure.ai.inference")
    from azure.core.credentials import AzureKeyCredential  # noqa: PLC0415

    with (
        Provider([Answer.json(whole("Phi-4"))]) as provider,
        inference.ChatCompletionsClient(endpoint=provider.url, credential=AzureKeyCredential("k")) as client,
    ):
        client.complete({"model": "Phi-4", "messages": ASK, "temperature": 0.5})
    assert watched.span.name == "chat Phi-4"
    assert watched.span.attributes[names.REQUEST_TEMPERATURE] == 0.5
    assert "Saturday" in watched.span.attributes[names.INPUT_MESSAGES]
    assert said(watched.span)[0]["parts"] == [{"type": "text", "content": "The ferry."}]
