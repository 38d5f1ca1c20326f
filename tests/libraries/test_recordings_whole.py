"""No recording is forgotten: each exchange of each is replayed by a test, or it is said here why nothing is to be seen."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from replay import RECORDINGS, exchanges, modules
from rows import installed

HERE = Path(__file__).parent

BY_A_TEST_OF_ITS_OWN = {
    "azure-openai/test-text-output-modality-returns-text-f6e15409": "test_openai_realtime.py",
    "bedrock/bedrock-agent-rag-bedrockagent-rag-instrumentation-attribute-ecc04471": "test_botocore.py",
    "bedrock/test-routing-classifier-trace-7c5326a2": "test_botocore.py",
    "google-genai/test-text-tool-round-parity-google-current-663fca51": "test_gemini_live.py",
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

THROUGH_THE_CLOSEST = {
    "anthropic/test-anthropic-instrumentation-async-completions-streaming-00a5fd3b": "`post` of anthropic's client: "
    "version 2 has no text completions of its own",
}
"""Recordings whose library has no such method any more, and what asks in its place."""

NOTHING_GENERATED = {"messages.count_tokens", "countTokens", "assistants", "mcp", "other", "cachedContents"}
"""Operations that make no span of a model call. Of assistants only the runs do."""

NOT_IN_EVERY_PLACE = {"replay_ibm_watsonx_ai.py", "replay_vertexai.py"}
"""Replays of libraries that are not among the clients of the tests: rows of the matrix have them."""

TOLD_OTHERWISE = {
    "replay_botocore.py": "input: cached tokens are printed beside it",
    "replay_cohere.py": "input and output: what is billed, where both that and all tokens are printed",
    "replay_google_genai.py": "output: thoughts are printed beside it; input: so is what tools brought in",
    "replay_groq.py": "finish reason: `error` where the stream broke before any came",
    "replay_huggingface_hub.py": "cached: printed where the index does not look",
    "replay_ibm_watsonx_ai.py": "input: the first chunk's count, as the last one's is 0; the library hands on no model",
    "replay_mistralai.py": "cached: has had two places, the index knows one",
    "replay_openai.py": "input of anthropic: cached tokens are printed beside it",
    "replay_openai_compatible.py": "finish reason: `error` where the answer names none, as Snowflake's",
    "replay_together.py": "cached: printed where the index does not look",
    "replay_vertexai.py": "output: thoughts are printed beside it; finish reasons: numbers on the wire, names here",
    "replay_voyageai.py": "input: all tokens; the library keeps no model",
}
"""Which figures are not those of the index, and why: by the conventions, or for the index has them not."""

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
    if name in BY_A_TEST_OF_ITS_OWN or file.parent.name in absent_families():
        return
    replayed = [told for module in modules() for told in exchanges(module, file)]
    spans = {number for number, _, want in replayed if want is not None}
    owed = {want["exchange"] for want in recording["expected"] if want["operation"] not in NOTHING_GENERATED}
    assert owed <= spans, "exchanges with a model that make no span"
    others = set(range(len(recording["exchanges"]))) - {number for number, *_ in replayed}
    assert bool(others) == (name in ASKED_BY_OTHERS), "exchanges that nobody replays"


def test_figures_that_are_told_otherwise_have_a_reason():
    kept = {path.name for path in HERE.glob("replay_*.py") if "\ndef told(" in path.read_text(encoding="utf-8")}
    assert kept == set(TOLD_OTHERWISE)


@needs_recordings
def test_the_exceptions_are_recordings_that_are_there():
    there = {named(file) for file in RECORDINGS.glob("*/*.json")}
    assert len(there) == 200
    assert {*BY_A_TEST_OF_ITS_OWN, *ASKED_BY_OTHERS, *THROUGH_THE_CLOSEST} <= there
