"""Realtime connections of the real client: each response and each transcript is a call, whatever happens on the way."""

from __future__ import annotations

import asyncio
import gc
import json

import openai
import pytest
from agentops_otel_instrumentors._openai_realtime import Talk
from inline_snapshot import snapshot
from playing import playing
from replay import RECORDINGS, compare

from agentops_otel.conventions import names

# The client's own: websockets 17 wants to be used otherwise than it does.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as:DeprecationWarning")


def realtime(client):
    """Where the client has its connections; they were a beta once."""
    return client.realtime if hasattr(client, "realtime") else client.beta.realtime


def listen(client, messages):
    """Say what was sent and hear what was received, in their order."""
    heard = []
    with realtime(client).connect(model="gpt-realtime") as connection:
        for direction, data in messages:
            if direction == "sent":
                connection.send(data)
            else:
                heard.append(connection.recv())
    return heard


async def alisten(client, messages):
    async with realtime(client).connect(model="gpt-realtime") as connection:
        for direction, data in messages:
            if direction == "sent":
                await connection.send(data)
            else:
                await connection.recv()


def recorded(name):
    told = json.loads((RECORDINGS / f"{name}.json").read_text())
    return [(message["direction"], message["data"]) for message in told["messages"]], told["expected"]


REPLAYED = {
    "openai/test-text-in-audio-out-turn-96657cb6": ("https://api.openai.com/v1", "openai", "gpt-realtime"),
    "azure-openai/test-text-output-modality-returns-text-f6e15409": (
        "https://r.openai.azure.com/openai/v1",
        "azure.ai.openai",
        "gpt-realtime-global-standard",
    ),
    "xai/test-text-tool-round-parity-xai-pinned-124c3f0c": (
        "https://api.x.ai/v1",
        "x_ai",
        "grok-voice-think-fast-1.0",
    ),
}
"""Recordings of connections that a framework made itself: the closest client is the one whose events they are."""
XAI = [
    {"input": 7, "output": 84, "cached": None, "finish": ["completed"]},
    {"input": 0, "output": 138, "cached": None, "finish": ["completed"]},
]
"""What xAI printed, beside its responses; the index of the recordings looks within them."""


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="test_recordings.py says when they must be here")
@pytest.mark.parametrize("name", REPLAYED)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_recording_is_replayed(name, kind, watched):
    messages, expected = recorded(name)
    base, provider, model = REPLAYED[name]
    with playing(messages) as url:
        if kind == "sync":
            with openai.OpenAI(api_key="k", base_url=base, websocket_base_url=url) as client:
                listen(client, messages)
        else:
            asyncio.run(alisten(openai.AsyncOpenAI(api_key="k", base_url=base, websocket_base_url=url), messages))
    nothing = {"cache_write": None, "reasoning": None, "model": None, "error": None, "stream": True}
    wanted = expected or [{**nothing, **want, "operation": "realtime"} for want in XAI]
    assert len(watched.spans) == len(wanted)
    for span, want in zip(watched.spans, wanted, strict=True):
        compare(span, want)
        assert span.attributes[names.PROVIDER_NAME] == provider
        assert span.attributes[names.REQUEST_MODEL] == model
        assert names.RESPONSE_TIME_TO_FIRST_CHUNK in span.attributes


SESSION = {
    "type": "session.created",
    "session": {
        "model": "gpt-realtime",
        "instructions": "Be brief.",
        "output_modalities": ["audio"],
        "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}},
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
    },
}
USAGE = {
    "input_tokens": 30,
    "output_tokens": 20,
    "input_token_details": {
        "text_tokens": 10,
        "audio_tokens": 20,
        "cached_tokens": 8,
        "cached_tokens_details": {"text_tokens": 8, "audio_tokens": 0},
    },
    "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
}


def item(name, **told):
    return {"type": "conversation.item.added", "item": {"id": name, "type": "message", "role": "user", **told}}


def announced(name):
    return {"type": "response.created", "response": {"id": name, "status": "in_progress"}}


def done(name, **told):
    return {"type": "response.done", "response": {"id": name, "status": "completed", "usage": USAGE, **told}}


