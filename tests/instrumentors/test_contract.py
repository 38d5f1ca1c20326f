"""The contract of a call that is answered whole, or not at all; each test for every row."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import inspect
import itertools

import pytest
from cases import ANTHROPIC, ASK, CASES, CHAT, MESSAGES, OPENAI, STREAMED
from comparison import as_expected, asked, done
from opentelemetry import context as otel_context
from opentelemetry import trace

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
one_of_each = pytest.mark.parametrize("case", [CHAT, MESSAGES], ids=lambda case: case.id)
both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def failed(span, kind):
    """The span is that of a call that failed with this error."""
    assert span.status == "error"
    assert span.attributes[names.ERROR_TYPE] == kind
    (event,) = span.events
    assert event["name"] == "exception"
    assert event["attributes"][names.EXCEPTION_TYPE] == kind
    assert names.INPUT_TOKENS not in span.attributes
    return span


# --- Answered --------------------------------------------------------------------------------------------


async def call(case, client):
    return await done(case.call(client))


def call_without_a_loop(case, client):
    return case.call(client)


@by_case
@both
def test_plain(compare, case, asynchronous):
    as_expected(case, compare(case, call, [case.whole], asynchronous=asynchronous).span)


@by_case
def test_plain_where_no_loop_runs(compare, case):
    as_expected(case, compare(case, call_without_a_loop, [case.whole]).span)


@one_of_each
@both
def test_retries_are_one_call(compare, case, asynchronous):
    answers = [case.library.error(429), case.library.error(500), case.whole]
    seen = compare(case, call, _quick(answers), asynchronous=asynchronous, max_retries=2)
    as_expected(case, seen.span)
    assert len(seen.requests) == 3


@one_of_each
@both
def test_retries_that_all_fail_are_one_failed_call(compare, case, asynchronous):
    answers = _quick([case.library.error(500), case.library.error(500)])
    seen = compare(case, call, answers, asynchronous=asynchronous, max_retries=1)
    failed(seen.span, type_name(seen.error))
    assert len(seen.requests) == 2


def _quick(answers):
    """The same answers, asking for no pause before a retry."""
    return [
        Answer(status=item.status, body=item.body, headers={**item.headers, "retry-after-ms": "1"}) for item in answers
    ]


def type_name(error):
    return f"{type(error).__module__}.{type(error).__qualname__}"


@one_of_each
def test_a_generator_of_messages_is_read_by_the_library_alone(compare, case):
    def scenario(case, client):
        read = []

        def messages():
            for item in ASK:
                read.append(item)
                yield item

        return case.call(client, messages=messages()), read

    seen = compare(case, scenario, [case.whole])
    as_expected(case, seen.span)
    assert seen.result[1] == ASK


def test_other_requests_make_no_span(compare):
    def scenario(case, client):
        return client.models.list().data, client.get("/models", cast_to=object)

    assert compare(CHAT, scenario, Answer.json({"object": "list", "data": []})).spans == []


# --- Refused ---------------------------------------------------------------------------------------------

REFUSED = {401: "AuthenticationError", 429: "RateLimitError", 500: "InternalServerError"}


@by_case
@pytest.mark.parametrize("status", [401, 429, 500])
@both
def test_refused(compare, case, status, asynchronous):
    seen = compare(case, call, [case.library.error(status)], asynchronous=asynchronous)
    span = failed(seen.span, f"{case.library.module.__name__}.{REFUSED[status]}")
    assert str(seen.error) in span.events[0]["attributes"][names.EXCEPTION_MESSAGE]
    assert span.status_message == span.events[0]["attributes"][names.EXCEPTION_MESSAGE]
    assert span.name == case.span_name


@by_case
@both
def test_no_connection(compare, case, asynchronous):
    seen = compare(case, call, [Answer(cut=0)], asynchronous=asynchronous)
    failed(seen.span, type_name(seen.error))


@one_of_each
@both
def test_too_slow(compare, case, asynchronous):
    late = Answer(body=case.whole.body, delay=5)
    seen = compare(case, call, [late], asynchronous=asynchronous, timeout=0.4)
    failed(seen.span, f"{case.library.module.__name__}.APITimeoutError")


@one_of_each
@pytest.mark.parametrize("base", ["the library's own", KeyboardInterrupt, SystemExit])
def test_the_error_that_was_raised_is_the_one_that_arrives(stage, watched, case, base):
    kind = case.library.module.APIError.__base__ if isinstance(base, str) else base
    raised = kind("on the way")

    def hook(response):
        raise raised

    stage.set([case.whole])
    http = case.library.module.DefaultHttpxClient(event_hooks={"response": [hook]})
    with case.client(stage.provider, http_client=http) as client, pytest.raises(kind) as caught:
        case.call(client)
    assert caught.value is raised
    failed(watched.span, type_name(raised).removeprefix("builtins."))


# --- Cancelled -------------------------------------------------------------------------------------------


async def cancel_the_task(case, client):
    task = asyncio.ensure_future(case.call(client))
    await asked()
    task.cancel()
    await task


async def wait_too_short(case, client):
    task = asyncio.ensure_future(case.call(client))
    await asked()
    await asyncio.wait_for(task, 0.01)


async def lose_a_race(case, client):
    async def fail():
        await asked()
        raise LookupError

    await asyncio.gather(case.call(client), fail())


@by_case
@pytest.mark.parametrize("scenario", [cancel_the_task, wait_too_short, lose_a_race])
def test_cancelled(compare, case, scenario):
    seen = compare(case, scenario, [Answer(body=case.whole.body, delay=1)])
    failed(seen.span, "asyncio.exceptions.CancelledError")


# --- Left alone ------------------------------------------------------------------------------------------


# The first asks for silence; the second says that an official instrumentor records this call. (Then anthropic
# >= 2.11 is left to itself too, and tells the provider of the span around the call: the wire is not compared.)
@one_of_each
@both
@pytest.mark.parametrize("key", ["suppress_instrumentation", "opentelemetry.genai.client.inference.context"])
async def test_silenced(stage, watched, case, asynchronous, key):
    stage.set([case.whole])
    client = case.client(stage.provider, asynchronous=asynchronous)
    token = otel_context.attach(otel_context.set_value(key, True))
    answer = await done(case.call(client))
    otel_context.detach(token)
    await done(client.close())
    assert answer.id == case.body["id"]
    assert watched.spans == []


CLIENTS = [
    getattr(library, prefix + name)
    for library, found in (
        (OPENAI.module, ("OpenAI", "AzureOpenAI")),
        (ANTHROPIC.module, ("Anthropic", "AnthropicBedrock", "AnthropicVertex")),
    )
    for name in found
    for prefix in ("", "Async")
]
STREAMS = [kind for library in (OPENAI.module, ANTHROPIC.module) for kind in (library.Stream, library.AsyncStream)]
METHODS = [
    *((kind, "request") for kind in CLIENTS),
    *((kind, name) for kind in STREAMS for name in ("__iter__", "__next__", "__aiter__", "__anext__")),
]


def methods():
    return [inspect.getattr_static(kind, name, None) for kind, name in METHODS]


def test_uninstrumenting_gives_back_the_very_same_methods(stage, make_watched):
    before = methods()
    watched = make_watched()
    for case in STREAMED:
        stage.set([case.sse(), case.sse()])
        with case.client(stage.provider) as client:
            list(case.stream(client))
    assert methods() != before
    watched.client.registry.uninstrument()
    assert all(now is then for now, then in zip(methods(), before, strict=True))


@by_case
def test_what_was_kept_while_instrumented_passes_through_afterwards(stage, make_watched, case):
    watched = make_watched()
    with case.client(stage.provider) as client:
        kept = client.request
        stage.set([case.whole])
        case.call(client)
        assert len(watched.spans) == 1
        watched.client.registry.uninstrument()
        stage.set([case.whole, case.whole])
        assert type(client.request) is not type(kept)
        case.call(client)
        client.request = kept
        case.call(client)
    assert len(watched.spans) == 1


@by_case
def test_instrumented_twice_is_instrumented_once(stage, watched, case):
    watched.client.registry.instrument(watched.client._recorder)
    watched.client.registry.instrument(watched.client._recorder)
    stage.set([case.whole])
    with case.client(stage.provider) as client:
        case.call(client)
    as_expected(case, watched.span)


@by_case
def test_a_client_that_was_there_before_is_captured_too(stage, make_watched, case):
    with case.client(stage.provider) as client:
        stage.set([case.whole])
        case.call(client)
        watched = make_watched(capture_content=True)
        stage.set([case.whole])
        case.call(client)
        as_expected(case, watched.span)


def test_methods_look_as_before(make_watched):
    def looks():
        return [
            (
                inspect.signature(kind.request),
                inspect.iscoroutinefunction(kind.request),
                kind.request.__name__,
                kind.request.__doc__,
                kind.request.__module__,
                kind.request.__qualname__,
            )
            for kind in CLIENTS
        ]

    before = looks()
    make_watched()
    assert looks() == before


@one_of_each
@both
@pytest.mark.parametrize("way", ["copy", "with_options", "client.copy", "subclass"])
def test_copies_and_subclasses_of_clients(compare, case, asynchronous, way):
    async def scenario(case, client):
        return await done(case.call(_another(client, way)))

    as_expected(case, compare(case, scenario, [case.whole], asynchronous=asynchronous).span)


def _another(client, way):
    if way == "copy":
        return copy.copy(client)
    if way == "subclass":
        kind = type("Mine", (type(client),), {})
        kind.request = lambda self, *args, **kwargs: super(kind, self).request(*args, **kwargs)
        client.__class__ = kind
        return client
    return client.with_options(timeout=9) if way == "with_options" else client.copy(timeout=9)


# --- Together --------------------------------------------------------------------------------------------


def _works(watched, count):
    """Spans of the user's own, each with the id of the one model call that was made in it."""
    spans = watched.spans
    works = {span.span_id: span.name for span in spans if span.name.startswith("work ")}
    calls = [span for span in spans if span.span_id not in works]
    assert sorted(works.values()) == sorted(f"work {number}" for number in range(count))
    assert sorted(works[span.parent_id] for span in calls) == sorted(works.values())
    for span in calls:
        number = works[span.parent_id].removeprefix("work ")
        assert f"Where to? {number}." in span.attributes[names.INPUT_MESSAGES]


