"""OpenAI's client with its HTTP and parsing cut away, so that what is around them shows."""

from __future__ import annotations

import openai
from openai.resources.chat.completions import completions
from openai.resources.responses import responses
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from agentops_otel.demo import bodies, streams

CHUNKS = 200
_USAGE = bodies.chat_usage(600, 200, cached_tokens=100)
_whole = streams.chat_chunks(bodies.chat("word " * (CHUNKS - 3), usage=_USAGE))
_CHUNKS = [ChatCompletionChunk.model_validate(chunk) for chunk in _whole][:CHUNKS]
_CHAT = ChatCompletion.model_validate(bodies.chat("word " * 200, usage=_USAGE))
_RESPONSE = Response.construct(**bodies.response("word " * 200, usage=bodies.response_usage(600, 200)))


class Closed:
    """What a stream closes."""

    headers: dict[str, str] = {}  # noqa: RUF012 - as the client's own has them

    def close(self):
        """Nothing is open."""


class Stream(openai.Stream):
    """A stream of ready-made chunks; to whoever looks, one of the client's own."""

    def __init__(self):
        self.response = Closed()
        self._chunks = iter(_CHUNKS)

    def __iter__(self):
        yield from self._chunks

    def __next__(self):
        return next(self._chunks)


def _answer(options, stream):
    if options.url == "/responses":
        return _RESPONSE
    return Stream() if stream else _CHAT


def _request(self, cast_to, options, *, stream=False, stream_cls=None):
    return _answer(options, stream)


async def _arequest(self, cast_to, options, *, stream=False, stream_cls=None):
    return _answer(options, stream)


def _told(data, expected):
    return {name: value for name, value in data.items() if not isinstance(value, openai.Omit)}


async def _atold(data, expected):
    return _told(data, expected)


def make_thin():
    """Cut it away, below whatever anybody wraps; and the walk through all that is sent, which hides the rest."""
    openai.OpenAI.request, openai.AsyncOpenAI.request = _request, _arequest
    for module in (completions, responses):
        module.maybe_transform, module.async_maybe_transform = _told, _atold
