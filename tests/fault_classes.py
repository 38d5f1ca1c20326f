"""What went wrong in other instrumentations again and again, each as a requirement, and the tests that hold it here.

`scripts/coverage` writes it into docs/coverage.md; a test fails where one that is named is not there.
"""

from __future__ import annotations

LIBRARIES = "tests/libraries/test_contract_together.py"
EVERY = "tests/libraries/test_library_contract.py"
COUNTS = "tests/libraries/test_contract_counts.py"
WAYS = "tests/libraries/test_contract_ways.py"
ANSWERS = "tests/instrumentors/test_bad_answers.py"
CALLS = "tests/instrumentors/test_contract.py"
STREAMS = "tests/instrumentors/test_contract_streams.py"
RAW = "tests/instrumentors/test_contract_raw.py"
OPENAI = "tests/instrumentors/test_openai.py"

FAULT_CLASSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Usage of streams: the last that is told counts, wherever it stands; what nobody tells is unknown, never 0",
        (
            f"{COUNTS}::test_an_answer_that_tells_no_counts",
            f"{COUNTS}::test_a_stream_that_tells_no_counts",
            f"{OPENAI}::test_the_last_usage_counts",
        ),
    ),
    (
        "Responses: streamed, helped or made in the background, one span with its usage",
        (f"{STREAMS}::test_helped", f"{OPENAI}::test_a_response_made_in_the_background_is_counted_once"),
    ),
    ("Counts that grow are replaced, never added", (f"{COUNTS}::test_of_counts_that_grow_the_last_count",)),
    (
        "Input includes what was cached, output includes reasoning, whichever way a provider prints them",
        ("tests/libraries/test_recordings.py::test_replay", "tests/libraries/test_google_genai.py::test_usage"),
    ),
    (
        "A call that a framework, a client and an SDK's own tracing tell of is counted once",
        (
            "tests/sessions/test_doubles.py::test_kept",
            "tests/instrumentors/test_global_provider.py::test_each_call_is_one_span",
            "tests/engine/test_echo.py::test_only_a_call_that_no_client_told_of_gets_a_span",
        ),
    ),
    (
        "Every way out of a stream ends its span: one span, exactly",
        (
            f"{EVERY}::test_stream_left_early",
            f"{EVERY}::test_async_stream_left_early",
            f"{LIBRARIES}::test_nothing_is_left_of_streams",
        ),
    ),
    (
        "Errors stay errors: refusals, errors in a stream, lost connections, the reader's own, cancellation",
        (
            f"{EVERY}::test_refused",
            f"{EVERY}::test_stream_that_breaks",
            f"{EVERY}::test_stream_that_is_cut",
            f"{EVERY}::test_cancelled",
            f"{WAYS}::test_a_reader_that_raises_within_its_stream_is_its_error",
            f"{CALLS}::test_the_error_that_was_raised_is_the_one_that_arrives",
        ),
    ),
    (
        "What a program gets is what it gets without us: raw responses, parsed ones, types, headers, `close`",
        (
            f"{WAYS}::test_raw",
            f"{WAYS}::test_raw_stream",
            f"{RAW}::test_raw",
            f"{RAW}::test_streaming_response",
            f"{STREAMS}::test_it_stays_what_it_is",
        ),
    ),
    (
        "The context is as it was: across chunks, tasks and callbacks",
        (
            f"{LIBRARIES}::test_async_stream_closed_in_another_task",
            "tests/engine/test_runs.py::test_parents_are_found_by_id_not_by_what_is_current",
        ),
    ),
    ("Work of threads keeps its session and parent", (f"{LIBRARIES}::test_work_of_a_thread_is_of_the_session",)),
    (
        "Memory: nothing is left of streams, read or not, nor of sessions that are over",
        (
            f"{LIBRARIES}::test_nothing_is_left_of_streams",
            "tests/faults/test_memory.py::test_nothing_of_ended_sessions_stays",
        ),
    ),
    (
        "Odd things among the arguments raise nothing and say nothing; generators are not used up",
        (
            "tests/libraries/test_odd_requests.py::test_whatever_is_asked_and_answered",
            f"{CALLS}::test_a_generator_of_messages_is_read_by_the_library_alone",
            f"{ANSWERS}::test_odd_requests",
        ),
    ),
    ("Clients can be copied and pickled as without us", (f"{LIBRARIES}::test_copies_of_clients",)),
    (
        "Twice is once, and the very same methods are given back",
        (
            f"{LIBRARIES}::test_instrumented_twice_is_instrumented_once",
            f"{LIBRARIES}::test_uninstrumenting_gives_back_the_very_same_methods",
            f"{LIBRARIES}::test_what_was_kept_while_instrumented_passes_through_afterwards",
        ),
    ),
    (
        "Clients that were there before are captured, functions that were bound at import too",
        (
            f"{LIBRARIES}::test_a_client_that_was_there_before_is_captured_too",
            "tests/libraries/test_ollama.py::test_module_functions_are_captured_though_they_were_bound_at_import",
        ),
    ),
    (
        "A library that has changed is captured as far as its targets are there; what is missing is told, by `doctor()`",
        (
            "tests/engine/test_shapes.py::test_missing_targets_are_told",
            "tests/test_diagnosis.py::test_captured_as_far_as_its_targets_exist",
            "tests/test_diagnosis.py::test_versions_beyond_those_that_are_tested",
        ),
    ),
    ("Requests are sent as they are: the same bytes and headers", (f"{EVERY}::test_call", f"{EVERY}::test_stream")),
    (
        "Choices are told apart by their index; chunks without any are fine",
        (
            "tests/libraries/test_openai_shaped.py::test_choices",
            f"{OPENAI}::test_choices_that_arrive_mixed",
            f"{ANSWERS}::test_choices_with_an_odd_index",
        ),
    ),
    (
        "A span ends with the last chunk and knows when the first came; no chunk waits for the next",
        (
            f"{LIBRARIES}::test_a_chunk_is_read_before_the_last_is_sent",
            f"{STREAMS}::test_it_lasts_as_long_as_it_is_read",
        ),
    ),
    (
        "Recording never waits: a full queue drops, and counts what it dropped",
        ("tests/sessions/test_session.py::test_a_full_queue_drops_and_counts",),
    ),
    (
        "Exporters of frameworks stay as they were",
        ("tests/frameworks/agents/test_agents.py::test_processors_of_others_stay_and_so_does_ours",),
    ),
)
