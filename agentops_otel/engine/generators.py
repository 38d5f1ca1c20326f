"""Generators: streams that have no object of their own, watched by a generator around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from agentops_otel.engine.streams import Watch
from agentops_otel.engine.turns import Turns, noted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from agentops_otel.engine.call import Call


def generated(chunks: Generator[Any, Any, Any], call: Call, turns: Turns | None) -> Generator[Any, Any, Any]:
    """The chunks of a generator, each folded before it is handed on; leaving it leaves that one too.

    The call's span is current while the generator itself runs, for it may ask the provider only then.
    """
    return _read(chunks, _watch(call, turns), turns)


def agenerated(chunks: AsyncGenerator[Any, Any], call: Call, turns: Turns | None) -> AsyncGenerator[Any, Any]:
    """The same of an async generator."""
    return _aread(chunks, _watch(call, turns), turns)


def _watch(call: Call, turns: Turns | None) -> Watch:
    if turns is None:
        return Watch(call)
    turns.streamed = True
    return turns


def _read(chunks: Generator[Any, Any, Any], watch: Watch, turns: Turns | None) -> Generator[Any, Any, Any]:
    # All parameters live in the generator: one that is dropped unread drops its watch, which ends the call.
    call, sent = watch.call, None
    try:
        while True:
            token = otel_context.attach(noted(turns, call.context))
            try:
                chunk = chunks.send(sent)
            finally:
                otel_context.detach(token)
            watch.passed(chunk)
            sent = yield chunk
    except StopIteration as end:
        watch.exhausted()
        return end.value
    except GeneratorExit:
        watch.closed()
        raise
    except BaseException as error:
        watch.failed(error)
        raise
    finally:
        # A library that keeps a span of its own current across its yields puts back, as it is closed, what was
        # current when it began: our span. The reader's context is the reader's.
        token = otel_context.attach(otel_context.get_current())
        try:
            chunks.close()
        finally:
            otel_context.detach(token)


async def _aread(chunks: AsyncGenerator[Any, Any], watch: Watch, turns: Turns | None) -> AsyncGenerator[Any, Any]:
    call, sent = watch.call, None
    try:
        while True:
            token: Any = otel_context.attach(noted(turns, call.context))
            try:
                chunk = await chunks.asend(sent)
            except GeneratorExit:
                token = None  # closed by whoever dropped it, in a context that is not ours to reset
                raise
            finally:
                if token is not None:
                    otel_context.detach(token)
            watch.passed(chunk)
            sent = yield chunk
    except StopAsyncIteration:
        watch.exhausted()
    except GeneratorExit:
        watch.closed()
        raise
    except BaseException as error:
        watch.failed(error)
        raise
    finally:
        token = otel_context.attach(otel_context.get_current())
        try:
            await chunks.aclose()
        finally:
            otel_context.detach(token)
