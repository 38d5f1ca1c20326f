"""Answers of Gemini's as they come over the wire, at 100 -> 10 tokens each."""

from __future__ import annotations

import json

from agentops_otel.demo.provider import Answer


def body(text="done", *calls, tokens=(100, 10)):
    """An answer of Gemini's: a text, or functions that it calls, given as (name, arguments)."""
    parts = [{"functionCall": {"name": name, "args": told}} for name, told in calls] or [{"text": text}]
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": tokens[0],
            "candidatesTokenCount": tokens[1],
            "totalTokenCount": sum(tokens),
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    }


def answered(*told, **more):
    """The same as a whole answer."""
    return Answer.json(body(*told, **more))


def streamed(*texts):
    """Texts in pieces, of which the last one has the usage."""
    pieces = [body(text) for text in texts]
    for piece in pieces[:-1]:
        del piece["usageMetadata"], piece["candidates"][0]["finishReason"]
    return Answer(
        headers={"content-type": "text/event-stream"},
        chunks=[f"data: {json.dumps(piece)}\r\n\r\n".encode() for piece in pieces],
    )


def failed(status=400):
    """An answer that says why there is none."""
    return Answer.json({"error": {"code": status, "message": "no", "status": "INVALID_ARGUMENT"}}, status=status)
