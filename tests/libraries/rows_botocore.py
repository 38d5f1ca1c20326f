"""Bedrock through boto3: conversations, invoked models of each maker, embeddings, reranking."""

from __future__ import annotations

import json

from bedrock import chunks, converse, events, frame
from replay_botocore import client
from rows import Row

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "boto3"

REFUSED = Answer.json(
    {"message": "no"}, status=400, headers={"x-amzn-errortype": "ValidationException:http://internal.amazon.com/"}
)
BROKEN = frame("throttlingException", {"message": "slow down"}, "exception")


def runtime(url, is_async):
    del is_async
    return client("bedrock-runtime", url)


def agents(url, is_async):
    del is_async
    return client("bedrock-agent-runtime", url)


def _row(name, call, whole, expected, **more):
    return Row(
        id=name,
        make=more.pop("make", runtime),
        call=call,
        whole=whole,
        refused=REFUSED,
        expected={names.PROVIDER_NAME: "aws.bedrock", names.SERVER_ADDRESS: "127.0.0.1", **expected},
        stream_expected={names.REQUEST_STREAM: True, **more.pop("stream_expected", {})},
        leaks=True,
        has_async=False,
        streams_async=False,
        **more,
    )


# --- Converse ---------------------------------------------------------------------------------------------

NOVA = "us.amazon.nova-lite-v1:0"
ASKED = {
    "modelId": NOVA,
    "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
    "system": [{"text": "Be brief."}],
    "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "topP": 0.25, "stopSequences": ["x"]},
}
USAGE = {
    "inputTokens": 10,
    "outputTokens": 5,
    "totalTokens": 18,
    "cacheReadInputTokens": 1,
    "cacheWriteInputTokens": 2,
}
CONVERSE = {
    names.OPERATION_NAME: "chat",
    names.REQUEST_MODEL: NOVA,
    names.REQUEST_MAX_TOKENS: 64,
    names.REQUEST_TEMPERATURE: 0.5,
    names.REQUEST_TOP_P: 0.25,
    names.REQUEST_STOP_SEQUENCES: ("x",),
    names.INPUT_TOKENS: 13,
    names.OUTPUT_TOKENS: 5,
    names.CACHE_READ_TOKENS: 1,
    names.CACHE_WRITE_TOKENS: 2,
    names.RESPONSE_FINISH_REASONS: ("end_turn",),
}
BEGUN = (
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Hel"}, "contentBlockIndex": 0}},
)
STREAMED = converse(
    *BEGUN,
    {"contentBlockDelta": {"delta": {"text": "lo"}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": USAGE, "metrics": {"latencyMs": 5}}},
)


def _converse(client):
    return client.converse(**ASKED)


def _converse_stream(client):
    return client.converse_stream(**ASKED)["stream"]


# --- Models that are invoked --------------------------------------------------------------------------------


def _invoke(model, asked):
    def call(client):
        answer = client.invoke_model(modelId=model, body=json.dumps(asked))
        return {**answer, "body": [answer["body"].read(), type(answer["body"])]}

    return call


def _invoke_stream(model, asked):
    return lambda client: client.invoke_model_with_response_stream(modelId=model, body=json.dumps(asked))["body"]


def _invoked(name, model, asked, answered, streamed, expected, headers=()):
    """A row of a model: `streamed` are its chunks."""
    frames = chunks(*streamed) if streamed else []
    return _row(
        name,
        _invoke(model, asked),
        Answer.json(answered, headers=dict(headers)),
        {names.REQUEST_MODEL: model, names.REQUEST_MAX_TOKENS: 64, **expected},
        stream=_invoke_stream(model, asked) if streamed else None,
        streamed=events(*frames) if streamed else None,
        broken=events(frames[0], BROKEN) if streamed else None,
    )


def _figures(operation, reason, tokens):
    return {
        names.OPERATION_NAME: operation,
        names.RESPONSE_FINISH_REASONS: (reason,),
        names.INPUT_TOKENS: tokens[0],
        names.OUTPUT_TOKENS: tokens[1],
    }


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 10, "outputTokenCount": 5}}
COUNTS = {"x-amzn-bedrock-input-token-count": "10", "x-amzn-bedrock-output-token-count": "5"}
MESSAGES = [{"role": "user", "content": "Hi"}]

