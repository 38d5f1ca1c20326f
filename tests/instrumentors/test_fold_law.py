"""The fold law: reading the fold of a stream's chunks is reading the whole answer, whatever it says."""

from __future__ import annotations

import itertools
import json

import anthropic
import openai
import pytest
from agentops_otel_instrumentors.anthropic import AnthropicInstrumentor
from agentops_otel_instrumentors.openai import OpenAIInstrumentor
from cases import COMPLETION_BODY, completion_chunks
from hypothesis import given
from hypothesis import strategies as st

from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.engine.reading import parsed, shaped

OPENAI, ANTHROPIC = OpenAIInstrumentor.routes, AnthropicInstrumentor.routes
CALLS = [("weather", {"city": "Lisbon", "day": "Saturday"}), ("ferries", {})]

KINDS = {
    "chat": (OPENAI["POST /chat/completions"], streams.chat_chunks),
    "completion": (OPENAI["POST /completions"], completion_chunks),
    "response": (OPENAI["POST /responses"], streams.response_events),
    "message": (ANTHROPIC["POST /v1/messages"], streams.message_events),
}
"""How each kind of answer is read, and how it is taken apart."""


def two_choices():
    body = bodies.chat("To the north.", usage=bodies.chat_usage(20, 10, cached_tokens=5, reasoning_tokens=3))
    first = body["choices"][0]
    second = bodies.chat(None, tools=CALLS)["choices"][0]
    return body | {"choices": [first, second | {"index": 1}]}


def completions():
    choices = [
        {"index": i, "text": f"To the {w}.", "logprobs": None, "finish_reason": "stop"} for i, w in enumerate("NSE")
    ]
    return COMPLETION_BODY | {"choices": choices}


WHOLES = {
    "a text": ("chat", bodies.chat("Take the ferry to Cacilhas and back.")),
    "an empty text": ("chat", bodies.chat("")),
    "tool calls": ("chat", bodies.chat(tools=CALLS)),
    "a text and tool calls": ("chat", bodies.chat("Let me see.", tools=CALLS)),
    "two choices": ("chat", two_choices()),
    "one completion": ("completion", COMPLETION_BODY),
    "three completions": ("completion", completions()),
    "a response": ("response", bodies.response("Take the ferry.")),
    "a response with reasoning and calls": ("response", bodies.response("So.", reasoning="Heights.", tools=CALLS)),
    "a message": ("message", bodies.message("Take the ferry.")),
    "a message with thinking and tool uses": (
        "message",
        bodies.message(
            "So.",
            thinking="Heights.",
            tools=CALLS,
            usage=bodies.message_usage(cache_read=7, cache_5m=3, cache_1h=2, thinking=4, tier="priority"),
        ),
    ),
    "a message from a batch": ("message", bodies.message("Late.", usage=bodies.message_usage(tier="batch"))),
}
by_whole = pytest.mark.parametrize(("kind", "whole"), WHOLES.values(), ids=WHOLES)


def folded(operation, chunks, *, keep=True):
    state = None
    for chunk in chunks:
        state = operation.fold(state, chunk, keep)
    return state


def law(operation, whole, chunks):
    """The law itself: figures and messages; and figures alone where texts are not kept."""
    assert operation.response(folded(operation, chunks)) == operation.response(whole)
    assert operation.response(folded(operation, chunks, keep=False)) == operation.response(whole)
    assert operation.output(folded(operation, chunks)) == operation.output(whole)


@by_whole
def test_of_parsed_json(kind, whole):
    operation, apart = KINDS[kind]
    law(operation, parsed(json.dumps(whole)), [parsed(json.dumps(chunk)) for chunk in apart(whole)])


@by_whole
def test_of_plain_dicts(kind, whole):
    operation, apart = KINDS[kind]
    law(operation, whole, [shaped(chunk) for chunk in apart(whole)])
    law(operation, whole, apart(whole))


@by_whole
def test_of_the_librarys_own_objects(kind, whole):
    operation, apart = KINDS[kind]
    with Provider([Answer.json(whole), Answer.sse(apart(whole))]) as provider:
        if kind == "message":
            with anthropic.Anthropic(api_key="x", base_url=provider.anthropic_url) as client:
                answers = [_asked(client.messages.create, stream) for stream in (False, True)]
        else:
            with openai.OpenAI(api_key="x", base_url=provider.openai_url) as client:
                resources = {
                    "chat": client.chat.completions,
                    "completion": client.completions,
                    "response": client.responses,
                }
                answers = [_asked(resources[kind].create, stream) for stream in (False, True)]
    law(operation, *answers)


