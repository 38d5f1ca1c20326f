"""Live connections of the real client: each turn of the model is a call, whatever it is made of and however it ends."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest

pytest.importorskip("google.genai")

import trustme
from google import genai
from google.genai import errors
from playing import playing
from replay import RECORDINGS, compare

from agentops_otel.conventions import names

# The client's own: websockets 17 wants to be used otherwise than it does.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as:DeprecationWarning")

MODEL = "gemini-3.1-flash-live-preview"
CONFIG = {
    "response_modalities": ["AUDIO"],
    "system_instruction": "Always call get_weather for a weather question.",
    "temperature": 0.5,
    "tools": [{"function_declarations": [{"name": "get_weather", "description": "Look up the weather."}]}],
}
WEATHER = {"id": "f1", "name": "get_weather", "response": {"output": "It is foggy."}}
ASK = {"turns": {"role": "user", "parts": [{"text": "What is the weather in London?"}]}, "turn_complete": True}
USAGE = {
    "promptTokenCount": 30,
    "responseTokenCount": 20,
    "cachedContentTokenCount": 5,
    "thoughtsTokenCount": 3,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 20}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
}


@pytest.fixture(scope="module")
def tls():
    """What a server on this machine shows, and what believes it: the client speaks to nobody without."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def client_of(url, trust):
    options = {"base_url": url.replace("wss", "https"), "async_client_args": {"ssl": trust}}
    return genai.Client(api_key="k", http_options=options)


async def talk(url, trust, *turns, leave=None):
    """A conversation: `turns` are functions of the session, each followed by what the model answers."""
    heard = []
    async with client_of(url, trust).aio.live.connect(model=MODEL, config=CONFIG) as session:
        for say in turns:
            await say(session)
            async for message in session.receive():
                heard.append(message)
                if message.tool_call:
                    await session.send_tool_response(function_responses=[WEATHER])
                if leave is not None and leave(message):
                    break
    return heard


def asking(session):
    return session.send_client_content(**ASK)


SETUP = [("sent", {}), ("received", {"setupComplete": {}}), ("sent", {})]


def received(*messages):
    return [("received", message) for message in messages]


def said(**told):
    return {"serverContent": told}


def spoken(text):
    return said(
        modelTurn={"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}]},
        outputTranscription={"text": text},
    )


def hear(tls, messages, *turns, leave=None, code=1000):
    server, trust = tls
    with playing([*SETUP, *messages], server, code) as url:
        return asyncio.run(talk(url, trust, *turns or [asking], leave=leave))


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="test_recordings.py says when they must be here")
def test_a_recording_is_replayed(tls, watched):
    name = "google-genai/test-text-tool-round-parity-google-current-663fca51"
    told = json.loads((RECORDINGS / f"{name}.json").read_text())
    messages = [(message["direction"], message["data"]) for message in told["messages"]]
    hear(tls, messages[3:])
    (want,) = told["expected"]
    compare(watched.span, want)
    assert watched.span.attributes[names.REQUEST_MODEL] == MODEL
    assert watched.span.attributes[names.PROVIDER_NAME] == "gcp.gemini"
    assert names.RESPONSE_TIME_TO_FIRST_CHUNK in watched.span.attributes
    assert json.loads(watched.span.attributes[names.OUTPUT_MESSAGES])[0]["parts"] == [
        {"type": "text", "content": "It is foggy and 12 degrees in London."},
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "fc_3880303533621599938",
            "arguments": {"city": "London"},
        },
    ]


DONE = {**said(turnComplete=True), "usageMetadata": USAGE}
COUNTS = (names.INPUT_TOKENS, names.OUTPUT_TOKENS, names.CACHE_READ_TOKENS, names.REASONING_TOKENS)


def counts(span):
    return tuple(span.attributes.get(name) for name in COUNTS)


def test_what_was_sent_is_told(tls, watched):
    hear(tls, received(said(inputTranscription={"text": "Now, "}), spoken("It is foggy."), DONE))
    told = watched.span.attributes
    assert counts(watched.span) == (30, 23, 5, 3)
    assert told[names.REQUEST_TEMPERATURE] == 0.5
    assert told[names.OUTPUT_TYPE] == "speech"
    assert told[names.REQUEST_STREAM] is True
    assert [message["parts"][0]["content"] for message in json.loads(told[names.INPUT_MESSAGES])] == [
        "What is the weather in London?",
        "Now, ",
    ]
    assert "Always call" in told[names.SYSTEM_INSTRUCTIONS]
    assert "get_weather" in told[names.TOOL_DEFINITIONS]


