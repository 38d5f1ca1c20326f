"""Exports: what is in each form, read back by the programs that read such files."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from otlp_requests import JSON
from span_records import ROOT, SESSION, failed, llm, root, span, tool

from agentops_otel.cli import exports, main
from agentops_otel.conventions import names
from agentops_otel.server.intake import records_of_request

ENDED = {names.END_STATE: names.SUCCESS, names.TAGS: ["nightly"]}
LONE = '{"text": "half of a pair: \\ud800"}'


@pytest.fixture
def two(store):
    """Two sessions, the second of them older."""
    asked = {names.INPUT_MESSAGES: json.dumps([{"role": "user", "parts": [{"type": "text", "content": 'a,"b"\nc'}]}])}
    params = {names.EVENT_PARAMS: '{"q": 1}'}
    store.insert(
        [root(ENDED, end=9), llm(0.5, attributes=asked, start=2, end=3), failed(tool(attributes=params, start=1))]
    )
    store.insert([root(trace="1" * 32, start=-100)])
    return store


def test_json_of_one_and_of_several(two, run):
    one = json.loads(run("export", "@last"))
    assert one["session"]["id"] == SESSION
    several = json.loads(run("export", "@last", "@last~1", "@last"))
    assert several == [one, json.loads(run("export", "@last~1"))]
    assert json.loads(run("export", "--all")) == several
    assert json.loads(run("export", "--all", "--tag", "nightly")) == [one]
    assert json.loads(run("export", "--all", "--tag", "nobody")) == []


def test_json_lines(two, run):
    lines = run("export", "--all", "--format", "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == json.loads(run("export", "--all"))


def test_csv(two, run):
    rows = list(csv.DictReader(io.StringIO(run("export", "--all", "--format", "csv"))))
    assert [(row["type"], row["name"]) for row in rows] == [
        ("tool", "search"),
        ("error", "ValueError"),
        ("llm", "gpt-4o"),
    ]
    assert {row["session_id"] for row in rows} == {SESSION}
    assert rows[0]["params"] == '{"q":1}'
    assert (rows[1]["details"], rows[1]["logs"], rows[1]["trigger_event_id"]) == (
        "it broke",
        "Traceback",
        rows[0]["id"],
    )
    assert (rows[2]["model"], rows[2]["prompt_tokens"], rows[2]["cost"]) == ("gpt-4o", "100", "0.5")
    assert 'a,\\"b\\"\\nc' in rows[2]["prompt"]


def test_otlp_is_taken_by_any_receiver(two, run):
    lines = run("export", "--all", "--format", "otlp").splitlines()
    records = [record for line in lines for record in records_of_request(line.encode(), JSON).records]
    assert [record.name for record in records] == ["session", "search", "chat gpt-4o", "session"]
    assert records[0].attributes == two.spans(SESSION)[0].attributes


@pytest.mark.parametrize("form", exports.FORMS)
def test_text_that_utf8_has_no_form_for(store, run, tmp_path, form):
    """A lone surrogate, out of JSON that a span carries: JSON says it as an escape, and nothing fails."""
    store.insert([root(ENDED), tool(attributes={names.EVENT_PARAMS: LONE})])
    file = tmp_path / "out"
    run("export", "@last", "--format", form, "-o", str(file))
    assert file.read_bytes().decode() == run("export", "@last", "--format", form)
    assert b"\\ud800" in file.read_bytes()
    if form == "json":
        (made,) = json.loads(file.read_bytes())["tools"]
        assert made["params"] == {"text": "half of a pair: \ud800"}
        assert json.loads(run("show", "@last", "--json"))["tools"] == [made]


@pytest.mark.parametrize("form", exports.FORMS)
def test_nothing_in_a_form_is_obeyed_by_a_terminal(store, run, form):
    store.insert(
        [root({names.END_STATE_REASON: "\x9b31m\u202e"}), tool(attributes={names.EVENT_PARAMS: '"\\u009b1m"'})]
    )
    assert not {"\x9b", "\u202e"} & set(run("export", "@last", "--format", form).replace("\x9b1m", ""))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "say which sessions"),
        (["@last", "--all"], "say which sessions"),
        (["@last", "--tag", "a"], "use them with --all"),
        (["@last", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_calls(two, run, arguments, told):
    assert told in run("export", *arguments, code=2)


def test_a_file_says_what_is_in_it(two, run, tmp_path):
    assert run("export", "--all", "-o", str(tmp_path / "o")) == f"2 sessions written to {tmp_path / 'o'}\n"
    assert run("export", "@last", "-o", str(tmp_path / "o")) == f"{SESSION} written to {tmp_path / 'o'}\n"
    assert "cannot be written" in run("export", "@last", "-o", "/dev/full", code=1)


def test_a_bar_on_a_terminal_and_nowhere_else(two, run, tmp_path, monkeypatch):
    path = str(tmp_path / "o")
    assert "Exporting" not in run("export", "--all", "-o", path)
    monkeypatch.setattr("agentops_otel.cli.sessions._is_terminal", lambda stream: True)
    assert "Exporting" in run("export", "--all", "-o", path)
    assert "Exporting" not in run("export", "@last", "-o", path), "one session takes no time"
    assert json.loads(run("export", "--all")), "the terminal that the export goes to has no bar in it"


# --- Pipes and ends -------------------------------------------------------------------------------------------

CODE = "from agentops_otel.cli import main; main()"


def started(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE, "sessions", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize(
    "arguments", [["ls", "--limit", "5000"], ["ls", "--json", "--limit", "5000"], ["export", "--all"]]
)
def test_a_reader_that_goes_away_is_no_error(store, arguments):
    store.insert([root({names.TAGS: ["x" * 1000]}, trace=f"{number + 1:032x}") for number in range(400)])
    with started(*arguments, "--store", store.path) as process:
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_ends_a_long_export(store):
    store.insert([root(trace=f"{number + 1:032x}") for number in range(3000)])
    with started("export", "--all", "--store", store.path) as process:
        assert process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.stderr.read().strip() in {b"Aborted!", b""}
        assert process.wait() in {0, 1}


def test_spans_without_a_session(store, run):
    store.insert([span("alone")])
    assert json.loads(run("export", "@last"))["statistics"]["events"] == 0
    assert CliRunner().invoke(main, ["sessions", "export", "@last", "--store", str(store.path)]).exit_code == 0
