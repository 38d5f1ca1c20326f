"""Held: one connection for one thread at a time, never one of another process."""

from __future__ import annotations

import os
import sqlite3
import threading

import pytest

from agentops_otel.store import held as held_module
from agentops_otel.store.held import Held

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


class TooLongError(Exception):
    pass


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**options):
        held = Held(**options)
        held.connection = sqlite3.connect(tmp_path / "a.db", check_same_thread=False)
        made.append(held)
        return held

    yield make
    for held in made:
        held.release()


def in_child(ask):
    """What a forked child says: one byte."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, b"1" if ask() else b"0")
        finally:
            os._exit(0)
    told = os.read(reading, 1)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    return told == b"1"


def test_one_thread_at_a_time(make):
    held = make()
    with held.locked(5, TooLongError):
        told = []

        def other():
            try:
                with held.locked(0.02, TooLongError):
                    told.append("in")
            except TooLongError:
                told.append("too long")

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert told == ["too long"]
    with held.locked(0, TooLongError):
        pass


def test_what_raises_leaves_it_free(make):
    held = make()
    with pytest.raises(KeyError), held.locked(5, TooLongError):
        raise KeyError
    with held.locked(0, TooLongError):
        held.release()
    assert held.connection is None
    held.release()


@forks
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_no_connection_to_a_file_is_open_across_a_fork(make):
    held = make()
    assert in_child(lambda: held.connection is None)
    assert held.connection is None, "it is opened again at the next use"
    with held.locked(0, TooLongError):
        pass


@forks
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_one_that_is_in_use_is_put_away_in_the_child(make, monkeypatch):
    monkeypatch.setattr(held_module, "_FORK_SECONDS", 0.02)
    held = make()
    inside, leave = threading.Event(), threading.Event()

    def use():
        with held.locked(5, TooLongError):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=use)
    thread.start()
    inside.wait(20)

    def ask():
        with held.locked(0.5, TooLongError):
            return held.connection is None and len(held._inherited) == 1

    assert in_child(ask)
    leave.set()
    thread.join()
    with held.locked(5, TooLongError):
        assert held.connection.execute("SELECT 1").fetchone() == (1,)


@forks
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_database_in_memory_stays_with_its_process(make):
    held = make(is_file=False)

    def ask():
        with held.locked(0.5, TooLongError):
            return held.connection is None

    assert in_child(ask)
    assert held.connection is not None
