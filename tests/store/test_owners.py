"""Owner: a lock that only the end of its process drops."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time

import pytest
from span_records import SECOND, python

from agentops_otel.store import owners
from agentops_otel.store.owners import LEASE, LEASED, SILENCE, Owner, is_alive

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

CLAIM = """
import sys
from agentops_otel.store.owners import Owner
print(Owner.claim(sys.argv[1]).name, flush=True)
sys.stdin.read()
"""


def in_child(work):
    """What `work()` returns in a forked child, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    told = os.read(reading, 1000).decode()
    os.close(reading)
    return told


def seen_from_elsewhere(directory, name):
    """Whether another process holds the owner of this name for alive."""
    code = f"import sys; from agentops_otel.store.owners import is_alive; print(is_alive({str(directory)!r}, {name!r}))"
    with python(code) as process:
        return process.stdout.read().strip()


def test_another_process_is_alive_until_it_is_killed(tmp_path):
    with python(CLAIM, tmp_path) as process:
        name = process.stdout.readline().strip()
        assert is_alive(tmp_path, name)
        assert is_alive(tmp_path, name), "asking does not end it"
        process.send_signal(signal.SIGKILL)
    assert not is_alive(tmp_path, name)
    assert list(tmp_path.iterdir()) == [], "the file of a dead owner is removed"
    assert not is_alive(tmp_path, name)


def test_a_process_that_ends_in_good_order_is_dead_too(tmp_path):
    with python(CLAIM, tmp_path) as process:
        name = process.stdout.readline().strip()
        process.stdin.close()
        process.wait()
        assert not is_alive(tmp_path, name)


def test_asking_for_oneself_keeps_the_lock(tmp_path):
    owner = Owner.claim(tmp_path)
    assert is_alive(tmp_path, owner.name)
    assert seen_from_elsewhere(tmp_path, owner.name) == "True"


