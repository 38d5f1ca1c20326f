"""The command line: `agentops-otel`, a file for each noun, loaded when it is asked for."""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Final

import click

_COMMANDS: Final = {
    "clickhouse": "Look after a ClickHouse database that a collector writes.",
    "completion": "Let your shell complete commands, options and session ids.",
    "demo": "Watch a small agent at work; no key and no network needed.",
    "doctor": "Check what is captured, where it goes, and that it arrives.",
    "forward": "Send what an endpoint has not taken yet.",
    "keys": "Make and remove the API keys of a store.",
    "mcp": "Let agents read sessions, over the Model Context Protocol.",
    "prices": "Tell what a model costs, and where that price comes from.",
    "run": "Run a program in a session, without a change to it.",
    "serve": "Take traces in over OTLP and answer for the sessions in them.",
    "sessions": "List, show, compare, follow, export and delete sessions.",
}
"""Each lies in the module of its name, under its name."""


class _Commands(click.Group):
    """Knows what its commands are called and do without loading one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the interface has it
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name]) for name in self.list_commands(ctx)])


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    try:
        version = metadata.version("agentops_otel")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"agentops-otel {version}")
    ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Nothing recorded yet? agentops-otel demo",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def main() -> None:
    """See what your agents did and what it cost."""
