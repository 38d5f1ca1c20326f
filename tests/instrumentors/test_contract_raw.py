"""The contract of raw responses: the user reads status, headers and bytes, and parses them or not."""

from __future__ import annotations

import gzip
import inspect
import json
from contextlib import asynccontextmanager

import pytest
from cases import CHAT, MESSAGES, RAW, RESPONSES, STREAMED, STREAMING
from comparison import as_expected, done

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

by_case = pytest.mark.parametrize("case", RAW, ids=lambda case: case.id)
by_body = pytest.mark.parametrize("case", STREAMING, ids=lambda case: case.id)
by_stream = pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.id)
one_of_each = pytest.mark.parametrize("case", [CHAT, MESSAGES], ids=lambda case: case.id)
both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
by_name = {"ids": lambda way: way.__name__}


@asynccontextmanager
async def entered(manager):
    if hasattr(manager, "__aenter__"):
        async with manager as found:
            yield found
    else:
        with manager as found:
            yield found


async def each(items):
    if hasattr(items, "__aiter__"):
        return [item async for item in items]
    return list(items)


async def first(items):
    return await anext(items) if hasattr(items, "__anext__") else next(items)


async def called(member, *args):
    """What openai has as properties, anthropic has as methods."""
    return await done(member(*args)) if callable(member) else member


# --- with_raw_response: the body is read, and whoever wants it parses it ---------------------------------


async def parsed(raw):
    return await done(raw.parse())


async def parsed_twice(raw):
    return [await done(raw.parse()), await done(raw.parse())]


async def parsed_as_something_else(raw):
    return await done(raw.parse(to=dict))


async def text(raw):
    return await called(raw.text)


async def content(raw):
    return raw.http_response.content


async def headers_only(raw):
    return raw.headers["content-type"], raw.status_code, raw.retries_taken, raw.is_closed


async def not_touched(raw):
    del raw


WAYS = [parsed, parsed_twice, parsed_as_something_else, text, content, headers_only, not_touched]


@by_case
@both
@pytest.mark.parametrize("way", WAYS, **by_name)
def test_raw(compare, case, asynchronous, way):
    async def scenario(case, client):
        return await way(await done(case.call(client, "with_raw_response")))

    as_expected(case, compare(case, scenario, [case.whole], asynchronous=asynchronous).span)


@by_case
@both
def test_raw_refused(compare, case, asynchronous):
    async def scenario(case, client):
        await done(case.call(client, "with_raw_response"))

    span = compare(case, scenario, [case.library.error(401)], asynchronous=asynchronous).span
    assert span.status == "error"
    assert span.attributes[names.ERROR_TYPE] == f"{case.library.module.__name__}.AuthenticationError"


async def parsed_stream(raw):
    return await each(await done(raw.parse()))


async def parsed_stream_closed(raw):
    stream = await done(raw.parse())
    read = [await first(stream)]
    await done(stream.close())
    return read


async def parsed_stream_left(raw):
    return [await first(await done(raw.parse()))]


@by_stream
@both
def test_raw_stream(compare, case, asynchronous):
    async def scenario(case, client):
        return await parsed_stream(await done(case.stream(client, "with_raw_response")))

    span = compare(case, scenario, [case.sse()], asynchronous=asynchronous).span
    as_expected(case, span)
    assert span.attributes[names.REQUEST_STREAM] is True
    assert span.attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] > 0


@by_stream
@both
@pytest.mark.parametrize("way", [parsed_stream_closed, parsed_stream_left, headers_only, not_touched], **by_name)
def test_raw_stream_left(compare, case, asynchronous, way):
    async def scenario(case, client):
        return await way(await done(case.stream(client, "with_raw_response")))

    span = compare(case, scenario, [case.sse(delay=0.005)], asynchronous=asynchronous).span
    assert span.status == "unset"
    assert span.attributes[names.STREAM_OUTCOME] == "abandoned"


