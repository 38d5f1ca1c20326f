"""The spool: first in, first out, bounded, never the same batch in two hands, and mended where it is damaged."""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from agentops_otel.spool import Address, Spool, SpoolError

HERE = Address("http://127.0.0.1:1/v1/traces", "default")
THERE = Address("http://127.0.0.1:2/v1/traces", "default")
MEGABYTE = 1 << 20
DAY = 86_400


def body(text, size=0):
    return gzip.compress(text.encode() + os.urandom(size), 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spool.db"


@pytest.fixture(params=["disk", "memory"])
def spool(request, path):
    return Spool(path if request.param == "disk" else None, MEGABYTE, DAY)


def drained(spool, address=HERE):
    """The texts of all batches for this address, in their order."""
    found = []
    while (batch := spool.next(address)) is not None:
        found.append(gzip.decompress(batch.body).decode("latin-1"))
        spool.done(batch)
    return found


def test_first_in_first_out(spool):
    assert spool.next(HERE) is None
    for number in range(3):
        assert spool.put(HERE, [(body(f"{number}a"), 1), (body(f"{number}b"), 2)])
    assert spool.put(THERE, [(body("other"), 5)])
    assert spool.own() == 14
    assert drained(spool) == ["0a", "0b", "1a", "1b", "2a", "2b"]
    assert spool.own() == 5
    assert [(item.address, item.spans, item.is_held) for item in spool.waiting()] == [(THERE, 5, True)]


def test_a_batch_stays_until_it_is_done(spool):
    spool.put(HERE, [(body("a"), 1)])
    assert spool.next(HERE) == spool.next(HERE)


def test_parts_take_the_place_of_the_whole(spool):
    spool.put(HERE, [(body("ab"), 2)])
    spool.put(HERE, [(body("c"), 1)])
    whole = spool.next(HERE)
    first, second = spool.split(whole, [(body("a"), 1), (body("b"), 1)])
    assert (first.spans, second.spans, first.is_own) == (1, 1, True)
    assert drained(spool) == ["a", "b", "c"]


def test_bounded_and_the_last_of_it_is_for_what_is_essential(spool):
    piece = body("", 100_000)
    put = 0
    while spool.put(HERE, [(piece, 1)]):
        put += 1
    assert put == (MEGABYTE - MEGABYTE // 16) // len(piece)
    assert spool.put(HERE, [(body("", 50_000), 1)], essential=True)
    assert not spool.put(HERE, [(piece, 1)], essential=True)
    assert spool.own() == put + 1
    spool.done(spool.next(HERE))
    assert spool.put(HERE, [(body("", 10_000), 1)])


def test_what_is_too_old_is_given_up(path):
    spool = Spool(path, MEGABYTE, 0.2)
    spool.put(HERE, [(body("old"), 3)])
    assert spool.expire() == 0
    time.sleep(0.3)
    spool.put(HERE, [(body("new"), 1)])
    assert spool.expire() == 3
    assert drained(spool) == ["new"]


def test_two_clients_of_one_process_have_batches_of_their_own(path):
    one, other = Spool(path, MEGABYTE, DAY), Spool(path, MEGABYTE, DAY)
    one.put(HERE, [(body("one"), 1)])
    assert other.adopt(HERE) == 0
    assert other.next(HERE) is None
    one.release()
    assert other.adopt(HERE) == 1
    batch = other.next(HERE)
    assert not batch.is_own
    assert other.own() == 0
    assert one.next(HERE) is None


def python(program, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)], text=True, **options
    )


PUT = """
    import gzip, sys, time
    from pathlib import Path
    from agentops_otel.spool import Address, Spool
    spool = Spool(Path(sys.argv[1]), 1 << 20, 86400)
    address = Address("http://127.0.0.1:1/v1/traces", "default")
    spool.put(address, [(gzip.compress(b"theirs"), 1)])
    print("put", flush=True)
    time.sleep(60)
"""


