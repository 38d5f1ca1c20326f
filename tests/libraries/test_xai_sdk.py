"""xai-sdk, over gRPC against a loopback server: chats of every kind, the recording, and one span beside the SDK's own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import grpc
import pytest
import xai_sdk
from dirty_equals import IsFloat, IsStr
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from pydantic import BaseModel
from replay import RECORDINGS, compare
from xai_sdk import chat as words
from xai_sdk.proto import chat_pb2, chat_pb2_grpc, deferred_pb2, sample_pb2, usage_pb2

from agentops_otel.conventions import names

LIBRARY = "xai_sdk"
FAMILIES = ("xai",)
RECORDED = RECORDINGS / "xai" / "test-xai-image-url-tool-response-xai-50b8d39e.json"
USAGE = usage_pb2.SamplingUsage(
    prompt_tokens=21,
    prompt_text_tokens=21,
    cached_prompt_text_tokens=5,
    completion_tokens=12,
    reasoning_tokens=7,
    total_tokens=40,
    cost_in_usd_ticks=1_950_000,
)
EXPECTED = {
    names.SPAN_KIND: "llm",
    names.OPERATION_NAME: "chat",
    names.PROVIDER_NAME: "x_ai",
    names.REQUEST_MODEL: "grok-4",
    names.REQUEST_TEMPERATURE: 0.7,
    names.REQUEST_REASONING_LEVEL: "high",
    names.RESPONSE_ID: "r-1",
    names.RESPONSE_MODEL: "grok-4-0709",
    names.RESPONSE_FINISH_REASONS: ("REASON_STOP",),
    names.INPUT_TOKENS: 21,
    names.OUTPUT_TOKENS: 19,
    names.CACHE_READ_TOKENS: 5,
    names.REASONING_TOKENS: 7,
    names.COST: 0.000195,
    names.COST_SOURCE: "provider",
}
ANSWERED = (
    '[{"role":"assistant","parts":[{"type":"reasoning","content":"Hm."},{"type":"text","content":"The ferry."}],'
    '"finish_reason":"stop"}]'
)


def _message(text="The ferry.", index=0, role=chat_pb2.ROLE_ASSISTANT):
    said = chat_pb2.CompletionMessage(content=text, reasoning_content="Hm.", role=role)
    return chat_pb2.CompletionOutput(index=index, finish_reason=sample_pb2.REASON_STOP, message=said)


def _answer(*outputs, usage=USAGE):
    told = chat_pb2.GetChatCompletionResponse(id="r-1", model="grok-4-0709", outputs=outputs or [_message()])
    if usage is not None:
        told.usage.CopyFrom(usage)
    return told


def _chunk(usage=None, reason=None, count=1, **delta):
    told = chat_pb2.GetChatCompletionChunk(id="r-1", model="grok-4-0709", usage=usage)
    for index in range(count):
        told.outputs.append(
            chat_pb2.CompletionOutputChunk(
                index=index, finish_reason=reason, delta=chat_pb2.Delta(role=chat_pb2.ROLE_ASSISTANT, **delta)
            )
        )
    return told


def _chunks(count=1):
    return [
        _chunk(reasoning_content="Hm.", count=count),
        _chunk(content="The ", count=count),
        _chunk(content="ferry.", usage=USAGE, reason=sample_pb2.REASON_STOP, count=count),
    ]


class Server(chat_pb2_grpc.ChatServicer):
    """Answers what it is given; an int among the chunks of a stream is the status with which it breaks off."""

    def __init__(self):
        self.answers, self.requests = [], []

    def _next(self, request, context):
        self.requests.append(request.SerializeToString())
        answer = self.answers.pop(0)
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "no")
        return answer

    def GetCompletion(self, request, context):
        return self._next(request, context)

    GetStoredCompletion = CompactContext = StartDeferredCompletion = GetDeferredCompletion = GetCompletion

    def GetCompletionChunk(self, request, context):
        for chunk in self._next(request, context):
            if isinstance(chunk, grpc.StatusCode):
                context.abort(chunk, "no")
            yield chunk


@pytest.fixture(scope="module")
def address():
    servicer = Server()
    server = grpc.server(ThreadPoolExecutor(2))
    chat_pb2_grpc.add_ChatServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def served(address):
    address[0].answers.clear()
    address[0].requests.clear()
    return address[0]


def _client(address, kind=xai_sdk.Client):
    return kind(api_key="k", api_host=address[1], use_insecure_channel=True)


def _chat(client, **more):
    told = {"model": "grok-4", "temperature": 0.7, "reasoning_effort": "high", **more}
    chat = client.chat.create(**told)
    return chat.append(words.user("Where to on Saturday?"))


def _run(address, scenario, asynchronous=False):
    """What a scenario returns or raises, with the client that it wants."""

    async def run():
        client = _client(address, xai_sdk.AsyncClient)
        try:
            return await scenario(_chat(client))
        finally:
            await client.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        if asynchronous:
            return asyncio.run(run())
        with contextlib.closing(_client(address)) as client:
            return scenario(_chat(client))


class Trip(BaseModel):
    city: str


async def _listed(stream):
    return [item async for item in stream]


TRIP = '{"city":"Lisbon"}'
DEFERRED = [
    deferred_pb2.StartDeferredResponse(request_id="d-1"),
    chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.DeferredStatus.DONE, response=_answer()),
]
CALLS = {
    "sample": (lambda chat: chat.sample(), [_answer()], {}),
    "batch": (
        lambda chat: chat.sample_batch(2),
        [_answer(_message(), _message("A train.", 1))],
        {names.REQUEST_CHOICE_COUNT: 2, names.RESPONSE_FINISH_REASONS: ("REASON_STOP", "REASON_STOP")},
    ),
    "parse": (lambda chat: chat.parse(Trip), [_answer(_message(TRIP))], {names.OUTPUT_TYPE: "json"}),
    "defer": (lambda chat: chat.defer(), DEFERRED, {}),
    "no-usage": (
        lambda chat: chat.sample(),
        [_answer(usage=None)],
        {
            names.INPUT_TOKENS: None,
            names.OUTPUT_TOKENS: None,
            names.CACHE_READ_TOKENS: None,
            names.REASONING_TOKENS: None,
            names.USAGE_MISSING: True,
            names.COST: None,
            names.COST_SOURCE: None,
        },
    ),
    "reasoning-within": (
        lambda chat: chat.sample(),
        [
            _answer(
                usage=usage_pb2.SamplingUsage(
                    prompt_tokens=21, completion_tokens=19, reasoning_tokens=7, total_tokens=40
                )
            )
        ],
        {names.CACHE_READ_TOKENS: None, names.COST: IsFloat(gt=0), names.COST_SOURCE: IsStr(regex="genai-prices@.*")},
    ),
    "tools-of-xai": (
        lambda chat: chat.sample(),
        [
            _answer(
                _message("found", 0, chat_pb2.ROLE_TOOL),
                _message("The ferry.", 1),
                usage=usage_pb2.SamplingUsage(
                    prompt_tokens=21,
                    completion_tokens=12,
                    reasoning_tokens=7,
                    total_tokens=40,
                    cached_prompt_text_tokens=5,
                    cost_in_usd_ticks=1_950_000,
                    server_side_tools_used=["SERVER_SIDE_TOOL_WEB_SEARCH", "SERVER_SIDE_TOOL_CODE_EXECUTION"],
                ),
            )
        ],
        {names.WEB_SEARCHES: 1},
    ),
}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("case", CALLS)
def test_call(case, asynchronous, address, served, make_watched):
    scenario, answers, more = CALLS[case]
    if asynchronous and case == "parse":
        scenario = lambda chat: chat.parse(Trip)  # noqa: E731
    served.answers[:] = answers
    plain = _run(address, scenario, asynchronous)
    watched = make_watched(capture_content=True)
    asked, served.answers[:] = list(served.requests), answers
    seen = _run(address, scenario, asynchronous)
    assert served.requests == asked * 2
    assert repr(seen) == repr(plain)
    expected = {**EXPECTED, **more}
    assert {name: watched.span.attributes.get(name) for name in expected} == expected
    assert (watched.span.name, watched.span.kind, watched.span.status) == ("chat grok-4", "client", "unset")
    if case == "sample":
        assert watched.span.attributes[names.OUTPUT_MESSAGES] == ANSWERED
        assert json.loads(watched.span.attributes[names.INPUT_MESSAGES])[0]["parts"][0]["content"].startswith("Where")


async def _aread(stream):
    return [repr(item) async for item in stream]


STREAMS = {
    "stream": (lambda chat: chat.stream(), 1),
    "batch": (lambda chat: chat.stream_batch(2), 2),
}


@pytest.mark.parametrize("case", STREAMS)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_stream(case, asynchronous, address, served, make_watched):
    opened, count = STREAMS[case]

    def scenario(chat):
        return _aread(opened(chat)) if asynchronous else [repr(item) for item in opened(chat)]

    served.answers[:] = [_chunks(count)]
    plain = _run(address, scenario, asynchronous)
    watched = make_watched(capture_content=True)
    served.answers[:] = [_chunks(count)]
    assert _run(address, scenario, asynchronous) == plain
    told = watched.span.attributes
    more = {names.REQUEST_STREAM: True, names.RESPONSE_FINISH_REASONS: ("REASON_STOP",) * count}
    expected = {**EXPECTED, **more}
    assert {name: told.get(name) for name in expected} == expected
    assert names.RESPONSE_TIME_TO_FIRST_CHUNK in told
    assert len(json.loads(told[names.OUTPUT_MESSAGES])) == count
    assert names.STREAM_OUTCOME not in told


def test_stream_left_early_leaves_the_context_as_it_was(address, served, watched):
    served.answers[:] = [_chunks(), _chunks()]
    before = otel_context.get_current()
    with contextlib.closing(_client(address)) as client:
        for _ in _chat(client).stream():
            break
        stream = _chat(client).stream()
        next(stream)
        assert otel_context.get_current() == before
        stream.close()
        assert otel_context.get_current() == before
    assert [span.attributes[names.STREAM_OUTCOME] for span in watched.spans] == ["abandoned", "abandoned"]


@pytest.mark.parametrize(
    "answers", [[grpc.StatusCode.INVALID_ARGUMENT], [[_chunk(content="The "), grpc.StatusCode.ABORTED]]]
)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_error(answers, asynchronous, address, served, watched):
    served.answers[:] = answers

    def scenario(chat):
        if isinstance(answers[0], grpc.StatusCode):
            return chat.sample()
        return _aread(chat.stream()) if asynchronous else list(chat.stream())

    with pytest.raises(grpc.RpcError) as raised:
        _run(address, scenario, asynchronous)
    assert watched.span.status == "error"
    assert watched.span.attributes[names.ERROR_TYPE].endswith(type(raised.value).__name__)


def test_stored_and_compacted(address, served, watched):
    served.answers[:] = [_answer(), chat_pb2.CompactContextResponse(id="c-1", usage=USAGE)]
    with contextlib.closing(_client(address)) as client:
        client.chat.get_stored_completion("r-1")
        client.chat.compact_context("grok-4", [words.user("Hi")])
    fetched, compacted = watched.spans
    assert fetched.name == "fetch_response"
    assert fetched.attributes[names.FETCHED + names.INPUT_TOKENS] == 21
    assert names.INPUT_TOKENS not in fetched.attributes
    assert (compacted.name, compacted.attributes[names.INPUT_TOKENS]) == ("chat grok-4", 21)


def test_tool_calls_and_media(address, served, watched):
    call = chat_pb2.ToolCall(id="t-1", function=chat_pb2.FunctionCall(name="ferries", arguments='{"day":"Sat"}'))
    said = chat_pb2.CompletionMessage(role=chat_pb2.ROLE_ASSISTANT, tool_calls=[call])
    asks = chat_pb2.CompletionOutput(finish_reason=sample_pb2.REASON_TOOL_CALLS, message=said)
    served.answers[:] = [_answer(asks)]
    with contextlib.closing(_client(address)) as client:
        chat = client.chat.create(model="grok-4", tools=[words.tool("ferries", "When?", {"type": "object"})])
        chat.append(words.system("Be brief.")).append(words.user("And?", words.image("https://x/y.png")))
        chat.append(words.tool_result("at 9", "t-0")).sample()
    told = watched.span.attributes
    assert told[names.RESPONSE_FINISH_REASONS] == ("REASON_TOOL_CALLS",)
    (answered,) = json.loads(told[names.OUTPUT_MESSAGES])
    assert answered["parts"] == [{"type": "tool_call", "name": "ferries", "id": "t-1", "arguments": {"day": "Sat"}}]
    assert answered["finish_reason"] == "tool_call"
    roles = [
        (item["role"], [part["type"] for part in item["parts"]]) for item in json.loads(told[names.INPUT_MESSAGES])
    ]
    assert roles == [("system", ["text"]), ("user", ["text", "uri"]), ("tool", ["tool_call_response"])]
    assert json.loads(told[names.TOOL_DEFINITIONS])[0]["name"] == "ferries"


def test_the_sdk_s_own_span_is_left_out(address, served, make_watched, monkeypatch):
    """Its tracers are made at import, from whichever provider the program has: here one that joins the session."""
    watched = make_watched()
    provider = TracerProvider()
    provider.add_span_processor(watched.client.pipeline.processor)
    monkeypatch.setattr("xai_sdk.sync.chat.tracer", provider.get_tracer("xai_sdk.sync.chat"))
    served.answers[:] = [_answer()]
    _run(address, lambda chat: chat.sample())
    assert [span.name for span in watched.spans] == ["chat grok-4"]
    assert watched.session.get_analytics()["LLM calls"] == 1


def test_recording(address, served, watched):
    if not RECORDED.exists():
        pytest.skip("the recordings are not beside this checkout")
    recording = json.loads(RECORDED.read_text())
    for message in recording["messages"]:
        raw = message["response_sample"]["raw"]["base64"]
        served.answers.append(chat_pb2.GetChatCompletionResponse.FromString(base64.b64decode(raw)))
    with contextlib.closing(_client(address)) as client:
        for message in recording["messages"]:
            asked = chat_pb2.GetCompletionsRequest.FromString(
                base64.b64decode(message["request_sample"]["raw"]["base64"])
            )
            client.chat.create(
                model=asked.model, messages=asked.messages, tools=asked.tools, tool_choice="auto"
            ).sample()
    assert len(watched.spans) == len(recording["expected"]) == 2
    for span, want in zip(watched.spans, recording["expected"], strict=True):
        compare(span, want)
    assert watched.spans[1].attributes[names.IMAGE_INPUT_TOKENS] == 256
    assert all(Decimal(repr(span.attributes[names.COST])) > 0 for span in watched.spans)