@by_stream
@both
def test_raw_stream_broken(compare, case, asynchronous):
    async def scenario(case, client):
        return await parsed_stream(await done(case.stream(client, "with_raw_response")))

    seen = compare(case, scenario, [Answer.sse([*case.events[:3], case.library.broken])], asynchronous=asynchronous)
    assert seen.error is not None
    assert seen.span.status == "error"
    assert seen.span.attributes[names.RESPONSE_MODEL] == case.body["model"]


@by_stream
@both
def test_raw_stream_cut(compare, case, asynchronous):
    async def scenario(case, client):
        return await parsed_stream(await done(case.stream(client, "with_raw_response")))

    seen = compare(case, scenario, [case.sse(cut=3)], asynchronous=asynchronous)
    assert seen.error is not None
    assert seen.span.status == "error"


# --- with_streaming_response: the body is there to be read -----------------------------------------------


async def iter_lines(response):
    return await each(response.iter_lines())


async def iter_bytes(response):
    return b"".join(await each(response.iter_bytes()))


async def iter_bytes_by_seven(response):
    return await each(response.iter_bytes(7))


async def iter_text(response):
    return "".join(await each(response.iter_text()))


async def read(response):
    return await done(response.read())


async def read_then_parsed(response):
    return await done(response.read()), await done(response.parse())


async def as_text(response):
    return await done(response.text())


async def as_json(response):
    return await done(response.json())


async def http_read(response):
    return await done(response.http_response.aread() if inspect.iscoroutinefunction(response.read) else response.read())


BODIES = [
    iter_lines,
    iter_bytes,
    iter_bytes_by_seven,
    iter_text,
    read,
    read_then_parsed,
    as_text,
    as_json,
    http_read,
    parsed,
    parsed_twice,
]


@by_body
@both
@pytest.mark.parametrize("way", BODIES, **by_name)
def test_streaming_response(compare, case, asynchronous, way):
    async def scenario(case, client):
        async with entered(case.call(client, "with_streaming_response")) as response:
            return await way(response)

    as_expected(case, compare(case, scenario, [case.whole], asynchronous=asynchronous).span)


async def nothing_read(response):
    return response.status_code


async def first_bytes_read(response):
    return await first(response.iter_bytes(7))


@by_body
@both
@pytest.mark.parametrize("way", [nothing_read, first_bytes_read], **by_name)
def test_streaming_response_left(compare, case, asynchronous, way):
    async def scenario(case, client):
        async with entered(case.call(client, "with_streaming_response")) as response:
            return await way(response)

    chunks = [case.whole.body[i : i + 40].encode() for i in range(0, len(case.whole.body), 40)]
    slow = Answer(chunks=chunks, headers={"content-type": "application/json"}, delay=0.005)
    span = compare(case, scenario, [slow], asynchronous=asynchronous).span
    assert span.status == "unset"
    assert span.attributes[names.STREAM_OUTCOME] == "abandoned"
    assert span.attributes[names.USAGE_MISSING] is True


@by_body
@both
def test_streaming_response_interrupted(compare, case, asynchronous):
    async def scenario(case, client):
        async with entered(case.call(client, "with_streaming_response")):
            raise LookupError

    span = compare(case, scenario, [case.whole], asynchronous=asynchronous).span
    assert span.status == "error"
    assert span.attributes[names.ERROR_TYPE] == "LookupError"


@by_stream
@both
@pytest.mark.parametrize(
    "way", [parsed_stream, iter_lines, iter_bytes, iter_bytes_by_seven, iter_text, read, as_text], **by_name
)
def test_streaming_response_of_a_stream(compare, case, asynchronous, way):
    async def scenario(case, client):
        async with entered(case.stream(client, "with_streaming_response")) as response:
            return await way(response)

    span = compare(case, scenario, [case.sse()], asynchronous=asynchronous).span
    as_expected(case, span)
    assert span.attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK] > 0


@by_stream
@both
@pytest.mark.parametrize("way", [nothing_read, first_bytes_read, parsed_stream_closed, parsed_stream_left], **by_name)
def test_streaming_response_of_a_stream_left(compare, case, asynchronous, way):
    async def scenario(case, client):
        async with entered(case.stream(client, "with_streaming_response")) as response:
            return await way(response)

    span = compare(case, scenario, [case.sse(delay=0.005)], asynchronous=asynchronous).span
    assert span.status == "unset"
    assert span.attributes[names.STREAM_OUTCOME] == "abandoned"


