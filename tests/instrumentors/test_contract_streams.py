"""The contract of a stream, however it is read, left or lost; each test for every row that streams."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import time
import weakref
from typing import Generic, TypeVar

import pytest
import readers
from cases import CHAT, HELPED, MESSAGES, RESPONSES, STREAMED
from comparison import as_expected, collected_afterwards, done

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

T = TypeVar("T")
by_case = pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.id)
by_helper = pytest.mark.parametrize("case", HELPED, ids=lambda case: case.id)
by_name = {"ids": lambda reader: reader.__name__}


def opened(reader):
    """The scenario that opens a stream and reads it like this."""

    def scenario(case, client):
        return reader(case.stream(client))

    async def ascenario(case, client):
        return await reader(await case.stream(client))

    return ascenario if inspect.iscoroutinefunction(reader) else scenario


def streamed(case, span):
    """The span is that of a whole stream."""
    as_expected(case, span)
    assert span.attributes[names.REQUEST_STREAM] is True
    assert 0 < span.attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] < (span.end_time - span.start_time) / 1e9


def abandoned(span):
    """The span is that of a stream that its reader left."""
    assert span.status == "unset"
    assert span.attributes[names.STREAM_OUTCOME] == "abandoned"
    assert span.attributes[names.RESPONSE_FINISH_REASONS] == ("error",)
    assert names.ERROR_TYPE not in span.attributes


def failed(span, kind):
    """The span is that of a stream that failed with this error."""
    assert span.status == "error"
    assert span.attributes[names.ERROR_TYPE] == kind
    assert [event["attributes"][names.EXCEPTION_TYPE] for event in span.events] == [kind]


def type_name(error):
    return f"{type(error).__module__}.{type(error).__qualname__}"


# --- Read ------------------------------------------------------------------------------------------------


@by_case
@pytest.mark.parametrize("reader", [*readers.WHOLE, *readers.AWHOLE], **by_name)
def test_read_to_the_end(compare, case, reader):
    streamed(case, compare(case, opened(reader), [case.sse()]).span)


@by_case
@pytest.mark.parametrize("reader", [*readers.LEFT, *readers.ALEFT], **by_name)
def test_left_early(compare, case, reader):
    abandoned(compare(case, opened(reader), [case.sse()]).span)


@by_case
@pytest.mark.parametrize("reader", [*readers.INTERRUPTED, *readers.AINTERRUPTED], **by_name)
def test_interrupted_by_its_reader(compare, case, reader):
    seen = compare(case, opened(reader), [case.sse()])
    assert isinstance(seen.error, readers.Interrupted)
    failed(seen.span, "readers.Interrupted")


@by_case
@pytest.mark.parametrize("reader", [readers.raises_in_a_loop, readers.raises_in_an_async_loop], **by_name)
def test_dropped_because_its_reader_raised(compare, case, reader):
    """Nothing but `with` tells a stream why it is left."""
    seen = compare(case, opened(reader), [case.sse()])
    assert isinstance(seen.error, readers.Interrupted)
    abandoned(seen.span)


# --- Lost ------------------------------------------------------------------------------------------------


@by_case
@pytest.mark.parametrize("reader", [readers.loop, readers.by_next, readers.aloop, readers.by_anext], **by_name)
def test_an_error_in_the_middle(compare, case, reader):
    events = [*case.events[:3], case.library.broken, *case.events[3:]]
    seen = compare(case, opened(reader), [Answer.sse(events)])
    failed(seen.span, type_name(seen.error))
    assert seen.span.attributes[names.RESPONSE_MODEL] == case.body["model"]


@by_case
@pytest.mark.parametrize("reader", [readers.loop, readers.by_next, readers.aloop, readers.by_anext], **by_name)
@pytest.mark.parametrize("after", [0, 3])
def test_the_connection_is_cut(compare, case, reader, after):
    seen = compare(case, opened(reader), [case.sse(cut=after)])
    failed(seen.span, type_name(seen.error))


@by_case
@pytest.mark.parametrize("reader", [readers.loop, readers.aloop], **by_name)
def test_refused_before_it_began(compare, case, reader):
    seen = compare(case, opened(reader), [case.library.error(429)])
    failed(seen.span, f"{case.library.module.__name__}.RateLimitError")


@by_case
@pytest.mark.parametrize("reader", [readers.loop, readers.aloop], **by_name)
def test_begun_at_the_second_try(compare, case, reader):
    answers = [Answer(status=429, headers={"retry-after-ms": "1"}, body="{}"), case.sse()]
    seen = compare(case, opened(reader), answers, max_retries=1)
    streamed(case, seen.span)
    assert len(seen.requests) == 2


@by_case
@pytest.mark.parametrize("reader", [readers.loop, readers.aloop], **by_name)
def test_too_slow_between_chunks(compare, case, reader):
    seen = compare(case, opened(reader), [case.sse(delay=2)], timeout=0.5)
    failed(seen.span, type_name(seen.error))


# --- Cancelled -------------------------------------------------------------------------------------------


async def cancelled_between_chunks(case, client):
    began = asyncio.Event()

    async def read():
        async with await case.stream(client) as stream:
            async for _ in stream:
                began.set()
                await asyncio.sleep(9)

    task = asyncio.ensure_future(read())
    await began.wait()
    task.cancel()
    await task


async def cancelled_waiting_for_a_chunk(case, client):
    task = asyncio.ensure_future(readers.aloop(await case.stream(client)))
    await asyncio.sleep(0.1)
    task.cancel()
    await task


async def timed_out_waiting_for_a_chunk(case, client):
    await asyncio.wait_for(readers.aloop(await case.stream(client)), 0.1)


async def timed_out_waiting_for_the_next(case, client):
    stream = await case.stream(client)
    await asyncio.wait_for(anext(stream), 0.1)


async def cancelled_by_a_sibling(case, client):
    async def fail():
        await asyncio.sleep(0.1)
        raise readers.Interrupted

    reading = asyncio.ensure_future(readers.aloop(await case.stream(client)))
    try:
        await asyncio.gather(reading, fail())
    finally:
        reading.cancel()
        await asyncio.wait([reading])


@by_case
@pytest.mark.parametrize(
    "scenario",
    [
        cancelled_waiting_for_a_chunk,
        timed_out_waiting_for_a_chunk,
        timed_out_waiting_for_the_next,
        cancelled_by_a_sibling,
    ],
    **by_name,
)
def test_cancelled_while_it_waits(compare, case, scenario):
    failed(compare(case, scenario, [case.sse(delay=1)]).span, "asyncio.exceptions.CancelledError")


@by_case
def test_cancelled_while_its_reader_is_busy(compare, case):
    failed(compare(case, cancelled_between_chunks, [case.sse()]).span, "asyncio.exceptions.CancelledError")


@by_case
def test_a_loop_that_ends_before_its_stream(compare, case):
    async def scenario(case, client):
        began = asyncio.Event()

        async def read():
            async for _ in await case.stream(client):
                began.set()
                await asyncio.sleep(9)

        asyncio.get_running_loop().reading = asyncio.ensure_future(read())
        await began.wait()

    (span,) = compare(case, scenario, [case.sse()]).spans
    assert span.attributes[names.STREAM_OUTCOME] == "abandoned"


# --- With the library's own helper -----------------------------------------------------------------------


def helped(case, client):
    with case.help(client) as stream:
        return [*stream, getattr(stream, case.final)()]


def helped_to_the_answer(case, client):
    with case.help(client) as stream:
        return getattr(stream, case.final)()


def helped_until_done(case, client):
    with case.help(client) as stream:
        stream.until_done()


async def ahelped(case, client):
    async with case.help(client) as stream:
        return [*[event async for event in stream], await getattr(stream, case.final)()]


async def ahelped_to_the_answer(case, client):
    async with case.help(client) as stream:
        return await getattr(stream, case.final)()


@by_helper
@pytest.mark.parametrize(
    "scenario", [helped, helped_to_the_answer, helped_until_done, ahelped, ahelped_to_the_answer], **by_name
)
def test_helped(compare, case, scenario):
    streamed(case, compare(case, scenario, [case.sse()]).span)


def helped_and_left(case, client):
    with case.help(client) as stream:
        return next(stream)


def helped_and_unread(case, client):
    with case.help(client):
        pass


async def ahelped_and_left(case, client):
    async with case.help(client) as stream:
        async for event in stream:
            return event
    return None


async def ahelped_and_unread(case, client):
    async with case.help(client):
        pass


@by_helper
@pytest.mark.parametrize(
    "scenario", [helped_and_left, helped_and_unread, ahelped_and_left, ahelped_and_unread], **by_name
)
def test_helped_and_left(compare, case, scenario):
    abandoned(compare(case, scenario, [case.sse()]).span)


def helped_and_interrupted(case, client):
    with case.help(client) as stream:
        for _ in stream:
            raise readers.Interrupted


async def ahelped_and_interrupted(case, client):
    async with case.help(client) as stream:
        async for _ in stream:
            raise readers.Interrupted


@by_helper
@pytest.mark.parametrize("scenario", [helped_and_interrupted, ahelped_and_interrupted], **by_name)
def test_helped_and_interrupted(compare, case, scenario):
    failed(compare(case, scenario, [case.sse()]).span, "readers.Interrupted")


@by_helper
@pytest.mark.parametrize("scenario", [helped, ahelped], **by_name)
def test_helped_and_broken(compare, case, scenario):
    events = [*case.events[:3], case.library.broken]
    seen = compare(case, scenario, [Answer.sse(events)])
    failed(seen.span, type_name(seen.error))


@by_helper
def test_a_helper_that_is_never_entered_asks_nothing(compare, case):
    def scenario(case, client):
        case.help(client)

    seen = compare(case, scenario, [])
    assert seen.requests == []
    assert seen.spans == []


@pytest.mark.parametrize(
    "case", [item for item in HELPED if item.library is MESSAGES.library], ids=lambda case: case.id
)
def test_the_texts_of_a_message_stream(compare, case):
    def scenario(case, client):
        with case.help(client) as stream:
            return "".join(stream.text_stream)

    streamed(case, compare(case, scenario, [case.sse()]).span)


# --- What it is ------------------------------------------------------------------------------------------


@by_case
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_it_stays_what_it_is(stage, watched, case, asynchronous):
    stage.set([case.sse()])
    module = case.library.module
    client = case.client(stage.provider, asynchronous=asynchronous)
    stream = await done(case.stream(client))
    assert type(stream) is (module.AsyncStream if asynchronous else module.Stream)
    assert stream.response.status_code == 200
    assert str(stream.response.request.url).endswith(case.path.removeprefix("/v1"))
    await done(stream.close())
    await done(client.close())
    abandoned(watched.span)


@by_case
def test_each_chunk_arrives_before_the_next_is_sent(stage, watched, case):
    send = threading.Semaphore(1)
    chunks = list(case.sse().chunks)

    def one_at_a_time():
        for chunk in chunks:
            assert send.acquire(timeout=5)
            yield chunk

    stage.set([Answer(chunks=one_at_a_time())])
    with case.client(stage.provider) as client:
        for _ in case.stream(client):
            send.release()
            if not watched.spans:
                send.release()  # for what the library keeps to itself: pings, the end
    streamed(case, watched.span)


@by_case
def test_it_lasts_as_long_as_it_is_read(stage, watched, case):
    stage.set([case.sse()])
    with case.client(stage.provider) as client:
        stream = case.stream(client)
        next(stream)
        time.sleep(0.1)
        list(stream)
    lasted = (watched.span.end_time - watched.span.start_time) / 1e9
    assert lasted > 0.09
    assert watched.span.attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] < lasted - 0.09


@by_case
def test_nothing_is_left_of_it(stage, watched, case):
    stage.set(case.sse())
    gone = []
    with case.client(stage.provider) as client:
        with collected_afterwards():
            for reader in (readers.loop, readers.closed_early, readers.left_by_break, readers.never_read) * 5:
                stream = case.stream(client)
                gone.append(weakref.ref(stream))
                reader(stream)
                del stream
        assert [reference() for reference in gone] == [None] * 20
    assert len(watched.client._recorder.open_streams) == 0
    assert len(watched.spans) == 20


@pytest.mark.parametrize("case", [MESSAGES])
def test_a_dropped_stream_needs_no_garbage_collector(stage, watched, case):
    """As the library itself takes care that none is needed; openai's own streams refer to themselves."""
    stage.set(case.sse())
    gc.disable()
    try:
        with case.client(stage.provider) as client:
            stream = case.stream(client)
            next(stream)
            del stream
            abandoned(watched.span)
    finally:
        gc.enable()


