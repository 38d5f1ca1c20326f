"""botocore where it is not like others: classes made as the program runs, bodies that are files, agents, two counts."""

from __future__ import annotations

import gc
import json
import weakref
from operator import methodcaller

import pytest

pytest.importorskip("boto3")

import boto3
from bedrock import chunks, events
from botocore.response import StreamingBody
from replay import RECORDINGS, answer
from replay_botocore import client
from rows_botocore import ASKED, ROWS

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

CLAUDE = next(row for row in ROWS if row.id == "bedrock-claude")
CONVERSE = ROWS[0]
LONG = {"content": [{"type": "text", "text": "x" * 5000 + "\n"}]}


def drop(body):
    pass


def in_pieces(body):
    return b"".join(iter(lambda: body.read(7), b""))


def into(body):
    buffer, told = bytearray(1024), b""
    while count := body.readinto(buffer):
        told += bytes(buffer[:count])
    return told


READINGS = {
    "read": methodcaller("read"),
    "read all": methodcaller("read", None),
    "in pieces": in_pieces,
    "json": lambda body: json.dumps(json.load(body)).encode(),
    "chunks": lambda body: b"".join(body.iter_chunks(100)),
    "iterated": b"".join,
    "lines": lambda body: b"\n".join(body.iter_lines()),
    "readlines": lambda body: b"".join(body.readlines()),
    "into": into,
}


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_a_body_is_read_along_whichever_way(compare, reading):
    def scenario(row, client):
        body = client.invoke_model(modelId="anthropic.claude-3-haiku-20240307-v1:0", body=b"{}")["body"]
        assert type(body) is StreamingBody
        return reading(body)

    whole = Answer.json({**json.loads(CLAUDE.whole.body), **LONG})
    span = compare(CLAUDE, scenario, [whole]).span
    assert span.attributes[names.INPUT_TOKENS] == 13
    assert span.attributes[names.OUTPUT_TOKENS] == 5
    assert span.attributes[names.RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert names.STREAM_OUTCOME not in span.attributes


def test_a_call_lasts_until_its_body_is_read(stage, watched):
    stage.set([CLAUDE.whole])
    body = client("bedrock-runtime", stage.provider.url).invoke_model(modelId="m", body="{}")["body"]
    assert watched.spans == []
    body.read()
    assert watched.span.attributes[names.OUTPUT_TOKENS] == 5


@pytest.mark.parametrize("reading", [drop, methodcaller("close"), methodcaller("read", 3)])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_body_left_unread_tells_what_its_headers_do(compare, reading):
    def scenario(row, client):
        reading(client.invoke_model(modelId="m", body="{}")["body"])

    span = compare(CLAUDE, scenario, [CLAUDE.whole]).span
    assert span.attributes[names.STREAM_OUTCOME] == "abandoned"
    assert (span.attributes[names.INPUT_TOKENS], span.attributes[names.OUTPUT_TOKENS]) == (10, 5)


@pytest.mark.parametrize("body", [b"no json", b"[]", b"null", b'{"usage": 5}', b'{"usage": {"input_tokens": "x"}}'])
def test_an_odd_body_is_the_programs_own_matter(compare, body):
    def scenario(row, client):
        return client.invoke_model(modelId="m", body="{}")["body"].read()

    seen = compare(CLAUDE, scenario, [Answer(body=body)])
    assert seen.result == body
    assert seen.span.attributes[names.USAGE_MISSING] is True


@pytest.mark.parametrize("asked", [b"no json", "[]", bytearray(b'{"messages": []}'), b'{"prompt": 5}'])
def test_an_odd_request_is_sent_as_it_is(compare, asked):
    def scenario(row, client):
        return client.invoke_model(modelId="m", body=asked)["body"].read()

    assert compare(CLAUDE, scenario, [CLAUDE.whole]).span.attributes[names.OUTPUT_TOKENS] == 5


def test_clients_that_were_there_before_are_captured_and_let_go(stage, make_watched):
    early = client("bedrock-runtime", stage.provider.url)
    method = vars(type(early))["converse"]
    watched = make_watched()
    late = client("bedrock-runtime", stage.provider.url)
    stage.set([CONVERSE.whole] * 3)
    early.converse(**ASKED)
    late.converse(**ASKED)
    assert len(watched.spans) == 2
    watched.client.registry.uninstrument()
    assert vars(type(early))["converse"] is method
    early.converse(**ASKED)
    assert len(watched.spans) == 2


def test_classes_of_clients_that_are_gone_are_not_kept(stage, watched):
    kind = weakref.ref(type(client("bedrock-runtime", stage.provider.url)))
    gc.collect()
    assert kind() is None


def test_other_services_are_left_alone(stage, watched):
    stage.set([Answer.json({})])
    other = boto3.client(
        "lambda",
        region_name="eu-west-1",
        endpoint_url=stage.provider.url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    other.list_functions()
    assert watched.spans == []


def test_two_counts_that_differ_are_both_told(stage, watched):
    """Both are told: the model's own as its usage, as in whole answers, and Bedrock's beside it."""
    stage.set([
        events(*chunks(
            {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 392, "output_tokens": 2}}},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 133}},
            {"type": "message_stop",
             "amazon-bedrock-invocationMetrics": {"inputTokenCount": 392, "outputTokenCount": 97}},
        ))
    ])  # fmt: skip
    runtime = client("bedrock-runtime", stage.provider.url)
    list(runtime.invoke_model_with_response_stream(modelId="anthropic.claude", body="{}")["body"])
    assert watched.span.attributes[names.OUTPUT_TOKENS] == 133
    assert watched.span.attributes["aws.bedrock.invocation_metrics.output_tokens"] == 97
    assert "aws.bedrock.invocation_metrics.input_tokens" not in watched.span.attributes


