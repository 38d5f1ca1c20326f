"""`agentops-otel sessions`: what it prints, and the code it ends with."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime

from click.testing import CliRunner
from span_records import ROOT_ID, SECOND, SESSION, failed, llm, of_project, python, root, span, tool

from agentops_otel.cli import main, text
from agentops_otel.conventions import names
from agentops_otel.store import Owner

ENDED = {names.END_STATE: names.SUCCESS, names.END_STATE_REASON: "all done", names.TAGS: ["nightly", "返金"]}
EVIL = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\u202e\x9b2J\r\nline"


def recent(record, seconds=120):
    """The same record, so long ago."""
    shift = time.time_ns() - seconds * SECOND - record.start_time
    record.start_time += shift
    if record.end_time is not None:
        record.end_time += shift
    return record


def fill(store):
    store.insert(
        [
            recent(root(ENDED, end=4.25)),
            recent(llm(0.00123, tokens=(12_400, 950), attributes={names.CACHE_READ_TOKENS: 8200})),
            recent(failed(tool(parent_id=ROOT_ID))),
        ]
    )


def test_the_table(store, run):
    fill(store)
    store.insert([recent(root({names.OWNER: Owner.claim(store.owners).name}, trace="1" * 32, end=None), 30)])
    store.insert([recent(llm(None, trace="2" * 32), 4 * 86_400)])
    heading, *lines = run("ls").splitlines()
    assert re.split(" +", heading) == [
        *("ID", "STARTED", "STATE", "TIME", "COST", "LLMS", "TOOLS", "ERRORS", "IN/CACHED/OUT", "TAGS")
    ]
    assert [line[:8] for line in lines] == ["11111111", "0af76519", "22222222"]
    assert re.search(r"3\ds ago +running +3\d\.\ds +\$0\.00 +0 +0 +0 +0/0/0$", lines[0])
    assert re.search(
        r"\d\d:\d\d 2m ago +Success +4\.2s +\$0\.0012 +1 +1 +1 +12\.4k/8\.2k/950 +nightly, 返金$", lines[1]
    )
    assert re.search(r"4d ago +Indeterminate +1\.0s +\? +1 +0 +0 +100/0/20$", lines[2])
    ends = {line.index(state) for line, state in zip(lines, ("running", "Success", "Indeterminate"), strict=True)}
    assert ends == {heading.index("STATE")}, "columns are aligned"


def test_the_limit(store, run):
    for number in range(3):
        store.insert([root(ENDED, trace=f"{number:032x}", start=number, end=9)])
    assert len(run("ls", "--limit", "2").splitlines()) == 3
    assert "Invalid value" in run("ls", "--limit", "0", code=2)


def test_rows_as_json(store, run):
    fill(store)
    (row,) = json.loads(run("ls", "--json"))
    assert (row["id"], row["cost"], row["tags"]) == (SESSION, "0.00123", ["nightly", "返金"])
    assert datetime.fromisoformat(row["init_timestamp"]).tzinfo is not None


def test_an_empty_store_says_what_to_do(store, run):
    told = run("ls")
    assert str(store.path) in told
    assert "agentops-otel demo" in told
    assert run("ls", "--json") == "[]\n"
    assert not store.path.exists()


def test_colours_are_for_terminals(store, run, monkeypatch):
    fill(store)
    assert "\x1b" not in run("ls")
    assert "●" not in run("ls")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[32m●\x1b[0m Success" in run("ls")
    assert "\x1b[31m✗ ValueError: it broke\x1b[0m" in run("show", "@last")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("ls") + run("show", "@last")


def test_a_terminal_has_colours(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert text.wants_colour({})
    assert not text.wants_colour({"NO_COLOR": "1"})
    assert not text.wants_colour({"TERM": "dumb"})
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert not text.wants_colour({})


def test_a_session_in_full(store, run):
    store.insert(
        [
            recent(root(ENDED, end=4.25)),
            recent(
                span("invoke_agent planner", {names.OPERATION_NAME: names.INVOKE_AGENT}, span_id="1" * 16),
                119,
            ),
            recent(
                llm(
                    0.00123,
                    tokens=(12_400, 950),
                    attributes={names.CACHE_READ_TOKENS: 8200, names.REASONING_TOKENS: 40},
                    parent_id="1" * 16,
                ),
                119,
            ),
            recent(failed(tool(parent_id="1" * 16)), 118),
            recent(llm(None, model="odd", parent_id=ROOT_ID), 117),
        ]
    )
    lines = run("show", SESSION[:6]).splitlines()
    assert lines[:2] == [f"Session {SESSION}", "Success: all done"]
    assert lines[3:9] == [
        "Duration  4.2s",
        "Cost      $0.0012 and 1 call of unknown price",
        "Tokens    12,500 in (8,200 from cache), 970 out (40 reasoning)",
        "Calls     2 LLM calls, 1 tool call, 0 actions, 1 error",
        "Models    gpt-4o, odd",
        "Tags      nightly, 返金",
    ]
    assert re.fullmatch(r"Started   \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, 2m ago", lines[2])
    assert lines[10:] == [
        "session                4.2s  12.5k→970  $0.0012+?",
        "├─ agent planner       1.0s",
        "│  ├─ llm chat gpt-4o  1.0s  12.4k→950    $0.0012",
        "│  └─ tool search      1.0s                        ✗ ValueError: it broke",
        "└─ llm chat odd        1.0s     100→20          ?",
    ]


def test_show_and_export_print_the_same_json(store, run, tmp_path):
    fill(store)
    whole = json.loads(run("export", "@last"))
    assert whole["session"]["id"] == SESSION
    assert whole["statistics"]["events"] == 3
    assert json.loads(run("show", "@last", "--json")) == whole
    assert json.loads(run("export", "@last", "--format", "json", "-o", "-")) == whole
    told = run("export", "@last", "-o", str(tmp_path / "out.json"))
    assert str(tmp_path / "out.json") in told
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == whole


def test_a_file_that_cannot_be_written(store, run, tmp_path):
    fill(store)
    assert "cannot be written" in run("export", "@last", "-o", str(tmp_path / "no" / "out.json"), code=1)


def test_ids(store, run):
    for number in range(3):
        store.insert([root(ENDED, trace=f"aaaa{number}" + "0" * 27, start=number, end=9)])
    assert "aaaa2000-" in run("show", "@last")
    assert "aaaa1000-" in run("show", "@last~1")
    assert "aaaa0000-" in run("show", "aaaa0")
    assert "aaaa0000-" in run("show", "AAAA00000000")
    told = run("show", "aaaa", code=2)
    assert [told.count(f"aaaa{number}000-0000") for number in range(3)] == [1, 1, 1]
    assert "may be any of 3 sessions" in told


def test_many_candidates_are_not_all_named(store, run):
    for number in range(13):
        store.insert([root(ENDED, trace=f"aaaa{number:028x}")])
    told = run("export", "aaaa", code=2)
    assert told.count("aaaa0000-") == 10
    assert "and 3 more" in told


def test_a_session_that_is_not_there(store, run):
    assert "agentops-otel demo" in run("show", "abc", code=3)
    fill(store)
    told = run("export", "abc\x1b[31m", code=3)
    assert "agentops-otel sessions ls" in told
    assert str(store.path) in told
    assert "\x1b" not in told


def test_a_store_that_cannot_be_read(store, run):
    store.path.write_text("Dear diary, " * 100)
    assert "not a database" in run("ls", code=1)
    assert "not a database" in run("show", "@last", code=1)


def test_the_store_of_the_environment(store, monkeypatch):
    fill(store)
    monkeypatch.setenv("AGENTOPS_STORE", str(store.path.parent))
    assert SESSION[:8] in CliRunner().invoke(main, ["sessions", "ls"]).output


def test_nothing_foreign_reaches_the_terminal(store, run):
    told = {names.END_STATE: EVIL, names.END_STATE_REASON: EVIL, names.TAGS: [EVIL], names.VIDEO_URL: EVIL}
    store.insert(
        [
            root({**told, names.SESSION_ID: EVIL}),
            failed(
                span(EVIL, {names.SESSION_ID: EVIL, names.SPAN_KIND: EVIL, names.OPERATION_NAME: EVIL}),
                EVIL,
                EVIL,
            ),
            llm(model=EVIL, attributes={names.SESSION_ID: EVIL}),
        ]
    )
    for arguments in (("ls",), ("show", "@last"), ("ls", "--json"), ("export", "@last")):
        shown = run(*arguments)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown), arguments
    assert "owned" not in run("show", "@last")
    assert json.loads(run("export", "@last"))["session"]["end_state_reason"] == EVIL


def test_where_only_ascii_is_understood(store):
    fill(store)
    code = "from agentops_otel.cli import main; main()"
    arguments = ["sessions", "show", "@last", "--store", store.path]
    with python(f"import sys; sys.stdout.reconfigure(encoding='ascii'); {code}", *arguments) as process:
        told = process.stdout.read()
    assert process.returncode == 0
    assert "`- tool search" in told
    assert "12.4k>950" in told


def test_a_project_of_the_store(store, run):
    for project, cost in (("red", 0.5), ("blue", 0.25)):
        store.insert(of_project(project, root(ENDED, end=2), llm(cost)))
    assert sorted(row["project_id"] for row in json.loads(run("ls", "--json"))) == ["blue", "red"]
    for project, cost in (("red", "0.5"), ("blue", "0.25")):
        assert [row["cost"] for row in json.loads(run("ls", "--json", "--project", project))] == [cost]
        told = json.loads(run("show", SESSION[:8], "--json", "--project", project))
        assert (told["session"]["project_id"], told["statistics"]["cost"]) == (project, cost)
        assert json.loads(run("stats", "@last", "--json", "--project", project))["cost"] == cost
    run("rm", SESSION, "--yes", "--project", "red")
    assert [row["project_id"] for row in json.loads(run("ls", "--json"))] == ["blue"]
    run("show", SESSION, "--project", "red", code=3)


def test_the_project_of_a_server_is_that_of_the_key():
    result = CliRunner().invoke(main, ["sessions", "ls", "--project", "red", "--server", "http://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "the key says which" in result.output
