"""`agentops-otel completion`: what a shell needs to complete commands, options and session ids."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Final

import click
from click.shell_completion import get_completion_class

_PROGRAM: Final = "agentops-otel"
_VARIABLE: Final = "_AGENTOPS_OTEL_COMPLETE"
"""Where click looks for what is to be completed."""
_SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print what your shell needs to complete commands, options and session ids.

    \b
    bash  in ~/.bashrc:      eval "$(agentops-otel completion bash)"
    zsh   in ~/.zshrc:       eval "$(agentops-otel completion zsh)"
    fish  in config.fish:    agentops-otel completion fish | source
    """  # noqa: D301 - click reads the sign
    chosen = shell or PurePath(os.environ.get("SHELL", "")).name
    made = get_completion_class(chosen) if chosen in _SHELLS else None
    if made is None:
        raise click.UsageError(f"say which shell: {', '.join(_SHELLS)}")
    root = click.get_current_context().find_root().command
    click.echo(made(root, {}, _PROGRAM, _VARIABLE).source())
