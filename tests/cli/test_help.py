"""The help of the sessions commands, as a stranger reads it."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from inline_snapshot import snapshot

from agentops_otel.cli import main


def help_of(*command):
    result = CliRunner().invoke(main, ["sessions", *command, "--help"], terminal_width=100, prog_name="agentops-otel")
    assert result.exit_code == 0
    return result.output


def commands(command, *path):
    """Every command there is, as the words that call it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), *path, name)


@pytest.mark.parametrize("path", list(commands(main)), ids=lambda path: " ".join(path) or "agentops-otel")
def test_each_fits_a_screen_and_says_what_it_does(path):
    told = CliRunner().invoke(main, [*path, "--help"], terminal_width=80, prog_name="agentops-otel").output
    lines = told.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"Usage: {' '.join(('agentops-otel', *path))} [OPTIONS]")
    assert lines[2].strip(), "what it does"
    options = told.partition("\nOptions:\n")[2].partition("\n\n")[0]
    assert "" not in [line[2:].partition("  ")[2].strip() for line in options.splitlines() if line[2:3] == "-"]


def test_sessions():
    assert help_of() == snapshot("""\
Usage: agentops-otel sessions [OPTIONS] COMMAND [ARGS]...

  List, show, compare, follow, export and delete sessions, here or on a server.

  They are read from the store on this machine, or with --server from a server. An ID may be cut
  short; @last is the newest session, @last~1 the one before it.

  Ends with 0 when all went well, 1 after an error, 2 when called wrongly,
  3 when there is no such session, 4 when the server wants another key,
  5 when no server answers.

Options:
  -h, --help  Show this message and exit.

Commands:
  diff    Compare two sessions.
  export  Print all that is known of sessions; an ID may be cut short, or be @last.
  ls      List sessions, newest first.
  rm      Delete sessions and all their spans, for good.
  show    Show a session and its spans as a tree.
  stats   Add up calls, tokens and cost.
  tail    Follow sessions while they run: each span as it ends.
""")


def test_ls():
    assert help_of("ls") == snapshot("""\
Usage: agentops-otel sessions ls [OPTIONS]

  List sessions, newest first.

Options:
  --end-state STATE  Success, Failure, Indeterminate or running; or any of several.
  --tag TAG          Only those with this tag, or with all of several.
  --model NAME       Only those that called this model, or any of several.
  --since TIME       Only those begun since: 30m, 2h, 3d, 2026-11-21.
  --cost LIMIT       Only those of this cost in USD: '>0.1', '<=2'.
  --limit N          Show at most so many.  [default: 20; x>=1]
  --json             Print a JSON array.
  --store PATH       Read this store (AGENTOPS_STORE).
  --server URL       Ask this server (AGENTOPS_SERVER).
  --key KEY          The server's key (AGENTOPS_API_KEY).
  --project NAME     Only this project of the store.
  -h, --help         Show this message and exit.
""")


def test_show():
    assert help_of("show") == snapshot("""\
Usage: agentops-otel sessions show [OPTIONS] ID

  Show a session and its spans as a tree.

  An ID may be cut short; @last is the newest session, @last~1 the one before it.

Options:
  --json          Print what `export` prints.
  --store PATH    Read this store (AGENTOPS_STORE).
  --server URL    Ask this server (AGENTOPS_SERVER).
  --key KEY       The server's key (AGENTOPS_API_KEY).
  --project NAME  Only this project of the store.
  -h, --help      Show this message and exit.
""")


def test_stats():
    assert help_of("stats") == snapshot("""\
Usage: agentops-otel sessions stats [OPTIONS] [ID]

  Add up calls, tokens and cost: with an ID of this session by model, without one of all sessions.

  An ID may be cut short; @last is the newest session, @last~1 the one before it.

Options:
  --end-state STATE         Success, Failure, Indeterminate or running; or any of several.
  --tag TAG                 Only those with this tag, or with all of several.
  --model NAME              Only those that called this model, or any of several.
  --since TIME              Only those begun since: 30m, 2h, 3d, 2026-11-21.
  --cost LIMIT              Only those of this cost in USD: '>0.1', '<=2'.
  --by [day|end-state|tag]  What all sessions are grouped by.  [default: day]
  --json                    Print JSON.
  --store PATH              Read this store (AGENTOPS_STORE).
  --server URL              Ask this server (AGENTOPS_SERVER).
  --key KEY                 The server's key (AGENTOPS_API_KEY).
  --project NAME            Only this project of the store.
  -h, --help                Show this message and exit.
""")


def test_tail():
    assert help_of("tail") == snapshot("""\
Usage: agentops-otel sessions tail [OPTIONS] [ID]

  Follow sessions while they run: each span as it ends.

  With an ID, such as @last, from the beginning of this session to its end; without one, whatever
  happens from now on, until Ctrl-C.

Options:
  --json          Print each span as a line of OTLP JSON.
  --store PATH    Read this store (AGENTOPS_STORE).
  --server URL    Ask this server (AGENTOPS_SERVER).
  --key KEY       The server's key (AGENTOPS_API_KEY).
  --project NAME  Only this project of the store.
  -h, --help      Show this message and exit.
""")


def test_export():
    assert help_of("export") == snapshot("""\
Usage: agentops-otel sessions export [OPTIONS] [ID]...

  Print all that is known of sessions; an ID may be cut short, or be @last.

  json   one object, an array of several
  jsonl  a session in each line
  csv    a row for each LLM call, tool call, action and error
  otlp   the spans of a session in each line, for OpenTelemetry's collectors

Options:
  --end-state STATE  Success, Failure, Indeterminate or running; or any of several.
  --tag TAG          Only those with this tag, or with all of several.
  --model NAME       Only those that called this model, or any of several.
  --since TIME       Only those begun since: 30m, 2h, 3d, 2026-11-21.
  --cost LIMIT       Only those of this cost in USD: '>0.1', '<=2'.
  --all              All sessions, or all that the filters leave.
  --format FORM      json, jsonl, csv or otlp.  [default: json]
  -o, --output FILE  Write to this file.
  --store PATH       Read this store (AGENTOPS_STORE).
  --server URL       Ask this server (AGENTOPS_SERVER).
  --key KEY          The server's key (AGENTOPS_API_KEY).
  --project NAME     Only this project of the store.
  -h, --help         Show this message and exit.
""")


def test_rm():
    assert help_of("rm") == snapshot("""\
Usage: agentops-otel sessions rm [OPTIONS] ID...

  Delete sessions and all their spans, for good.

  An ID may be cut short; @last is the newest session, @last~1 the one before it.

Options:
  -y, --yes       Do not ask.
  --store PATH    Read this store (AGENTOPS_STORE).
  --server URL    Ask this server (AGENTOPS_SERVER).
  --key KEY       The server's key (AGENTOPS_API_KEY).
  --project NAME  Only this project of the store.
  -h, --help      Show this message and exit.
""")
