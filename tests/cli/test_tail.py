"""Following sessions: what is new is told once, in its order, and the end is an end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner
from otlp_requests import JSON
from span_records import ROOT, ROOT_ID, SESSION, failed, llm, root, span, tool

from agentops_otel.cli import main
from agentops_otel.cli.reader import LocalReader
from agentops_otel.cli.server_reader import ServerReader
from agentops_otel.cli.tail import Tail
from agentops_otel.conventions import names
from agentops_otel.server.app import make_app
from agentops_otel.server.intake import records_of_request
from agentops_otel.store import Owner

ENDED = {names.END_STATE: names.SUCCESS, names.END_STATE_REASON: "all done", names.TAGS: ["nightly"]}


@pytest.fixture(params=["store", "server"])
def reader(request, store, serve):
    return ServerReader(serve(make_app(store))) if request.param == "server" else LocalReader(store, str(store.path))


@pytest.fixture
def begun(store):
    store.insert([started(store)])
    return store


def started(store, **fields):
    return root({names.OWNER: Owner.claim(store.owners).name, names.TAGS: ["nightly"]}, end=None, **fields)


def words(lines):
    """The lines without the time that they begin with."""
    return [line.split("  ", 1)[1] for line in lines]


def test_a_session_from_its_beginning_to_its_end(begun, reader):
    tail = Tail(reader, SESSION, colour=False, as_json=False)
    begun.insert([llm(0.00123, start=1, end=2)])
    assert words(tail.begin()) == ["0af76519  running  nightly", "0af76519  llm chat gpt-4o  1.0s  100→20  $0.0012"]
    assert list(tail.look()) == []
    begun.insert([span("work", span_id="1" * 16, end=None), failed(tool(parent_id=ROOT_ID, start=2, end=3))])
    assert words(tail.look()) == ["0af76519  tool search  1.0s  ✗ ValueError: it broke"]
    assert not tail.is_over
    begun.insert([span("work", span_id="1" * 16, end=5), root(ENDED, end=9)])
    assert words(tail.look()) == ["0af76519  span work  5.0s", "0af76519  Success  all done  9.0s  $0.0012"]
    assert tail.is_over


def test_all_sessions(begun, reader):
    begun.insert([llm(), root(ENDED, trace="1" * 32, start=-50)])
    tail = Tail(reader, None, colour=False, as_json=False)
    assert words(tail.begin()) == ["0af76519  running  nightly"], "nothing of before is told"
    begun.insert([started(begun, trace="2" * 32, start=5), tool(start=6, end=7), tool("late", trace="1" * 32)])
    assert sorted(words(tail.look())) == [
        "0af76519  tool search  1.0s",
        "11111111  tool late  1.0s",
        "22222222  running  nightly",
    ]
    begun.insert([root(ENDED, trace="3" * 32, start=10, end=11), root(ENDED, end=20)])
    assert sorted(words(tail.look())) == [
        "0af76519  Success  all done  20.0s  $0.01",
        "33333333  Success  all done  1.0s  $0.00",
    ]
    assert list(tail.look()) == []
    assert not tail.is_over


def test_what_is_forgotten_is_not_told_again(begun, reader):
    tail = Tail(reader, None, colour=False, as_json=False)
    list(tail.begin())
    begun.insert([root(ENDED, trace=f"{number + 1:032x}", start=number + 1, end=100) for number in range(60)])
    assert len(list(tail.look())) == 50
    assert len(tail._rows) == 50
    assert list(tail.look()) == []


def test_json_lines_are_otlp(begun, reader):
    tail = Tail(reader, SESSION, colour=False, as_json=True)
    begun.insert([llm(0.5), root(ENDED, end=9)])
    (line,) = tail.begin()
    (record,) = records_of_request(line.encode(), JSON).records
    assert (record.name, record.attributes[names.COST]) == ("chat gpt-4o", 0.5)
    assert tail.is_over


def test_nothing_foreign_reaches_the_terminal(begun, reader):
    evil = "\x1b]0;owned\x07\x1b[31mred\x9b2J\r\nline"
    begun.insert([failed(tool(evil, attributes={names.SPAN_KIND: evil}), evil, evil)])
    begun.insert([root({names.END_STATE: evil, names.END_STATE_REASON: evil, names.TAGS: [evil]}, end=9)])
    told = "".join(Tail(reader, SESSION, colour=False, as_json=False).begin())
    assert not {"\x1b", "\x9b", "\r", "\n"} & set(told)


def test_colours(begun, reader):
    begun.insert([failed(tool())])
    told = "".join(Tail(reader, SESSION, colour=True, as_json=False).begin())
    assert "\x1b[36m●\x1b[0m running" in told
    assert "\x1b[31m✗ ValueError" in told


def test_the_command_ends_with_the_session(begun, run):
    def end():
        time.sleep(1)
        begun.insert([llm(), root(ENDED, end=9)])

    thread = threading.Thread(target=end)
    thread.start()
    lines = run("tail", "@last").splitlines()
    thread.join()
    assert words(lines) == [
        "0af76519  running  nightly",
        "0af76519  llm chat gpt-4o  1.0s  100→20  $0.01",
        "0af76519  Success  all done  9.0s  $0.01",
    ]


def test_a_session_that_is_not_there(store, run):
    run("tail", "abc", code=3)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_is_how_it_ends(begun):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = "from agentops_otel.cli import main; main()"
    command = [sys.executable, "-c", code, "sessions", "tail", "--json", "--store", str(begun.path)]
    lines = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        told = threading.Thread(target=lambda: lines.append(process.stdout.readline()))
        told.start()
        for number in range(300):
            begun.insert([span(f"number {number}", span_id=f"{number + 1:016x}")])
            told.join(0.2)
            if not told.is_alive():
                break
        process.send_signal(signal.SIGINT)
        try:
            rest, complaint = process.communicate(timeout=30)
        finally:
            process.kill()
        assert complaint == ""
        lines += rest.splitlines()
    assert process.returncode == 0
    assert lines[0], "it told what happened before it was ended"
    for line in lines:
        assert json.loads(line)["resourceSpans"]


def test_a_store_that_is_not_there_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))
    result = CliRunner().invoke(main, ["sessions", "tail", "--store", str(tmp_path / "none.db")])
    assert (result.exit_code, result.output) == (0, "")
