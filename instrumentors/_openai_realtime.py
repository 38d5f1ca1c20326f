"""OpenAI's realtime connections: a call for each response, and for each transcript that is billed beside it."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from agentops_otel_instrumentors import _openai_media as media
from agentops_otel_instrumentors import _openai_responses as responses

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Request, Response, Usage
from agentops_otel.engine import Arguments, Operation, Sent, Server, Shape, fields, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.engine import Place, Recorder

MODULES = ("openai.resources.realtime.realtime", "openai.resources.beta.realtime.realtime")
"""Where the library has its connections; the second in versions of the days when they were new."""

_SESSION = frozenset({"session.created", "session.updated"})
_ITEM = frozenset({"conversation.item.added", "conversation.item.created"})
_HEARD = "conversation.item.input_audio_transcription.completed"
_SPOKEN = frozenset({"audio", "output_audio", "input_audio"})
_MOST_ITEMS = 1_000
_MOST_OPEN = 100


def _request(arguments: Arguments) -> Request:
    limit = arguments.get("max_output_tokens")
    return Request(
        model=arguments.get("model"),
        stream=True,
        temperature=arguments.get("temperature"),
        max_tokens=limit if isinstance(limit, int) else None,
        output_type="speech" if "audio" in listed(arguments.get("modalities")) else "text",
        api_type="realtime",
    )


def _content(arguments: Arguments) -> Content:
    said = [_legible(item) for item in arguments["items"]]
    tools = [read(tool, "function") or tool for tool in listed(arguments.get("tools"))]  # xAI's are nested
    return responses.content({"input": said, "instructions": arguments.get("instructions"), "tools": tools})


def _legible(item: Any) -> Any:
    """An item whose speech is its transcript: there is no end of sound in a conversation."""
    told = fields(item)
    pieces = listed(told.get("content"))
    return Shape(told, content=[_as_text(piece) for piece in pieces]) if pieces else Shape(told)


def _as_text(piece: Any) -> Any:
    if read(piece, "type") not in _SPOKEN:
        return piece
    return Shape(type="output_text", text=read_text(piece, "transcript") or "[speech]")


def _usage(told: Any) -> Usage | None:
    told = fields(told)
    if told.get("input_tokens") is None and told.get("output_tokens") is None:
        return None
    asked, said = fields(told.get("input_token_details")), fields(told.get("output_token_details"))
    cached = fields(asked.get("cached_tokens_details"))
    return Usage(
        input_tokens=told.get("input_tokens"),
        output_tokens=told.get("output_tokens"),
        cache_read_tokens=asked.get("cached_tokens"),
        reasoning_tokens=said.get("reasoning_tokens"),
        audio_input_tokens=asked.get("audio_tokens"),
        audio_output_tokens=said.get("audio_tokens"),
        audio_cache_read_tokens=cached.get("audio_tokens"),
        image_input_tokens=asked.get("image_tokens"),
        image_cache_read_tokens=cached.get("image_tokens"),
        text_input_tokens=asked.get("text_tokens"),
        text_output_tokens=said.get("text_tokens"),
    )


def _response(event: Any) -> Response:
    """What `response.done` tells; xAI prints the usage beside the response."""
    told = read(event, "response")
    status = read(told, "status")
    error = read(told, "status_details.error.code") or read(told, "status_details.error.type")
    return Response(
        id=read(told, "id"),
        finish_reasons=[status] if isinstance(status, str) and status != "in_progress" else None,
        usage=_usage(read(told, "usage")) or _usage(read(event, "usage")),
        conversation_id=read(told, "conversation_id"),
        openai=True,
        error=error or "failed" if status == "failed" else None,
    )


def _output(event: Any) -> Any:
    told = fields(read(event, "response"))
    return responses.output(Shape(told, output=[_legible(item) for item in listed(told.get("output"))]))


RESPONSE = Operation(name=names.CHAT, request=_request, response=_response, content=_content, output=_output)


class _Begun(NamedTuple):
    """A response that is announced, and not done."""

    place: Place
    started: float


class Talk:
    """What was said on one connection since its last answer, and what is being answered."""

    def __init__(self, recorder: Recorder, server: Server, library: str) -> None:
        self.recorder, self.server, self.library = recorder, server, library
        self._session: Mapping[str, Any] = {}
        self._items: dict[Any, Any] = {}
        self._begun: dict[str, _Begun] = {}
        self._first: dict[str, float] = {}

    def follow(self, event: Any) -> None:
        """Take note of an event that the server sent."""
        kind = read_text(event, "type") or ""
        if kind.endswith(".delta"):
            self._first.setdefault(str(read(event, "response_id")), time.perf_counter())
        elif kind in _SESSION:
            self._session = fields(read(event, "session"))
        elif kind in _ITEM:
            self._said(fields(read(event, "item")))
        elif kind == _HEARD:
            self._heard(event)
        elif kind == "response.created":
            self._announced(str(read(event, "response.id")))
        elif kind == "response.done":
            self._done(event)

    def closed(self) -> None:
        """Nothing more will come: what is announced was left."""
        for name in list(self._begun):
            self._end(name, None)

    def _said(self, item: Mapping[str, Any]) -> None:
        """The program's own items wait for the next answer; those of an answer come with it."""
        answered = item.get("type") == "function_call" or item.get("role") == "assistant"
        if not answered and len(self._items) < _MOST_ITEMS:
            self._items[item.get("id")] = item

    def _heard(self, event: Any) -> None:
        """What was spoken is known as text now. Another model has listened, and is paid for it."""
        item, text = self._items.get(read(event, "item_id")), read_text(event, "transcript")
        if item is not None:
            self._items[item["id"]] = {**item, "content": [Shape(type="input_text", text=text or "")]}
        told = read(self._session, "audio.input.transcription") or read(self._session, "input_audio_transcription")
        place = self.recorder.here()
        if place is None or read(event, "usage") is None:
            return
        sent = Sent(media.TRANSCRIPT, {"model": read(told, "model")}, self.server, self.library)
        call = self.recorder.begin_at(place, sent)
        if call is not None:
            call.finish(Shape(text=text, usage=read(event, "usage")))

    def _announced(self, name: str) -> None:
        place = self.recorder.here()
        if place is not None and len(self._begun) < _MOST_OPEN:
            self._begun[name] = _Begun(place, time.perf_counter())

    def _done(self, event: Any) -> None:
        self._end(str(read(event, "response.id")), event)
        self._items.clear()
        self._first.clear()

    def _end(self, name: str, event: Any) -> None:
        begun = self._begun.pop(name, None)
        if begun is None:
            return
        modalities = self._session.get("output_modalities") or self._session.get("modalities")
        asked = {**self._session, "modalities": modalities, "items": list(self._items.values())}
        sent = Sent(RESPONSE, asked, self.server, self.library)
        call = self.recorder.begin_at(begun.place, sent, begun.started)
        if call is not None:
            call.first_chunk = self._first.get(name)
            call.finish(event, complete=event is not None)


class Talks:
    """The open connections of a program."""

    def __init__(self) -> None:
        self._servers: weakref.WeakKeyDictionary[Any, Server] = weakref.WeakKeyDictionary()
        self._talks: weakref.WeakKeyDictionary[Any, Talk] = weakref.WeakKeyDictionary()

    def made(self, maker: Any, server: Server) -> None:
        """What makes connections to this server."""
        self._servers[maker] = server

    def opened(self, recorder: Recorder, maker: Any, connection: Any, library: str) -> None:
        """It has made one."""
        if maker in self._servers:
            self._talks[connection] = Talk(recorder, self._servers[maker], library)
            recorder.open_streams.add(self._talks[connection])

    def received(self, connection: Any, event: Any) -> None:
        """Something came on it."""
        talk = self._talks.get(connection)
        if talk is not None:
            talk.follow(event)

    def closed(self, connection: Any) -> None:
        """It is closed."""
        talk = self._talks.pop(connection, None)
        if talk is not None:
            talk.closed()