@by_case
def test_uninstrumented_in_the_middle(stage, watched, case):
    stage.set([case.sse()])
    with case.client(stage.provider) as client:
        plain = list(case.stream(client))
        stage.set([case.sse(), case.sse()])
        looped, nexted = case.stream(client), case.stream(client)
        loop = iter(looped)
        read, other = [next(loop), next(loop)], [next(nexted)]
        watched.client.registry.uninstrument()
        assert [*read, *loop] == plain
        assert [*other, *nexted] == plain
    del looped, nexted, loop
    gc.collect()
    assert len(watched.spans) == 3


@pytest.mark.parametrize("case", [CHAT, RESPONSES], ids=lambda case: case.id)
def test_a_stream_class_of_the_users_own_is_read_once(stage, watched, case):
    class Mine(case.library.module.Stream[T], Generic[T]):
        def __iter__(self):
            yield from super().__iter__()

    stage.set([case.sse(), case.sse()])
    with case.client(stage.provider) as client:
        list(case.stream(client))
        kind = type(next(iter(case.stream(client))))
    stage.set([case.sse()])
    with case.client(stage.provider) as client:
        read = client.post(
            case.path.removeprefix("/v1"), cast_to=kind, body=dict(case.arguments), stream=True, stream_cls=Mine[kind]
        )
        list(read)
    first, *_, last = watched.spans
    assert last.attributes[names.OUTPUT_MESSAGES] == first.attributes[names.OUTPUT_MESSAGES]
    streamed(case, last)