def recorded(name):
    return json.loads((RECORDINGS / "bedrock" / f"{name}.json").read_text())["exchanges"][0]


needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")


@needs_recordings
def test_an_agent(watched):
    exchange = recorded("test-routing-classifier-trace-7c5326a2")
    with Provider([answer(exchange)]) as provider:
        told = client("bedrock-agent-runtime", provider.url).invoke_agent(
            agentId="U8", agentAliasId="HL", sessionId="s1", inputText="What is 1 + 1?", enableTrace=True
        )
        list(told["completion"])
    run = next(span for span in watched.spans if span.name.startswith("invoke_agent"))
    assert run.attributes[names.OPERATION_NAME] == "invoke_agent"
    assert run.attributes[names.AGENT_ID] == "U8"
    assert run.attributes[names.CONVERSATION_ID] == "s1"
    assert "The answer is 2." in run.attributes[names.OUTPUT_MESSAGES]


@needs_recordings
def test_a_retrieval(watched):
    exchange = recorded("bedrock-agent-rag-bedrockagent-rag-instrumentation-attribute-ecc04471")
    with Provider([answer(exchange)]) as provider:
        told = client("bedrock-agent-runtime", provider.url).retrieve(
            knowledgeBaseId="KB12345678", retrievalQuery={"text": "What is Task Decomposition?"}
        )
    assert told["retrievalResults"]
    span = watched.span
    assert span.name == "retrieval KB12345678"
    assert span.attributes[names.RETRIEVAL_QUERY] == "What is Task Decomposition?"
    found = json.loads(span.attributes[names.RETRIEVAL_DOCUMENTS])
    assert len(found) == len(told["retrievalResults"])
    assert all(item["score"] for item in found)


CONTENT = {
    "modelId": "m",
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {"role": "user", "content": [{"text": "Hi"}, {"image": {"format": "png", "source": {"bytes": b"png"}}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": {"b": 2}}]}}]},
    ],
    "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": "does", "inputSchema": {"json": {}}}}]},
}


def test_content_of_a_conversation(stage, watched):
    from bedrock import converse  # noqa: PLC0415

    stage.set([
        converse(
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}},
            {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t2", "name": "f"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"a":'}}}},
            {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": " 2}"}}}},
            {"messageStop": {"stopReason": "tool_use"}},
        )
    ])  # fmt: skip
    list(client("bedrock-runtime", stage.provider.url).converse_stream(**CONTENT)["stream"])
    told = watched.span.attributes
    assert json.loads(told[names.INPUT_MESSAGES]) == [
        {"role": "user", "parts": [
            {"type": "text", "content": "Hi"},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "cG5n"},
        ]},
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "id": "t1", "arguments": {"a": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "response": {"b": 2}}]},
    ]  # fmt: skip
    assert json.loads(told[names.OUTPUT_MESSAGES]) == [
        {"role": "assistant", "finish_reason": "tool_call", "parts": [
            {"type": "reasoning", "content": "Hm."},
            {"type": "tool_call", "name": "f", "id": "t2", "arguments": {"a": 2}},
        ]}
    ]  # fmt: skip
    assert json.loads(told[names.TOOL_DEFINITIONS])[0]["name"] == "f"
    assert told[names.USAGE_MISSING] is True


@pytest.mark.parametrize("row", [row for row in ROWS if row.streamed], ids=lambda row: row.id)
def test_a_stream_tells_what_the_whole_answer_tells(stage, make_watched, row):
    watched = make_watched(capture_content=True)
    stage.set([row.whole, row.streamed])
    row.call(row.client(stage.provider))
    list(row.stream(row.client(stage.provider)))
    whole, streamed = (json.loads(span.attributes[names.OUTPUT_MESSAGES]) for span in watched.spans)
    assert whole == streamed
    assert whole[0]["parts"] == [{"type": "text", "content": "Hello"}]
