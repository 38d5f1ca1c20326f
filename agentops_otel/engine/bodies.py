"""Bodies: raw responses, of which the user reads the bytes; we read along, whichever way they are read."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from agentops_otel.engine.reading import Shape, parsed, read
from agentops_otel.engine.streams import WATCH, StreamClasses, Watch, on_close
from agentops_otel.faults import guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from agentops_otel.engine.call import Call

_BODY_LIMIT = 64 * 1024 * 1024


def watch_body(http_response: Any, call: Call) -> None:
    """End the call with what the body of this HTTP response says: now, if it is read, or once it has been."""
    kind = str(http_response.headers.get("content-type", "")).partition(";")[0].strip()
    body = _Body(call, kind)
    if http_response.is_stream_consumed or http_response.is_closed:
        body.passed(http_response.content)
        body.exhausted()
        return
    _read_along(http_response, body)
    on_close(http_response, body)


class _Body(Watch):
    """The bytes of one body, folded event by event, or parsed whole where it is no stream."""

    __slots__ = ("_pieces", "_size", "_text")

    def __init__(self, call: Call, kind: str) -> None:
        super().__init__(call)
        self._text = kind == "text/event-stream"
        self._pieces: list[bytes] | None = [] if self._text or kind.endswith("json") else None
        self._size = 0

    @guard("engine")
    def passed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._pieces is None:
            return
        self._size += len(data)
        self._pieces.append(data)
        if self._text:
            events = b"".join(self._pieces).replace(b"\r\n", b"\n").split(b"\n\n")
            self._pieces = [events.pop()]
            for event in events:
                self._event(event)
        elif self._size > _BODY_LIMIT:
            self._pieces = None

    def _event(self, event: bytes) -> None:
        data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if data and data != b"[DONE]":
            try:
                chunk = parsed(data)
            except ValueError:  # the user's own parser will say so
                return
            self.take(chunk)

    @guard("engine")
    def exhausted(self) -> None:
        """The body is read to its end."""
        if self._text and self._pieces:
            self._event(b"".join(self._pieces))
        self._parse()
        super().exhausted()

    @guard("engine")
    def closed(self) -> None:
        """The reader closed the response; a whole body in hand is as good as one read to its end."""
        if self.call.is_open and not self.reading and self._parse():
            super().exhausted()
        else:
            super().closed()

    def _parse(self) -> bool:
        """Read what is here as one JSON value; False where it is none, or a part of one."""
        if self._text or not self._pieces:
            return False
        try:
            self.state = parsed(b"".join(self._pieces))
        except ValueError:
            return False
        return True


class _File(_Body):
    """The body of an answer that is a dict with a file in it: it is read with what the file says in its place."""

    __slots__ = ("_answer", "_left", "_place")

    def __init__(self, call: Call, answer: Mapping[str, Any], place: str) -> None:
        super().__init__(call, str(answer.get("contentType", "json")))
        self._answer = {name: value for name, value in answer.items() if name != place}
        self._place = place
        length = read(answer, "ResponseMetadata.HTTPHeaders", {}).get("content-length", "")
        self._left = int(length) if str(length).isdigit() else None
        self.state = Shape(self._answer)

    @guard("engine")
    def passed(self, data: bytes) -> None:
        """Take the next bytes; with the last of them the call ends, for few readers ask once more."""
        super().passed(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                self.exhausted()

    def took(self, data: Any, limit: Any) -> None:
        """Take what a reading method returned that was given this limit, or this buffer."""
        if isinstance(data, list):
            self.passed(b"".join(data))
        elif isinstance(data, bytes):
            self.passed(data)
        elif isinstance(data, int) and limit is not None:
            self.passed(bytes(memoryview(limit)[:data]))
        whole = limit is None or (isinstance(limit, int) and limit < 0)
        if whole or (not data and limit != 0):
            self.exhausted()

    async def awaited(self, data: Any, limit: Any) -> Any:
        """The same of what is still to be awaited."""
        self.reading = True
        try:
            told = await data
        except BaseException as error:
            self.failed(error)
            raise
        finally:
            self.reading = False
        self.call.recorder.guarded("body", dict, self.took, told, limit)
        return told

    def _parse(self) -> bool:
        if not super()._parse():
            return False
        self.state = Shape({**self._answer, self._place: self.state})
        return True


def watch_file(file: Any, call: Call, answer: Mapping[str, Any], classes: StreamClasses) -> None:
    """Watch the file of an answer: it stays what it is, and is read when and as its reader wants."""
    body = _File(call, answer, call.operation.within)
    classes.prepare(type(file), _FILE_METHODS)
    vars(file)[WATCH] = body


def _reading(method: Any) -> Any:
    @functools.wraps(method)
    def reader(self: Any, *args: Any, **kwargs: Any) -> Any:
        body = vars(self).get(WATCH)
        if body is None or body.reading:
            return method(self, *args, **kwargs)
        body.reading = True
        try:
            data = method(self, *args, **kwargs)
        except BaseException as error:
            body.failed(error)
            raise
        finally:
            body.reading = False
        limit = args[0] if args else next(iter(kwargs.values()), None)
        if inspect.isawaitable(data):
            return body.awaited(data, limit)
        body.call.recorder.guarded("body", dict, body.took, data, limit)
        return data

    return reader


def _closing(method: Any) -> Any:
    @functools.wraps(method)
    def close(self: Any) -> Any:
        body = vars(self).get(WATCH)
        if body is not None:
            body.closed()
        return method(self)

    return close


_FILE_METHODS = {"read": _reading, "readinto": _reading, "readlines": _reading, "close": _closing}


def _read_along(http_response: Any, body: _Body) -> None:
    """Let every way of reading pass by `body`: they all go through the response's `iter_bytes`, decoded."""
    kind = type(http_response)

    @functools.wraps(kind.iter_bytes)
    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        told: Iterator[bytes] = body.along(body.iterate, kind.iter_bytes(http_response, chunk_size))
        return told

    @functools.wraps(kind.aiter_bytes)
    def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        told: AsyncIterator[bytes] = body.along(body.aiterate, kind.aiter_bytes(http_response, chunk_size))
        return told

    http_response.iter_bytes = iter_bytes
    http_response.aiter_bytes = aiter_bytes
