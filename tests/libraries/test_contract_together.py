"""The rest of the contract of every library: old clients, copies, threads, twice, back again, and nothing left behind."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from comparison import collected_afterwards, done, held
from test_library_contract import ROWS, STREAMED, _close, as_told, by_row, once

from agentops_otel.conventions import names

ASYNC_STREAMED = [row for row in STREAMED if row.streams_async]


@by_row(ROWS)
def test_a_client_that_was_there_before_is_captured_too(stage, make_watched, row):
    with held(row.client(stage.provider)) as client:
        stage.set([row.whole])
        row.call(client)
        watched = make_watched(capture_content=True)
        stage.set([row.whole])
        row.call(client)
    as_told(row, watched.span)


@by_row(ROWS)
def test_instrumented_twice_is_instrumented_once(stage, make_watched, row):
    watched = make_watched(capture_content=True)
    watched.client.registry.instrument(watched.client._recorder)
    watched.client.registry.instrument(watched.client._recorder)
    stage.set([row.whole])
    once(row, stage)
    as_told(row, watched.span)


@by_row(ROWS)
def test_what_was_kept_while_instrumented_passes_through_afterwards(stage, make_watched, row):
    watched = make_watched()
    with held(row.client(stage.provider)) as client:
        stage.set([row.whole, row.whole])
        row.call(client)
        watched.client.registry.uninstrument()
        row.call(client)
    assert len(watched.spans) == 1


def until(holds):
    """Wait until this is so, however busy the machine is."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
        gc.collect()
    assert holds()


def _methods(instrumentor):
    """What stands where the targets of an instrumentor are, as it is."""
    found = {}
    for target in (*instrumentor.targets, *instrumentor.reached):
        module, _, path = target.partition(":")
        try:
            place = __import__(module, fromlist=["_"])
        except ImportError:
            continue
        *parents, name = path.split(".")
        for parent in parents:
            place = getattr(place, parent, None)
        found[target] = inspect.getattr_static(place, name, None)
    return found


def test_uninstrumenting_gives_back_the_very_same_methods(make_watched):
    watched = make_watched()
    registry = watched.client.registry
    active = [registry.instrumentor_of(library) for library in registry.status()]
    registry.uninstrument()
    before = [_methods(instrumentor) for instrumentor in active]
    registry.instrument(watched.client._recorder)
    wrapped = [_methods(instrumentor) for instrumentor in active]
    registry.uninstrument()
    after = [_methods(instrumentor) for instrumentor in active]
    for instrumentor, old, ours, new in zip(active, before, wrapped, after, strict=True):
        assert all(new[target] is old[target] for target in old), instrumentor.library
        assert not old or any(ours[target] is not old[target] for target in old), instrumentor.library


def copies(row, client):
    """Copies of the client ask as the client does, or cannot be made: with us as without us."""
    seen = []
    for way in (copy.copy, copy.deepcopy, lambda original: pickle.loads(pickle.dumps(original))):
        try:
            seen.append(row.call(way(client)))
        except Exception as error:
            seen.append(type(error))
    return seen


@by_row(ROWS)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_copies_of_clients(compare, row):
    seen = compare(row, copies, row.whole)
    assert len(seen.spans) == sum(not isinstance(item, type) for item in seen.result)
    for span in seen.spans:
        as_told(row, span)


@by_row(ROWS)
def test_work_of_a_thread_is_of_the_session(stage, make_watched, row):
    watched = make_watched(capture_content=True)
    stage.set([row.whole])
    with held(row.client(stage.provider)) as client, ThreadPoolExecutor(1) as pool:
        pool.submit(row.call, client).result()
    as_told(row, watched.span)
    assert watched.span.attributes[names.SESSION_ID] == watched.session.session_id


async def closed_elsewhere(row, client):
    """A stream that another task closes than began it."""
    stream = await done(row.stream(client))
    iterator = stream.__aiter__()
    chunk = await asyncio.create_task(_next(iterator))
    await asyncio.create_task(_close(iterator if inspect.isasyncgen(iterator) else stream))
    return chunk


async def _next(iterator):
    return await iterator.__anext__()


@by_row(ASYNC_STREAMED)
def test_async_stream_closed_in_another_task(compare, row):
    seen = compare(row, closed_elsewhere, [row.streamed])
    (span,) = seen.spans  # and nothing was said of a context that could not be left
    assert span.status != "error", span.attributes


@by_row(STREAMED)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_chunk_is_read_before_the_last_is_sent(compare, row):
    read = threading.Event()

    def held_back(request):
        read.clear()
        *most, last = row.streamed.chunks

        def chunks():
            yield from most
            assert read.wait(10), "the reader has nothing to read yet"
            yield last

        return replace(row.streamed, chunks=chunks())

    def reader(row, client):
        stream = iter(row.stream(client))
        next(stream)
        read.set()
        return len(list(stream))

    span = compare(row, reader, held_back).span
    assert names.RESPONSE_TIME_TO_FIRST_CHUNK in span.attributes


@by_row(STREAMED)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_is_left_of_streams(stage, watched, row):
    def read(count):
        with held(row.client(stage.provider)) as client, collected_afterwards():
            for _ in range(count):
                stage.set([row.streamed, row.streamed, row.streamed])
                for _ in row.stream(client):
                    break
                row.stream(client)
                list(row.stream(client))

    read(3)
    until(lambda: len(watched.client._recorder.open_streams) == 0)  # litellm's threads hold a stream for a while
    assert len(watched.spans) == 9
