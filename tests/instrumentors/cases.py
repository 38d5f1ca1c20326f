"""The rows of the contract: one for each operation of a library; how it is called, answered and captured."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from types import ModuleType
from typing import Any

import anthropic
import openai
from pydantic import BaseModel

from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer

# No test needs it, and loading the system's certificates takes longer than any test.
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

ASK = [{"role": "user", "content": "Where to on Saturday?"}]
WORDS = "Take the ferry to Cacilhas and back."


class Trip(BaseModel):
    """What structured answers are parsed into."""

    city: str
    days: int


TRIP = json.dumps({"city": "Lisbon", "days": 2})


@dataclass(frozen=True, kw_only=True)
class Library:
    """What is the same for all operations of a library."""

    module: ModuleType
    sync: str
    asynchronous: str
    url: Callable[[Any], str]
    error: Callable[[int], Answer]
    broken: Mapping[str, Any]
    """An error as it arrives in the middle of a stream."""
    broken_kind: str
    """The error that the reader of such a stream gets."""
    cut_kinds: frozenset[str]
    """The errors that the reader of a stream may get whose connection is cut."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operation: `method` is a dotted path on the client, and so is `helper`, the library's own way to stream."""

    id: str
    library: Library
    path: str
    method: str
    arguments: Mapping[str, Any]
    body: Any
    events: Sequence[Any] = ()
    stream_arguments: Mapping[str, Any] = field(default_factory=dict)
    helper: str = ""
    helper_arguments: Mapping[str, Any] = field(default_factory=dict)
    final: str = ""
    """The helper's method that returns the whole answer."""
    expected: Mapping[str, Any]
    """Attributes of its span, whole or streamed."""

    def client(self, provider: Any, *, asynchronous: bool = False, **options: Any) -> Any:
        """A client of this library that asks the provider."""
        module = self.library.module
        kind = getattr(module, self.library.asynchronous if asynchronous else self.library.sync)
        http = module.DefaultAsyncHttpxClient if asynchronous else module.DefaultHttpxClient
        options = {"max_retries": 0, "http_client": http(verify=_TLS), **options}
        return kind(api_key="sk-canary-0001", base_url=self.library.url(provider), **options)

    def call(self, client: Any, view: str = "", **more: Any) -> Any:
        """Call the operation, through `with_raw_response` or another `view` of its resource."""
        resource, _, name = self.method.rpartition(".")
        found = attrgetter(".".join(filter(None, (resource, view, name))))(client)
        return found(**{**self.arguments, **more})

    def stream(self, client: Any, view: str = "", **more: Any) -> Any:
        """Call the operation for a stream."""
        return self.call(client, view, stream=True, **self.stream_arguments, **more)

    def help(self, client: Any) -> Any:
        """Open a stream with the library's own helper."""
        return attrgetter(self.helper)(client)(**self.arguments, **self.helper_arguments)

    @property
    def whole(self) -> Answer:
        """The answer, whole."""
        return Answer.json(self.body, headers={"x-request-id": "req_1", "request-id": "req_1"})

    def sse(self, **options: Any) -> Answer:
        """The answer, streamed."""
        return Answer.sse(self.events, **options)

    @property
    def span_name(self) -> str:
        return f"{self.expected[names.OPERATION_NAME]} {self.expected[names.REQUEST_MODEL]}"


def _expected(operation: str, body: Any, model: str, provider: str, tokens: tuple[int, ...], finish: str | None) -> Any:
    told = {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: provider,
        names.REQUEST_MODEL: model,
        names.RESPONSE_MODEL: body["model"],
        names.INPUT_TOKENS: tokens[0],
        names.SERVER_ADDRESS: "127.0.0.1",
    }
    if finish is not None:
        told |= {
            names.RESPONSE_ID: body["id"],
            names.RESPONSE_FINISH_REASONS: (finish,),
            names.OUTPUT_TOKENS: tokens[1],
        }
    return told


OPENAI = Library(
    module=openai,
    sync="OpenAI",
    asynchronous="AsyncOpenAI",
    url=lambda provider: provider.openai_url,
    error=bodies.openai_error,
    broken=bodies.openai_error_body(500),
    broken_kind="openai.APIError",
    cut_kinds=frozenset({"openai.APIConnectionError"}),
)
ANTHROPIC = Library(
    module=anthropic,
    sync="Anthropic",
    asynchronous="AsyncAnthropic",
    url=lambda provider: provider.anthropic_url,
    error=bodies.anthropic_error,
    broken=bodies.anthropic_error_body(529),
    broken_kind="anthropic.APIStatusError",
    cut_kinds=frozenset({"httpx2.RemoteProtocolError", "httpx2.ReadError", "anthropic.APIConnectionError"}),
)


def _openai(name: str, **fields: Any) -> Case:
    return Case(id=f"openai-{name}", library=OPENAI, **fields)


def _anthropic(name: str, body: Any, arguments: Mapping[str, Any] | None = None, **fields: Any) -> Case:
    asked = {"model": "claude-sonnet-4-6", "max_tokens": 200, "messages": ASK, **(arguments or {})}
    expected = _expected(names.CHAT, body, "claude-sonnet-4-6", "anthropic", (28, 10), "end_turn")
    return Case(
        id=f"anthropic-{name}",
        library=ANTHROPIC,
        path="/v1/messages",
        arguments=asked,
        body=body,
        expected=expected,
        **fields,
    )


