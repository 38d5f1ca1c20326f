"""No recording is forgotten: each exchange of each is replayed by a test, or it is said here why nothing is to be seen."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from replay import RECORDINGS, exchanges, modules
from rows import installed

HERE = Path(__file__).parent

NOT_A_CLIENT = {
    "google-genai/test-text-tool-round-parity-google-current-663fca51": "Gemini's live API, which is left out",
}
"""Recordings of a framework that used no client library, and why they are not replayed."""

BY_A_TEST_OF_ITS_OWN = {
    "azure-openai/test-text-output-modality-returns-text-f6e15409": "test_openai_realtime.py",
    "bedrock/bedrock-agent-rag-bedrockagent-rag-instrumentation-attribute-ecc04471": "test_botocore.py",
    "bedrock/test-routing-classifier-trace-7c5326a2": "test_botocore.py",
    "mcp/test-mcptoolset-in-temporal-workflow-30959a84": "test_mcp.py",
    "openai/test-text-in-audio-out-turn-96657cb6": "test_openai_realtime.py",
    "xai/test-text-tool-round-parity-xai-pinned-124c3f0c": "test_openai_realtime.py",
    "xai/test-xai-image-url-tool-response-xai-50b8d39e": "test_xai_sdk.py",
}
"""Recordings of other shapes than one request and one answer over HTTP, and the test that names each."""

ASKED_BY_OTHERS = {
    "google-genai/test-google-model-cached-content-28c86e7f": "a cache is made and deleted: no model answers",
    "openai/test-pinecone-retrieval-e047f8f0": "Pinecone is asked, by its own client",
    "replicate/test-replicate-llama-stream-legacy-247c3b95": "the model is looked up",
    "watsonx/test-generate-stream-metrics-2c6c27c1": "how the client of its day set itself up",
}
"""Recordings that hold exchanges beside those with a model, which nobody has to replay, and what these are."""

NOTHING_GENERATED = {"messages.count_tokens", "countTokens", "assistants", "mcp", "other", "cachedContents"}
"""Operations that make no span of a model call. Of assistants only the runs do."""

NOT_IN_EVERY_PLACE = {"replay_ibm_watsonx_ai.py", "replay_vertexai.py"}
"""Replays of libraries that are not among the clients of the tests: rows of the matrix have them."""

needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="test_recordings.py says when they must be here")


def named(file):
    return f"{file.parent.name}/{file.stem}"


def declared(path):
    """What a replay says of itself, whether its library is here or not."""
    told = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in {"LIBRARY", "FAMILIES"}:
            told[node.targets[0].id] = ast.literal_eval(node.value)
    return told


def absent_families():
    """The families of libraries that may be absent, and are."""
    told = [declared(HERE / name) for name in NOT_IN_EVERY_PLACE]
    return {family for item in told if not installed(item["LIBRARY"]) for family in item["FAMILIES"]}


@needs_recordings
def test_every_replay_is_run_but_of_libraries_that_may_be_absent():
    ran = {f"{module.__name__}.py" for module in modules()}
    assert {path.name for path in HERE.glob("replay_*.py")} - ran <= NOT_IN_EVERY_PLACE


@needs_recordings
@pytest.mark.parametrize("file", sorted(RECORDINGS.glob("*/*.json")), ids=named)
def test_every_exchange_of_a_recording_is_replayed(file):
    name, recording = named(file), json.loads(file.read_text())
    if name in BY_A_TEST_OF_ITS_OWN:
        assert file.stem in (HERE / BY_A_TEST_OF_ITS_OWN[name]).read_text()
    if name in BY_A_TEST_OF_ITS_OWN or name in NOT_A_CLIENT or file.parent.name in absent_families():
        return
    replayed = [told for module in modules() for told in exchanges(module, file)]
    spans = {number for number, _, want in replayed if want is not None}
    owed = {want["exchange"] for want in recording["expected"] if want["operation"] not in NOTHING_GENERATED}
    assert owed <= spans, "exchanges with a model that make no span"
    others = set(range(len(recording["exchanges"]))) - {number for number, *_ in replayed}
    assert bool(others) == (name in ASKED_BY_OTHERS), "exchanges that nobody replays"


@needs_recordings
def test_the_exceptions_are_recordings_that_are_there():
    assert all(json.loads((RECORDINGS / f"{name}.json").read_text())["kind"] == "websocket" for name in NOT_A_CLIENT)
    there = {named(file) for file in RECORDINGS.glob("*/*.json")}
    assert len(there) == 200
    assert {*NOT_A_CLIENT, *BY_A_TEST_OF_ITS_OWN, *ASKED_BY_OTHERS} <= there
