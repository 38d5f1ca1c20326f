"""Gemini's live connections: a call for each turn of the model, with all that it is counted for."""

from __future__ import annotations

import time
import weakref
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _gemini as gemini

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Message, Part, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Operation, Sent, Server, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from agentops_otel.engine import Place, Recorder

_CLOSED_AS_IT_SHOULD = 1000
_MOST_SAID = 1_000


def _request(arguments: Arguments) -> Request:
    config = arguments.get("config")
    told = gemini.request(arguments.get("model"), config, stream=True)
    modalities = {gemini.word(item) for item in listed(read(config, "response_modalities"))}
    told.output_type = "speech" if "AUDIO" in modalities else told.output_type
    return told


@dataclass(slots=True)
class Turn:
    """What the model says until its turn is complete; tools that it asks for on the way are part of it."""

    place: Place
    started: float
    first: float | None = None
    ended: float | None = None
    usages: list[Usage] = field(default_factory=list)
    parts: list[Any] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    reason: str | None = None
    traffic: str | None = None


def _response(turn: Turn) -> Response:
    return Response(
        finish_reasons=[turn.reason] if turn.reason else None,
        usage=_added(turn.usages),
        service_tier=None if turn.traffic is None else turn.traffic.lower(),
    )


def _added(told: list[Usage]) -> Usage | None:
    """Counts are those of each answer by itself, not of all so far: a turn is billed for the sum."""
    if not told:
        return None
    total = Usage()
    for name in (item.name for item in fields(Usage)):
        counts = [value for value in (getattr(usage, name) for usage in told) if value is not None]
        setattr(total, name, sum(counts) if counts else None)
    return total


def _output(turn: Turn) -> list[Message]:
    parts: list[Part] = gemini.parts(Shape(parts=turn.parts)) if turn.parts else []
    said = "".join(turn.spoken)
    parts = [Text(said), *parts] if said else parts
    return [Message("assistant", parts, finish_reason=turn.reason)] if parts else []


TURN = Operation(
    name=names.GENERATE_CONTENT, request=_request, response=_response, content=gemini.asked, output=_output
)


class Talk:
    """What was said on one connection since the last turn of the model, and the turn under way."""

    def __init__(self, recorder: Recorder, server: Server, library: str, asked: Arguments) -> None:
        self.recorder, self.server, self.library, self.asked = recorder, server, library, asked
        self._said: list[Any] = []
        self._heard: list[str] = []
        self._asked = False
        self._last: float | None = None
        self._turn: Turn | None = None

    def sent(self, method: str, arguments: Arguments) -> None:
        """Take note of what the program sends."""
        if self._turn is None:
            self._last = time.perf_counter()
        said = _SAID[method](arguments)
        self._asked = self._asked or bool(said)
        if self.recorder.content and len(self._said) < _MOST_SAID:
            self._said += said

    def follow(self, message: Any) -> None:
        """Take note of a message of the server."""
        told = read(message, "server_content")
        heard = read_text(told, "input_transcription.text")
        if heard and self.recorder.content and len(self._heard) < _MOST_SAID:
            self._heard.append(heard)
        counted = gemini.usage(read(message, "usage_metadata"))
        worked = _work(message, told)
        ends = bool(read(told, "turn_complete"))
        if self._turn is not None and self._turn.ended is not None and (worked or ends or counted is None):
            self.closed()  # it was complete, and its counts never came
        turn = self._turn or (self._begun() if worked or ends or counted is not None else None)
        if turn is not None:
            self._add(turn, message, told, counted)
            if turn.usages and turn.ended is not None:
                self.closed()

    def _begun(self) -> Turn | None:
        place = self.recorder.here()
        if place is None:
            return None
        self._turn = Turn(place, time.perf_counter() if self._last is None else self._last)
        return self._turn

    def _add(self, turn: Turn, message: Any, told: Any, counted: Usage | None) -> None:
        if turn.first is None and _work(message, told):
            turn.first = time.perf_counter()
        if counted is not None:
            turn.usages.append(counted)
            turn.traffic = gemini.word(read(message, "usage_metadata.traffic_type")) or turn.traffic
        turn.reason = gemini.word(read(told, "turn_complete_reason")) or turn.reason
        if read(told, "interrupted"):
            turn.reason = turn.reason or "interrupted"
        if read(told, "turn_complete"):
            turn.ended = time.perf_counter()
        if self.recorder.content and len(turn.parts) < _MOST_SAID:
            turn.parts += [part for part in listed(read(told, "model_turn.parts")) if not read(part, "inline_data")]
            turn.parts += [Shape(function_call=call) for call in listed(read(message, "tool_call.function_calls"))]
            turn.spoken += filter(None, [read_text(told, "output_transcription.text")])

    def closed(self) -> None:
        """End the turn under way: it is left early, unless it was complete."""
        turn, self._turn = self._turn, None
        call = None if turn is None else self._call(turn)
        if turn is not None and call is not None:
            call.finish(turn, complete=turn.ended is not None)

    def failed(self, error: BaseException) -> None:
        """The connection broke: with it breaks the turn under way, or the one that was asked for."""
        turn = self._turn
        if getattr(error, "code", None) == _CLOSED_AS_IT_SHOULD or (turn is not None and turn.ended is not None):
            self.closed()
            return
        if turn is None and self._asked:
            turn = self._begun()
        self._turn = None
        call = None if turn is None else self._call(turn)
        if call is not None:
            call.fail(error, turn)

    def _call(self, turn: Turn) -> Any:
        heard = [Shape(role="user", parts=[Shape(text="".join(self._heard))])] if self._heard else []
        asked = {**self.asked, "contents": [*self._said, *heard]}
        self._said, self._heard, self._asked, self._last = [], [], False, None
        call = self.recorder.begin_at(turn.place, Sent(TURN, asked, self.server, self.library), turn.started)
        if call is not None:
            call.first_chunk, call.ended = turn.first, turn.ended
        return call


