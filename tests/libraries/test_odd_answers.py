"""What the wire may say beside what the rows of the contract show: refusals that are answers, tasks, several prompts."""

from __future__ import annotations

import json
from importlib.util import find_spec

import dashscope
import pytest
import zai
from agentops_otel_instrumentors.dashscope import _CHAT as DASHSCOPE
from agentops_otel_instrumentors.ibm_watsonx_ai_foundation_models import _GENERATE as WATSONX
from agentops_otel_instrumentors.ibm_watsonx_ai_foundation_models import _TEXT_STREAM
from agentops_otel_instrumentors.voyageai import _EMBED, _RERANK
from rows_dashscope import ASK, USAGE

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.engine import Shape


def test_a_refusal_of_dashscope_is_an_answer_and_an_error(watched):
    refused = Answer.json({"code": "InvalidApiKey", "message": "no", "request_id": "r-9"}, status=401)
    with Provider([refused]) as provider:
        answer = dashscope.Generation.call("qwen-plus", messages=ASK, api_key="k", base_address=provider.url)
        if hasattr(dashscope, "close_shared_sync_session"):
            dashscope.close_shared_sync_session()
    assert answer.status_code == 401
    assert (watched.span.status, watched.span.attributes[names.ERROR_TYPE]) == ("error", "InvalidApiKey")


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (USAGE, (21, 19, 5, 7)),
        ({"input_tokens": 0, "output_tokens": 0}, None),
        ({}, None),
        (None, None),
        ("many", None),
        ({"input_tokens": "21", "output_tokens": 19}, (None, 19, None, None)),
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, None, None)),
    ],
)
def test_usage_of_dashscope(told, usage):
    found = DASHSCOPE.response({"output": {"text": "x", "finish_reason": "stop"}, "usage": told}).usage
    seen = found and (found.input_tokens, found.output_tokens, found.cache_read_tokens, found.reasoning_tokens)
    assert seen == usage


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["The ", "ferry."], "The ferry."),
        (["The ", "The ferry."], "The ferry."),
        (["", "The ferry."], "The ferry."),
        (["The ferry."], "The ferry."),
        (["ha", "ha"], "ha"),  # nobody can tell: all so far, and nothing came in between
        ([None, "The ferry."], "The ferry."),
    ],
)
def test_streams_of_dashscope_are_pieces_or_all_so_far(texts, whole):
    state = None
    for text in texts:
        state = DASHSCOPE.fold(state, {"output": {"choices": [{"message": {"content": text}}]}}, True)
    (message,) = DASHSCOPE.output(state)
    assert "".join(part.content for part in message.parts) == whole


def test_media_of_dashscope():
    parts = [
        {"image": "https://x/y.png"},
        {"text": "What?"},
        {"audio": "https://x/y.mp3"},
        {"type": "text", "text": "!"},
    ]
    (message,) = DASHSCOPE.content({"messages": [{"role": "user", "content": parts}]}).messages
    assert [type(part).__name__ for part in message.parts] == ["Media", "Text", "Media", "Text"]
    (said,) = DASHSCOPE.output({"output": {"choices": [{"message": {"content": [{"text": "A boat."}]}}]}})
    assert [part.content for part in said.parts] == ["A boat."]


def test_a_task_of_zai_is_counted_when_it_is_fetched(watched):
    task = {"id": "t-1", "request_id": "q", "model": "glm-4.7", "task_status": "PROCESSING"}
    used = {"prompt_tokens": 21, "completion_tokens": 19, "total_tokens": 40}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "The ferry."}}
    done = {**task, "task_status": "SUCCESS", "choices": [choice], "usage": used}
    with (
        Provider([Answer.json(task), Answer.json(done)]) as provider,
        zai.ZhipuAiClient(api_key="id.secret", base_url=provider.url, max_retries=0) as client,
    ):
        made = client.chat.asyncCompletions.create(model="glm-4.7", messages=ASK)
        client.chat.asyncCompletions.retrieve_completion_result(made.id)
    asked, fetched = watched.spans
    assert asked.attributes[names.PROVIDER_NAME] == "zhipuai"
    assert asked.attributes[names.RESPONSE_STATUS] == "in_progress"
    assert names.INPUT_TOKENS not in asked.attributes
    assert (fetched.name, fetched.attributes[names.RESPONSE_ID]) == ("fetch_response", "t-1")
    assert fetched.attributes[names.FETCHED + names.INPUT_TOKENS] == 21
    assert watched.session.get_analytics()["LLM calls"] == 1


