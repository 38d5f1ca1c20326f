"""The files of a store: where they lie, who may read them, and what is wrong with them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from span_records import SESSION, llm, root, span

import agentops_otel.store as store_face
from agentops_otel.conventions import names
from agentops_otel.store import StoreError, default_path, open_store, owners, schema
from agentops_otel.store.sqlite import SQLiteStore

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
ENDED = {
    names.END_STATE: names.SUCCESS,
    names.END_STATE_REASON: "all done",
    names.TAGS: ["nightly", "refund"],
}


def test_nothing_is_made_before_the_first_insert(tmp_path):
    store = SQLiteStore(tmp_path / "new" / "sessions.db")
    assert store.sessions() == store.find("@last") == store.spans(SESSION) == []
    assert store.session(SESSION) is None
    store.insert([])
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.name == "nt", reason="modes are a POSIX matter")
def test_directory_and_files_are_the_users_alone(tmp_path):
    store = SQLiteStore(tmp_path / "new" / "sessions.db")
    store.insert([root(end=None)])
    owners.Owner.claim(store.owners)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    assert modes == {
        "sessions.db": 0o600,
        "sessions.db-wal": 0o600,
        "sessions.db-shm": 0o600,
        "sessions.db.owners": 0o700,
    }
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    store.close()


def test_a_closed_store_opens_again(store):
    store.insert([root(ENDED)])
    store.close()
    assert store.session(SESSION).end_state == "Success"
    store.close()
    store.close()


def test_a_file_that_is_removed_while_open_is_made_again(store):
    store.insert([root(ENDED)])
    for path in store.path.parent.glob("sessions.db*"):
        path.unlink()
    assert store.sessions() == []
    store.insert([llm(0.5)])
    with contextlib.closing(SQLiteStore(store.path)) as other:
        assert other.session(SESSION).llm_calls == 1


def test_a_file_that_is_no_database(store):
    store.path.write_text("Dear diary, " * 100)
    for use in (store.sessions, lambda: store.insert([root()])):
        with pytest.raises(StoreError, match=r"sessions\.db: file is not a database .*move it away"):
            use()
    assert store.path.read_text().startswith("Dear diary")
    store.path.unlink()
    store.insert([root()])
    assert len(store.sessions()) == 1


def test_a_database_that_is_damaged(store):
    store.insert([span(attributes={"text": "x" * 2000}) for _ in range(100)])
    store.close()
    content = store.path.read_bytes()
    store.path.write_bytes(content[:8192] + b"\x55" * (len(content) - 8192))
    with pytest.raises(StoreError, match="damaged"):
        store.spans(SESSION)


def test_a_store_of_a_newer_version(store):
    store.insert([root()])
    store.close()
    connection = sqlite3.connect(store.path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=r"newer agentops_otel .*upgrade agentops_otel"):
        store.sessions()


def test_a_database_of_another_program(store, query):
    connection = sqlite3.connect(store.path)
    connection.execute("CREATE TABLE cookies (id)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        store.insert([root()])
    assert query("SELECT count(*) FROM sqlite_master") == [(1,)]


def test_a_directory_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="AGENTOPS_STORE"):
        SQLiteStore(tmp_path / "file" / "sessions.db").insert([root()])


@forks
def test_a_read_only_directory_is_an_error_that_says_what_to_do(tmp_path):
    tmp_path.chmod(0o555)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(tmp_path)
            if os.geteuid() == 0:
                os.setuid(65534)  # modes do not bind root
            SQLiteStore("sessions.db").insert([root()])
        except StoreError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    told = os.read(reading, 1000).decode()
    tmp_path.chmod(0o755)
    assert "AGENTOPS_STORE" in told


def test_where_the_store_is(tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTOPS_STORE", str(tmp_path / "mine.db"))
    assert default_path() == open_store().path == tmp_path / "mine.db"
    monkeypatch.setenv("AGENTOPS_STORE", str(tmp_path))
    assert default_path() == tmp_path / "sessions.db"
    monkeypatch.setenv("AGENTOPS_STORE", f"{tmp_path}/new/")
    assert default_path() == tmp_path / "new" / "sessions.db"
    assert open_store(tmp_path / "a.db").path == tmp_path / "a.db"
    assert open_store("~/a.db").path == Path.home() / "a.db"


@pytest.mark.skipif(not os.sys.platform.startswith("linux"), reason="XDG is for Linux")
def test_where_the_store_is_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTOPS_STORE", "")
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert str(default_path()) == "/home/ada/.local/share/agentops_otel/sessions.db"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert str(default_path()) == "/data/agentops_otel/sessions.db"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert str(default_path()) == "/home/ada/.local/share/agentops_otel/sessions.db"


def test_every_public_name_is_there_when_it_is_asked_for():
    assert store_face.__all__ == sorted(store_face.__all__)
    assert all(getattr(store_face, name) is not None for name in store_face.__all__)
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = store_face.nothing_such
