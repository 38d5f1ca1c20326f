"""Enrichment: attributes in, attributes with a cost out."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from accounting.bills import nanoseconds
from hypothesis import given, settings
from hypothesis import strategies as st

from agentops_otel.accounting.enrichment import enrich
from agentops_otel.accounting.prices import Price, Prices
from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import write_response
from agentops_otel.conventions.model import Response, Usage

PRICES = Prices()
DAY = nanoseconds("2026-11-20")
CALL = {
    names.OPERATION_NAME: names.CHAT,
    names.PROVIDER_NAME: "openai",
    names.REQUEST_MODEL: "gpt-4.1",
    names.RESPONSE_MODEL: "gpt-4.1-2025-04-14",
    names.INPUT_TOKENS: 1000,
    names.OUTPUT_TOKENS: 100,
}
COST = (1000 * 2 + 100 * 8) / 1e6


def enriched(attributes, prices=PRICES, **options):
    return dict(enrich(attributes, prices, **{"start_time": DAY, **options}))


def gained(attributes, prices=PRICES, **options):
    """What enrichment added or changed."""
    after = enriched(attributes, prices, **options)
    assert set(after) >= set(attributes)
    return {name: value for name, value in after.items() if attributes.get(name) != value}


def cost(attributes, prices=PRICES, **options):
    """The cost that enrichment found, in dollars for a million such calls; None where it found none."""
    found = enriched(attributes, prices, **options).get(names.COST)
    return None if found is None else float(Decimal(repr(found)) * 1_000_000)


def test_a_call_gains_its_cost_and_whence_it_comes():
    assert gained(CALL) == {
        names.COST: COST,
        names.COST_SOURCE: PRICES._source,
        "gen_ai.usage.cost": COST,
        "operation.cost": COST,
    }
    assert PRICES._source.startswith("genai-prices@")


def test_aliases_are_a_setting():
    assert gained(CALL, aliases=False) == {names.COST: COST, names.COST_SOURCE: PRICES._source}


def test_nothing_is_changed_in_place():
    before = dict(CALL)
    after = enrich(before, PRICES, start_time=DAY)
    assert before == CALL
    assert after is not before


def test_prices_are_those_of_the_day():
    o3 = {**CALL, names.REQUEST_MODEL: "o3", names.RESPONSE_MODEL: "o3"}
    assert cost(o3, start_time=nanoseconds("2025-06-09")) == 1000 * 10 + 100 * 40
    assert cost(o3, start_time=nanoseconds("2025-06-10")) == 1000 * 2 + 100 * 8


def test_nothing_is_loaded_for_who_cannot_wait():
    prices = Prices()
    assert enrich(CALL, prices, wait=False) is CALL
    assert not prices.loaded
    assert cost(CALL, prices) == 2800
    assert cost(CALL, prices, wait=False) == 2800


# --- Spans that stay as they are -------------------------------------------------------------------------

UNTOUCHED = {
    "empty": {},
    "anybody's": {"http.request.method": "GET", "server.address": "example.com"},
    "session": {names.SPAN_KIND: names.KIND_SESSION, names.SESSION_ID: "x", names.LLM_CALLS: 3},
    "action": {names.SPAN_KIND: names.KIND_ACTION, names.INPUT_TOKENS: 5, names.REQUEST_MODEL: "gpt-4o"},
    "tool": {names.OPERATION_NAME: names.EXECUTE_TOOL, names.TOOL_NAME: "search"},
    "agent": {**CALL, names.OPERATION_NAME: names.INVOKE_AGENT},
    "workflow": {**CALL, names.OPERATION_NAME: names.INVOKE_WORKFLOW},
    "moderation": {names.SPAN_KIND: names.KIND_GUARDRAIL, names.REQUEST_MODEL: "omni-moderation-latest"},
    "unknown model": {**CALL, names.REQUEST_MODEL: "nobody", names.RESPONSE_MODEL: "nobody-1"},
    "no model": {name: CALL[name] for name in (names.OPERATION_NAME, names.PROVIDER_NAME, names.INPUT_TOKENS)},
    "no usage": {name: CALL[name] for name in (names.OPERATION_NAME, names.PROVIDER_NAME, names.REQUEST_MODEL)},
    "half a usage": {name: value for name, value in CALL.items() if name != names.INPUT_TOKENS},
    "usage of a wrong type": {**CALL, names.INPUT_TOKENS: "many", names.OUTPUT_TOKENS: -1},
    "priced already": {**CALL, names.COST: 7.5, names.COST_SOURCE: "override"},
    "unknown tier": {**CALL, names.OPENAI_RESPONSE_SERVICE_TIER: "platinum"},
    "cheaper than the cache allows": {**CALL, names.CACHE_READ_TOKENS: 1001},
    "fetched before it was finished": {**CALL, names.OPERATION_NAME: names.FETCH_RESPONSE},
}


@pytest.mark.parametrize("attributes", UNTOUCHED.values(), ids=UNTOUCHED)
def test_the_same_object_where_nothing_is_known(attributes):
    assert enrich(attributes, PRICES, start_time=DAY) is attributes


# --- What the price depends on ---------------------------------------------------------------------------

HAIKU = {**CALL, names.PROVIDER_NAME: "anthropic", names.RESPONSE_MODEL: "claude-haiku-4-5"}
GPT_5 = {**CALL, names.RESPONSE_MODEL: "gpt-5"}
MINE = Prices({"gpt-4.1": Price.of(100), "azure.ai.openai/deployed": Price.of(7)})
DEPENDS = {
    "OpenAI's tier": (GPT_5 | {names.OPENAI_RESPONSE_SERVICE_TIER: "flex"}, 1000 * 0.625 + 100 * 5),
    "anybody's tier": (GPT_5 | {names.SERVICE_TIER: "priority"}, 1000 * 2.5 + 100 * 20),
    "the standard tier": (GPT_5 | {names.OPENAI_RESPONSE_SERVICE_TIER: "default"}, 1000 * 1.25 + 100 * 10),
    "the tier that was asked for": (GPT_5 | {names.OPENAI_REQUEST_SERVICE_TIER: "flex"}, 1000 * 1.25 + 100 * 10),
    "batch": (HAIKU | {names.COST_CONDITIONS: ["processing=batch"]}, 1000 * 0.5 + 100 * 2.5),
    "no price in this region": (HAIKU | {names.COST_CONDITIONS: ["inference_geo=us"]}, None),
    "batch, with no price in this region": (
        HAIKU | {names.COST_CONDITIONS: ["processing=batch", "inference_geo=us"]},
        None,
    ),
    "no condition": (HAIKU | {names.COST_CONDITIONS: ["nonsense"]}, 1000 * 1 + 100 * 5),
    "the model that answered": (CALL | {names.RESPONSE_MODEL: "gpt-4o"}, 1000 * 2.5 + 100 * 10),
    "a region that was asked for, of Bedrock": (
        {
            names.OPERATION_NAME: names.CHAT,
            names.PROVIDER_NAME: "aws.bedrock",
            names.REQUEST_MODEL: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            names.RESPONSE_MODEL: "claude-sonnet-4-5-20250929",
            names.INPUT_TOKENS: 1000,
            names.OUTPUT_TOKENS: 100,
        },
        1000 * 3.3 + 100 * 16.5,
    ),
    "the model that was asked for": (CALL | {names.RESPONSE_MODEL: "of-its-own"}, 1000 * 2 + 100 * 8),
    "what the provider says": (CALL | {names.PROVIDER_COST: "0.25"}, 250_000),
    "what the provider says of no model": ({names.SPAN_KIND: names.KIND_LLM, names.PROVIDER_COST: "0.25"}, 250_000),
    "free, says the provider": (CALL | {names.PROVIDER_COST: "0"}, 0),
    "no cost, says the provider": (CALL | {names.PROVIDER_COST: "many"}, 1000 * 2 + 100 * 8),
    "less than nothing, says the provider": (CALL | {names.PROVIDER_COST: "-1"}, 1000 * 2 + 100 * 8),
    "searches": (CALL | {names.WEB_SEARCHES: 2}, 1000 * 2 + 100 * 8 + 2 * 10_000),
}


@pytest.mark.parametrize(("attributes", "expected"), DEPENDS.values(), ids=DEPENDS)
def test_the_price_depends(attributes, expected):
    assert cost(attributes) == (None if expected is None else pytest.approx(expected))


def test_an_own_price_counts_by_either_name():
    assert cost(CALL, MINE) == 1000 * 100 + 100 * 100
    azure = {**CALL, names.PROVIDER_NAME: "azure.ai.openai", names.REQUEST_MODEL: "deployed"}
    assert cost(azure, MINE) == 1000 * 7 + 100 * 7
    assert enriched(azure, MINE)[names.COST_SOURCE] == "override"
    assert cost({**azure, names.PROVIDER_NAME: "openai"}, MINE) == 2800


def test_a_call_that_only_our_own_kind_tells():
    told = {name: value for name, value in CALL.items() if name != names.OPERATION_NAME}
    assert cost({**told, names.SPAN_KIND: names.KIND_LLM}) == 2800


def test_a_fetched_response_is_priced_by_what_was_fetched():
    attributes = {
        names.OPERATION_NAME: names.FETCH_RESPONSE,
        names.PROVIDER_NAME: "openai",
        names.RESPONSE_MODEL: "gpt-4.1",
        names.FETCHED + names.INPUT_TOKENS: 1000,
        names.FETCHED + names.OUTPUT_TOKENS: 100,
        names.FETCHED + names.CACHE_READ_TOKENS: 400,
    }
    assert cost(attributes) == 600 * 2 + 400 * 0.5 + 100 * 8


# --- Work that is billed beside the usage ----------------------------------------------------------------


def beside(*inner, **told):
    """A call of claude-haiku-4-5 with work beside it, as an instrumentor writes it."""
    response = Response(model="claude-haiku-4-5", usage=Usage(1000, 100), inner=inner)
    return HAIKU | write_response(response) | told


OWN_USAGE = 1000 * 1 + 100 * 5
BESIDE = {
    "nothing": (beside(), OWN_USAGE),
    "a compaction, by the same model": (beside((None, Usage(2000, 10))), OWN_USAGE + 2000 * 1 + 10 * 5),
    "an advisor, another model": (beside(("claude-opus-4-1", Usage(50, 20))), OWN_USAGE + 50 * 15 + 20 * 75),
    "both, one from the cache": (
        beside((None, Usage(2000, 10)), ("claude-opus-4-1", Usage(50, 20, cache_read_tokens=40))),
        OWN_USAGE + 2000 * 1 + 10 * 5 + 10 * 15 + 40 * 1.5 + 20 * 75,
    ),
    "an advisor without a price": (beside(("claude-nobody", Usage(50, 20))), None),
    "a part without usage": (beside((None, Usage())), None),
    "one of two without a price": (beside((None, Usage(1, 1)), ("claude-nobody", Usage(1, 1))), None),
    "a text cut off by a limit": (beside((None, Usage(1, 1)), **{names.INNER_USAGE: ['{"gen_ai.us']}), None),
    "no object": (beside(**{names.INNER_USAGE: ["[]", "5"]}), None),
    "all in what the provider says": (beside((None, Usage(2000, 10)), **{names.PROVIDER_COST: "0.5"}), 500_000),
}


@pytest.mark.parametrize(("attributes", "expected"), BESIDE.values(), ids=BESIDE)
def test_work_beside_the_usage(attributes, expected):
    assert cost(attributes) == (None if expected is None else pytest.approx(expected))


def test_work_beside_the_usage_is_written_as_json():
    told = beside(("claude-opus-4-1", Usage(50, 20)))[names.INNER_USAGE]
    assert [json.loads(item) for item in told] == [
        {names.RESPONSE_MODEL: "claude-opus-4-1", names.INPUT_TOKENS: 50, names.OUTPUT_TOKENS: 20}
    ]


# --- Twice is once ---------------------------------------------------------------------------------------

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.text(max_size=8), st.lists(st.text(max_size=8))
)
COUNTS = st.one_of(st.integers(0, 10**6), ODD)
WORDS = {
    names.OPERATION_NAME: [names.CHAT, names.EMBEDDINGS, names.FETCH_RESPONSE, names.INVOKE_AGENT, "unheard_of"],
    names.SPAN_KIND: [names.KIND_LLM, names.KIND_TOOL, names.KIND_SESSION],
    names.PROVIDER_NAME: ["openai", "anthropic", "azure.ai.openai", "nobody"],
    names.REQUEST_MODEL: ["gpt-4o", "claude-haiku-4-5", "models/gemini-2.5-pro", "nobody"],
    names.RESPONSE_MODEL: ["gpt-4o-2024-08-06", "anthropic/claude-haiku-4-5", ""],
    names.SERVICE_TIER: ["flex", "default"],
    names.COST_CONDITIONS: [["processing=batch"], ("speed=fast", "a=b=c"), []],
    names.INNER_USAGE: [['{"gen_ai.usage.input_tokens":5}'], ["{"], ("{}", "null")],
    names.PROVIDER_COST: ["0.5", "nan"],
    names.COST: [0.25, 1],
}
COUNTED = [
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
    names.CACHE_READ_TOKENS,
    names.CACHE_WRITE_TOKENS,
    names.REASONING_TOKENS,
    names.FETCHED + names.INPUT_TOKENS,
    names.FETCHED + names.OUTPUT_TOKENS,
    names.AUDIO_SECONDS,
    names.WEB_SEARCHES,
]
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        **{name: COUNTS for name in COUNTED if name not in WORDS},
        **{name: st.one_of(st.sampled_from(words), st.sampled_from(words), ODD) for name, words in WORDS.items()},
    },
)


@settings(max_examples=600, deadline=None)
@given(ATTRIBUTES, st.booleans())
def test_twice_is_once(attributes, aliases):
    once = enrich(attributes, PRICES, start_time=DAY, aliases=aliases)
    assert enrich(once, PRICES, start_time=DAY, aliases=aliases) == once
    told = [name for name in attributes if once[name] != attributes[name] and attributes[name] == attributes[name]]
    assert told == []
