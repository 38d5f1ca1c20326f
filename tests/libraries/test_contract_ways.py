"""Other ways to the same answer: raw responses, and streams that are read within `with`."""

from __future__ import annotations

import pytest
from comparison import done
from openai_shaped import ASK
from test_library_contract import ROWS, STREAMED, by_row, failed

from agentops_otel.conventions import names

RAW = [row for row in ROWS if row.id in {"groq-chat", "together-chat", "cerebras-chat", "portkey-chat"}]
COUNTS = (names.INPUT_TOKENS, names.OUTPUT_TOKENS, names.CACHE_READ_TOKENS)


def asked(row, client, view, **more):
    create = getattr(client.chat.completions, view).create
    return create(model=row.expected[names.REQUEST_MODEL], messages=ASK, max_tokens=99, **more)


def raw(row, client):
    response = asked(row, client, "with_raw_response")
    return type(response), response.parse()


async def araw(row, client):
    response = await done(asked(row, client, "with_raw_response"))
    return type(response), await done(response.parse())


def raw_stream(row, client):
    response = asked(row, client, "with_raw_response", stream=True)
    return type(response), list(response.parse())


def streaming_response(row, client):
    with asked(row, client, "with_streaming_response") as response:
        return type(response), response.parse()


def lines(row, client):
    with asked(row, client, "with_streaming_response", stream=True) as response:
        return list(response.iter_lines())


async def alines(row, client):
    async with asked(row, client, "with_streaming_response", stream=True) as response:
        return [line async for line in response.iter_lines()]


def as_counted(row, seen):
    assert seen.error is None
    assert {name: seen.span.attributes.get(name) for name in COUNTS} == {name: row.expected[name] for name in COUNTS}
    assert seen.span.name == row.span_name
    assert seen.span.status == "unset"


@by_row([row for row in RAW if row.id != "portkey-chat"])
@pytest.mark.parametrize("scenario", [raw, araw, streaming_response])
def test_raw(compare, row, scenario):
    as_counted(row, compare(row, scenario, [row.whole]))


@by_row([row for row in RAW if row.id != "portkey-chat"])
@pytest.mark.parametrize("scenario", [raw_stream, lines, alines])
def test_raw_stream(compare, row, scenario):
    as_counted(row, compare(row, scenario, [row.streamed]))


def raise_within(row, client):
    stream = row.stream(client)
    if not hasattr(type(stream), "__exit__"):
        return
    with stream:
        for _ in stream:
            raise LookupError("the reader's own")
    return


BY_A_GENERATOR = {"gemini-interactions"}
"""Whose `close` closes a generator that reads the response: what is under way by then is the generator's own end."""


@by_row([row for row in STREAMED if row.id not in BY_A_GENERATOR])
def test_a_reader_that_raises_within_its_stream_is_its_error(compare, row):
    seen = compare(row, raise_within, [row.streamed])
    if seen.error is None:  # a stream of this library is no context: nothing tells it why it is left
        assert seen.span.attributes[names.STREAM_OUTCOME] == "abandoned"
    else:
        failed(seen, "LookupError")
