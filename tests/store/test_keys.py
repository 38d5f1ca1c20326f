"""Keys of a store: made, listed, removed; kept as digests in a file of the user's own."""

from __future__ import annotations

import os
import stat
import threading
import uuid

import pytest

from agentops_otel.store import StoreError, keys
from agentops_otel.store.keys import KeyFile, digest


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "below" / "sessions.db")


def test_a_key_is_told_once_and_kept_as_a_digest(file):
    text, key = file.add("mine")
    assert str(uuid.UUID(text)) == text
    assert file.read() == [key]
    assert (key.project, key.digest) == ("mine", digest(text).hex())
    assert text not in file.path.read_text()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_may_read_it(file):
    previous = os.umask(0)
    try:
        file.add()
    finally:
        os.umask(previous)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    file.add()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_keys_are_removed_by_the_beginning_of_their_id(file):
    made = [file.add(str(number)).key for number in range(3)]
    assert file.remove(made[1].id) == made[1]
    assert file.read() == [made[0], made[2]]
    assert file.remove(made[0].id[:7]) in made
    assert len(file.read()) == 1


@pytest.mark.parametrize("reference", ["", "nothing", "%"])
def test_what_is_no_id_removes_nothing(file, reference):
    file.add()
    file.add()
    with pytest.raises(KeyError):
        file.remove(reference)
    assert len(file.read()) == 2


@pytest.mark.parametrize("project", ["", "  ", "a\nb", "a\x1bb", "x" * 201])
def test_projects_have_names_that_print(file, project):
    with pytest.raises(ValueError, match="a project's name"):
        file.add(project)
    assert not file.path.exists()


def test_without_a_file_there_are_no_keys(file):
    assert (file.read(), file.stamp()) == ([], None)
    assert not file.path.parent.exists(), "reading makes nothing"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ('{"version": 1, "keys": [{}]}', "damaged"),
        ('{"version": 1, "keys": 5}', "damaged"),
        ('{"version": 2, "keys": []}', "newer"),
    ],
)
def test_a_file_that_is_none_of_ours_says_what_to_do(file, text, told):
    file.add()
    file.path.write_text(text)
    for use in (file.read, file.add, lambda: file.remove("a")):
        with pytest.raises(StoreError, match=told):
            use()
    assert file.path.read_text() == text, "and is left as it is"


def test_keys_that_are_made_at_once_are_all_kept(file):
    threads = [threading.Thread(target=file.add, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.project for key in file.read()) == [str(number) for number in range(8)]


def test_a_change_that_never_ended_is_told(file, monkeypatch):
    file.add()
    monkeypatch.setattr(keys, "_PATIENCE_SECONDS", 0.05)
    left = file.path.with_name(file.path.name + ".new")
    left.touch()
    with pytest.raises(StoreError, match="remove it"):
        file.add()
    left.unlink()
    file.add()


def test_a_directory_that_cannot_be_made_is_told(file):
    file.path.parent.touch()
    with pytest.raises(StoreError, match="permissions"):
        file.add()
