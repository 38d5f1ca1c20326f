"""cohere beside the contract: what is billed, errors in its own words, clients that were there before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

cohere = pytest.importorskip("cohere")

from agentops_otel_instrumentors import cohere as module  # noqa: E402
from rows_cohere import EMBED_ARGUMENTS, META, V1_WHOLE, V2_ARGUMENTS, V2_EVENTS, V2_WHOLE  # noqa: E402

from agentops_otel.conventions import names  # noqa: E402
from agentops_otel.demo.provider import Answer, Provider  # noqa: E402


def figures(response):
    usage = response.usage
    return usage and (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.image_input_tokens)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (META, (6, 7, None, None)),
        ({**META, "cached_tokens": 480}, (6, 7, None, None)),
        ({"tokens": META["tokens"], "cached_tokens": 480}, (501, 35, 480, None)),
        ({"tokens": META["tokens"]}, (501, 35, None, None)),
        ({"billed_units": {"input_tokens": 4.0, "image_tokens": 0.0}}, (4, None, None, None)),
        ({"billed_units": {"image_tokens": 258}}, (258, None, None, 258)),
        ({"billed_units": {"search_units": 1}}, None),
        ({"billed_units": None}, None),
        ({"billed_units": {"input_tokens": "6"}}, None),
        ({}, None),
        (None, None),
        ("odd", None),
        (7, None),
    ],
)
def test_what_is_billed_comes_before_what_was_used(told, expected):
    for answer in (
        {"usage": told},
        {"meta": told},
        SimpleNamespace(usage=told),
        SimpleNamespace(usage=None, meta=told),
    ):
        assert figures(module.CohereInstrumentor.targets["cohere:Client.chat"].response(answer)) == expected


@pytest.mark.parametrize(("pictures", "conditions"), [(258, ["modality=image"]), (0, None), (None, None)])
def test_pictures_have_a_price_of_their_own(pictures, conditions):
    operation = module.CohereInstrumentor.targets["cohere:Client.embed"]
    told = operation.response({"embeddings": [[0.5]], "meta": {"billed_units": {"image_tokens": pictures}}})
    assert (told.conditions, told.dimension_count) == (conditions, 1)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("COMPLETE", None),
        ("MAX_TOKENS", None),
        ("ERROR", "ERROR"),
        ("ERROR_TOXIC", "ERROR_TOXIC"),
        (None, None),
        (7, None),
    ],
)
def test_an_answer_that_failed_says_so(reason, error):
    told = module.CohereInstrumentor.targets["cohere:Client.chat"].response({"finish_reason": reason})
    assert (told.finish_reasons, told.error) == ([reason or "error"], error)


@pytest.mark.parametrize(
    "events", [[{}], [{"type": 3}], [{"type": "content-delta"}], [{"type": "tool-call-delta"}], ["odd"], [None]]
)
def test_odd_events_spoil_nothing(events):
    operation = module.CohereInstrumentor.targets["cohere.v2.client:V2Client.chat_stream"]
    state = None
    for event in [*events, *V2_EVENTS]:
        state = operation.fold(state, event, True)
    assert figures(operation.response(state)) == (6, 7, None, None)
    assert operation.output(state)[0].finish_reason == "TOOL_CALL"


@pytest.mark.parametrize(
    ("names_of_classes", "provider"),
    [
        ("ClientV2", "cohere"),
        ("AsyncClient", "cohere"),
        ("BedrockClientV2", "aws.bedrock"),
        ("SagemakerClient", "aws.sagemaker"),
        ("OciClientV2", "oci"),
    ],
)
def test_clouds_are_told_by_the_client(names_of_classes, provider):
    client = type(names_of_classes, (), {})()
    assert module.CohereInstrumentor().server(client, {}).provider == provider


def test_a_client_that_was_there_before_is_captured(make_watched):
    with (
        Provider([Answer.json(V2_WHOLE), Answer.json(V1_WHOLE)]) as provider,
        cohere.ClientV2("k", base_url=provider.url) as second,
        cohere.Client("k", base_url=provider.url) as first,
    ):
        watched = make_watched(capture_content=True)
        second.chat(**V2_ARGUMENTS)
        first.chat(message="Hello")
    assert [span.attributes[names.INPUT_TOKENS] for span in watched.spans] == [6, 6]


def test_a_long_list_that_is_sent_in_parts_is_one_call(watched):
    part = {
        "id": "c-3",
        "texts": ["a"],
        "embeddings": {"float": [[0.5, 0.25]]},
        "response_type": "embeddings_by_type",
        "meta": {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 96}},
    }
    with Provider(lambda _: Answer.json(part)) as provider, cohere.Client("k", base_url=provider.url) as client:
        client.embed(**{**EMBED_ARGUMENTS, "texts": ["a"] * 200})
        assert len(provider.requests) == 3
    assert watched.span.attributes[names.INPUT_TOKENS] == 288
