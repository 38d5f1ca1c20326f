"""Answers for the steps of an agent: a text, or tools that the model asks for, at 100 -> 10 tokens each."""

from __future__ import annotations

import asyncio
from typing import Any

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer

MODEL = "gpt-4o-2024-08-06"


def _body(text: str, calls: tuple[tuple[str, dict[str, Any]], ...]) -> dict[str, Any]:
    return bodies.chat(text or None, tools=calls, model=MODEL, usage=bodies.chat_usage(100, 10))


def completion(text: str = "done", *calls: tuple[str, dict[str, Any]]) -> Answer:
    """`completion("", ("get_weather", {"city": "Rome"}))`: a whole answer of OpenAI's chat."""
    return Answer.json(_body(text, calls))


def streamed(text: str = "done", *calls: tuple[str, dict[str, Any]]) -> Answer:
    """The same in chunks, the last of which has the usage."""
    return Answer.sse(streams.chat_chunks(_body(text, calls)))


def refusal(status: int = 401) -> Answer:
    """An answer of OpenAI's that it gives none; clients do not try again."""
    return Answer.json({"error": {"message": "no"}}, status=status, headers={"x-should-retry": "false"})


def waiting() -> tuple[Any, asyncio.Event]:
    """A tool that does not end, and the event that tells when it has begun."""
    begun = asyncio.Event()

    async def wait() -> str:
        """Wait."""
        begun.set()
        await asyncio.sleep(60)
        return "over"

    return wait, begun