def _work(message: Any, told: Any) -> bool:
    """Whether the model has said or asked for something."""
    said = any(read(told, name) for name in ("model_turn", "output_transcription", "generation_complete"))
    return said or read(message, "tool_call") is not None


def _turns(arguments: Arguments) -> list[Any]:
    told = arguments.get("turns")
    return list(told) if isinstance(told, (list, tuple)) else [] if told is None else [told]


def _spoken(arguments: Arguments) -> list[Any]:
    text = arguments.get("text")
    return [Shape(role="user", parts=[Shape(text=text)])] if isinstance(text, str) else []


def _results(arguments: Arguments) -> list[Any]:
    told = arguments.get("function_responses")
    results = told if isinstance(told, (list, tuple)) else [] if told is None else [told]
    return [Shape(role="user", parts=[Shape(function_response=item)]) for item in results]


_SAID: dict[str, Callable[[Arguments], list[Any]]] = {
    "send_client_content": _turns,
    "send_realtime_input": _spoken,
    "send_tool_response": _results,
}


class Talks:
    """The open connections of a program, and the wrappers that follow them."""

    def __init__(self, server_of: Callable[[Any], Server], library: str) -> None:
        self.recorder: Recorder | None = None
        self._server_of, self._library = server_of, library
        self._talks: weakref.WeakKeyDictionary[Any, Talk] = weakref.WeakKeyDictionary()

    def wrappers(self) -> dict[str, Callable[..., Any]]:
        """What is wrapped, and how."""
        sending = {f"google.genai.live:AsyncSession.{method}": self._sends(method) for method in _SAID}
        return {
            "google.genai.live:AsyncLive.connect": self._connects,
            "google.genai.live:AsyncSession.receive": self._receives,
            **sending,
        }

    def _note(self, function: Callable[..., Any], *arguments: Any) -> None:
        if self.recorder is not None:
            self.recorder.guarded("live", lambda: None, function, *arguments)

    def _connects(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        connecting = wrapped(*args, **kwargs)  # whatever is wrong with the arguments is told now
        if self.recorder is None:
            return connecting
        return asynccontextmanager(self._connected)(wrapped, instance, args, kwargs)

    async def _connected(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
        async with wrapped(*args, **kwargs) as session:
            self._note(self._opened, session, instance, kwargs)
            try:
                yield session
            finally:
                self._note(self._closed, session)

    def _opened(self, session: Any, maker: Any, asked: Arguments) -> None:
        if self.recorder is not None:
            talk = self._talks[session] = Talk(self.recorder, self._server_of(maker), self._library, asked)
            self.recorder.open_streams.add(talk)

    def _closed(self, session: Any) -> None:
        talk = self._talks.pop(session, None)
        if talk is not None:
            talk.closed()

    def _sends(self, method: str) -> Callable[..., Any]:
        def sends(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            talk = self._talks.get(instance)
            if talk is not None:
                self._note(talk.sent, method, kwargs)
            return wrapped(*args, **kwargs)

        return sends

    def _receives(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        receiving = wrapped(*args, **kwargs)
        talk = self._talks.get(instance)
        return receiving if talk is None else self._followed(talk, receiving)

    async def _followed(self, talk: Talk, receiving: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
        async with aclosing(receiving) as messages:
            try:
                async for message in messages:
                    self._note(talk.follow, message)
                    yield message
            except Exception as error:
                self._note(talk.failed, error)
                raise
