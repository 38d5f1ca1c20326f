"""`agentops-otel completion`: the scripts for shells, and what is completed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from span_records import SESSION, root

from agentops_otel.cli import main
from agentops_otel.conventions import names

SHELLS = ("bash", "zsh", "fish")


def completed(words, number=None, **environment):
    """What click answers to the shell's question, as (kind, value)."""
    asked = {
        "_AGENTOPS_OTEL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1 if number is None else number),
        **environment,
    }
    result = CliRunner().invoke(main, env=asked, prog_name="agentops-otel")
    return [line.partition(",")[2] for line in result.output.splitlines() if line]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell(shell):
    result = CliRunner().invoke(main, ["completion", shell], prog_name="agentops-otel")
    assert result.exit_code == 0
    assert f"_AGENTOPS_OTEL_COMPLETE={shell}_complete" in result.output


@pytest.mark.parametrize("shell", SHELLS)
def test_by_default_the_shell_in_use(shell):
    result = CliRunner().invoke(main, ["completion"], env={"SHELL": f"/usr/local/bin/{shell}"})
    assert f"_AGENTOPS_OTEL_COMPLETE={shell}_complete" in result.output


@pytest.mark.parametrize("told", ["", "/bin/tcsh"])
def test_a_shell_that_is_not_known(told):
    result = CliRunner().invoke(main, ["completion"], env={"SHELL": told})
    assert result.exit_code == 2
    assert "say which shell: bash, zsh, fish" in result.output


def test_commands_and_options_are_completed():
    assert completed(["agentops-otel", "se"]) == ["serve", "sessions"]
    assert completed(["agentops-otel", "sessions", "e"]) == ["export"]
    assert "--format" in completed(["agentops-otel", "sessions", "export", "--fo"])
    assert completed(["agentops-otel", "sessions", "export", "--format", "j"]) == ["json", "jsonl"]


def test_session_ids_are_completed(store, tmp_path):
    store.insert([root({names.END_STATE: names.SUCCESS})])
    kept = {"AGENTOPS_STORE": str(store.path)}
    assert completed(["agentops-otel", "sessions", "show", ""], 3, **kept) == ["@last", SESSION]
    assert completed(["agentops-otel", "sessions", "export", SESSION[:3]], **kept) == [SESSION]
    assert completed(["agentops-otel", "sessions", "show", "ffff"], **kept) == []
    broken = tmp_path / "broken.db"
    broken.write_text("no database at all" * 999)
    assert completed(["agentops-otel", "sessions", "show", ""], 3, AGENTOPS_STORE=str(broken)) == []


def test_a_real_bash_completes(tmp_path):
    bash = shutil.which("bash")
    assert bash is not None
    program = tmp_path / "agentops-otel"
    program.write_text(
        f"#!{sys.executable}\nfrom agentops_otel.cli import main\nmain(prog_name='agentops-otel')\n", encoding="utf-8"
    )
    program.chmod(0o755)
    typed = """
        eval "$(agentops-otel completion bash)"
        COMP_WORDS=(agentops-otel sess); COMP_CWORD=1
        _agentops_otel_completion agentops-otel
        echo "${COMPREPLY[@]}"
    """
    path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
    told = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([bash, "-c", typed], env=told, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("sessions\n", "")
