"""The contract of every library: the program sees and sends the same as without us, and each call has one true span."""

from __future__ import annotations

import asyncio

import pytest
from comparison import asked, done, held
from opentelemetry import context as otel_context
from rows import rows

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

ROWS = rows()
STREAMED = [row for row in ROWS if row.stream is not None]


def by_row(listed):
    return pytest.mark.parametrize("row", listed, ids=lambda row: row.id)


def test_there_are_rows():
    assert len(ROWS) >= 1


def as_told(row, span, **more):
    """The span tells what its row says, and it went well."""
    assert span.name == row.span_name
    assert span.kind == "client"
    expected = {**row.expected, **more}
    assert {name: span.attributes.get(name) for name in expected} == expected
    assert (span.status, span.attributes.get(names.ERROR_TYPE)) == ("unset", None)
    assert names.STREAM_OUTCOME not in span.attributes


def failed(seen, error=None):
    """The program got an error, and so did the one span."""
    assert seen.error is not None
    assert seen.span.status == "error"
    assert seen.span.attributes[names.ERROR_TYPE] == (error or type_name(seen.error))


def type_name(error):
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


# --- Whole -----------------------------------------------------------------------------------------------


def call(row, client):
    return row.call(client)


def once(row, stage):
    with held(row.client(stage.provider)) as client:
        row.call(client)


async def acall(row, client):
    return await done(row.call(client))


@by_row(ROWS)
def test_call(compare, row):
    as_told(row, compare(row, call, [row.whole]).span)


@by_row([row for row in ROWS if row.has_async])
def test_async_call(compare, row):
    as_told(row, compare(row, acall, [row.whole]).span)


@by_row([row for row in ROWS if row.refused])
def test_refused(compare, row):
    failed(compare(row, call, row.refused))


@by_row([row for row in ROWS if row.refused and row.has_async])
def test_async_refused(compare, row):
    failed(compare(row, acall, row.refused))


async def cancel(row, client):
    task = asyncio.ensure_future(done(row.call(client)))
    await asked()
    task.cancel()
    await task


@by_row([row for row in ROWS if row.has_async])
def test_cancelled(compare, row):
    failed(compare(row, cancel, Answer(body=row.whole.body, delay=1)), "asyncio.exceptions.CancelledError")


@by_row(ROWS)
def test_silenced(stage, watched, row):
    stage.set([row.whole])
    token = otel_context.attach(otel_context.set_value("suppress_instrumentation", value=True))
    try:
        once(row, stage)
    finally:
        otel_context.detach(token)
    assert watched.spans == []


@by_row(ROWS)
def test_uninstrumented(stage, watched, row):
    with held(row.client(stage.provider)) as client:
        watched.client.registry.uninstrument()
        stage.set([row.whole])
        row.call(client)
    assert watched.spans == []


@by_row(ROWS)
def test_content_is_left_out_unless_it_is_wanted(stage, make_watched, row):
    watched = make_watched(capture_content=False)
    stage.set([row.whole])
    once(row, stage)
    assert not set(names.CONTENT) & set(watched.span.attributes)


# --- Streamed --------------------------------------------------------------------------------------------


def read(row, client):
    stream = row.stream(client)
    return type(stream), list(stream)


async def aread(row, client):
    stream = await done(row.stream(client))
    return type(stream), [chunk async for chunk in stream]


def leave(row, client):
    for chunk in row.stream(client):
        return chunk
    return None


async def aleave(row, client):
    stream = await done(row.stream(client))
    async for chunk in stream:
        await _close(stream)
        return chunk
    return None


def close(row, client):
    stream = row.stream(client)
    chunk = next(iter(stream))
    _ = asyncio.run(_close(stream))
    return chunk


async def _close(stream):
    for name in ("aclose", "close"):
        if hasattr(stream, name):
            await done(getattr(stream, name)())
            return


def unread(row, client):
    return type(row.stream(client))


def raise_within(row, client):
    for _ in row.stream(client):
        raise LookupError("the reader's own")


@by_row(STREAMED)
def test_stream(compare, row):
    as_told(row, compare(row, read, [row.streamed]).span, **row.stream_expected)


@by_row([row for row in STREAMED if row.streams_async])
def test_async_stream(compare, row):
    as_told(row, compare(row, aread, [row.streamed]).span, **row.stream_expected)


@by_row(STREAMED)
@pytest.mark.parametrize("scenario", [leave, close, unread])
def test_stream_left_early(compare, row, scenario):
    span = compare(row, scenario, [row.streamed]).span
    assert span.status == "unset"
    assert span.attributes[names.STREAM_OUTCOME] == "abandoned"


@by_row([row for row in STREAMED if row.streams_async])
def test_async_stream_left_early(compare, row):
    assert compare(row, aleave, [row.streamed]).span.attributes[names.STREAM_OUTCOME] == "abandoned"


@by_row(STREAMED)
def test_stream_whose_reader_raises(compare, row):
    seen = compare(row, raise_within, [row.streamed])
    assert type(seen.error) is LookupError
    assert seen.span.end_time is not None


def _cut(answer):
    """The same stream, cut off after its first chunk, where the wire shows that there was to be more."""
    pieces = list(answer.chunks) if answer.chunks is not None else [answer.body]
    return Answer(status=answer.status, headers=answer.headers, chunks=pieces, cut=1)


@by_row(STREAMED)
def test_stream_that_is_cut(compare, row):
    seen = compare(row, read, _cut(row.streamed))
    if seen.error is not None:
        failed(seen)


@by_row([row for row in STREAMED if row.broken])
def test_stream_that_breaks(compare, row):
    seen = compare(row, read, row.broken)
    assert seen.span.status == "error"
    if seen.error is not None:
        failed(seen)
