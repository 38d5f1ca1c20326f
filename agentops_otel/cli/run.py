"""`agentops-otel run`: a program runs as it is, in a session."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from agentops_otel.autorun import NoProgramError, environment, words
from agentops_otel.cli import text


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "module", is_flag=True, help="PROGRAM is the name of a module, as with python -m.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what is captured.")
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="PROGRAM [ARGS]...")
def run(module: bool, quiet: bool, program: tuple[str, ...]) -> None:
    """Run a program in a session, without a change to it.

    PROGRAM is a file of Python, a module with -m, or a command such as pytest. Its arguments, input, output, signals
    and exit code are its own. Python processes that it starts join the session.
    """
    try:
        command = words(program, module=module)
    except NoProgramError as error:
        raise click.UsageError(text.clean(error)) from error
    told = environment(os.environ, quiet=quiet)
    try:
        if sys.platform == "win32":  # exec gives the prompt back there before the program ends
            raise SystemExit(subprocess.call(command, env=told))  # noqa: S603 - what the user asked for
        os.execve(command[0], command, told)  # noqa: S606 - as above
    except OSError as error:
        raise click.ClickException(text.clean(f"{command[0]} cannot be started: {error.strerror}")) from error
