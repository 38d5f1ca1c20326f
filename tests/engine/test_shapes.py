"""What a library may look like: arguments by place, generators for streams, streams within answers, tools for calls."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import sys
import types
from dataclasses import replace
from typing import ClassVar

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Request, Response, ToolResult, Usage
from agentops_otel.engine import Instrumentor, Operation, Sent, Server


class Events:
    """A stream that can only be iterated over, as botocore's."""

    def __init__(self, events):
        self.events = events
        self.closed = False

    def __iter__(self):
        yield from self.events

    def close(self):
        self.closed = True


class Client:
    """A library of many shapes."""

    def ask(self, model, prompt="hi", /, *, size=1):
        return {"n": size, "said": prompt, "model": model}

    @staticmethod
    def ask_static(model):
        return {"n": 1, "model": model}

    @classmethod
    def ask_class(cls, model):
        return {"n": 1, "model": model}

    def stream(self, model, count=3, *, fail=None):
        for number in range(count):
            seen.append(trace.get_current_span())
            got = yield number
            if got is not None:
                seen.append(got)
        if fail is not None:
            raise fail
        return "the end"

    async def astream(self, model, count=3, *, fail=None):
        for number in range(count):
            seen.append(trace.get_current_span())
            await asyncio.sleep(0)
            yield number
        if fail is not None:
            raise fail

    async def awaited_stream(self, model):
        return self.astream(model)

    def whole(self, model):
        return self.ask(model)

    async def awhole(self, model):
        await asyncio.sleep(0)
        return self.ask(model)

    def whole_stream(self, model):
        self.ask(model)
        yield 1
        self.ask(model)

    async def awhole_stream(self, model):
        self.ask(model)
        yield 1
        self.ask(model)

    def iterable(self, model):
        return Events([1, 2, 3])

    def traced(self, model, count=3):
        """As a library that keeps a span of its own current across its yields."""
        with trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
            yield from range(count)

    async def atraced(self, model, count=3):
        with trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
            for number in range(count):
                yield number

    def send(self, name, meta):
        return {"n": 1, **meta}

    def within(self, model):
        return {"stream": Events([1, 2, 3]), "id": "r-1"}

    def tool(self, name, arguments):
        return arguments["x"] * 2

    def search(self, query):
        return ["d1", "d2"]


seen: list = []


def fold(state, chunk, keep):
    return (state or 0) + 1


def response(answer):
    used = answer if isinstance(answer, int) else answer["n"]
    return Response(usage=Usage(output_tokens=used))


_ASK = Operation(name=names.CHAT, request=lambda told: Request(model=told.get("model")), response=response, fold=fold)
_TOOL = Operation(
    name=names.EXECUTE_TOOL,
    request=lambda told: Request(tool_name=told["name"], tool_type="function"),
    response=lambda _: Response(),
    content=lambda told: Content(arguments=told["arguments"]),
    output=ToolResult,
    kind=names.KIND_TOOL,
    span_kind=SpanKind.INTERNAL,
)
_SEARCH = Operation(
    name=names.RETRIEVAL,
    request=lambda _: Request(data_source_id="library"),
    response=lambda _: Response(),
    content=lambda told: Content(query=told["query"]),
    output=lambda found: Documents([(name, None) for name in found]),
    kind=names.KIND_OPERATION,
)
_WHOLE = replace(_ASK, whole=True)
_SEND = Operation(
    name=names.MCP_REQUEST,
    title="tools/list",
    request=lambda _: Request(more={"mcp.method.name": "tools/list"}),
    response=lambda _: Response(),
    kind="",
    carry=lambda told, context: told["meta"].update(carried=trace.get_current_span(context).get_span_context().span_id),
)
_WITHIN = Operation(name=names.CHAT, request=_ASK.request, response=response, fold=fold, within="stream")


class Shapes(Instrumentor):
    """The library above."""

    library = "shapes"
    provider = "x"
    targets: ClassVar = {
        **{f"shapes:Client.{name}": _ASK for name in ("ask", "ask_static", "ask_class", "stream", "astream")},
        "shapes:Client.awaited_stream": _ASK,
        **{f"shapes:Client.{name}": _ASK for name in ("iterable", "traced", "atraced")},
        "shapes:Client.send": _SEND,
        "shapes:Client.within": _WITHIN,
        **{f"shapes:Client.{name}": _WHOLE for name in ("whole", "awhole", "whole_stream", "awhole_stream")},
        "shapes:Client.tool": _TOOL,
        "shapes:Client.search": _SEARCH,
        "shapes:Client.gone": _ASK,
        "shapes.gone:Client.ask": _ASK,
    }

    def server(self, instance, arguments):
        return Server(self.provider, "here", len(arguments))


@pytest.fixture
def shaped(watched, monkeypatch):
    """A session in which the library is instrumented."""
    module = types.ModuleType("shapes")
    module.Client = type("Client", (Client,), dict(vars(Client)))
    monkeypatch.setitem(sys.modules, "shapes", module)
    seen.clear()
    instrumentor = Shapes()
    instrumentor.instrument(watched.client._recorder)
    watched.library, watched.instrumentor = module.Client, instrumentor
    yield watched
    instrumentor.uninstrument()