def test_no_word_is_captured_unless_wanted(tls, make_watched):
    watched = make_watched(capture_content=False)
    hear(tls, received(spoken("It is foggy."), DONE))
    assert not set(names.CONTENT) & set(watched.span.attributes)
    assert counts(watched.span) == (30, 23, 5, 3)


def test_each_turn_is_a_call_and_knows_what_was_said_since_the_last(tls, watched):
    again = [("sent", {}), *received(spoken("Yes."), DONE)]
    hear(tls, [*received(spoken("It is foggy."), DONE), *again], asking, lambda s: s.send_realtime_input(text="Still?"))
    first, second = watched.spans
    assert counts(first) == counts(second) == (30, 23, 5, 3)
    assert "Still?" not in first.attributes[names.INPUT_MESSAGES]
    assert "London" not in second.attributes[names.INPUT_MESSAGES]
    assert first.end_time <= second.start_time


SEVERAL = {
    "counted twice: the sum": ([{**spoken("It"), "usageMetadata": USAGE}, DONE], (60, 46, 10, 6)),
    "counted after it was complete": (
        [spoken("It"), said(turnComplete=True), {"usageMetadata": USAGE}],
        (30, 23, 5, 3),
    ),
    "counted by nobody": ([spoken("It"), said(turnComplete=True)], (None, None, None, None)),
    "counts that are none": (
        [spoken("It"), {**said(turnComplete=True), "usageMetadata": {"promptTokensDetails": [{}]}}],
        (None, None, None, None),
    ),
}


@pytest.mark.parametrize(("messages", "expected"), SEVERAL.values(), ids=SEVERAL)
def test_counts(tls, watched, messages, expected):
    more = [("sent", {}), *received(said(turnComplete=True))]  # what is told after a turn is read with the next
    hear(tls, [*received(*messages), *more], asking, asking)
    assert counts(watched.spans[0]) == expected
    assert watched.spans[0].attributes.get(names.USAGE_MISSING) is (True if expected[0] is None else None)


def test_an_interrupted_turn_says_so(tls, watched):
    hear(tls, received(spoken("It is"), said(interrupted=True), DONE))
    assert watched.span.attributes[names.RESPONSE_FINISH_REASONS] == ("interrupted",)
    assert watched.span.status == "unset"


def test_a_turn_that_is_left_is_abandoned(tls, watched):
    hear(tls, received(spoken("It is"), spoken(" foggy")), leave=lambda message: message.server_content is not None)
    assert watched.span.attributes[names.STREAM_OUTCOME] == "abandoned"


@pytest.mark.parametrize("messages", [[spoken("It is")], []], ids=["in the middle", "before it spoke"])
def test_a_connection_that_breaks_is_an_error(tls, watched, messages):
    with pytest.raises(errors.APIError):
        hear(tls, received(*messages), code=1011)
    assert watched.span.status == "error"
    assert watched.span.attributes[names.ERROR_TYPE] == "google.genai.errors.APIError"


def test_nothing_that_was_asked_is_no_call(tls, watched):
    async def nothing(_):
        return None

    with pytest.raises(errors.APIError):
        hear(tls, [], nothing, code=1011)
    assert watched.spans == []


@pytest.mark.parametrize(
    "message",
    [said(), {"sessionResumptionUpdate": {"resumable": True}}, {"goAway": {"timeLeft": "1s"}}],
    ids=["no content", "a handle", "farewell"],
)
def test_messages_without_work_begin_no_turn(tls, watched, message):
    heard = hear(tls, received(spoken("It"), message, DONE))
    assert len(heard) == 3
    assert len(watched.spans) == 1


def test_it_is_the_same_without_us(tls, make_watched):
    plain = hear(tls, received(spoken("It is foggy."), DONE))
    watched = make_watched()
    seen = hear(tls, received(spoken("It is foggy."), DONE))
    assert seen == plain
    with pytest.raises(TypeError, match="model"):
        genai.Client(api_key="k").aio.live.connect()
    watched.client.registry.uninstrument()
    hear(tls, received(spoken("It is foggy."), DONE))
    assert len(watched.spans) == 1


def test_nothing_is_kept_of_a_connection_that_is_gone(tls, watched):
    hear(tls, received(spoken("It is foggy."), DONE))
    assert len(watched.client._recorder.open_streams) == 0