SPOKEN = item("i1", content=[{"type": "input_audio", "transcript": None}])
HEARD = {
    "type": "conversation.item.input_audio_transcription.completed",
    "item_id": "i1",
    "transcript": "Is it raining?",
    "usage": {"type": "tokens", "input_tokens": 12, "output_tokens": 4, "input_token_details": {"audio_tokens": 12}},
}
ANSWER = [
    {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Let me look."}]},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'},
]


def hear(watched, *events):
    messages = [("received", event) for event in events]
    with playing(messages) as url, openai.OpenAI(api_key="k", websocket_base_url=url) as client:
        heard = listen(client, messages)
    return [event.type if hasattr(event, "type") else event for event in heard], watched.spans


def test_what_was_said_is_read_as_text_and_the_listener_is_billed_beside(watched):
    _, spans = hear(watched, SESSION, SPOKEN, announced("r1"), HEARD, done("r1", output=ANSWER))
    heard, answered = (span.attributes for span in spans)
    assert [span.attributes[names.COST] for span in spans] == snapshot([5.6e-05, 0.0016912])
    assert (heard[names.REQUEST_MODEL], heard[names.INPUT_TOKENS], heard[names.OUTPUT_TOKENS]) == snapshot(
        ("gpt-4o-mini-transcribe", 12, 4)
    )
    assert {name: answered[name] for name in answered if "tokens" in name} == snapshot(
        {
            "gen_ai.usage.input_tokens": 30,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.usage.audio.input_tokens": 20,
            "gen_ai.usage.audio.output_tokens": 15,
            "gen_ai.usage.audio.cache_read.input_tokens": 0,
            "gen_ai.usage.text.input_tokens": 10,
            "gen_ai.usage.text.output_tokens": 5,
        }
    )
    assert json.loads(answered[names.INPUT_MESSAGES]) == snapshot(
        [{"role": "user", "parts": [{"type": "text", "content": "Is it raining?"}]}]
    )
    assert json.loads(answered[names.OUTPUT_MESSAGES]) == snapshot(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "text", "content": "Let me look."},
                    {"type": "tool_call", "name": "weather", "id": "c1", "arguments": {"city": "Rome"}},
                ],
                "finish_reason": "stop",
            }
        ]
    )
    assert json.loads(answered[names.SYSTEM_INSTRUCTIONS]) == snapshot([{"type": "text", "content": "Be brief."}])
    assert json.loads(answered[names.TOOL_DEFINITIONS]) == snapshot(
        [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    )


def test_each_answer_has_what_was_said_since_the_last(watched):
    first, second = (item(name, content=[{"type": "input_text", "text": name}]) for name in ("one", "two"))
    _, spans = hear(watched, SESSION, first, announced("r1"), done("r1"), second, announced("r2"), done("r2"))
    assert [json.loads(span.attributes[names.INPUT_MESSAGES])[0]["parts"] for span in spans] == snapshot(
        [[{"type": "text", "content": "one"}], [{"type": "text", "content": "two"}]]
    )


ENDINGS = {
    "failed": (done("r1", status="failed", status_details={"error": {"code": "rate_limit"}}), "error", "rate_limit"),
    "failed, nobody says why": (done("r1", status="failed", status_details=None), "error", "failed"),
    "interrupted": (done("r1", status="cancelled"), "unset", None),
    "another is done": (done("r2"), "unset", None),
    "nothing more": ({"type": "input_audio_buffer.speech_started"}, "unset", None),
}


@pytest.mark.parametrize(("event", "status", "error"), ENDINGS.values(), ids=ENDINGS)
def test_a_response_ends_once(event, status, error, watched):
    _, (span,) = hear(watched, SESSION, announced("r1"), event)
    assert (span.status, span.attributes.get(names.ERROR_TYPE)) == (status, error)
    left = event.get("response", {}).get("id") != "r1"
    assert span.attributes.get(names.STREAM_OUTCOME) == ("abandoned" if left else None)


ODD = {
    "no type": {},
    "a type that is none": {"type": 7},
    "a response that is none": {"type": "response.done", "response": "x"},
    "an item that is none": {"type": "conversation.item.added", "item": [1]},
    "a session that is none": {"type": "session.updated", "session": None},
    "pieces that are none": item("i", content=[1, None, "x", {"type": "audio", "transcript": 3}]),
    "usage that is none": done("r0", usage="free"),
}


@pytest.mark.parametrize("event", ODD.values(), ids=ODD)
def test_odd_events_reach_the_program_and_spoil_nothing(event, watched):
    heard, (span,) = hear(watched, event, announced("r1"), done("r1"))
    assert len(heard) == 3
    assert span.attributes[names.INPUT_TOKENS] == 30


def test_nothing_is_kept_of_a_connection_that_is_gone(watched):
    hear(watched, SESSION, announced("r1"), done("r1"))
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, Talk)]