CHAT_BODY = bodies.chat(WORDS)
PARSED_BODY = bodies.chat(TRIP)
RESPONSE_BODY = bodies.response(WORDS, reasoning="The ferry has no heights.")
PARSED_RESPONSE_BODY = bodies.response(TRIP)
EMBEDDINGS_BODY = bodies.embeddings(encoded=True)
COMPLETION_BODY = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1_760_000_000,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"index": 0, "text": WORDS, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
}
MESSAGE_USAGE = bodies.message_usage(cache_read=5, cache_5m=2, cache_1h=1)
MESSAGE_BODY = bodies.message(WORDS, thinking="The ferry has no heights.", usage=MESSAGE_USAGE)
PARSED_MESSAGE_BODY = bodies.message(TRIP, usage=MESSAGE_USAGE)


def completion_chunks(completion: Any) -> list[Any]:
    """The chunks that a legacy completion is streamed in, with the usage in the last of them."""
    head = {name: value for name, value in completion.items() if name not in {"choices", "usage"}}
    texts = [
        (choice["index"], word, None)
        for choice in completion["choices"]
        for word in re.findall(r"\S+\s*", choice["text"])
    ]
    ends = [(choice["index"], "", choice["finish_reason"]) for choice in completion["choices"]]
    return [
        *(
            head
            | {"choices": [{"index": index, "text": text, "logprobs": None, "finish_reason": finish}], "usage": None}
            for index, text, finish in [*texts, *ends]
        ),
        head | {"choices": [], "usage": completion["usage"]},
    ]


CHAT = _openai(
    "chat",
    path="/v1/chat/completions",
    method="chat.completions.create",
    arguments={"model": "gpt-4o-mini", "messages": ASK},
    body=CHAT_BODY,
    events=streams.chat_chunks(CHAT_BODY),
    stream_arguments={"stream_options": {"include_usage": True}},
    helper="chat.completions.stream",
    helper_arguments={"stream_options": {"include_usage": True}},
    final="get_final_completion",
    expected=_expected(names.CHAT, CHAT_BODY, "gpt-4o-mini", "openai", (20, 10), "stop"),
)
CHAT_PARSE = _openai(
    "chat-parse",
    path="/v1/chat/completions",
    method="chat.completions.parse",
    arguments={"model": "gpt-4o-mini", "messages": ASK, "response_format": Trip},
    body=PARSED_BODY,
    events=streams.chat_chunks(PARSED_BODY),
    helper="chat.completions.stream",
    helper_arguments={"stream_options": {"include_usage": True}},
    final="get_final_completion",
    expected=_expected(names.CHAT, PARSED_BODY, "gpt-4o-mini", "openai", (20, 10), "stop")
    | {names.OUTPUT_TYPE: "json"},
)
RESPONSES = _openai(
    "responses",
    path="/v1/responses",
    method="responses.create",
    arguments={"model": "gpt-4.1", "input": "Where to on Saturday?"},
    body=RESPONSE_BODY,
    events=streams.response_events(RESPONSE_BODY),
    helper="responses.stream",
    final="get_final_response",
    expected=_expected(names.CHAT, RESPONSE_BODY, "gpt-4.1", "openai", (20, 10), "completed"),
)
RESPONSES_PARSE = _openai(
    "responses-parse",
    path="/v1/responses",
    method="responses.parse",
    arguments={"model": "gpt-4.1", "input": "Where to on Saturday?", "text_format": Trip},
    body=PARSED_RESPONSE_BODY,
    events=streams.response_events(PARSED_RESPONSE_BODY),
    helper="responses.stream",
    final="get_final_response",
    expected=_expected(names.CHAT, PARSED_RESPONSE_BODY, "gpt-4.1", "openai", (20, 10), "completed")
    | {names.OUTPUT_TYPE: "json"},
)
EMBEDDINGS = _openai(
    "embeddings",
    path="/v1/embeddings",
    method="embeddings.create",
    arguments={"model": "text-embedding-3-small", "input": ["Lisbon"]},
    body=EMBEDDINGS_BODY,
    expected=_expected(names.EMBEDDINGS, EMBEDDINGS_BODY, "text-embedding-3-small", "openai", (8,), None),
)
COMPLETIONS = _openai(
    "completions",
    path="/v1/completions",
    method="completions.create",
    arguments={"model": "gpt-3.5-turbo-instruct", "prompt": "Where to on Saturday?"},
    body=COMPLETION_BODY,
    events=completion_chunks(COMPLETION_BODY),
    stream_arguments={"stream_options": {"include_usage": True}},
    expected=_expected(names.TEXT_COMPLETION, COMPLETION_BODY, "gpt-3.5-turbo-instruct", "openai", (20, 10), "stop"),
)
MESSAGES = _anthropic(
    "messages",
    MESSAGE_BODY,
    method="messages.create",
    events=streams.message_events(MESSAGE_BODY),
    helper="messages.stream",
    final="get_final_message",
)
BETA_MESSAGES = _anthropic(
    "beta-messages",
    MESSAGE_BODY,
    method="beta.messages.create",
    events=streams.message_events(MESSAGE_BODY),
    helper="beta.messages.stream",
    final="get_final_message",
)
MESSAGES_PARSE = _anthropic(
    "messages-parse",
    PARSED_MESSAGE_BODY,
    {"output_format": Trip},
    method="messages.parse",
    events=streams.message_events(PARSED_MESSAGE_BODY),
    helper="messages.stream",
    final="get_final_message",
)

CASES = [
    CHAT,
    CHAT_PARSE,
    RESPONSES,
    RESPONSES_PARSE,
    EMBEDDINGS,
    COMPLETIONS,
    MESSAGES,
    BETA_MESSAGES,
    MESSAGES_PARSE,
]
STREAMED = [case for case in CASES if case.events and case.method.endswith(".create")]
HELPED = [case for case in CASES if case.helper]
RAW = [case for case in CASES if not case.method.endswith("messages.parse")]
"""Rows whose method can be had as a raw response."""
STREAMING = [case for case in RAW if case is not RESPONSES_PARSE]
"""Rows whose method can be had as a response that is still to be read."""