def test_what_a_process_leaves_is_taken_over_once_it_is_dead_and_not_before(path):
    process = python(PUT, path, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "put\n"
    spool = Spool(path, MEGABYTE, DAY)
    assert [item.is_held for item in spool.waiting()] == [True]
    assert spool.adopt(HERE) == 0
    process.kill()
    process.communicate()
    assert [item.is_held for item in spool.waiting()] == [False]
    assert spool.adopt(THERE) == 0
    spool.put(HERE, [(body("ours"), 1)])
    assert spool.adopt(HERE) == 1
    assert drained(spool) == ["ours", "theirs"]  # our own first: their process waits for nothing any more


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_nothing_of_its_parent(path):
    spool = Spool(path, MEGABYTE, DAY)
    memory = Spool(None, MEGABYTE, DAY)
    for each in (spool, memory):
        each.put(HERE, [(body("parent's"), 1)])
    child = os.fork()
    if child == 0:
        ok = spool.next(HERE) is None and memory.next(HERE) is None and spool.put(HERE, [(body("child's"), 1)])
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert drained(memory) == drained(spool) == ["parent's"]
    assert spool.adopt(HERE) == 1
    assert drained(spool) == ["child's"]


# --- Fault 31: whose file it is ---------------------------------------------------------------------------


def test_31_the_file_is_the_users_alone_whatever_the_umask(path):
    python(
        f"import os; os.umask(0)\n{textwrap.dedent(PUT).replace('time.sleep(60)', '')}", path / "a" / "spool.db"
    ).wait()
    folder = path / "a"
    modes = {found.name: found.stat().st_mode & 0o777 for found in folder.iterdir() if found.is_file()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes
    assert set(modes.values()) == {0o600}


def test_31_a_planted_link_is_not_followed(path, tmp_path):
    target = tmp_path / "target"
    target.touch()
    path.symlink_to(target)
    with pytest.raises(SpoolError, match="no file of this user"):
        Spool(path, MEGABYTE, DAY).put(HERE, [(body("a"), 1)])
    assert target.read_bytes() == b""


def test_what_was_sent_is_not_left_in_the_file(path):
    spool = Spool(path, MEGABYTE, DAY)
    spool.put(HERE, [(b"\x1f\x8bcanary-0001" * 1000, 1)])
    spool.done(spool.next(HERE))
    spool.release()
    files = [found.read_bytes() for found in path.parent.iterdir() if found.is_file()]
    assert files
    assert not [found for found in files if b"canary-0001" in found]


# --- Fault 12: damage --------------------------------------------------------------------------------------


def filled(path, batches=40):
    spool = Spool(path, MEGABYTE, DAY)
    for number in range(batches):
        spool.put(HERE, [(body(f"{number:04} ", 3000), 1)])
    spool.release()
    return path.read_bytes()


def recovered(path):
    """What a spool still gives of a damaged file: the numbers of the intact batches, and whether it works on."""
    spool = Spool(path, MEGABYTE, DAY)
    spool.adopt(HERE)
    spool.put(HERE, [(body("new "), 1)])
    found = []
    while (batch := spool.next(HERE)) is not None:
        try:
            found.append(gzip.decompress(batch.body)[:5].decode())
        except (OSError, EOFError, gzip.zlib.error):
            found.append("damaged")
        spool.done(batch)
    return found


@pytest.mark.parametrize("kept", [0, 1, 99, 100, 4095, 4096, 4097, 8192, 20_000, 60_000, -4097, -4096, -1])
def test_12_a_truncated_file_gives_what_is_left(path, kept):
    whole = filled(path)
    path.write_bytes(whole[:kept])
    found = recovered(path)
    assert "new " in [text[:4] for text in found]
    texts = {f"{number:04} " for number in range(40)}
    assert set(found) - {"new ", "damaged"} <= texts
    if kept >= 60_000 or kept < 0:
        assert len(set(found) & texts) >= 8


@pytest.mark.parametrize("place", range(0, 4096 * 20, 4099))
def test_12_a_flipped_bit_costs_no_more_than_what_it_is_in(path, place):
    whole = bytearray(filled(path))
    whole[place] ^= 0x10
    path.write_bytes(whole)
    found = recovered(path)
    assert "new " in [text[:4] for text in found]


@pytest.mark.parametrize("content", [b"not a database\n" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_12_a_foreign_file_is_moved_aside_and_not_destroyed(path, content):
    path.write_bytes(content)
    assert [text[:4] for text in recovered(path)] == ["new "]
    (aside,) = [found for found in path.parent.iterdir() if ".damaged-" in found.name and found.suffix != "-wal"]
    assert aside.read_bytes() == content


@pytest.mark.parametrize("version", [0, 99])
def test_12_the_database_of_another_program_or_of_a_newer_version_is_left_alone(path, version):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SpoolError, match="another program" if version == 0 else "newer agentops_otel"):
        Spool(path, MEGABYTE, DAY).put(HERE, [(body("a"), 1)])
    assert path.read_bytes() == before
