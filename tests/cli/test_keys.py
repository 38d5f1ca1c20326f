"""`agentops-otel keys`: what it prints, and what becomes of the keys."""

from __future__ import annotations

import re
import uuid

import pytest
from click.testing import CliRunner

from agentops_otel.cli import main
from agentops_otel.store.keys import KeyFile, digest


@pytest.fixture
def run(tmp_path):
    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["keys", *arguments, "--store", str(tmp_path / "s.db")])
        assert result.exit_code == code, result.output
        return result

    return run


def test_a_key_is_made_and_printed_alone_for_scripts(run, tmp_path):
    result = run("add", "--project", "mine")
    key = result.stdout.strip()
    assert str(uuid.UUID(key)) == key
    assert "not shown again" in result.stderr
    (kept,) = KeyFile(tmp_path / "s.db").read()
    assert (kept.project, kept.digest) == ("mine", digest(key).hex())


def test_keys_are_listed_without_being_told(run):
    assert "agentops-otel keys add" in run("ls").stdout
    made = [run("add").stdout.strip(), run("add", "--project", "other").stdout.strip()]
    head, *rows = run("ls").stdout.splitlines()
    assert head.split() == ["ID", "PROJECT", "MADE"]
    assert [re.split(r"\s{2,}", row)[1] for row in rows] == ["default", "other"]
    assert not any(key in run("ls").output for key in made)


def test_keys_are_removed(run):
    run("add")
    key_id = run("ls").stdout.splitlines()[1].split()[0]
    assert key_id in run("rm", key_id[:5]).stdout
    assert "no keys" in run("ls").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["rm", "nothing"], 3, "agentops-otel keys ls"),
        (["rm"], 2, "ID"),
        (["add", "--project", ""], 2, "a project's name"),
        (["add", "--project", "a\x1b[31mb"], 2, "a project's name"),
        (["lend"], 2, "lend"),
    ],
)
def test_what_it_refuses(run, arguments, code, told):
    output = run(*arguments, code=code).output
    assert told in output
    assert "\x1b" not in output


def test_a_damaged_file_is_told(run, tmp_path):
    run("add")
    (tmp_path / "s.db.keys").write_text("{")
    for arguments in (["ls"], ["add"], ["rm", "a"]):
        assert "damaged" in run(*arguments, code=1).output
