"""Spans of real calls, held against the rules of the conventions for their kind."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest
from conftest import SHARED

from agentops_otel.accounting.record import ERROR, UNSET
from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

ALWAYS = {names.OPERATION_NAME, names.PROVIDER_NAME, names.REQUEST_MODEL, names.SERVER_ADDRESS, names.SERVER_PORT}
ANSWERED = {
    names.RESPONSE_ID,
    names.RESPONSE_MODEL,
    names.RESPONSE_FINISH_REASONS,
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
}
ASKED = {names.REQUEST_MAX_TOKENS, names.REQUEST_STOP_SEQUENCES}
# Anthropic's client takes none of these any more.
SAMPLED = {
    names.REQUEST_TEMPERATURE,
    names.REQUEST_TOP_P,
    names.REQUEST_FREQUENCY_PENALTY,
    names.REQUEST_PRESENCE_PENALTY,
}
STREAMED = {names.REQUEST_STREAM, names.RESPONSE_TIME_TO_FIRST_CHUNK}
EMBEDDED = {
    names.REQUEST_ENCODING_FORMATS,
    names.EMBEDDINGS_DIMENSION_COUNT,
    names.INPUT_TOKENS,
    names.RESPONSE_MODEL,
}
HI = [{"role": "user", "content": "hi"}]
CHAT = {
    "model": "gpt-4o-mini",
    "messages": HI,
    "max_tokens": 64,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END"],
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
}
MESSAGE = {
    "model": "claude-sonnet-4-6",
    "messages": HI,
    "max_tokens": 64,
    "stop_sequences": ["END"],
}


def chat(gpt, _):
    gpt.chat.completions.create(**CHAT)


def chat_stream(gpt, _):
    list(gpt.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))


def chat_refused(gpt, _):
    with pytest.raises(openai.RateLimitError):
        gpt.chat.completions.create(**CHAT)


def message(_, claude):
    claude.messages.create(**MESSAGE)


def message_stream(_, claude):
    list(claude.messages.create(**MESSAGE, stream=True))


def message_refused(_, claude):
    with pytest.raises(anthropic.APIStatusError):
        claude.messages.create(**MESSAGE)


def embed(gpt, _):
    gpt.embeddings.create(model="text-embedding-3-small", input="hi", encoding_format="float")


HELLO, BONJOUR = bodies.chat("Hello!"), bodies.message("Bonjour!")
CALLS = {
    "chat": (chat, Answer.json(HELLO), ALWAYS | ANSWERED | ASKED | SAMPLED),
    "chat, stream": (
        chat_stream,
        Answer.sse(streams.chat_chunks(HELLO)),
        ALWAYS | ANSWERED | ASKED | SAMPLED | STREAMED,
    ),
    "chat, refused": (chat_refused, bodies.openai_error(429), ALWAYS | ASKED | SAMPLED | {names.ERROR_TYPE}),
    "message": (message, Answer.json(BONJOUR), ALWAYS | ANSWERED | ASKED),
    "message, stream": (message_stream, Answer.sse(streams.message_events(BONJOUR)), ALWAYS | ANSWERED | ASKED | STREAMED),
    "message, refused": (message_refused, bodies.anthropic_error(529), ALWAYS | ASKED | {names.ERROR_TYPE}),
    "embeddings": (embed, Answer.json(bodies.embeddings()), ALWAYS | EMBEDDED),
}  # fmt: skip


@pytest.fixture(params=CALLS.values(), ids=CALLS)
def captured(request, watched):
    """The span of one real call, and the names that it must carry."""
    make, answer, expected = request.param
    with (
        Provider([answer]) as provider,
        openai.OpenAI(api_key="none", base_url=provider.openai_url, max_retries=0) as gpt,
        anthropic.Anthropic(api_key="none", base_url=provider.anthropic_url, max_retries=0) as claude,
    ):
        make(gpt, claude)
    return watched.span, expected


def test_a_call_tells_all_that_is_wanted(captured):
    span, expected = captured
    assert expected - set(span.attributes) == set()


def test_a_call_tells_nothing_that_is_of_another_kind(captured):
    span, _ = captured
    if not SPEC_FILE.exists():
        pytest.skip("the conventions as data are not in this checkout")
    told = {name for name in span.attributes if name.startswith(("gen_ai.", "server.", "error."))}
    aliases = set(names.COST_ALIASES)
    assert told - aliases <= set(kind_of(span)["attributes"])


def test_a_call_is_named_by_its_operation_and_model(captured):
    span, _ = captured
    assert span.name == f"{span.attributes[names.OPERATION_NAME]} {span.attributes[names.REQUEST_MODEL]}"
    assert span.kind == "client"


def test_the_status_tells_errors_only(captured):
    span, expected = captured
    assert span.status == (ERROR if names.ERROR_TYPE in expected else UNSET)
    assert (names.ERROR_TYPE in span.attributes) is (span.status == ERROR)


def test_streaming_is_told_of_streams_only(captured):
    span, expected = captured
    assert STREAMED & set(span.attributes) == STREAMED & expected


# --- The same lists, as the conventions have them --------------------------------------------------------

SPEC_FILE = SHARED / "conventions" / "spec.json"


def kind_of(span):
    spec = json.loads(SPEC_FILE.read_text(encoding="utf-8"))["spans"]
    operation = span.attributes[names.OPERATION_NAME]
    return next(kind for kind in spec.values() if operation in kind["operations"])


@pytest.mark.skipif(not SPEC_FILE.exists(), reason="the conventions as data are not in this checkout")
def test_the_lists_above_are_those_of_the_conventions(captured):
    span, expected = captured
    kind = kind_of(span)
    assert kind["kind"] == span.kind
    assert kind["name"] == "{gen_ai.operation.name} {gen_ai.request.model}"
    wanted = {name for name, told in kind["attributes"].items() if told["level"] == "required"}
    wanted |= {name for name, told in kind["attributes"].items() if told["level"] == "recommended" and not told["when"]}
    inapplicable = SAMPLED if span.attributes[names.PROVIDER_NAME] == "anthropic" else set()
    unanswered = ANSWERED if names.ERROR_TYPE in expected else set()
    assert wanted - inapplicable - unanswered <= expected


def test_samplers_see_what_they_decide_by(watched, monkeypatch):
    seen = {}
    processor = watched.client.pipeline.processor
    began = processor.on_start

    def on_start(span, parent_context=None):
        seen[span.name] = dict(span.attributes)  # as it was made, before anybody adds to it
        began(span, parent_context)

    monkeypatch.setattr(processor, "on_start", on_start)
    with (
        Provider([Answer.json(HELLO)]) as provider,
        openai.OpenAI(api_key="none", base_url=provider.openai_url, max_retries=0) as gpt,
    ):
        chat(gpt, None)
        port = int(provider.url.rpartition(":")[2])
    made = seen["chat gpt-4o-mini"]
    assert {name: made[name] for name in ALWAYS} == {
        names.OPERATION_NAME: "chat",
        names.PROVIDER_NAME: "openai",
        names.REQUEST_MODEL: "gpt-4o-mini",
        names.SERVER_ADDRESS: "127.0.0.1",
        names.SERVER_PORT: port,
    }
    assert not ANSWERED & set(made)