@pytest.mark.parametrize(
    ("answer", "tokens", "reasons"),
    [
        ({"results": [{"input_token_count": 3, "generated_token_count": 2, "stop_reason": "max_tokens"}]}, (3, 2), 1),
        (
            [
                {"results": [{"input_token_count": 3, "generated_token_count": 2, "stop_reason": "eos_token"}]},
                {"results": [{"input_token_count": 4, "generated_token_count": 5}]},
            ],
            (7, 7),
            2,
        ),
        ({"results": [{}]}, None, 1),
        ({"results": "none"}, None, 0),
        (None, None, 0),
        ([], None, 0),
    ],
)
def test_texts_of_watsonx(answer, tokens, reasons):
    told = WATSONX.response(answer)
    assert (told.usage and (told.usage.input_tokens, told.usage.output_tokens)) == tokens
    assert len(told.finish_reasons or ()) == reasons


def test_counts_of_a_watsonx_stream_are_the_highest():
    state = None
    for read, generated in ((8, 0), (0, 1), (0, 11), (None, None)):
        chunk = Shape(results=[Shape(input_token_count=read, generated_token_count=generated)])
        state = _TEXT_STREAM.fold(state, chunk, True)
    usage = _TEXT_STREAM.response(state).usage
    assert (usage.input_tokens, usage.output_tokens) == (8, 11)


def test_voyage_answers_of_odd_shapes():
    assert _EMBED.response(None).usage is None
    assert _EMBED.response(Shape(embeddings="none")).dimension_count is None
    assert _EMBED.response(Shape(results=[Shape(embeddings=[[1, 2]])], total_tokens=3)).dimension_count == 2
    assert _RERANK.output(Shape(results=[Shape(index=1)])).found == [("1", None)]


@pytest.mark.skipif(find_spec("voyageai.local") is None, reason="this version runs no models itself")
def test_a_model_that_voyage_runs_here_has_no_price(watched):
    from agentops_otel_instrumentors.voyageai import VoyageAIInstrumentor  # noqa: PLC0415
    from voyageai.local import helpers  # noqa: PLC0415

    model = next(iter(helpers.LOCAL_MODELS))
    assert VoyageAIInstrumentor().server(None, {"model": model}).provider == "voyageai_local"
    assert VoyageAIInstrumentor().server(None, {"model": "voyage-3.5"}).provider == "voyageai"


def test_choices_of_zai(watched):
    choices = [
        {"index": index, "finish_reason": reason, "message": {"role": "assistant", "content": "x", "tool_calls": calls}}
        for index, reason, calls in (
            (0, "tool_calls", [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]),
            (1, "sensitive", None),
        )
    ]
    body = {"id": "2026", "created": 1, "model": "glm-4.7", "choices": choices}
    with (
        Provider([Answer.json(body)]) as provider,
        zai.ZaiClient(api_key="id.secret", base_url=provider.url, max_retries=0) as client,
    ):
        client.chat.completions.create(model="glm-4.7", messages=ASK)
    told = watched.span.attributes
    assert told[names.RESPONSE_FINISH_REASONS] == ("tool_calls", "sensitive")
    assert told[names.USAGE_MISSING] is True
    assert [item["finish_reason"] for item in json.loads(told[names.OUTPUT_MESSAGES])] == [
        "tool_call",
        "content_filter",
    ]
