"""What else openai does: pictures, sounds, moderations; files on the way in, bytes on the way out."""

from __future__ import annotations

import json

import pytest
from cases import CHAT
from inline_snapshot import snapshot
from trees import tree

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

SOUND = ("ask.wav", b"RIFF-canary-of-a-sound", "audio/wav")


@pytest.fixture
def client(stage, watched):
    with CHAT.client(stage.provider) as made:
        yield made


def told(span):
    """What is peculiar to this span."""
    common = {names.SERVER_ADDRESS, names.SERVER_PORT, names.SESSION_ID, names.PROVIDER_NAME}
    return {name: value for name, value in sorted(span.attributes.items()) if name not in common and "cost" not in name}


def test_moderation(stage, client, watched):
    result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    stage.set([Answer.json({"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": [result]})])
    client.moderations.create(model="omni-moderation-latest", input="Heights.")
    assert tree(watched.spans) == snapshot("moderation")
    assert told(watched.span) == snapshot(
        {
            "agentops.span.kind": "guardrail",
            "gen_ai.request.model": "omni-moderation-latest",
            "gen_ai.response.id": "modr-1",
            "gen_ai.response.model": "omni-moderation-2024-09-26",
        }
    )
    assert watched.session.event_counts["llms"] == 0


USAGE = {
    "input_tokens": 50,
    "output_tokens": 4160,
    "total_tokens": 4210,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens_details": {"image_tokens": 4160, "text_tokens": 0},
}


def test_a_picture(stage, client, watched):
    stage.set([Answer.json({"created": 1, "data": [{"b64_json": "aGVpZ2h0cw=="}], "usage": USAGE})])
    client.images.generate(model="gpt-image-1", prompt="A ferry.", n=1)
    assert tree(watched.spans) == snapshot("generate_content gpt-image-1 50->4160 tokens $0.16685")
    assert told(watched.span) == snapshot(
        {
            "agentops.span.kind": "llm",
            "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"A ferry."}]}]',
            "gen_ai.operation.name": "generate_content",
            "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"blob","modality":"image","mime_type":"image/png","content":"aGVpZ2h0cw=="}],"finish_reason":"stop"}]',
            "gen_ai.output.type": "image",
            "gen_ai.request.model": "gpt-image-1",
            "gen_ai.usage.image.input_tokens": 40,
            "gen_ai.usage.image.output_tokens": 4160,
            "gen_ai.usage.input_tokens": 50,
            "gen_ai.usage.output_tokens": 4160,
            "gen_ai.usage.text.input_tokens": 10,
        }
    )


def test_a_picture_by_its_address_and_without_usage(stage, client, watched):
    stage.set(
        [
            Answer.json(
                {"created": 1, "data": [{"url": "https://pictures.example/1"}, {"url": "https://pictures.example/2"}]}
            )
        ]
    )
    client.images.generate(model="dall-e-3", prompt="A ferry.", n=2)
    assert tree(watched.spans) == snapshot("generate_content dall-e-3 usage missing")
    parts = [message["parts"] for message in json.loads(watched.span.attributes[names.OUTPUT_MESSAGES])]
    assert parts == snapshot(
        [
            [{"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://pictures.example/1"}],
            [{"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://pictures.example/2"}],
        ]
    )


def test_a_picture_that_is_sent(stage, client, watched):
    stage.set([Answer.json({"created": 1, "data": [{"b64_json": "aGVpZ2h0cw=="}], "usage": USAGE})])
    client.images.edit(model="gpt-image-1", image=("ferry.png", b"PNG-canary", "image/png"), prompt="Add rain.")
    assert b"PNG-canary" in stage.provider.requests[0].raw
    assert tree(watched.spans) == snapshot("generate_content gpt-image-1 50->4160 tokens $0.16685")
    assert "canary" not in str(watched.span)


def test_a_picture_that_is_streamed(stage, client, watched):
    partial = {
        "type": "image_generation.partial_image",
        "b64_json": "aA==",
        "partial_image_index": 0,
        "created_at": 1,
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "png",
    }
    done = {**partial, "type": "image_generation.completed", "b64_json": "aGVpZ2h0cw==", "usage": USAGE}
    stage.set([Answer.sse([partial, done])])
    assert len(list(client.images.generate(model="gpt-image-1", prompt="A ferry.", stream=True, partial_images=1))) == 2
    assert tree(watched.spans) == snapshot("generate_content gpt-image-1 50->4160 tokens $0.16685")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("resource", ["transcriptions", "translations"])
