"""Streams: the library's own stream object, watched as the user reads it, and never in the user's way."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from agentops_otel.engine.reading import shaped
from agentops_otel.faults import guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from agentops_otel.engine.call import Call
    from agentops_otel.faults import Faults

WATCH = "_agentops_otel_watch"
"""Where a stream keeps its watch."""
_HOOKS = ("close", "aclose", "cancel", "iter_bytes", "aiter_bytes")
"""What a response has of ours while it is read."""
_ABSENT = object()


def fold_of(call: Call) -> Any:
    """How the chunks of this call's stream are folded; None where only their number counts."""
    follow = call.operation.follow
    return call.operation.fold if follow is None else call.recorder.guarded("follow", lambda: None, follow, call)


class Watch:
    """What has been read of one stream.

    It holds no reference to the stream, so that dropping the stream drops the watch, which then ends the call.
    """

    __slots__ = ("__weakref__", "_outer_error", "call", "each", "fold", "keep", "left", "reading", "state")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.fold: Any = fold_of(call)
        self.each = call.operation.each
        self.keep = call.recorder.content
        self.state: Any = None
        # True while the library itself is running: a close from within is the end of the stream, not the reader's.
        self.reading = False
        self.left = False
        """Whether the reader has left its loop: whoever cleans up after it may be cancelled, and is no reader."""
        self._outer_error = id(sys.exc_info()[1])
        call.recorder.open_streams.add(self)

    @property
    def faults(self) -> Faults:
        """Where our own faults are counted."""
        return self.call.recorder.faults

    def take(self, chunk: Any) -> None:
        """Fold one chunk that is on its way to the reader."""
        try:
            # What is asked of each chunk is asked once: this runs for every piece of every answer.
            if self.state is not None and type(chunk) is not dict:
                self.state = self.fold(self.state, chunk, self.keep)
            else:
                self._begin_or_shape(chunk)
        except Exception as error:  # a malformed chunk spoils itself, not the rest
            self.call.recorder.faults.note("engine.chunk", error)

    def _begin_or_shape(self, chunk: Any) -> None:
        call = self.call
        if call.first_chunk is None:
            call.first_chunk = time.perf_counter()
        if self.each is not None:
            call.one_of_batch(chunk)
        elif self.fold is not None:
            self.state = self.fold(self.state, shaped(chunk) if type(chunk) is dict else chunk, self.keep)

    passed = take
    """What to do with each item that the reader gets. It is a guard: the reader gets the item whatever comes of it."""

    def begun(self, chunk: Any) -> Any:
        """Take one chunk; what the next may be folded into at once: nothing where a subclass has its own way."""
        self.passed(chunk)
        return self.state if type(self) is Watch else None

    def along(self, way: Callable[[Any], Any], chunks: Any) -> Any:
        """The chunks as they are heard on this `way`; as they are, where that cannot be."""
        return self.call.recorder.guarded("along", lambda: chunks, way, chunks)

    def _over(self) -> None:
        """What was told of below the call ends before it."""
        close = getattr(self.fold, "closed", None)
        if close is not None:
            self.call.recorder.guarded("closed", lambda: None, close)

    @guard("engine")
    def exhausted(self) -> None:
        """The stream came to its end."""
        self._over()
        self.call.finish(self.state)

    @guard("engine")
    def failed(self, error: BaseException) -> None:
        """The stream broke."""
        self._over()
        self.call.fail(error, self.state)

    @guard("engine")
    def closed(self) -> None:
        """The reader closed the stream: early, after the last chunk it wanted, or because of an error of its own."""
        if self.reading or not self.call.is_open:
            return
        error = sys.exc_info()[1]
        is_readers = not (isinstance(error, GeneratorExit) or (self.left and not isinstance(error, Exception)))
        if error is not None and id(error) != self._outer_error and is_readers:
            self.failed(error)
        else:
            self._over()
            self.call.finish(self.state, complete=False)

    @guard("engine")
    def __del__(self) -> None:
        self._over()
        if self.call.is_open:
            self.call.finish(self.state, complete=False)

    def iterate(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """The chunks of a sync stream, each folded before it is handed on."""
        fold, keep, state = self.fold, self.keep, None
        self.reading = True
        try:
            for chunk in chunks:
                self.reading = False
                if state is None or type(chunk) is dict:
                    state = self.begun(chunk)
                else:  # as `take` does it, without a call more for every piece of every answer
                    try:
                        state = self.state = fold(state, chunk, keep)
                    except Exception as error:
                        self.call.recorder.faults.note("engine.chunk", error)
                yield chunk
                self.reading = True
        except GeneratorExit:  # the reader left this loop, and may come back to the stream with another
            self.reading, self.left = False, True
            raise
        except BaseException as error:
            self.failed(error)
            raise
        self.exhausted()

    async def aiterate(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The chunks of an async stream, each folded before it is handed on."""
        fold, keep, state = self.fold, self.keep, None
        self.reading = True
        try:
            async for chunk in chunks:
                self.reading = False
                if state is None or type(chunk) is dict:
                    state = self.begun(chunk)
                else:  # as `take` does it, without a call more for every piece of every answer
                    try:
                        state = self.state = fold(state, chunk, keep)
                    except Exception as error:
                        self.call.recorder.faults.note("engine.chunk", error)
                yield chunk
                self.reading = True
        except GeneratorExit:
            self.reading, self.left = False, True
            if inspect.isasyncgen(chunks):
                await chunks.aclose()  # as the reader's own `aclose` would have done; nobody else holds it
            raise
        except BaseException as error:
            self.failed(error)
            raise
        self.exhausted()


def watch(stream: Any, call: Call, classes: StreamClasses) -> None:
    """Watch a stream object; its class stays what it is, and so do all its methods to the reader."""
    watcher = Watch(call)
    classes.prepare(type(stream))
    vars(stream)[WATCH] = watcher
    source = getattr(stream, "response", None) or getattr(stream, "http_response", None)
    on_close(stream if source is None else source, watcher)


def on_close(source: Any, watcher: Watch) -> None:
    """Tell the watcher before `close()` and `aclose()` of this one object, or `cancel()`; then leave it as it was."""
    kind = type(source)
    # The object holds its hooks, and they hold it until it is closed: a weak reference is dead already when the
    # garbage collector lets a dropped stream close its response. The watcher goes with its stream, not with this.
    watching = weakref.ref(watcher)

    def leave() -> None:
        found = watching()
        for name in _HOOKS:
            vars(source).pop(name, None)
        if found is not None:
            found.closed()

    def close() -> Any:
        leave()
        return kind.close(source)

    async def aclose() -> Any:
        leave()
        return await kind.aclose(source)

    def cancel() -> Any:
        leave()
        return kind.cancel(source)

    for name, hooked in (("close", close), ("aclose", aclose), ("cancel", cancel)):
        if callable(getattr(kind, name, None)):
            setattr(source, name, functools.wraps(getattr(kind, name))(hooked))


class StreamClasses:
    """Stream classes whose reading passes by us. Streams without a watch are read as before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._originals: dict[type, dict[str, Any]] = {}

    def prepare(self, kind: type, methods: Mapping[str, Callable[[Any], Any]] | None = None) -> None:
        """Let the reading methods of this class look for a watch; once."""
        if kind in self._originals:
            return
        with self._lock:
            if kind in self._originals:
                return
            originals: dict[str, Any] = {}
            for name, wrap in (methods or _METHODS).items():
                method = getattr(kind, name, None)
                if inspect.isasyncgenfunction(method) and name == "__anext__":
                    continue  # aiobotocore calls the generator so that its `__aiter__` returns
                if method is not None and not hasattr(method, WATCH):
                    originals[name] = vars(kind).get(name, _ABSENT)
                    wrapped = wrap(method)
                    setattr(wrapped, WATCH, True)
                    setattr(kind, name, wrapped)
            self._originals[kind] = originals

    def restore(self) -> None:
        """Give all classes their own methods back."""
        with self._lock:
            for kind, originals in self._originals.items():
                for name, original in originals.items():
                    if not hasattr(vars(kind).get(name), WATCH):
                        continue  # somebody wrapped ours: theirs calls ours, which finds no watch and passes by
                    if original is _ABSENT:
                        delattr(kind, name)
                    else:
                        setattr(kind, name, original)
            self._originals.clear()


def _iter(method: Any) -> Any:
    @functools.wraps(method)
    def __iter__(self: Any) -> Any:
        chunks = method(self)
        watcher = vars(self).get(WATCH)
        # A stream that is its own iterator is read through __next__; what the library or a subclass reads
        # within its own reading is read already.
        if watcher is None or watcher.reading or chunks is self:
            return chunks
        return watcher.along(watcher.iterate, chunks)

    return __iter__


def _aiter(method: Any) -> Any:
    @functools.wraps(method)
    def __aiter__(self: Any) -> Any:
        chunks = method(self)
        watcher = vars(self).get(WATCH)
        if watcher is None or watcher.reading or chunks is self:
            return chunks
        return watcher.along(watcher.aiterate, chunks)

    return __aiter__


def _next(method: Any) -> Any:
    @functools.wraps(method)
    def __next__(self: Any) -> Any:
        watcher = vars(self).get(WATCH)
        if watcher is None or watcher.reading:
            return method(self)
        watcher.reading = True
        try:
            chunk = method(self)
        except StopIteration:
            watcher.exhausted()
            raise
        except BaseException as error:
            watcher.failed(error)
            raise
        finally:
            watcher.reading = False
        watcher.take(chunk)
        return chunk

    return __next__


def _anext(method: Any) -> Any:
    @functools.wraps(method)
    async def __anext__(self: Any) -> Any:
        watcher = vars(self).get(WATCH)
        if watcher is None or watcher.reading:
            return await method(self)
        watcher.reading = True
        try:
            chunk = await method(self)
        except StopAsyncIteration:
            watcher.exhausted()
            raise
        except BaseException as error:
            watcher.failed(error)
            raise
        finally:
            watcher.reading = False
        watcher.take(chunk)
        return chunk

    return __anext__


_METHODS = {"__iter__": _iter, "__aiter__": _aiter, "__next__": _next, "__anext__": _anext}