def told(span):
    return span.name, span.status, span.attributes.get(names.OUTPUT_TOKENS), span.attributes.get(names.STREAM_OUTCOME)


@pytest.mark.parametrize(
    ("call", "port", "used"),
    [
        (lambda client: client.ask("m"), 1, 1),
        (lambda client: client.ask("m", "hello"), 2, 1),
        (lambda client: client.ask("m", "hello", size=5), 3, 5),
        (lambda client: client.ask_static("m"), 1, 1),
        (lambda client: client.ask_static(model="m"), 1, 1),
        (lambda client: client.ask_class("m"), 1, 1),
        (lambda client: type(client).ask_static("m"), 1, 1),
        (lambda client: type(client).ask_class(model="m"), 1, 1),
    ],
)
def test_arguments_are_read_by_name_however_they_are_given(shaped, call, port, used):
    assert call(shaped.library()) == call(Client())
    assert told(shaped.span) == ("chat m", "unset", used, None)
    assert shaped.span.attributes[names.SERVER_PORT] == port


@pytest.mark.parametrize("call", [lambda client: client.ask(), lambda client: client.ask("m", "p", "more", other=1)])
def test_wrong_arguments_are_refused_by_the_library_itself(shaped, call):
    with pytest.raises(TypeError):
        call(shaped.library())
    assert shaped.span.status == "error"


def test_missing_targets_are_told(shaped):
    assert shaped.instrumentor.missing == ["shapes:Client.gone", "shapes.gone:Client.ask"]


# --- Generators ------------------------------------------------------------------------------------------


def test_a_generator_stays_one_and_is_read_lazily(shaped):
    stream = shaped.library().stream("m")
    assert inspect.isgenerator(stream)
    assert seen == []
    assert list(stream) == [0, 1, 2]
    assert told(shaped.span) == ("chat m", "unset", 3, None)
    assert {span.get_span_context().span_id for span in seen} == {int(shaped.span.span_id, 16)}


def test_what_a_generator_is_sent_and_returns_passes_by(shaped):
    stream = shaped.library().stream("m")
    assert next(stream) == 0
    assert stream.send("hello") == 1
    assert "hello" in seen
    assert next(stream) == 2
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == "the end"


def test_a_generator_that_fails_fails_its_call(shaped):
    error = LookupError("no more")
    stream = shaped.library().stream("m", fail=error)
    with pytest.raises(LookupError) as caught:
        list(stream)
    assert caught.value is error
    assert told(shaped.span) == ("chat m", "error", 3, None)


@pytest.mark.parametrize(
    ("leave", "used"),
    [
        (lambda stream: None, None),
        (next, 1),
        (lambda stream: stream.close(), None),
        (lambda stream: (next(stream), next(stream), stream.close()), 2),
    ],
)
def test_a_generator_that_is_left_ends_its_call(shaped, leave, used):
    stream = shaped.library().stream("m")
    leave(stream)
    del stream
    gc.collect()
    assert told(shaped.span) == ("chat m", "unset", used, "abandoned")
    assert trace.get_current_span() is not None


async def test_an_async_generator_is_the_same(shaped):
    stream = shaped.library().astream("m")
    assert inspect.isasyncgen(stream)
    assert [chunk async for chunk in stream] == [0, 1, 2]
    assert told(shaped.span) == ("chat m", "unset", 3, None)
    assert {span.get_span_context().span_id for span in seen} == {int(shaped.span.span_id, 16)}


async def test_an_async_generator_may_be_awaited_first(shaped):
    stream = await shaped.library().awaited_stream("m")
    assert [chunk async for chunk in stream] == [0, 1, 2]
    assert [told(span)[2] for span in shaped.spans] == [3, 3]  # astream is a target of its own


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_an_async_generator_that_is_left_ends_its_call(shaped, caplog, count):
    stream = shaped.library().astream("m")
    for _ in range(count):
        await anext(stream)
    await stream.aclose()
    del stream
    gc.collect()
    assert told(shaped.span) == ("chat m", "unset", count or None, "abandoned")
    assert "detach" not in caplog.text


async def test_an_async_generator_that_fails_fails_its_call(shaped):
    error = LookupError("no more")
    with pytest.raises(LookupError) as caught:
        [chunk async for chunk in shaped.library().astream("m", fail=error)]
    assert caught.value is error
    assert told(shaped.span) == ("chat m", "error", 3, None)