def _asks(case, number):
    return {**case.arguments, "messages": [{"role": "user", "content": f"Where to? {number}."}]}


@one_of_each
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_twenty_threads(stage, watched, case, streamed):
    stage.set(case.sse(delay=0.001) if streamed else case.whole)
    tracer = watched.client.pipeline.tracer

    def work(number, client):
        token = otel_context.attach(watched.session.context)
        try:
            with tracer.start_as_current_span(f"work {number}") as span:
                answer = case.call(client, **_asks(case, number), **({"stream": True} if streamed else {}))
                assert trace.get_current_span() is span
                if streamed:
                    assert len(list(answer)) > 5
                assert trace.get_current_span() is span
        finally:
            otel_context.detach(token)

    with case.client(stage.provider) as client, concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20), itertools.repeat(client)))
    _works(watched, 20)


@one_of_each
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_fifty_tasks(stage, watched, case, streamed):
    stage.set(case.sse(delay=0.001) if streamed else case.whole)
    tracer = watched.client.pipeline.tracer

    async def work(number, client):
        with tracer.start_as_current_span(f"work {number}") as span:
            answer = await case.call(client, **_asks(case, number), **({"stream": True} if streamed else {}))
            assert trace.get_current_span() is span
            if streamed:
                assert len([item async for item in answer]) > 5
            assert trace.get_current_span() is span

    async with case.client(stage.provider, asynchronous=True) as client:
        await asyncio.gather(*(work(number, client) for number in range(50)))
    _works(watched, 50)


@one_of_each
def test_the_span_is_current_while_the_library_works(stage, watched, case):
    inside = []
    http = case.library.module.DefaultHttpxClient(
        event_hooks={"request": [lambda _: inside.append(trace.get_current_span().get_span_context().span_id)]}
    )
    stage.set([case.whole])
    with case.client(stage.provider, http_client=http) as client:
        case.call(client)
    assert [f"{span_id:016x}" for span_id in inside] == [watched.span.span_id]