def _asked(create, stream):
    asked = {"model": "m", "max_tokens": 9, "messages": [], "input": "", "prompt": ""}
    known = create.__kwdefaults__ or {}
    needed = {name: value for name, value in asked.items() if name in _parameters(create) and name not in known}
    answer = create(**needed, stream=stream)
    return list(answer) if stream else answer


def _parameters(create):
    import inspect  # noqa: PLC0415

    return inspect.signature(create).parameters


# --- Whatever is said ------------------------------------------------------------------------------------

words = st.text(max_size=60)
counts = st.integers(min_value=0, max_value=10**6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2),
    max_leaves=5,
)
calls = st.lists(st.tuples(st.text(min_size=1, max_size=9), st.dictionaries(words, values, max_size=3)), max_size=3)


@given(st.none() | words, calls, counts, counts, counts)
def test_of_any_chat(text, tools, prompt, completion, cached):
    usage = bodies.chat_usage(prompt, completion, cached_tokens=cached, reasoning_tokens=completion)
    whole = bodies.chat(text, tools=tools, usage=usage)
    law(KINDS["chat"][0], parsed(json.dumps(whole)), [parsed(json.dumps(item)) for item in streams.chat_chunks(whole)])


@given(st.none() | words, st.none() | words, calls, counts, counts, counts, counts)
def test_of_any_message(text, thinking, tools, read, written, cached, stored):
    usage = bodies.message_usage(read, written, cache_read=cached, cache_5m=stored, cache_1h=cached, thinking=written)
    whole = bodies.message(text, thinking=thinking, tools=tools, usage=usage)
    law(
        KINDS["message"][0],
        parsed(json.dumps(whole)),
        [parsed(json.dumps(item)) for item in streams.message_events(whole)],
    )


@given(st.none() | words, st.none() | words, calls, counts, counts)
def test_of_any_response(text, reasoning, tools, read, written):
    whole = bodies.response(text, reasoning=reasoning, tools=tools, usage=bodies.response_usage(read, written))
    events = [parsed(json.dumps(item)) for item in streams.response_events(whole)]
    law(KINDS["response"][0], parsed(json.dumps(whole)), events)


@given(words)
def test_a_response_left_early_says_what_had_arrived(text):
    operation = KINDS["response"][0]
    events = [parsed(json.dumps(item)) for item in streams.response_events(bodies.response(text))]
    deltas = [index for index, event in enumerate(events) if event["type"] == "response.output_text.delta"]
    for last in deltas:
        state = folded(operation, events[: last + 1])
        (message,) = operation.output(state)
        assert message.parts[0].content == "".join(event["delta"] for event in events[: last + 1] if event.delta)
        assert operation.response(state).id == events[0]["response"]["id"]


# --- However it is cut -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chat", "response", "message"])
def test_of_bytes_cut_anywhere(stage, make_watched, kind):
    """Read as bytes, whichever way they were cut on the wire, a stream tells the same span."""
    text = "Café — 東京\r\n\n🛥️ data: [DONE]\n\nevent: ping"
    whole = {"chat": bodies.chat, "response": bodies.response, "message": bodies.message}[kind](text)
    events = b"".join(Answer.sse(KINDS[kind][1](whole)).chunks)
    watched = make_watched(capture_content=True)
    module = anthropic.Anthropic if kind == "message" else openai.OpenAI
    url = stage.provider.anthropic_url if kind == "message" else stage.provider.openai_url
    with module(api_key="x", base_url=url, max_retries=0) as client:
        resource = {"chat": lambda: client.chat.completions, "response": lambda: client.responses}.get(
            kind, lambda: client.messages
        )()
        create = resource.with_streaming_response.create
        needed = {"chat": {"messages": []}, "response": {"input": ""}, "message": {"messages": [], "max_tokens": 9}}

        @given(
            st.lists(st.integers(min_value=1, max_value=len(events) - 1), max_size=12), st.none() | st.integers(1, 50)
        )
        def cut_anywhere(cuts, size):
            edges = [0, *sorted(set(cuts)), len(events)]
            stage.set([Answer(chunks=[events[start:end] for start, end in itertools.pairwise(edges)])])
            with create(model="m", stream=True, **needed[kind]) as response:
                assert b"".join(response.iter_bytes(size)) == events

        cut_anywhere()
    told = [
        {name: value for name, value in span.attributes.items() if name != names.RESPONSE_TIME_TO_FIRST_CHUNK}
        for span in watched.spans
    ]
    assert len(told) > 50
    assert [item for item in told if item != told[0]] == []
    assert text in json.loads(told[0][names.OUTPUT_MESSAGES])[0]["parts"][0]["content"]
    assert told[0][names.INPUT_TOKENS] == 20
