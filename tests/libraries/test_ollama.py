"""ollama beside the contract: the module's functions, odd answers, tools that are functions, pictures."""

from __future__ import annotations

import json

import pytest

ollama = pytest.importorskip("ollama")

from agentops_otel_instrumentors.ollama import OllamaInstrumentor  # noqa: E402
from comparison import held  # noqa: E402
from rows_ollama import LEAKS, ROWS  # noqa: E402, F401 - conftest looks for it

from agentops_otel.conventions import names  # noqa: E402
from agentops_otel.demo.provider import Provider  # noqa: E402

CHAT = OllamaInstrumentor.targets["ollama:Client.chat"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_module_functions_are_captured_though_they_were_bound_at_import(watched, monkeypatch, row):
    with Provider([row.whole, row.streamed]) as provider, held(ollama.Client(provider.url)) as client:
        monkeypatch.setattr(ollama.chat.__self__, "_client", client._client)
        row.call(ollama)
        if row.stream is not None:
            assert list(row.stream(ollama))
    told = [{name: span.attributes.get(name) for name in row.expected} for span in watched.spans]
    assert told == [dict(row.expected)] * (1 if row.stream is None else 2)


@pytest.mark.parametrize(
    ("answer", "reasons", "used"),
    [
        ({"done": True, "done_reason": "stop", "prompt_eval_count": 2, "eval_count": 1}, ["stop"], (2, 1)),
        ({"done": True, "done_reason": "length", "eval_count": 1}, ["length"], (None, 1)),
        ({"done": True, "done_reason": "load"}, ["load"], None),
        ({"done": True}, None, None),  # before 0.1.38 there were no reasons
        ({"done": False}, ["error"], None),
        ({}, ["error"], None),
        (None, ["error"], None),
        ("odd", ["error"], None),
    ],
)
def test_answers_of_all_kinds(answer, reasons, used):
    told = CHAT.response(answer)
    assert told.finish_reasons == reasons
    assert (told.usage and (told.usage.input_tokens, told.usage.output_tokens)) == used


@pytest.mark.parametrize(
    "chunk", [{}, None, "odd", {"message": None}, {"message": {"content": 7, "tool_calls": "odd"}}]
)
def test_odd_chunks_spoil_nothing(chunk):
    state = None
    for item in (chunk, {"message": {"content": "At nine."}}, {"done": True, "done_reason": "stop", "eval_count": 3}):
        state = CHAT.fold(state, item, True)
    assert CHAT.response(state).usage.output_tokens == 3
    assert [part.content for part in CHAT.output(state)[0].parts] == ["At nine."]


def test_what_is_sent_is_told(watched):
    def ferry(to: str) -> str:
        """When it leaves."""
        return to

    row = ROWS[0]
    picture = ollama.Image(value=b"\x89PNG")
    with Provider([row.whole]) as provider, held(ollama.Client(provider.url)) as client:
        client.chat(
            "qwen3",
            [{"role": "system", "content": "Be short."}, {"role": "user", "content": "See?", "images": [picture]}],
            tools=[ferry],
        )
    told = watched.span.attributes
    system, user = json.loads(told[names.INPUT_MESSAGES])
    assert system["role"] == "system"
    assert next(part["type"] for part in user["parts"]) == "text"
    assert len(user["parts"]) == 2
    assert json.loads(told[names.TOOL_DEFINITIONS])[0]["name"] == "ferry"
