"""Fault 11: disks that cannot be written. Fault 31: whose files these are. What waits is then kept in memory."""

from __future__ import annotations

import json
import os
import sqlite3

import pytest
from collector import Collector

PROGRAM = """
more = begin(endpoint={url!r})
more["end_session"] = work(20, 1)
"""
SPANS = 22


@pytest.fixture
def collector():
    with Collector() as made:
        yield made


def spoil_directory(tmp_path):
    (tmp_path / "place").write_text("a file where a directory should be")


def spoil_link(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "spool.db").symlink_to(tmp_path / "target")


def spoil_newer(tmp_path):
    (tmp_path / "place").mkdir()
    with sqlite3.connect(tmp_path / "place" / "spool.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def spoil_locked(tmp_path):
    (tmp_path / "place").mkdir()
    connection = sqlite3.connect(tmp_path / "place" / "spool.db")
    connection.execute("CREATE TABLE batches (x)")
    connection.execute("BEGIN EXCLUSIVE")
    return connection


@pytest.mark.parametrize("spoil", [spoil_directory, spoil_link, spoil_newer, spoil_locked])
@pytest.mark.parametrize("up", [True, False])
def test_11_a_disk_that_cannot_be_written_harms_nobody(collector, run_program, tmp_path, spoil, up):
    kept = spoil(tmp_path)
    if not up:
        collector.stop()
    outcome = run_program(PROGRAM.format(url=collector.url), AGENTOPS_STORE=str(tmp_path / "place" / "sessions.db"))
    outcome.check_counts()
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "target").exists()
    assert outcome.err.count("kept in memory, for nothing can be kept on disk") == 1
    if up:
        assert outcome.told["delivered"] == SPANS == len(collector.ids)
        assert "span" not in outcome.err.replace("Sent", "")
    else:
        (reason,) = outcome.told["dropped"]
        assert reason.startswith("nothing could be kept on disk (")
        assert outcome.told["dropped"][reason] == SPANS
        assert f"{SPANS} spans did not reach {collector.url}: " in outcome.err
    del kept


@pytest.mark.parametrize("ends", ["by itself", "killed"])
def test_11_a_disk_that_can_be_written_again_is_written_again(collector, begin_program, run_program, tmp_path, ends):
    """What had to wait in memory until then goes there too: at the end at the latest, in a living program after a while."""
    spoil_directory(tmp_path)
    collector.stop()
    store = str(tmp_path / "place" / "sessions.db")
    process = begin_program(
        f"""
import agentops_otel.receivers, os
begin(endpoint={collector.url!r})
agentops_otel.receivers._TRY_AGAIN = {0.1 if ends == "killed" else 3600}
work(9, 0)
agentops.flush(0.5)
(receiver,) = default.pipeline.delivery.receivers
assert receiver.unwritable and receiver.path is None
os.remove({str(tmp_path / "place")!r})
work(9, 0)
agentops.flush(0.5)
if {ends == "killed"}:
    while receiver.unwritable or receiver._memory.own():
        work(1, 0)
        agentops.flush(0.2)
    print("made", default.pipeline.delivery.counts().made, flush=True)
    os.kill(os.getpid(), 9)
""",
        AGENTOPS_STORE=store,
    )
    out, err = process.communicate(timeout=120)
    assert err.count("kept in memory, for nothing can be kept on disk") == 1, err
    last = out.splitlines()[-1]
    made = int(last.split()[1]) if ends == "killed" else json.loads(last)["waiting"]
    assert made >= 20
    assert ends == "killed" or json.loads(last)["dropped"] == {}
    collector.start()
    run_program(f"begin(endpoint={collector.url!r}); work(0, 0)", AGENTOPS_STORE=store)
    assert len(collector.ids) == made + 1 == len(collector.stored)


def test_11_nothing_is_kept_on_disk_where_that_is_not_wanted(collector, run_program, tmp_path):
    collector.stop()
    outcome = run_program(PROGRAM.format(url=collector.url), AGENTOPS_MAX_SPOOL_SIZE="0")
    outcome.check_counts()
    assert not (tmp_path / "spool.db").exists()
    assert sum(outcome.told["dropped"].values()) == SPANS


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")  # noqa: PTH110
def test_11_a_full_disk(collector, run_program, tmp_path):
    """A file may not grow beyond 64 KiB, as on a disk that is full."""
    collector.stop()
    outcome = run_program(
        f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
begin(endpoint={collector.url!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
session = agentops.start_session()
for number in range(100):
    session.record(agentops.ActionEvent("x", params={{"x": __import__("os").urandom(3000).hex()}}))
    if number % 10 == 0: agentops.flush(0.1)
session.end_session("Success")
"""
    )
    outcome.check_counts()
    assert outcome.told["made"] == 101
    assert outcome.told["waiting"] > 0
    assert sum(outcome.told["dropped"].values()) > 0
    collector.start()
    run_program(f"begin(endpoint={collector.url!r}); work(0, 0)")
    assert len(collector.ids) == outcome.told["waiting"] + 1


def test_10_the_spool_is_bounded_and_what_it_has_no_room_for_is_counted(collector, run_program, tmp_path):
    collector.mode = 503
    outcome = run_program(
        f"""
import os
begin(endpoint={collector.url!r}, max_spool_size=2_000_000)
sessions = []
for _ in range(10):
    session = agentops.start_session()
    for _ in range(10):
        session.record(agentops.ActionEvent("x", params={{"x": os.urandom(25_000).hex()}}))
    session.end_session("Success")
    agentops.flush(0.2)
"""
    )
    outcome.check_counts()
    assert outcome.told["made"] == 110
    (lost,) = outcome.told["dropped"].items()
    assert lost[0] == "too much waits to be sent"
    assert f"{lost[1]} spans did not reach {collector.url}: {lost[1]} too much waits to be sent" in outcome.err
    size = sum(found.stat().st_size for found in tmp_path.iterdir() if found.name.startswith("spool.db"))
    assert size < 8_000_000
    collector.mode = 200
    run_program(f"begin(endpoint={collector.url!r}, max_wait_time=20_000); work(0, 0)")
    assert len(collector.ids) == outcome.told["waiting"] + 1
    assert collector.names["session"] == 11  # the ends of all sessions, though not all that was in them
