"""mistralai as rows: chat, agents, fill-in-the-middle, embeddings, moderations."""

from __future__ import annotations

from typing import Any

from mistralai.client import Mistral
from rows import Row, answered

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "mistralai"
USAGE = {
    "prompt_tokens": 26,
    "completion_tokens": 7,
    "total_tokens": 33,
    "prompt_tokens_details": {"cached_tokens": 16},
}
CALL = {"id": "D681PevKs", "index": 0, "function": {"name": "ferry", "arguments": '{"to": "Lisbon"}'}}
OTHER = {"id": "x9PQ2mLts", "index": 0, "function": {"name": "train", "arguments": "{}"}}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "A ferry."}]}
SAID = [
    {"type": "text", "content": "At nine."},
    {"type": "tool_call", "name": "ferry", "id": "D681PevKs", "arguments": {"to": "Lisbon"}},
    {"type": "tool_call", "name": "train", "id": "x9PQ2mLts", "arguments": {}},
]


class Client:
    """One client for both kinds of methods: those of an asynchronous program have their own names."""

    def __init__(self, url: str, is_async: bool) -> None:
        self.mistral = Mistral(api_key="k", server_url=url)
        self.ending = "_async" if is_async else ""

    def call(self, resource: str, method: str, **arguments: Any) -> Any:
        return getattr(getattr(self.mistral, resource), method + self.ending)(**arguments)

    def close(self) -> Any:
        if self.ending:
            return self.mistral.__aexit__(None, None, None)
        return self.mistral.__exit__(None, None, None)


def _whole(*choices: Any, **more: Any) -> Answer:
    listed = [{"index": index, **choice} for index, choice in enumerate(choices)]
    return Answer.json(
        {"id": "m-1", "object": "chat.completion", "created": 1, "model": "m-2", "choices": listed, **more}
    )


def _chunk(delta: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "m-1", "object": "chat.completion.chunk", "created": 1, "model": "m-2", "choices": [choice], **more}


def _expected(operation: str, **more: Any) -> dict[str, Any]:
    return {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: "mistral_ai",
        names.SERVER_ADDRESS: "127.0.0.1",
        names.REQUEST_MODEL: "m-latest",
        names.RESPONSE_MODEL: "m-2",
        names.INPUT_TOKENS: 26,
        names.OUTPUT_TOKENS: 7,
        names.CACHE_READ_TOKENS: 16,
        **more,
    }


def _row(resource: str, arguments: dict[str, Any], **more: Any) -> Row:
    return Row(
        id=f"mistralai-{resource}",
        make=Client,
        call=lambda client: client.call(resource, "complete", **arguments),
        stream=lambda client: client.call(resource, "stream", **arguments),
        refused=Answer.json({"object": "error", "message": "no", "type": "invalid_model", "code": "1500"}, status=400),
        **more,
    )


ASKED = {"messages": [{"role": "user", "content": "When is the ferry?"}], "max_tokens": 64, "random_seed": 3}
CHAT = _row(
    "chat",
    {**ASKED, "model": "m-latest", "temperature": 0.5, "response_format": {"type": "json_object"}, "stop": "."},
    whole=_whole(
        {
            "message": {
                "role": "assistant",
                "content": [THOUGHT, {"type": "text", "text": "At nine."}],
                "tool_calls": [CALL, OTHER],
            },
            "finish_reason": "tool_calls",
        },
        usage=USAGE,
    ),
    streamed=Answer.sse(
        [
            _chunk({"role": "assistant", "content": ""}),
            _chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "A "}]}]}),
            _chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "ferry."}]}]}),
            _chunk({"content": "At nine."}),
            _chunk({"tool_calls": [CALL, OTHER]}, "tool_calls", usage=USAGE),
        ]
    ),
    expected=_expected(
        "chat",
        **{
            names.REQUEST_TEMPERATURE: 0.5,
            names.REQUEST_MAX_TOKENS: 64,
            names.REQUEST_SEED: 3,
            names.REQUEST_STOP_SEQUENCES: (".",),
            names.OUTPUT_TYPE: "json",
            names.RESPONSE_ID: "m-1",
            names.RESPONSE_FINISH_REASONS: ("tool_calls",),
            names.OUTPUT_MESSAGES: answered("tool_call", {"type": "reasoning", "content": "A ferry."}, *SAID),
        },
    ),
)
AGENT = _row(
    "agents",
    {**ASKED, "agent_id": "ag:1"},
    whole=_whole({"message": {"role": "assistant", "content": "At nine."}, "finish_reason": "stop"}, usage=USAGE),
    streamed=Answer.sse([_chunk({"content": "At "}), _chunk({"content": "nine."}, "stop", usage=USAGE)]),
    expected=_expected("chat", **{names.REQUEST_MODEL: None, names.AGENT_ID: "ag:1", names.REQUEST_SEED: 3}),
)
FIM = _row(
    "fim",
    {"model": "m-latest", "prompt": "def f(", "suffix": "return 1"},
    whole=_whole({"message": {"role": "assistant", "content": "):"}, "finish_reason": "stop"}, usage=USAGE),
    streamed=Answer.sse([_chunk({"content": ")"}), _chunk({"content": ":"}, "stop", usage=USAGE)]),
    expected=_expected(
        "text_completion",
        **{names.OUTPUT_MESSAGES: answered("stop", {"type": "text", "content": "):"})},
    ),
)
EMBED = Row(
    id="mistralai-embeddings",
    make=Client,
    call=lambda client: client.call("embeddings", "create", model="m-latest", inputs=["Lisbon"]),
    whole=Answer.json(
        {
            "id": "e-1",
            "object": "list",
            "model": "m-2",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
            "usage": {"prompt_tokens": 26, "total_tokens": 26},
        }
    ),
    # A count that is not printed is not known, whatever the library's model makes of it.
    expected=_expected(
        "embeddings",
        **{names.OUTPUT_TOKENS: None, names.CACHE_READ_TOKENS: None, names.EMBEDDINGS_DIMENSION_COUNT: 2},
    ),
)
ROWS = [CHAT, AGENT, FIM, EMBED]
