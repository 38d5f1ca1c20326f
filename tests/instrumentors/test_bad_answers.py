"""Answers that no provider should give: the user gets what he gets uninstrumented, and each call is one ended span."""

from __future__ import annotations

import copy
import functools
import itertools
import json

import pytest
from cases import CASES, CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, STREAMED
from comparison import told

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

JUNK = [None, "x", 7, -1, 2.5, True, 10**30, [], [None], ["x"], {}, {"x": 1}, float("nan")]

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
by_stream = pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.id)


def places(body, at=()):
    """The path of every value in a JSON body."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield (*at, key)
        yield from places(value, (*at, key))


def replaced(body, place, value):
    """The body with another value at this place."""
    changed = copy.deepcopy(body)
    within = changed
    for key in place[:-1]:
        within = within[key]
    within[place[-1]] = value
    return changed


def lacking(body, place):
    """The body without this value."""
    changed = copy.deepcopy(body)
    within = changed
    for key in place[:-1]:
        within = within[key]
    del within[place[-1]]
    return changed


def spoilt(body, ways=None):
    """The body, spoilt in each place in so many ways, each place in the next ones."""
    junk = itertools.cycle(JUNK)
    for place in places(body):
        yield lacking(body, place)
        for value in itertools.islice(junk, ways or len(JUNK)):
            yield replaced(body, place, value)


def outcome(function):
    """What came of it, plain enough to be compared."""
    try:
        return told(function())
    except Exception as error:
        return told(error)


def ended(seen, count):
    """Each call has one span, and it ended."""
    assert len(seen.spans) == count
    assert all(span.end_time is not None for span in seen.spans)


@by_case
def test_bodies_of_another_kind(compare, case):
    odd = [
        "{}",
        "[]",
        '"hello"',
        "null",
        "5",
        "true",
        "NaN",
        "",
        "{",
        "<html>",
        '{"error": {"message": "busy"}}',
        "[" * 200,
    ]
    answers = [
        Answer(body=body, headers={"content-type": kind}) for body in odd for kind in ("application/json", "text/html")
    ]

    def scenario(case, client):
        return [outcome(lambda: case.call(client)) for _ in answers]

    ended(compare(case, scenario, answers), len(answers))


@by_case
def test_wholes_spoilt_in_every_place(compare, case):
    answers = [Answer.json(body) for body in spoilt(case.body)]

    def scenario(case, client):
        return [outcome(lambda: case.call(client)) for _ in answers]

    ended(compare(case, scenario, answers), len(answers))


def shapes(events):
    """One event of each shape."""
    return list({json.dumps(sorted(map(str, places(event)))): event for event in events}.values())


def spoilt_streams(case):
    """The stream, with one event of each shape spoilt in each place."""
    for event in shapes(case.events):
        at = case.events.index(event)
        for changed in spoilt(event, 3):
            yield Answer.sse([*case.events[:at], changed, *case.events[at + 1 :]])


@by_stream
def test_streams_spoilt_in_every_place(compare, case):
    answers = list(spoilt_streams(case))

    def scenario(case, client):
        return [outcome(lambda: list(case.stream(client))) for _ in answers]

    ended(compare(case, scenario, answers), len(answers))


@by_stream
def test_spoilt_streams_read_as_bytes(compare, case):
    answers = list(spoilt_streams(case))

    def read(client):
        with case.stream(client, "with_streaming_response") as response:
            return response.read()

    def scenario(case, client):
        return [outcome(lambda: read(client)) for _ in answers]

    ended(compare(case, scenario, answers), len(answers))


DATA = ["null", "5", '"x"', "[]", "[1]", "{}", '{"type": 5}', "{", "NaN", "", " ", "[" * 3000, "\x00", "[DONE]"]


@by_stream
@pytest.mark.parametrize("way", ["read", "bytes"])
def test_a_malformed_event_in_the_middle(compare, case, way):
    events = list(case.sse().chunks)
    name = f"event: {case.events[2]['type']}\n" if "type" in case.events[2] else ""
    answers = [Answer(chunks=[*events[:3], f"{name}data: {data}\n\n".encode(), *events[3:]]) for data in DATA]

    def read(client):
        if way == "read":
            return list(case.stream(client))
        with case.stream(client, "with_streaming_response") as response:
            return response.read()

    def scenario(case, client):
        return [outcome(lambda: read(client)) for _ in answers]

    seen = compare(case, scenario, answers)
    ended(seen, len(answers))
    assert {span.attributes[names.RESPONSE_MODEL] for span in seen.spans} == {case.body["model"]}


@pytest.mark.parametrize("index", [10**9, -1, -5, "1", None, 1.5, True, [0], {"a": 1}])
@pytest.mark.parametrize("case", [CHAT, COMPLETIONS], ids=lambda case: case.id)
def test_choices_with_an_odd_index(compare, case, index):
    odd = copy.deepcopy(case.events[1])
    odd["choices"][0]["index"] = index

    def scenario(case, client):
        return list(case.stream(client))

    span = compare(case, scenario, [Answer.sse([*case.events, odd])]).span
    assert span.attributes[names.INPUT_TOKENS] == 20
    assert span.attributes[names.RESPONSE_FINISH_REASONS][0] == "stop"


def test_a_block_that_was_never_opened(compare):
    event = {"type": "content_block_delta", "index": 10**9, "delta": {"type": "text_delta", "text": "x"}}

    def scenario(case, client):
        return list(case.stream(client))

    span = compare(MESSAGES, scenario, [Answer.sse([event, *MESSAGES.events[:-1], event, MESSAGES.events[-1]])]).span
    assert span.attributes[names.OUTPUT_TOKENS] == 10


USAGES = [
    (CHAT, {"prompt_tokens": "20", "completion_tokens": "10"}),
    (CHAT, {"prompt_tokens": None, "completion_tokens": None}),
    (CHAT, "free"),
    (CHAT, []),
    (RESPONSES, {"input_tokens": "20", "output_tokens": [], "input_tokens_details": 5}),
    (EMBEDDINGS, {"prompt_tokens": {}}),
    (MESSAGES, {"input_tokens": "20", "output_tokens": "10", "cache_read_input_tokens": 5}),
    (MESSAGES, {"input_tokens": None, "output_tokens": None}),
]


@pytest.mark.parametrize(
    ("case", "usage"), USAGES, ids=[f"{case.id}-{number}" for number, (case, _) in enumerate(USAGES)]
)
def test_usage_of_the_wrong_type_is_no_usage(compare, case, usage):
    def scenario(case, client):
        return case.call(client)

    span = compare(case, scenario, [Answer.json(case.body | {"usage": usage})]).span
    assert names.INPUT_TOKENS not in span.attributes
    assert names.OUTPUT_TOKENS not in span.attributes
    assert names.COST not in span.attributes


@by_case
def test_no_usage_is_told_as_such(compare, case):
    def scenario(case, client):
        return case.call(client)

    body = {name: value for name, value in case.body.items() if name != "usage"}
    span = compare(case, scenario, [Answer.json(body)]).span
    assert span.attributes[names.USAGE_MISSING] is True
    assert span.status == "unset"


ASKED = ["x", 7, -1, [], [None], {}, {"x": 1}, [{"role": 5, "content": [{"type": "image", "source": {"data": 5}}]}]]


@by_case
def test_odd_requests(compare, case):
    """What the provider would refuse, and what the library itself does."""
    added = (
        "temperature",
        "tools",
        "stop",
        "stop_sequences",
        "system",
        "reasoning",
        "text",
        "conversation",
        "n",
        "tool_choice",
    )
    changes = [
        (name, value)
        for name in (*case.arguments, *added)
        for value in ASKED
        if name != "model" or isinstance(value, str)
    ]

    def scenario(case, client):
        return [outcome(functools.partial(case.call, client, **{name: value})) for name, value in changes]

    compare(case, scenario, case.whole)
