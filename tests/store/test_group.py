"""Group commit: what waits is committed together, each request answered for itself, and nobody waits for ever."""

from __future__ import annotations

import threading
import time

import pytest
from span_records import llm

from agentops_otel.store import StoreError, group
from agentops_otel.store.group import BusyError, GroupWriter


class Slow:
    """A store that waits until it may go on, and says what it was given."""

    def __init__(self):
        self.batches = []
        self.begun = threading.Event()
        self.may = threading.Event()
        self.refuses = ()

    def insert(self, records):
        self.begun.set()
        assert self.may.wait(20)
        self.batches.append([record.name for record in records])
        if any(record.name in self.refuses for record in records):
            raise StoreError("it does not want this one")


def named(name):
    record = llm()
    record.name = name
    return record


class Asked(threading.Thread):
    """One request, on a thread of its own."""

    def __init__(self, writer, *names):
        super().__init__(daemon=True)
        self._writer, self._names, self.error = writer, names, None
        self.start()

    def run(self):
        try:
            self._writer.insert([named(name) for name in self._names])
        except Exception as error:
            self.error = error

    def told(self):
        self.join(20)
        assert not self.is_alive()
        return self.error


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def writer(slow):
    made = GroupWriter(slow)
    yield made
    slow.may.set()
    made.close()


def asked_while_busy(writer, slow, *requests):
    """The first request is being written; these come meanwhile."""
    first = Asked(writer, "first")
    assert slow.begun.wait(20)
    others = []
    for names in requests:
        waiting = writer._jobs.qsize()
        others.append(Asked(writer, *names))
        while writer._jobs.qsize() == waiting:
            time.sleep(0.001)
    slow.may.set()
    return first, others


def test_what_waits_is_written_together_in_its_order(writer, slow):
    first, others = asked_while_busy(writer, slow, ["a"], ["b", "c"], ["d"])
    assert [each.told() for each in (first, *others)] == [None] * 4
    assert slow.batches == [["first"], ["a", "b", "c", "d"]]


def test_one_request_does_not_fail_for_another(writer, slow):
    slow.refuses = ("b",)
    first, others = asked_while_busy(writer, slow, ["a"], ["b"], ["c"])
    told = [first.told(), *(each.told() for each in others)]
    assert [error and str(error) for error in told] == [None, None, "it does not want this one", None]
    assert slow.batches[1:] == [["a", "b", "c"], ["a"], ["b"], ["c"]]


def test_a_commit_is_bounded_unless_one_request_is_larger(writer, slow, monkeypatch):
    monkeypatch.setattr(group, "_RECORDS", 3)
    first, others = asked_while_busy(writer, slow, ["a", "b"], ["c", "d"], ["e"] * 7, ["f"])
    assert [each.told() for each in (first, *others)] == [None] * 5
    assert [len(batch) for batch in slow.batches] == [1, 4, 7, 1]


def test_too_many_are_asked_to_come_again(slow, monkeypatch):
    monkeypatch.setattr(group, "_WAITING", 2)
    writer = GroupWriter(slow)
    first, others = None, []
    try:
        first = Asked(writer, "first")
        assert slow.begun.wait(20)
        others = [Asked(writer, "a"), Asked(writer, "b")]
        while writer._jobs.qsize() < 2:
            time.sleep(0.001)
        with pytest.raises(BusyError, match="again in a moment"):
            writer.insert([named("c")])
    finally:
        slow.may.set()
        assert [each.told() for each in (first, *others)] == [None] * 3
        writer.close()
    assert "c" not in {name for batch in slow.batches for name in batch}


def test_nobody_waits_for_ever(writer, slow, monkeypatch):
    monkeypatch.setattr(group, "_PATIENCE_SECONDS", 0.05)
    with pytest.raises(BusyError, match="not kept in time"):
        writer.insert([named("a")])
    slow.may.set()
    writer.close()
    assert slow.batches == [["a"]], "it is kept all the same, and counts once when it is sent again"


def test_after_each_commit_somebody_is_told(slow):
    slow.may.set()
    told = []
    writer = GroupWriter(slow, lambda: told.append(threading.current_thread().name))
    writer.insert([named("a")])
    writer.insert([named("b")])
    writer.close()
    assert told == ["agentops-otel-writer"] * 2


def test_closing_keeps_what_waits_and_then_takes_nothing(slow):
    writer = GroupWriter(slow)
    first, others = asked_while_busy(writer, slow, ["a"], ["b"])
    writer.close()
    assert [each.told() for each in (first, *others)] == [None] * 3
    assert [name for batch in slow.batches for name in batch] == ["first", "a", "b"]
    with pytest.raises(StoreError, match="is ending"):
        writer.insert([named("c")])
    writer.close()


def test_nothing_starts_no_thread(slow):
    writer = GroupWriter(slow)
    writer.insert([])
    assert not slow.begun.is_set()
    assert writer._thread is None
    writer.close()


def test_requests_of_many_threads_are_all_kept(store):
    writer = GroupWriter(store)
    threads = [
        threading.Thread(target=lambda: [writer.insert([llm(trace="1" * 32)]) for _ in range(20)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert store.sessions()[0].llm_calls == 160
