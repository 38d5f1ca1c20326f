"""Faults 9 and 27: many spans, large spans; what they cost in memory is bounded, and nothing of them stays."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter

import pytest
from collector import Collector

from agentops_otel.conventions import names
from agentops_otel.sessions.events import ActionEvent, LLMEvent


@pytest.fixture
def collector():
    with Collector() as made:
        yield made


def test_09_many_large_spans_arrive_and_memory_is_bounded(collector, run_program):
    outcome = run_program(
        f"""
import os, resource
begin(endpoint={collector.url!r}, max_wait_time=60_000)
work(2, 1); agentops.flush(5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
session = agentops.start_session()
for number in range(600):
    session.record(agentops.ActionEvent("x", params={{"x": os.urandom(1).hex() * 100_000}}))
session.end_session("Success")
agentops.flush(60)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print("grown", grown)
assert grown < 200, grown
"""
    )
    outcome.check_counts()
    assert outcome.told["delivered"] == 601 + 4 == len(collector.ids)


def test_27_a_huge_prompt_is_bounded_and_its_figures_are_kept(collector, run_program):
    outcome = run_program(
        f"""
import resource
begin(endpoint={collector.url!r}, max_wait_time=20_000)
work(0, 1); agentops.flush(5)
session = agentops.start_session()
prompt = "x" * 50_000_000
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.thread_time()
session.record(agentops.LLMEvent(prompt=prompt, completion="y", model="gpt-4o", prompt_tokens=5, completion_tokens=1))
assert time.thread_time() - begun < 0.5
session.end_session("Success")
agentops.flush(20)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert grown < 64, grown
"""
    )
    outcome.check_counts()
    assert not outcome.told["waiting"]


def test_the_queue_is_bounded_by_bytes_and_figures_outlive_messages(make_watched):
    watched = make_watched(max_queue_bytes=1_000_000, capture_content=True)
    processor = watched.client.pipeline.processor
    assert watched.client.flush(10)  # the thread has seen the session's start, and waits
    processor.wake = lambda: None  # it is held up there
    for _ in range(50):
        watched.session.record(
            LLMEvent(prompt="p" * 100_000, completion="c", model="gpt-4o", prompt_tokens=10, completion_tokens=1)
        )
    assert watched.session.get_analytics()["LLM calls"] == 50
    held = [record for record, _ in processor._counted if names.CONTENT_DROPPED in record.attributes]
    assert 38 <= len(held) <= 42
    assert sum(size for _, size in processor._counted) <= 1_000_000
    watched.client.pipeline.delivery.serve(processor)
    spans = watched.spans
    assert len(spans) == 50
    assert all(span.attributes[names.INPUT_TOKENS] == 10 for span in spans)
    assert processor._held == 0


def kinds() -> Counter[str]:
    gc.collect()
    return Counter(
        type(thing).__name__
        for thing in gc.get_objects()
        if str(type(thing).__module__).startswith(("agentops_otel", "opentelemetry"))
    )


def test_nothing_of_ended_sessions_stays(make_watched):
    """Objects are counted, for figures of a whole process say nothing on a busy machine."""
    watched = make_watched()

    def many(sessions):
        for _ in range(sessions):
            session = watched.client.open_session()
            for number in range(3):
                session.record(ActionEvent("act", params={"number": number}))
            session.end_session("Success")
        assert watched.client.flush(20)
        watched.memory.records.clear()

    many(50)
    before = kinds()
    tracemalloc.start()
    begun = tracemalloc.get_traced_memory()[0]
    many(200)
    grown = tracemalloc.get_traced_memory()[0] - begun
    tracemalloc.stop()
    more = {kind: number - before[kind] for kind, number in kinds().items() if number - before[kind] > 20}
    # The books of the sessions that ended last are kept, as late spans may come: 2048 of them at most.
    assert set(more) <= {"Books", "Tally", "Part"}, more
    assert grown < 200 * 4_000, grown