@by_stream
@both
@pytest.mark.parametrize("way", [iter_lines, read], **by_name)
def test_an_error_in_the_middle_of_bytes(compare, case, asynchronous, way):
    """Who reads bytes is told of no error, yet the call has failed."""

    async def scenario(case, client):
        async with entered(case.stream(client, "with_streaming_response")) as response:
            return await way(response)

    answer = Answer.sse([*case.events[:3], case.library.broken])
    seen = compare(case, scenario, [answer], asynchronous=asynchronous)
    assert seen.error is None
    assert seen.span.status == "error"
    assert names.ERROR_TYPE in seen.span.attributes
    assert seen.span.attributes[names.RESPONSE_MODEL] == case.body["model"]


@by_stream
@both
def test_bytes_that_are_cut_off(compare, case, asynchronous):
    async def scenario(case, client):
        async with entered(case.stream(client, "with_streaming_response")) as response:
            return await iter_bytes(response)

    seen = compare(case, scenario, [case.sse(cut=3)], asynchronous=asynchronous)
    assert seen.error is not None
    assert seen.span.status == "error"


@one_of_each
@both
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_compressed(compare, case, asynchronous, streamed):
    answer = case.sse() if streamed else case.whole
    packed = gzip.compress(b"".join(answer.chunks) if streamed else answer.body.encode())
    headers = {"content-type": "text/event-stream" if streamed else "application/json", "content-encoding": "gzip"}
    pieces = [packed[start : start + 50] for start in range(0, len(packed), 50)]

    async def scenario(case, client):
        call = case.stream if streamed else case.call
        async with entered(call(client, "with_streaming_response")) as response:
            return await iter_lines(response)

    seen = compare(case, scenario, [Answer(headers=headers, chunks=pieces)], asynchronous=asynchronous)
    as_expected(case, seen.span)


@one_of_each
def test_line_ends_and_comments_of_others(compare, case):
    """Gateways put comments between events, and end lines their own way."""
    events = [b": WAITING\r\n\r\n"]
    for event in case.events:
        name = f"event: {event['type']}\r\n" if "type" in event else ""
        events.append(f"{name}data: {json.dumps(event)}\r\n\r\n".encode())
    whole = b"".join(events)

    def scenario(case, client):
        with case.stream(client, "with_streaming_response") as response:
            return list(response.parse())

    answer = Answer(chunks=[whole[start : start + 3] for start in range(0, len(whole), 3)])
    as_expected(case, compare(case, scenario, [answer]).span)


@pytest.mark.parametrize("case", [CHAT, RESPONSES, MESSAGES], ids=lambda case: case.id)
def test_a_body_that_is_no_json_though_it_says_so(compare, case):
    def scenario(case, client):
        with case.call(client, "with_streaming_response") as response:
            return response.read()

    span = compare(case, scenario, [Answer(body="<html>busy</html>")]).span
    assert span.status == "unset"
    assert span.attributes[names.USAGE_MISSING] is True


def test_a_response_is_left_as_it_was(stage, watched):
    stage.set([MESSAGES.sse()])
    with MESSAGES.client(stage.provider) as client, MESSAGES.stream(client, "with_streaming_response") as response:
        http = response.http_response
        before = set(vars(http))
        response.read()
    assert not {name for name in vars(http) if callable(vars(http)[name])}
    assert before - set(vars(http)) == {"close", "aclose", "iter_bytes", "aiter_bytes"}


def test_what_is_kept_of_a_response_keeps_it(stage, watched):
    stage.set([MESSAGES.sse(), MESSAGES.sse()])
    with MESSAGES.client(stage.provider) as client:
        read = MESSAGES.stream(client, "with_raw_response").http_response.iter_bytes
        assert b"message_stop" in b"".join(read())
        close = MESSAGES.stream(client, "with_raw_response").http_response.close
        close()
    whole, left = watched.spans
    as_expected(MESSAGES, whole)
    assert left.attributes[names.STREAM_OUTCOME] == "abandoned"