def test_a_sound_that_is_sent(stage, client, watched, resource):
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 6, "total_tokens": 20}
    usage["input_token_details"] = {"audio_tokens": 14, "text_tokens": 0}
    stage.set([Answer.json({"text": "Where to?", "usage": usage})])
    answer = getattr(client.audio, resource).create(model="gpt-4o-mini-transcribe", file=SOUND)
    assert answer.text == "Where to?"
    assert SOUND[1] in stage.provider.requests[0].raw
    assert tree(watched.spans) == snapshot("generate_content gpt-4o-mini-transcribe 14->6 tokens $0.000072")
    assert told(watched.span) == snapshot(
        {
            "agentops.span.kind": "llm",
            "gen_ai.operation.name": "generate_content",
            "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Where to?"}],"finish_reason":"stop"}]',
            "gen_ai.output.type": "text",
            "gen_ai.request.model": "gpt-4o-mini-transcribe",
            "gen_ai.usage.audio.input_tokens": 14,
            "gen_ai.usage.input_tokens": 14,
            "gen_ai.usage.output_tokens": 6,
            "gen_ai.usage.text.input_tokens": 0,
        }
    )
    assert "canary" not in str(watched.span)


def test_a_sound_that_is_billed_by_its_seconds(stage, client, watched):
    stage.set([Answer.json({"text": "Where to?", "usage": {"type": "duration", "seconds": 2}})])
    client.audio.transcriptions.create(model="whisper-1", file=SOUND)
    assert watched.span.attributes[names.AUDIO_SECONDS] == 2
    assert names.INPUT_TOKENS not in watched.span.attributes
    assert names.USAGE_MISSING not in watched.span.attributes


def test_a_transcript_as_plain_text(stage, client, watched):
    stage.set([Answer(body="Where to?", headers={"content-type": "text/plain"})])
    assert client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="text") == "Where to?"
    assert json.loads(watched.span.attributes[names.OUTPUT_MESSAGES]) == snapshot(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Where to?"}], "finish_reason": "stop"}]
    )


def test_a_transcript_that_is_streamed(stage, client, watched):
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 6, "total_tokens": 20}
    events = [
        {"type": "transcript.text.delta", "delta": "Where"},
        {"type": "transcript.text.done", "text": "Where to?", "usage": usage},
    ]
    stage.set([Answer.sse(events)])
    list(client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=SOUND, stream=True))
    assert tree(watched.spans) == snapshot("generate_content gpt-4o-mini-transcribe 14->6 tokens $0.0000475")
    assert json.loads(watched.span.attributes[names.OUTPUT_MESSAGES]) == snapshot(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Where to?"}], "finish_reason": "stop"}]
    )


def test_speech(stage, client, watched):
    stage.set([Answer(body=b"\xff\xfbcanary", headers={"content-type": "audio/mpeg"})])
    answer = client.audio.speech.create(model="gpt-4o-mini-tts", voice="ash", input="Mind the gap.")
    assert answer.content == b"\xff\xfbcanary"
    assert tree(watched.spans) == snapshot("generate_content gpt-4o-mini-tts usage missing")
    assert told(watched.span) == snapshot(
        {
            "agentops.span.kind": "llm",
            "agentops.usage.missing": True,
            "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Mind the gap."}]}]',
            "gen_ai.operation.name": "generate_content",
            "gen_ai.output.type": "speech",
            "gen_ai.request.model": "gpt-4o-mini-tts",
        }
    )
    assert "canary" not in str(watched.span)


def test_speech_that_is_streamed(stage, client, watched, tmp_path):
    sound = [b"\xff\xfb" * 500] * 4
    stage.set([Answer(chunks=sound, headers={"content-type": "audio/mpeg"})])
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="ash", input="Mind."
    ) as answer:
        answer.stream_to_file(tmp_path / "speech.mp3")
    assert (tmp_path / "speech.mp3").read_bytes() == b"".join(sound)
    assert tree(watched.spans) == snapshot("generate_content gpt-4o-mini-tts usage missing")
    assert names.STREAM_OUTCOME not in watched.span.attributes


def test_a_file_that_is_read_once_is_sent_once(stage, client, watched, tmp_path):
    path = tmp_path / "ask.wav"
    path.write_bytes(SOUND[1])
    stage.set([Answer.json({"text": "Where to?"})])
    with path.open("rb") as file:
        client.audio.transcriptions.create(model="whisper-1", file=file)
    assert SOUND[1] in stage.provider.requests[0].raw
    assert watched.span.attributes[names.REQUEST_MODEL] == "whisper-1"


def test_pictures_in_a_conversation(stage, client, watched):
    stage.set([CHAT.whole])
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/1"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVpZ2h0cw=="}},
        {"type": "input_audio", "input_audio": {"data": "aGVpZ2h0cw==", "format": "mp3"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": parts}])
    assert json.loads(watched.span.attributes[names.INPUT_MESSAGES])[0]["parts"] == snapshot(
        [
            {"type": "text", "content": "What is this?"},
            {"type": "uri", "modality": "image", "uri": "https://pictures.example/1"},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGVpZ2h0cw=="},
            {"type": "blob", "modality": "audio", "mime_type": "audio/mp3", "content": "aGVpZ2h0cw=="},
            {"type": "file", "modality": "document", "file_id": "file-1"},
        ]
    )
