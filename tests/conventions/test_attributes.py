"""Attributes: what is written can be read, and nothing is written that a span cannot carry."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal

import pytest
from conventions.models import ANSWERED, REQUEST, RESPONSE, SENT, USAGE
from hypothesis import given, settings

from agentops_otel.conventions import names, plain
from agentops_otel.conventions.attributes import (
    read_inner,
    read_request,
    read_response,
    read_usage,
    write_request,
    write_response,
)
from agentops_otel.conventions.messages import read_messages, write_content, write_messages
from agentops_otel.conventions.model import (
    Content,
    Media,
    Message,
    Other,
    Request,
    Response,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

NAN, INF = float("nan"), float("inf")


# --- There and back --------------------------------------------------------------------------------------


def carried(attributes):
    """The attributes as they come back from any exporter: lists as tuples, texts in UTF-8."""
    for value in attributes.values():
        for item in value if isinstance(value, tuple) else [value]:
            assert type(item) in {str, int, float, bool}
            assert not isinstance(item, str) or item.encode().decode() == item
    return {name: tuple(value) if isinstance(value, list) else value for name, value in attributes.items()}


@given(REQUEST)
def test_a_request_comes_back(request_):
    assert read_request(carried(write_request(request_))) == request_


@settings(deadline=None)
@given(RESPONSE)
def test_a_response_comes_back(response):
    assert read_response(carried(write_response(response))) == response


@given(USAGE)
def test_a_fetched_usage_comes_back_apart(usage):
    attributes = carried(write_response(Response(usage=usage), fetched=True))
    expected = usage if usage != Usage() else None
    assert read_usage(attributes, names.FETCHED) == expected
    assert read_usage(attributes) is None


@settings(deadline=None)
@given(SENT, ANSWERED)
def test_messages_come_back(sent, answered):
    attributes = {
        **write_content(Content(sent)),
        names.OUTPUT_MESSAGES: write_messages(answered, answered=True),
    }
    assert read_messages(carried(attributes), names.INPUT_MESSAGES) == sent
    assert read_messages(carried(attributes), names.OUTPUT_MESSAGES) == answered


def test_nothing_told_is_nothing_written():
    assert write_request(Request()) == write_response(Response()) == write_content(Content()) == {}
    assert read_request({}) == Request()
    assert read_usage({}) is None
    assert read_messages({}, names.INPUT_MESSAGES) == read_inner({}) == []


@pytest.mark.parametrize(
    ("told", "written"),
    [
        (
            {"aws.request_id": "r-1", "mcp.ok": True, "n": 3, "x": 0.5},
            {"aws.request_id": "r-1", "mcp.ok": True, "n": 3, "x": 0.5},
        ),
        ({"words": ("a", "b"), "mixed": ["a", 1]}, {"words": ("a", "b"), "mixed": ("a",)}),
        ({"none": None, "empty": "", "nan": float("nan"), "huge": 2**70, "object": object(), 1: "x"}, {}),
        ({"lone": "\ud800"}, {"lone": "?"}),
        ({}, {}),
    ],
)
def test_attributes_of_other_conventions_are_written_as_far_as_a_span_can_have_them(told, written):
    assert write_request(Request(more=told)) == write_response(Response(more=told)) == written


def test_zero_is_told():
    usage = Usage(**{field.name: 0 for field in fields(Usage) if field.name != "cost"}, cost=Decimal(0))
    assert read_usage(write_response(Response(usage=usage))) == usage
    assert write_request(Request(temperature=0, max_tokens=0, seed=0)) == {
        names.REQUEST_TEMPERATURE: 0.0,
        names.REQUEST_MAX_TOKENS: 0,
        names.REQUEST_SEED: 0,
    }


def test_what_goes_without_saying_is_not_said():
    assert write_request(Request(choice_count=1, service_tier="auto", stream=False)) == {}


# --- Values of the wrong type ----------------------------------------------------------------------------

WRONG = {
    str: [5, 1.5, True, b"x", "", [], ["x"], {}, object()],
    int: ["5", "", True, NAN, INF, -INF, 1.5, 2**63, -(2**63), 10**400, b"5", [5], object()],
    float: ["0.5", "", True, NAN, INF, 10**400, b"1", [0.5], object()],
    list: [5, True, "", [], (), [5, None], {"a"}, {"a": 1}, iter(["a"]), object()],
    bool: ["true", 1, 1.0, "yes", object()],
}
TYPES = {
    Request: {
        str: "model reasoning_level output_type previous_response_id conversation_id api_type service_tier response_id"
        " agent_name agent_id workflow_name name data_source_id tool_name tool_type tool_description tool_call_id",
        int: "top_k max_tokens seed choice_count",
        float: "temperature top_p frequency_penalty presence_penalty",
        list: "encoding_formats",
        bool: "stream",
    },
    Response: {
        str: "id model status service_tier system_fingerprint conversation_id error",
        int: "dimension_count",
    },
    Usage: {
        int: " ".join(field.name for field in fields(Usage) if field.name not in {"audio_seconds", "cost"}),
        float: "audio_seconds",
    },
}
CASES = [
    pytest.param(kind, name, value, id=f"{kind.__name__}.{name}-{value!r:.20}")
    for kind, types in TYPES.items()
    for of, told in types.items()
    for name in told.split()
    for value in WRONG[of]
]


def written(kind, **told):
    if kind is Request:
        return write_request(Request(**told))
    return write_response(Response(usage=Usage(**told)) if kind is Usage else Response(**told))


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_a_value_of_the_wrong_type_is_left_out(kind, name, value):
    assert written(kind, **{name: value}) == {}


@pytest.mark.parametrize("kind", TYPES)
def test_no_field_is_forgotten(kind):
    told = {name for names_ in TYPES[kind].values() for name in names_.split()}
    others = {
        Request: {"stop_sequences", "more"},
        Response: {"finish_reasons", "conditions", "usage", "inner", "openai", "more"},
        Usage: {"cost"},
    }
    assert told | others[kind] == {field.name for field in fields(kind)}


NEGATIVE = [field.name for field in fields(Usage) if field.name != "cost"]


@pytest.mark.parametrize("name", NEGATIVE)
def test_no_count_is_negative(name):
    assert written(Usage, **{name: -1}) == {}
    attribute = next(iter(written(Usage, **{name: 1})))
    assert read_usage({attribute: -1}) is None


@pytest.mark.parametrize("cost", [0.5, "0.5", 1, Decimal("nan"), Decimal("inf"), Decimal(-1)])
def test_a_cost_is_a_decimal(cost):
    assert written(Usage, cost=cost) == {}


@pytest.mark.parametrize("cost", ["-1", "nan", "inf", "-inf", "many", "", None, [], NAN])
def test_a_cost_that_cannot_be_is_not_read(cost):
    assert read_usage({names.PROVIDER_COST: cost}) is None


LIKE = [
    (Request, {"max_tokens": 5.0}, {names.REQUEST_MAX_TOKENS: 5}),
    (Request, {"temperature": 1}, {names.REQUEST_TEMPERATURE: 1.0}),
    (Request, {"stop_sequences": "END"}, {names.REQUEST_STOP_SEQUENCES: ("END",)}),
    (Request, {"stop_sequences": ("a", "b")}, {names.REQUEST_STOP_SEQUENCES: ("a", "b")}),
    (Request, {"stop_sequences": ["a", 5, None]}, {names.REQUEST_STOP_SEQUENCES: ("a",)}),
    (Request, {"stream": True}, {names.REQUEST_STREAM: True}),
    (Response, {"finish_reasons": ("stop", "length")}, {names.RESPONSE_FINISH_REASONS: ("stop", "length")}),
    (Usage, {"cost": Decimal("1E-9")}, {names.PROVIDER_COST: "1E-9"}),
    (Response, {"service_tier": "flex"}, {names.SERVICE_TIER: "flex"}),
    (Response, {"service_tier": "flex", "openai": True}, {names.OPENAI_RESPONSE_SERVICE_TIER: "flex"}),
]


@pytest.mark.parametrize(("kind", "told", "expected"), LIKE)
def test_a_value_that_is_as_good(kind, told, expected):
    found = written(kind, **told)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


def test_lone_surrogates_are_replaced_everywhere():
    broken = "a\ud800b"
    parts = [Text(broken), ToolCall(broken, broken, {broken: broken}), Media("image", uri=broken), Other(broken)]
    attributes = {
        **write_request(Request(model=broken, stop_sequences=[broken])),
        **write_response(Response(id=broken, finish_reasons=[broken], inner=[(broken, Usage(1))])),
        **write_content(Content([Message(broken, parts, broken)])),
    }
    assert carried(attributes)
    assert attributes[names.REQUEST_MODEL] == "a?b"


def test_long_texts_are_cut_and_say_so():
    told = write_request(Request(model="x" * (plain.TEXT_LIMIT + 7)))[names.REQUEST_MODEL]
    assert told == "x" * plain.TEXT_LIMIT + f"…[truncated, {plain.TEXT_LIMIT + 7} characters]"


# --- What others wrote -----------------------------------------------------------------------------------


def test_attributes_of_others_are_read_with_care():
    wrong = {
        names.REQUEST_MODEL: 5,
        names.REQUEST_TEMPERATURE: "warm",
        names.REQUEST_MAX_TOKENS: NAN,
        names.REQUEST_STREAM: "yes",
        names.RESPONSE_FINISH_REASONS: 7,
        names.INPUT_TOKENS: "many",
        names.PROVIDER_COST: "much",
        names.INNER_USAGE: 3,
    }
    assert read_request(wrong) == Request()
    assert read_response(wrong) == Response(inner=[])


@pytest.mark.parametrize("told", [["{"], ["[]"], ["null"], [5], ['{"gen_ai.usage.input_tokens":"x"}']])
def test_work_beside_the_usage_that_is_illegible_is_of_unknown_usage(told):
    assert read_inner({names.INNER_USAGE: told}) == [(None, Usage())]


DEEP = "[" * 100_000 + "]" * 100_000
ILLEGIBLE = ["", "no json", "{}", "5", "null", '"text"', "[5, null]", DEEP, 5, None, True]


@pytest.mark.parametrize("told", ILLEGIBLE, ids=lambda told: repr(told)[:12])
def test_messages_that_are_illegible_are_none(told):
    assert read_messages({names.INPUT_MESSAGES: told}, names.INPUT_MESSAGES) == []


BY_OTHERS = [
    ({}, Message("", [])),
    ({"role": "user", "parts": 5}, Message("user", [])),
    ({"role": "user", "parts": "text"}, Message("user", [])),
    ({"role": None, "parts": [5, {}]}, Message("None", [Other("None")])),
    ({"role": "user", "name": 5, "finish_reason": []}, Message("user", [])),
    ({"role": "user", "parts": [{"type": "text"}]}, Message("user", [Text("")])),
    ({"role": "user", "parts": [{"type": "text", "content": 5}]}, Message("user", [Text("5")])),
    ({"role": "a", "parts": [{"type": "compaction"}]}, Message("a", [Other("compaction")])),
    (
        {"role": "a", "parts": [{"type": "server_tool_call", "name": "search", "server_tool_call": "x"}]},
        Message("a", [ToolCall("search", arguments="x", server=True)]),
    ),
    (
        {"role": "a", "parts": [{"type": "server_tool_call_response", "server_tool_call_response": [1]}]},
        Message("a", [ToolResult([1], server=True)]),
    ),
]


@pytest.mark.parametrize(("told", "expected"), BY_OTHERS)
def test_messages_of_others(told, expected):
    assert read_messages({"x": json.dumps([told])}, "x") == [expected]
    assert read_messages({"x": [told]}, "x") == [expected]


# --- Content ---------------------------------------------------------------------------------------------

REASONS = {
    "end_turn": "stop",
    "stop": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "incomplete:max_output_tokens": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "refusal": "content_filter",
    "content_filter": "content_filter",
    "something_new": "something_new",
    None: "error",
    "": "error",
}


@pytest.mark.parametrize("reason", REASONS, ids=repr)
def test_an_answer_ends_for_a_reason_in_the_conventions_words(reason):
    (told,) = json.loads(write_messages([Message("assistant", [], finish_reason=reason)], answered=True))
    assert told["finish_reason"] == REASONS[reason]


def test_what_was_sent_has_no_reason():
    (told,) = json.loads(write_messages([Message("user", [Text("hi")], finish_reason="stop")]))
    assert told == {"role": "user", "parts": [{"type": "text", "content": "hi"}]}


def test_a_large_blob_is_named_by_its_size():
    inline, large = "A" * plain.BLOB_LIMIT, "A" * (plain.BLOB_LIMIT + 4)
    (told,) = json.loads(write_messages([Message("user", [Media("image", data=inline), Media("image", data=large)])]))
    assert told["parts"] == [
        {"type": "blob", "modality": "image", "content": inline},
        {"type": "uri", "modality": "image", "uri": "omitted:49155-bytes"},
    ]
