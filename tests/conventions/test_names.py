"""Names: every attribute of the conventions that we write is theirs, and of the type that they want."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from conftest import SHARED
from conventions.models import REQUEST, RESPONSE
from hypothesis import given, settings
from hypothesis import strategies as st

from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import write_request, write_response
from agentops_otel.conventions.messages import write_content, write_messages
from agentops_otel.conventions.model import Content, Message, Request, Response, Text, Tool, Usage

PREFIXES = ("gen_ai.", "server.", "error.", "openai.")
TYPES = {
    "boolean": "gen_ai.request.stream",
    "double": """
        gen_ai.request.frequency_penalty gen_ai.request.presence_penalty gen_ai.request.temperature gen_ai.request.top_p
        gen_ai.response.time_to_first_chunk
    """,
    "int": """
        gen_ai.memory.record.count
        gen_ai.embeddings.dimension.count gen_ai.request.choice.count gen_ai.request.max_tokens gen_ai.request.seed
        gen_ai.request.top_k gen_ai.retrieval.top_k gen_ai.usage.audio.cache_read.input_tokens gen_ai.usage.audio.input_tokens
        gen_ai.usage.audio.output_tokens gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_write.input_tokens
        gen_ai.usage.image.cache_read.input_tokens gen_ai.usage.image.input_tokens gen_ai.usage.image.output_tokens
        gen_ai.usage.input_tokens gen_ai.usage.output_tokens gen_ai.usage.reasoning.output_tokens
        gen_ai.usage.text.input_tokens gen_ai.usage.text.output_tokens server.port
    """,
    "string": """
        error.type gen_ai.agent.id gen_ai.agent.name gen_ai.conversation.id gen_ai.data_source.id gen_ai.operation.name
        gen_ai.memory.query.text gen_ai.memory.record.id gen_ai.memory.store.id gen_ai.output.type gen_ai.prompt.name
        gen_ai.provider.name gen_ai.request.model gen_ai.request.previous_response.id gen_ai.request.reasoning.level
        gen_ai.request.stream_cursor gen_ai.retrieval.query.text gen_ai.response.id gen_ai.response.model gen_ai.response.status
        gen_ai.tool.call.id gen_ai.tool.description gen_ai.tool.name gen_ai.tool.type gen_ai.workflow.name
        openai.api.type openai.request.service_tier openai.response.service_tier openai.response.system_fingerprint
        server.address
    """,
    "string[]": "gen_ai.request.encoding_formats gen_ai.request.stop_sequences gen_ai.response.finish_reasons",
    "any": """
        gen_ai.input.messages gen_ai.memory.records gen_ai.output.messages gen_ai.retrieval.documents gen_ai.system_instructions gen_ai.tool.call.arguments
        gen_ai.tool.call.result gen_ai.tool.definitions
    """,
}
KNOWN = {name: kind for kind, told in TYPES.items() for name in told.split()}
OURS = {
    constant: value
    for constant, value in vars(names).items()
    if isinstance(value, str) and constant.isupper() and value.startswith(PREFIXES)
}
SPEC_FILE = SHARED / "conventions" / "spec.json"
PYTHON = {"boolean": bool, "double": float, "int": int, "string": str, "any": str}


def test_every_name_is_in_the_conventions():
    assert set(OURS.values()) == set(KNOWN)


def test_no_name_is_told_twice():
    told = [value for constant, value in vars(names).items() if constant.isupper() and isinstance(value, str)]
    attributes = [value for value in told if "." in value]
    assert len(attributes) == len(set(attributes))


@pytest.mark.skipif(not SPEC_FILE.exists(), reason="the conventions as data are not in this checkout")
@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_list_above_agrees_with_the_conventions(name):
    told = json.loads(SPEC_FILE.read_text(encoding="utf-8"))["attributes"][name]["type"]
    assert {"enum": "string"}.get(told, told) == KNOWN[name]


@pytest.mark.skipif(not SPEC_FILE.exists(), reason="the conventions as data are not in this checkout")
@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        (names.OPERATION_NAME, {*names.MODEL_OPERATIONS, names.FETCH_RESPONSE, names.EXECUTE_TOOL}),
        (names.OPERATION_NAME, names.SUBJECT_OPERATIONS),
        (names.ERROR_TYPE, {names.ERROR_TYPE_OTHER}),
    ],
)
def test_words_are_those_of_the_conventions(attribute, words):
    assert words <= set(json.loads(SPEC_FILE.read_text(encoding="utf-8"))["attributes"][attribute]["enum"])


def fits(name, value):
    kind = KNOWN[name]
    if kind == "string[]":
        return isinstance(value, tuple) and {type(item) for item in value} == {str}
    return type(value) is PYTHON[kind]


@settings(deadline=None)
@given(REQUEST, RESPONSE, st.booleans())
def test_what_is_written_is_of_the_type_that_is_wanted(request_, response, fetched):
    attributes = write_request(request_) | write_response(response, fetched=fetched)
    attributes |= write_content(Content([Message("user", [])], [Text("x")], [Tool("f")]))
    attributes[names.OUTPUT_MESSAGES] = write_messages([], answered=True)
    for name, value in attributes.items():
        assert name.startswith("agentops.") or fits(name, value), name


def test_every_field_has_a_name_of_its_own():
    full = Usage(**{field.name: 1 for field in fields(Usage) if field.name != "cost"})
    assert len(write_response(Response(usage=full))) == len(fields(Usage)) - 1
    words = {field.name: "x" for field in fields(Request)}
    numbers = dict.fromkeys(["temperature", "top_p", "frequency_penalty", "presence_penalty"], 0.5)
    counts = dict.fromkeys(["top_k", "max_tokens", "seed", "choice_count"], 2)
    request = Request(**{**words, **numbers, **counts, "stream": True, "more": None})
    assert len(write_request(request)) == len(fields(Request)) - 1
