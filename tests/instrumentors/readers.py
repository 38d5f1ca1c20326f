"""Ways to read a stream, and to leave one: what users do, sync and async; each returns what it has read."""

from __future__ import annotations

import asyncio
import itertools
import threading


class Interrupted(Exception):  # noqa: N818 - any error of the reader's own
    """What the reader raises while it reads."""


# --- To the end ------------------------------------------------------------------------------------------


def loop(stream):
    return list(stream)


def by_next(stream):
    read = []
    while (chunk := next(stream, None)) is not None:
        read.append(chunk)
    return read


def next_then_loop(stream):
    return [next(stream), *stream]


def two_loops(stream):
    read = []
    for chunk in stream:
        read.append(chunk)
        if len(read) == 2:
            break
    return [*read, *stream]


def inside_with(stream):
    with stream as entered:
        return list(entered)


def past_the_end(stream):
    return [*stream, *stream, next(stream, "nothing")]


def closed_after_the_end(stream):
    read = list(stream)
    stream.close()
    stream.close()
    return read


def another_thread(stream):
    read = []
    thread = threading.Thread(target=lambda: read.extend(stream))
    thread.start()
    thread.join()
    return read


def two_threads_in_turn(stream):
    read = list(itertools.islice(iter(stream), 2))
    thread = threading.Thread(target=lambda: read.extend(stream))
    thread.start()
    thread.join()
    return read


WHOLE = [
    loop,
    by_next,
    next_then_loop,
    two_loops,
    inside_with,
    past_the_end,
    closed_after_the_end,
    another_thread,
    two_threads_in_turn,
]

# --- Left early ------------------------------------------------------------------------------------------


def never_read(stream):
    del stream


def left_by_break(stream):
    for chunk in stream:
        return [chunk]
    return []


def dropped_after_next(stream):
    return [next(stream)]


def closed_unread(stream):
    stream.close()
    return stream.response.is_closed


def closed_early(stream):
    read = [next(stream), next(stream)]
    stream.close()
    return [*read, stream.response.is_closed]


def closed_twice(stream):
    read = [next(stream)]
    stream.close()
    stream.close()
    return read


def with_left_early(stream):
    with stream:
        for chunk in stream:
            return [chunk]
    return []


def with_unread(stream):
    with stream:
        pass
    return stream.response.is_closed


def closed_inside_its_loop(stream):
    read = []
    for chunk in stream:
        read.append(chunk)
        if len(read) == 2:
            stream.close()
            break
    return read


def closed_in_another_thread(stream):
    read = [next(stream)]
    thread = threading.Thread(target=stream.close)
    thread.start()
    thread.join()
    return read


def response_closed(stream):
    read = [next(stream)]
    stream.response.close()
    return read


def closed_while_another_error_is_handled(stream):
    try:
        raise Interrupted
    except Interrupted:
        read = [next(stream)]
    stream.close()
    return read


def through_a_generator(stream):
    def own():
        with stream:
            yield from stream

    generator = own()
    read = [next(generator)]
    generator.close()
    return read


LEFT = [
    never_read,
    left_by_break,
    dropped_after_next,
    closed_unread,
    closed_early,
    closed_twice,
    with_left_early,
    with_unread,
    closed_inside_its_loop,
    closed_in_another_thread,
    response_closed,
    closed_while_another_error_is_handled,
    through_a_generator,
]

# --- Interrupted -----------------------------------------------------------------------------------------


def raises_inside_with(stream):
    with stream:
        for _ in stream:
            raise Interrupted


def raises_before_the_loop(stream):
    with stream:
        raise Interrupted


INTERRUPTED = [raises_inside_with, raises_before_the_loop]


def raises_in_a_loop(stream):
    for _ in stream:
        raise Interrupted


# --- The same, async -------------------------------------------------------------------------------------


async def aloop(stream):
    return [chunk async for chunk in stream]


async def by_anext(stream):
    read = []
    while (chunk := await anext(stream, None)) is not None:
        read.append(chunk)
    return read


async def anext_then_loop(stream):
    return [await anext(stream), *[chunk async for chunk in stream]]


async def two_aloops(stream):
    read = []
    async for chunk in stream:
        read.append(chunk)
        if len(read) == 2:
            break
    return [*read, *[chunk async for chunk in stream]]


async def inside_async_with(stream):
    async with stream as entered:
        return [chunk async for chunk in entered]


async def past_the_async_end(stream):
    return [*[chunk async for chunk in stream], *[chunk async for chunk in stream], await anext(stream, "nothing")]


async def aclosed_after_the_end(stream):
    read = [chunk async for chunk in stream]
    await stream.close()
    await stream.close()
    return read


async def another_task(stream):
    return await asyncio.ensure_future(aloop(stream))


async def a_task_for_each_chunk(stream):
    read = []
    while (chunk := await asyncio.ensure_future(_one(stream))) is not None:
        read.append(chunk)
    return read


async def _one(stream):
    return await anext(stream, None)


AWHOLE = [
    aloop,
    by_anext,
    anext_then_loop,
    two_aloops,
    inside_async_with,
    past_the_async_end,
    aclosed_after_the_end,
    another_task,
    a_task_for_each_chunk,
]


async def anever_read(stream):
    del stream


async def aleft_by_break(stream):
    async for chunk in stream:
        return [chunk]
    return []


async def dropped_after_anext(stream):
    return [await anext(stream)]


async def aclosed_unread(stream):
    await stream.close()
    return stream.response.is_closed


async def aclosed_early(stream):
    read = [await anext(stream), await anext(stream)]
    await stream.close()
    return [*read, stream.response.is_closed]


async def aclosed_twice(stream):
    read = [await anext(stream)]
    await stream.close()
    await stream.close()
    return read


async def async_with_left_early(stream):
    async with stream:
        async for chunk in stream:
            return [chunk]
    return []


async def async_with_unread(stream):
    async with stream:
        pass
    return stream.response.is_closed


async def aclosed_in_another_task(stream):
    read = [await anext(stream)]
    await asyncio.ensure_future(stream.close())
    return read


async def aresponse_closed(stream):
    read = [await anext(stream)]
    await stream.response.aclose()
    return read


async def left_in_another_task(stream):
    return await asyncio.ensure_future(aleft_by_break(stream))


async def through_an_async_generator(stream):
    async def own():
        async with stream:
            async for chunk in stream:
                yield chunk

    generator = own()
    read = [await anext(generator)]
    await asyncio.ensure_future(generator.aclose())
    return read


ALEFT = [
    anever_read,
    aleft_by_break,
    dropped_after_anext,
    aclosed_unread,
    aclosed_early,
    aclosed_twice,
    async_with_left_early,
    async_with_unread,
    aclosed_in_another_task,
    aresponse_closed,
    left_in_another_task,
    through_an_async_generator,
]


async def raises_inside_async_with(stream):
    async with stream:
        async for _ in stream:
            raise Interrupted


async def raises_before_the_async_loop(stream):
    async with stream:
        raise Interrupted


async def raises_in_an_async_loop(stream):
    async for _ in stream:
        raise Interrupted


AINTERRUPTED = [raises_inside_async_with, raises_before_the_async_loop]
