"""Counts of every library: those that come last are those that count, and those that nobody tells are unknown, not 0."""

from __future__ import annotations

import json
from dataclasses import replace

from test_library_contract import ROWS, STREAMED, by_row, call, read

from agentops_otel.conventions import names

COUNTS = (names.INPUT_TOKENS, names.OUTPUT_TOKENS, names.CACHE_READ_TOKENS, names.REASONING_TOKENS)
PLACES = {
    "usage",
    "usageMetadata",
    "x_groq",
    "meta",
    "prompt_eval_count",
    "eval_count",
    "input_token_count",
    "generated_token_count",
    "details",
    "metrics",
    "statistics",
}
"""Where answers keep their counts."""
COUNTS_BY_ITSELF = ("litellm",)
"""Libraries that count tokens where the provider does not."""
BESIDE_THE_BODY = ("bedrock",)
"""Whose counts stand in headers, too: their own tests leave them out there."""
ADDS = ("gemini-interactions",)
"""What may go on in a further request, and tells the counts of each by itself."""


def _each(answer, change):
    """The same answer, its JSON changed wherever it is; None where it has none that could be."""
    if answer.chunks is None:
        return replace(answer, body=json.dumps(change(json.loads(answer.body))))
    return replace(answer, chunks=[_in_chunk(chunk, change) for chunk in answer.chunks])


def _in_chunk(chunk, change):
    """A server-sent event, or a line, with its JSON changed."""
    start, end = chunk.find(b"{"), chunk.rfind(b"}") + 1
    if start < 0:
        return chunk
    return chunk[:start] + json.dumps(change(json.loads(chunk[start:end]))).encode() + chunk[end:]


def _uncounted(told):
    if isinstance(told, dict):
        return {name: _uncounted(value) for name, value in told.items() if name not in PLACES}
    return [_uncounted(item) for item in told] if isinstance(told, list) else told


def _halved(told, *, within=False):
    """The same with smaller counts, as they were when less had been said."""
    if isinstance(told, dict):
        return {name: _halved(value, within=within or name in PLACES) for name, value in told.items()}
    if isinstance(told, list):
        return [_halved(item, within=within) for item in told]
    return told // 2 if within and type(told) is int else told


def _is_text(answer):
    pieces = [answer.body] if answer.chunks is None else list(answer.chunks)
    try:
        return all(not isinstance(piece, bytes) or piece.decode() for piece in pieces)
    except UnicodeDecodeError:  # frames of AWS, whose lengths and sums are part of them
        return False


def _counted(listed, answer_of, *but):
    """The rows whose answers can be changed, and have counts."""
    return [
        row
        for row in listed
        if row.expected.get(names.INPUT_TOKENS) and _is_text(answer_of(row)) and not row.id.startswith(but)
    ]


def unknown(seen):
    """Whatever the library made of it, no count was made up."""
    attributes = seen.span.attributes
    assert [name for name in COUNTS if name in attributes] == []
    assert names.COST not in attributes
    if seen.error is None and attributes.get(names.OPERATION_NAME) in names.MODEL_OPERATIONS:
        assert attributes[names.USAGE_MISSING] is True


@by_row(_counted(ROWS, lambda row: row.whole, *COUNTS_BY_ITSELF, *BESIDE_THE_BODY))
def test_an_answer_that_tells_no_counts(compare, row):
    unknown(compare(row, call, _each(row.whole, _uncounted)))


@by_row(_counted(STREAMED, lambda row: row.streamed, *COUNTS_BY_ITSELF))
def test_a_stream_that_tells_no_counts(compare, row):
    unknown(compare(row, read, _each(row.streamed, _uncounted)))


@by_row(_counted(STREAMED, lambda row: row.streamed, *COUNTS_BY_ITSELF, *ADDS))
def test_of_counts_that_grow_the_last_count(compare, row):
    """A chunk that tells counts is told before, too, with less: counts are never added."""
    chunks = []
    for chunk in row.streamed.chunks:
        less = _in_chunk(chunk, _halved)
        chunks += [chunk] if less == chunk else [less, chunk]
    assert len(chunks) > len(row.streamed.chunks), "nothing is counted in this stream"
    seen = compare(row, read, replace(row.streamed, chunks=chunks))
    expected = {**row.expected, **row.stream_expected}
    wanted = {name: expected[name] for name in COUNTS if expected.get(name) is not None}
    assert {name: seen.span.attributes.get(name) for name in wanted} == wanted
