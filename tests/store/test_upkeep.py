"""Upkeep: roll-ups and the index follow what is written, old sessions go, and no fault of it reaches anybody."""

from __future__ import annotations

import gc
import itertools
import threading
import time

import pytest
from span_records import SESSION, llm, root

from agentops_otel.store import StoreError, upkeep
from agentops_otel.store.sqlite import SQLiteStore
from agentops_otel.store.upkeep import Upkeep


class Watched:
    """A store that counts what upkeep does with it."""

    def __init__(self, rounds=1):
        self.caught_up = self.pruned = 0
        self.rounds = rounds
        self.error = None
        self.threads = set()

    def catch_up(self):
        self.caught_up += 1
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        return self.caught_up >= self.rounds

    def prune(self):
        self.pruned += 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(upkeep, "_PAUSE_SECONDS", 0.01)


def within(found, seconds=20):
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_does_what_readers_would_wait_for(store, query):
    kept = Upkeep(store)
    store.insert([root(), llm(0.5)])
    kept.wake()
    within(lambda: query("SELECT counted FROM sessions") == [(2,)])
    within(lambda: query("SELECT value FROM counters WHERE name = 'texts_until'") == [(2,)])
    kept.close()
    assert store.session(SESSION).llm_calls == 1


def test_it_goes_on_until_there_is_no_more_to_do():
    watched = Watched(rounds=5)
    kept = Upkeep(watched)
    kept.wake()
    within(lambda: watched.caught_up == 5)
    time.sleep(0.1)
    assert watched.caught_up == 5, "then it waits to be woken"
    kept.wake()
    within(lambda: watched.caught_up == 6)
    kept.close()
    assert watched.threads == {"agentops-otel-upkeep"}


def test_old_sessions_go_now_and_then(monkeypatch):
    watched = Watched()
    kept = Upkeep(watched)
    for number in range(1, 4):
        kept.wake()
        within(lambda number=number: watched.caught_up == number)
    assert watched.pruned == 1
    monkeypatch.setattr(upkeep, "_PRUNE_SECONDS", 0)
    kept.wake()
    within(lambda: watched.pruned == 2)
    kept.close()


@pytest.mark.parametrize("error", [StoreError("the disk is full"), RuntimeError("a fault")])
def test_what_goes_wrong_is_tried_again_the_next_time(error):
    watched = Watched()
    watched.error = error
    kept = Upkeep(watched)
    kept.wake()
    within(lambda: watched.caught_up == 1)
    watched.error = None
    kept.wake()
    within(lambda: watched.pruned == 1)
    kept.close()


def test_it_lets_those_who_write_finish_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(upkeep, "_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(upkeep, "_BUSY_SECONDS", 0.5)
    watched = Watched(rounds=0)
    kept = Upkeep(watched)
    begun = time.monotonic()
    while not watched.caught_up and time.monotonic() - begun < 20:
        kept.wake()
        time.sleep(0.01)
    assert time.monotonic() - begun >= 0.5
    kept.close()


def test_it_rests_longer_than_it_works(monkeypatch):
    """So that those who write and read go first."""
    moments = []

    class Busy(Watched):
        def catch_up(self):
            moments.append(time.monotonic())
            time.sleep(0.05)
            return len(moments) == 4

    busy = Busy()  # which upkeep itself does not keep
    kept = Upkeep(busy)
    kept.wake()
    within(lambda: len(moments) == 4)
    kept.close()
    assert all(later - sooner >= 0.05 * (1 + upkeep._SHARE) for sooner, later in itertools.pairwise(moments))


def test_it_ends_when_it_is_told_and_begins_no_more():
    watched = Watched()
    kept = Upkeep(watched)
    kept.close()
    kept.wake()
    time.sleep(0.05)
    assert watched.caught_up == 0
    again = Upkeep(watched)
    again.wake()
    within(lambda: watched.caught_up == 1)
    again.close()
    assert "agentops-otel-upkeep" not in {thread.name for thread in threading.enumerate()}


def test_a_store_that_nobody_has_any_more_is_let_go(tmp_path):
    store = SQLiteStore(tmp_path / "gone.db")
    kept = Upkeep(store)
    kept.wake()
    time.sleep(0.05)
    store.close()
    del store
    gc.collect()
    assert kept._store() is None
    kept.wake()
    kept.close()
