"""The command itself: its help, its version, its commands."""

from __future__ import annotations

import re

from click.testing import CliRunner
from span_records import SESSION, python, root

import agentops_otel.cli
from agentops_otel.cli import main


def test_help_loads_no_command():
    code = (
        "import sys\nfrom agentops_otel.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith('agentops_otel.cli.')])"
    )
    with python(code) as process:
        told = process.stdout.read()
    assert re.search("sessions +List, show, compare, follow, export", told)
    assert "demo" in told
    assert told.endswith("[]\n")
    assert len(told.splitlines()) < 24


def test_every_command_is_where_it_is_said_to_be():
    for name, summary in agentops_otel.cli._COMMANDS.items():
        command = main.get_command(None, name)
        assert command.name == name
        assert command.get_short_help_str()
        assert summary.endswith(".")


def test_the_version():
    result = CliRunner().invoke(main, ["--version"])
    assert re.fullmatch(r"agentops-otel \S.*\n", result.output)


def test_a_command_that_is_not_there():
    assert CliRunner().invoke(main, ["nothing"]).exit_code == 2


def test_as_a_module(store):
    store.insert([root()])
    code = "import runpy; runpy.run_module('agentops_otel', run_name='__main__')"
    with python(code, "sessions", "ls", "--store", store.path) as process:
        assert SESSION[:8] in process.stdout.read()