def test_a_process_claims_once_in_a_directory(tmp_path):
    owner = Owner.claim(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    assert Owner.claim(tmp_path / "link") is Owner.claim(str(tmp_path)) is owner
    assert Owner.claim(tmp_path / "other") is not owner
    assert is_alive(tmp_path / "link", owner.name)


def test_a_name_tells_the_process_and_no_host(tmp_path):
    first, second = Owner.claim(tmp_path), Owner.claim(tmp_path / "other")
    assert f".{os.getpid()}." in first.name
    assert first.name != second.name
    assert socket.gethostname() not in first.name


def test_what_is_released_is_dead_and_can_be_claimed_anew(tmp_path):
    owner = Owner.claim(tmp_path)
    owner.release()
    owner.release()
    assert not is_alive(tmp_path, owner.name)
    assert seen_from_elsewhere(tmp_path, owner.name) == "False"
    again = Owner.claim(tmp_path)
    assert again.name != owner.name
    assert is_alive(tmp_path, again.name)


def test_a_claim_removes_the_files_of_the_dead_and_no_others(tmp_path):
    with python(CLAIM, tmp_path) as dead:
        dead.stdout.readline()
        dead.kill()
    with python(CLAIM, tmp_path) as living:
        name = living.stdout.readline().strip()
        (tmp_path / "notes.txt").write_text("mine")
        owner = Owner.claim(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", name, owner.name}
        assert is_alive(tmp_path, name)
        living.kill()


@pytest.mark.skipif(os.name == "nt", reason="modes are a POSIX matter")
def test_the_directory_is_the_users_alone(tmp_path):
    owner = Owner.claim(tmp_path / "owners")
    assert stat.S_IMODE((tmp_path / "owners").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "owners" / owner.name).stat().st_mode) == 0o600


@forks
def test_a_forked_child_does_not_keep_its_dead_parent_alive(tmp_path):
    code = """
import os, sys
from agentops_otel.store.owners import Owner
name = Owner.claim(sys.argv[1]).name
child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(0)
print(name, flush=True)
os.kill(os.getpid(), 9)
"""
    with python(code, tmp_path) as process:
        name = process.stdout.readline().strip()
        process.wait()
        assert not is_alive(tmp_path, name), "the child still has the file open"


@forks
def test_a_forked_child_is_somebody_else(tmp_path):
    owner = Owner.claim(tmp_path)

    def look():
        parent_lives = is_alive(tmp_path, owner.name)
        child = Owner.claim(tmp_path)
        return parent_lives, child.name != owner.name, is_alive(tmp_path, child.name), child.name

    parent_lives, is_other, child_lives, name = eval(in_child(look))
    assert (parent_lives, is_other, child_lives) == (True, True, True)
    assert not is_alive(tmp_path, name)
    assert seen_from_elsewhere(tmp_path, owner.name) == "True", "the child's end leaves the parent's lock"


@forks
def test_a_child_that_releases_the_parents_claim_does_nothing_to_it(tmp_path):
    owner = Owner.claim(tmp_path)
    in_child(owner.release)
    assert seen_from_elsewhere(tmp_path, owner.name) == "True"


def test_another_directory_or_host_cannot_tell(tmp_path, monkeypatch):
    here = Owner.claim(tmp_path / "here")
    here.release()
    now = time.time_ns()
    assert not is_alive(tmp_path / "here", here.name, newest=now)
    assert is_alive(tmp_path / "there", here.name, newest=now)
    assert not is_alive(tmp_path / "there", here.name, newest=now - SILENCE)
    monkeypatch.setattr(socket, "gethostname", lambda: "far-away")
    assert is_alive(tmp_path / "here", here.name, newest=now - SILENCE + 60 * SECOND)
    assert not is_alive(tmp_path / "here", here.name, newest=now - SILENCE)
    assert is_alive(tmp_path / "here", here.name)


def test_an_owner_that_tells_that_it_lives_is_waited_for_only_so_long(tmp_path):
    here = Owner.claim(tmp_path / "here")
    now = time.time_ns()
    assert is_alive(tmp_path / "here", LEASED + here.name, newest=0)  # its lock says more
    here.release()
    for name in (LEASED + here.name, LEASED):
        assert is_alive(tmp_path / "there", name, newest=now - LEASE + 60 * SECOND)
        assert not is_alive(tmp_path / "there", name, newest=now - LEASE)
    assert not is_alive(tmp_path / "here", LEASED + here.name, newest=now)


@pytest.mark.parametrize("name", [None, "", "x", "../victim", "elsewhere.1.../../victim"])
def test_a_name_that_is_none_of_ours_touches_no_file(tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    assert is_alive(tmp_path / "owners", name)
    assert not is_alive(tmp_path / "owners", name, newest=0)
    assert victim.read_text() == "precious"


def test_a_link_in_the_place_of_a_claim_is_not_followed(tmp_path):
    owner = Owner.claim(tmp_path / "owners")
    owner.release()
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "owners" / owner.name).symlink_to(tmp_path / "victim")
    is_alive(tmp_path / "owners", owner.name)
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    owner = Owner.claim(tmp_path / "file" / "owners")
    now = time.time_ns()
    assert is_alive(tmp_path / "file" / "owners", owner.name, newest=now)
    assert not is_alive(tmp_path / "file" / "owners", owner.name, newest=now - SILENCE)
    owner.release()


def test_a_file_system_without_locks_is_no_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(owners.fcntl, "lockf", refuse)
    owner = Owner.claim(tmp_path)
    assert owner.name.startswith("elsewhere.")
    assert list(tmp_path.iterdir()) == []


def test_a_claim_taken_for_a_dead_one_meanwhile_is_made_again(tmp_path, monkeypatch):
    lock, calls = owners.fcntl.lockf, []

    def robbed(descriptor, mode):
        calls.append(mode)
        if len(calls) == 1:
            for path in tmp_path.iterdir():
                path.unlink()
        return lock(descriptor, mode)

    monkeypatch.setattr(owners.fcntl, "lockf", robbed)
    owner = Owner.claim(tmp_path)
    monkeypatch.undo()
    assert len(calls) == 2
    assert seen_from_elsewhere(tmp_path, owner.name) == "True"