async def test_an_async_generator_that_is_cancelled_fails_its_call(shaped, caplog):
    async def read():
        async for _ in shaped.library().astream("m", 1_000_000):
            pass

    task = asyncio.ensure_future(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert shaped.span.attributes[names.ERROR_TYPE] == "asyncio.exceptions.CancelledError"
    assert "detach" not in caplog.text


@pytest.mark.parametrize("left", ["read", "closed", "dropped"])
def test_a_library_that_keeps_a_span_current_across_yields_leaves_none_of_ours(shaped, left):
    before = trace.get_current_span()
    stream = shaped.library().traced("m")
    next(stream)
    assert trace.get_current_span() is before
    if left == "read":
        assert list(stream) == [1, 2]
    elif left == "closed":
        stream.close()
    del stream
    gc.collect()
    assert trace.get_current_span() is before
    assert told(shaped.span)[0] == "chat m"


async def test_the_same_of_async_generators(shaped):
    before = trace.get_current_span()
    stream = shaped.library().atraced("m")
    assert await anext(stream) == 0
    assert trace.get_current_span() is before
    await stream.aclose()
    assert trace.get_current_span() is before
    assert told(shaped.span)[3] == "abandoned"


def test_a_stream_that_makes_an_iterator_for_each_reader(shaped):
    stream = shaped.library().iterable("m")
    assert type(stream) is Events
    assert list(stream) == [1, 2, 3]
    assert told(shaped.span) == ("chat m", "unset", 3, None)


# --- Streams within, tools, retrievals -------------------------------------------------------------------


def test_a_stream_within_an_answer_is_watched_where_it_is(shaped):
    answer = shaped.library().within("m")
    assert type(answer["stream"]) is Events
    assert shaped.spans == []
    assert list(answer["stream"]) == [1, 2, 3]
    assert told(shaped.span) == ("chat m", "unset", 3, None)


@pytest.mark.parametrize("read", [lambda stream: None, lambda stream: next(iter(stream)), Events.close])
def test_a_stream_within_an_answer_may_be_left(shaped, read):
    answer = shaped.library().within("m")
    read(answer["stream"]) if read is not Events.close else answer["stream"].close()
    del answer
    gc.collect()
    assert told(shaped.span)[3] == "abandoned"


def test_a_tool_is_run_as_a_span_of_its_own_kind(shaped):
    assert shaped.library().tool("double", {"x": 21}) == 42
    assert (shaped.span.name, shaped.span.kind) == ("execute_tool double", "internal")
    attributes = shaped.span.attributes
    assert json.loads(attributes[names.TOOL_CALL_ARGUMENTS]) == {"x": 21}
    assert json.loads(attributes[names.TOOL_CALL_RESULT]) == 42
    assert (attributes[names.TOOL_NAME], attributes[names.SPAN_KIND]) == ("double", names.KIND_TOOL)
    assert names.USAGE_MISSING not in attributes


def test_a_retrieval_tells_what_was_looked_for_and_found(shaped):
    shaped.library().search("ferries")
    assert shaped.span.name == "retrieval library"
    assert shaped.span.attributes[names.RETRIEVAL_QUERY] == "ferries"
    assert json.loads(shaped.span.attributes[names.RETRIEVAL_DOCUMENTS]) == [{"id": "d1"}, {"id": "d2"}]


async def read_all(chunks):
    return [chunk async for chunk in chunks]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.whole("m"),
        lambda client: asyncio.run(client.awhole("m")),
        lambda client: list(client.whole_stream("m")),
        lambda client: asyncio.run(read_all(client.awhole_stream("m"))),
    ],
)
def test_what_a_whole_call_asks_is_part_of_it(shaped, call):
    call(shaped.library())
    assert [span.name for span in shaped.spans] == ["chat m"]


def test_what_is_asked_between_the_chunks_of_a_whole_call_is_a_call(shaped):
    client = shaped.library()
    for _ in client.whole_stream("m"):
        client.ask("n")
    assert [span.name for span in shaped.spans] == ["chat n", "chat m"]


def test_a_request_may_have_a_title_and_no_kind_and_carry_its_context(shaped):
    meta = {}
    shaped.library().send("x", meta)
    attributes = shaped.span.attributes
    assert (shaped.span.name, attributes["mcp.method.name"]) == ("tools/list", "tools/list")
    assert names.SPAN_KIND not in attributes
    assert names.OPERATION_NAME not in attributes
    assert f"{meta['carried']:016x}" == shaped.span.span_id


def test_a_call_may_come_from_another_process(shaped, monkeypatch):
    root = trace.get_current_span(shaped.session.context).get_span_context()
    remote = trace.SpanContext(root.trace_id, 7, True, trace.TraceFlags(1))
    context = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    monkeypatch.setattr(
        Shapes, "sent", lambda self, operation, instance, told: Sent(operation, told, Server(""), "shapes", context)
    )
    shaped.library().ask("m")
    assert shaped.span.parent_id == f"{7:016x}"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://api.x.ai/v1", ("x", "api.x.ai", 443)),
        ("http://127.0.0.1:8080", ("x", "127.0.0.1", 8080)),
        ("http://here", ("x", "here", 80)),
        ("", ("x", None, 443)),
    ],
)
def test_a_server_by_its_url(url, server):
    found = Server.at("x", url)
    assert (found.provider, found.address, found.port) == server
