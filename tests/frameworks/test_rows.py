"""No row is forgotten: what agents do, and what may go wrong with them, has a test for each framework, or a reason."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from conftest import SHARED

HERE = Path(__file__).parent
ROWS = (
    "stream",
    "async",
    "tools in parallel",
    "sub-agents",
    "retries",
    "a tool that fails",
    "a fault of ours",
    "a run that never ends",
    "a run that is cancelled",
    "a tool that returns anything",
    "beside others",
)
A_CLIENT = "it runs no agents and no tools: it is a client around the clients, which have these rows"
A_MEMORY = "it runs no agents and no tools: it asks models what to remember"
BY_ITS_OWN_WORD = "it tells of itself by OpenTelemetry: no code of ours is called that could raise, but a processor's"
TABLE = {
    "ag2": (
        "test_a_recorded_stream_with_a_tool",
        "test_a_recorded_stream_with_a_tool",
        "test_tools_in_parallel",
        "test_an_agent_as_a_tool",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_in_reading_is_ours_alone",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_spans_of_ag2s_own_each_call_counts_once",
    ),
    "agent_framework": (
        "test_a_tool",
        "test_a_tool",
        "test_tools_in_parallel",
        "test_an_agent_as_a_tool_is_below_the_tool",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        BY_ITS_OWN_WORD,
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_a_whole_program_counts_each_call_once",
    ),
    "agents": (
        "test_a_hand_off_and_a_tool",
        "test_a_tool_that_fails",
        "test_tools_in_parallel",
        "test_an_agent_as_a_tool_is_below_the_tool",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_of_ours_is_not_the_agents",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "agno": (
        "test_a_recorded_stream_with_a_tool",
        "test_tools_in_parallel",
        "test_tools_in_parallel",
        "test_a_recorded_team_that_is_coordinated",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_in_reading_is_ours_alone",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "autogen": (
        "test_a_chat_with_a_tool",
        "test_a_chat_with_a_tool",
        "test_tools_in_parallel",
        "test_an_agent_that_asks_an_agent",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_in_reading_is_ours_alone",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_others_each_call_counts_once",
    ),
    "autogen_agentchat": (
        "test_tools_in_parallel",
        "test_tools_in_parallel",
        "test_tools_in_parallel",
        "test_an_agent_as_a_tool_is_below_the_tool",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_in_reading_is_ours_alone",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_spans_of_others_each_call_counts_once",
    ),
    "claude_agent_sdk": (
        "test_a_turn_with_tools_one_of_which_fails",
        "test_a_turn_with_tools_one_of_which_fails",
        "test_a_turn_with_tools_one_of_which_fails",
        "test_a_sub_agents_work_is_below_it",
        "its process asks the models, and tells of no attempts",
        "test_a_turn_with_tools_one_of_which_fails",
        "test_a_fault_in_reading_is_ours_alone",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_turn_that_is_cancelled_ends_as_it_would_without_us",
        "all that its process tells of a tool is JSON",
        "test_beside_another_instrumentation_each_turn_counts_once",
    ),
    "crewai": (
        "test_a_stream",
        "test_a_crew_of_two",
        "test_tools_in_parallel",
        "test_an_agent_that_asks_an_agent",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_of_ours_is_not_the_crews",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_flow_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "dspy": (
        "test_a_stream",
        "test_a_program",
        "its agents call one tool after another; programs that run at once have a test",
        "test_a_program_of_programs",
        "test_a_call_that_dspy_tries_again",
        "test_an_agent_with_tools_one_of_which_fails",
        "test_a_fault_in_reading_is_ours_alone",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "google_adk": (
        "test_a_stream",
        "test_a_tool",
        "test_tools_in_parallel",
        "test_an_agent_that_hands_over",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_of_ours_changes_nothing",
        "test_a_run_that_never_ends_leaves_a_whole_session",
        "test_a_run_that_is_cancelled",
        "test_a_tool_that_returns_what_nobody_can_write",
        "test_a_whole_program_counts_each_call_once",
    ),
    "haystack": (
        "test_the_parts_of_a_pipeline_as_they_come",
        "test_an_asynchronous_pipeline",
        "test_tools_in_parallel",
        "test_an_agent_that_is_a_tool_of_another",
        "test_a_call_that_is_tried_again",
        "test_a_tool_that_fails",
        "test_a_fault_of_ours_changes_nothing",
        "test_a_run_that_never_ends",
        "test_a_run_that_is_cancelled",
        "test_a_tool_that_returns_what_nobody_can_write",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "instructor": (
        A_CLIENT,
        "test_a_recorded_answer",
        A_CLIENT,
        A_CLIENT,
        "test_each_question_that_is_asked_again_counts",
        A_CLIENT,
        A_CLIENT,
        A_CLIENT,
        A_CLIENT,
        A_CLIENT,
        "OpenInference's for it works with instructor before 1.15 alone",
    ),
    "langchain_core": (
        "test_an_agent_with_a_tool",
        "test_an_agent_with_a_tool",
        "test_tools_in_parallel_one_of_which_fails",
        "test_an_agent_that_asks_an_agent",
        "test_a_chain_that_is_tried_again",
        "test_a_tool_that_raises",
        "test_a_fault_of_ours_is_not_the_agents",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "llama_index_core": (
        "test_tools_in_parallel",
        "test_an_agent_that_reasons_in_words",
        "test_tools_in_parallel",
        "test_agents_that_hand_over",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_of_ours_is_not_the_agents",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "mem0": (
        A_MEMORY,
        "test_a_memorys_life",
        A_MEMORY,
        A_MEMORY,
        "the client below it tries again, and has that row",
        A_MEMORY,
        "test_a_fault_in_reading_is_ours_alone",
        A_MEMORY,
        "test_one_that_is_cancelled",
        A_MEMORY,
        "OpenInference and OpenLLMetry have none for it",
    ),
    "pydantic_ai": (
        "test_a_stream",
        "test_tools_in_parallel",
        "test_tools_in_parallel",
        "test_an_agent_that_a_tool_asks_is_below_the_tool",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_of_ours_is_not_the_agents",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_may_return_anything",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "smolagents": (
        "test_a_stream_of_steps",
        "it has no asynchronous agents",
        "test_tools_in_parallel",
        "test_an_agent_of_an_agent_is_below_it",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        "test_a_fault_of_ours_changes_nothing",
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_interrupted",
        "test_a_tool_that_returns_what_nobody_can_write",
        "test_beside_another_instrumentation_each_call_counts_once",
    ),
    "strands": (
        "test_a_stream_of_events",
        "test_tools_in_parallel",
        "test_tools_in_parallel",
        "test_an_agent_as_a_tool_is_below_the_tool",
        "test_a_call_that_the_client_tries_again_is_one",
        "test_a_tool_that_fails",
        BY_ITS_OWN_WORD,
        "test_a_run_that_never_ends_leaves_the_session_whole",
        "test_a_run_that_is_cancelled",
        "test_a_tool_that_returns_what_nobody_can_write",
        "test_a_whole_program_counts_each_call_once",
    ),
}
"""For each framework, in the order of the rows, the name of its test or why it has none."""

FOLDERS = {
    "agent-framework": "agent_framework",
    "agno": "agno",
    "autogen": "autogen_agentchat",
    "crewai": "crewai",
    "google-adk": "google_adk",
    "haystack": "haystack",
    "langchain": "langchain_core",
    "llama-index": "llama_index_core",
    "openai-agents": "agents",
    "pydantic-ai": "pydantic_ai",
}
"""Where the recordings of a framework are replayed, by the name that the index has for it."""
ITS_CLIENTS = "no agent runs in it, and the clients that it asked through are replayed by tests/libraries"
NOT_REPLAYED = {
    "azure-openai/test-text-output-modality-returns-text-f6e15409": "Azure's connections are TLS only; tests/libraries"
    " has it with openai's client",
    "google-genai/test-text-tool-round-parity-google-current-663fca51": "Gemini's live API, which is left out",
    "openai/test-litellm-provider-085dfca4": ITS_CLIENTS,
    "openai/tests-llmobs-test-llmobs-ragas-evaluators-test-ragas-faithfu-02c68bc0": ITS_CLIENTS,
}
"""Recordings of several steps that no framework is given again, and why."""


def named_in(folder):
    """The names of the tests in a folder, whether its framework is installed or not."""
    files = [ast.parse(file.read_text(encoding="utf-8")) for file in (HERE / folder).glob("test_*.py")]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for file in files for node in file.body if isinstance(node, kinds)}


def test_every_framework_is_in_the_table():
    assert set(TABLE) == {file.parent.name for file in HERE.glob("*/requirements.txt")}


@pytest.mark.parametrize("folder", TABLE)
def test_every_row_has_its_test(folder):
    told = dict(zip(ROWS, TABLE[folder], strict=True))
    missing = {row: name for row, name in told.items() if name.startswith("test_") and name not in named_in(folder)}
    assert not missing
    assert all(name.startswith("test_") or " " in name for name in told.values())


def of_several_steps():
    """(file without its ending, framework) of the recordings of frameworks that have more than one step."""
    if not (SHARED / "recordings").is_dir():
        return []
    index = json.loads((SHARED / "recordings" / "index.json").read_text())
    several = [item for item in index if "multi-exchange" in item["features"] or item["kind"] != "http"]
    return [(item["file"].removesuffix(".json"), item["framework"]) for item in several if item["framework"]]


@pytest.mark.skipif(not of_several_steps(), reason="tests/test_recordings.py says when they must be here")
def test_every_recording_of_several_steps_is_replayed():
    code = {folder: "".join(file.read_text() for file in (HERE / folder).glob("*.py")) for folder in TABLE}
    missing = [name for name, framework in of_several_steps() if name not in code.get(FOLDERS.get(framework, ""), "")]
    assert sorted(missing) == sorted(NOT_REPLAYED)
    assert all(reason for reason in NOT_REPLAYED.values())