INVOKED = [
    _invoked(
        "bedrock-claude",
        "anthropic.claude-3-haiku-20240307-v1:0",
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": MESSAGES},
        {
            "id": "msg_1",
            "type": "message",
            "model": "claude-3-haiku-20240307",
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 3},
        },
        (
            {
                "type": "message_start",
                "message": {
                    "id": "msg_1",
                    "model": "claude-3-haiku-20240307",
                    "usage": {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 3},
                },
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop", **METRICS},
        ),
        {**_figures("chat", "end_turn", (13, 5)), names.CACHE_READ_TOKENS: 3, names.RESPONSE_ID: "msg_1"},
        COUNTS,
    ),
    _invoked(
        "bedrock-nova",
        "amazon.nova-micro-v1:0",
        {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"maxTokens": 64}},
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokenCount": 3},
        },
        (
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}},
            {"messageStop": {"stopReason": "end_turn"}},
            {
                "metadata": {"usage": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokenCount": 3}},
                **METRICS,
            },
        ),
        {**_figures("chat", "end_turn", (13, 5)), names.CACHE_READ_TOKENS: 3},
        COUNTS,
    ),
    _invoked(
        "bedrock-titan",
        "amazon.titan-text-express-v1",
        {"inputText": "Hi", "textGenerationConfig": {"maxTokenCount": 64}},
        {
            "inputTextTokenCount": 10,
            "results": [{"tokenCount": 5, "outputText": "Hello", "completionReason": "FINISH"}],
        },
        (
            {"outputText": "Hel", "index": 0, "inputTextTokenCount": 10},
            {"outputText": "lo", "totalOutputTextTokenCount": 5, "completionReason": "FINISH", **METRICS},
        ),
        _figures("text_completion", "FINISH", (10, 5)),
    ),
    _invoked(
        "bedrock-llama",
        "meta.llama3-8b-instruct-v1:0",
        {"prompt": "Hi", "max_gen_len": 64},
        {"generation": "Hello", "prompt_token_count": 10, "generation_token_count": 5, "stop_reason": "stop"},
        (
            {"generation": "Hel", "prompt_token_count": 10, "generation_token_count": 1, "stop_reason": None},
            {"generation": "lo", "prompt_token_count": None, "generation_token_count": 5, "stop_reason": "stop"},
        ),
        _figures("text_completion", "stop", (10, 5)),
    ),
    _invoked(
        "bedrock-mistral",
        "mistral.mistral-7b-instruct-v0:2",
        {"prompt": "<s>[INST] Hi [/INST]", "max_tokens": 64},
        {"outputs": [{"text": "Hello", "stop_reason": "stop"}]},
        (
            {"outputs": [{"text": "Hel", "stop_reason": None}]},
            {"outputs": [{"text": "lo", "stop_reason": "stop"}], **METRICS},
        ),
        _figures("text_completion", "stop", (10, 5)),
        COUNTS,
    ),
    _invoked(
        "bedrock-cohere",
        "cohere.command-text-v14",
        {"prompt": "Hi", "max_tokens": 64},
        {"id": "g1", "generations": [{"id": "1", "text": "Hello", "finish_reason": "COMPLETE"}], "prompt": "Hi"},
        (
            {"text": "Hello", "is_finished": False},
            {"finish_reason": "COMPLETE", "is_finished": True, **METRICS},
        ),
        _figures("text_completion", "COMPLETE", (10, 5)),
        COUNTS,
    ),
    _invoked(
        "bedrock-chat-shape",
        "openai.gpt-oss-120b-1:0",
        {"messages": MESSAGES, "max_tokens": 64},
        {
            "id": "c1",
            "model": "openai.gpt-oss-120b-1:0",
            "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        },
        (
            {"id": "c1", "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]},
            {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **METRICS},
        ),
        _figures("chat", "stop", (10, 5)),
    ),
]

EMBEDDINGS = {
    names.OPERATION_NAME: "embeddings",
    names.REQUEST_MAX_TOKENS: None,
    names.INPUT_TOKENS: 2,
    names.OUTPUT_TOKENS: None,
    names.EMBEDDINGS_DIMENSION_COUNT: 3,
}

ROWS = [
    _row(
        "bedrock-converse",
        _converse,
        Answer.json(
            {
                "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
                "stopReason": "end_turn",
                "usage": USAGE,
                "metrics": {"latencyMs": 5},
            },
        ),
        CONVERSE,
        stream=_converse_stream,
        streamed=STREAMED,
        broken=events(*(frame(kind, told) for item in BEGUN for kind, told in item.items()), BROKEN),
    ),
    *INVOKED,
    _invoked(
        "bedrock-titan-embeddings",
        "amazon.titan-embed-text-v2:0",
        {"inputText": "Hi"},
        {"embedding": [0.1, 0.2, 0.3], "inputTextTokenCount": 2},
        None,
        EMBEDDINGS,
    ),
    _invoked(
        "bedrock-cohere-embeddings",
        "cohere.embed-english-v3",
        {"texts": ["Hi"], "input_type": "search_query"},
        {"embeddings": [[0.1, 0.2, 0.3]], "id": "e1"},
        None,
        EMBEDDINGS,
        {"x-amzn-bedrock-input-token-count": "2"},
    ),
    _invoked(
        "bedrock-cohere-rerank",
        "cohere.rerank-v3-5:0",
        {"query": "q", "documents": ["a", "b"], "api_version": 2},
        {"results": [{"index": 1, "relevance_score": 0.9}]},
        None,
        {names.REQUEST_MAX_TOKENS: None},
    ),
    _row(
        "bedrock-rerank",
        lambda client: client.rerank(
            queries=[{"type": "TEXT", "textQuery": {"text": "q"}}],
            sources=[
                {
                    "type": "INLINE",
                    "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": "a"}},
                }
            ],
            rerankingConfiguration={
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": "arn:aws:bedrock:m"}},
            },
        ),
        Answer.json({"results": [{"index": 0, "relevanceScore": 0.5}]}),
        {names.REQUEST_MODEL: "arn:aws:bedrock:m"},
        make=agents,
    ),
]
