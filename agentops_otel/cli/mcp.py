"""`agentops-otel mcp`: the sessions of a store or a server, for agents, over the Model Context Protocol."""

from __future__ import annotations

import click

from agentops_otel.cli.reader import opened, place_options


@click.command()
@place_options
@click.pass_context
def mcp(context: click.Context, store: str | None, server: str | None, key: str | None) -> None:
    """Let agents read sessions: an MCP server on standard input and output.

    It lists, searches, shows and compares sessions, and changes nothing. Agents start it themselves. In the settings
    of Claude Code, Cursor and others:

    \b
    {"mcpServers": {"agentops": {"command": "agentops-otel", "args": ["mcp"]}}}
    """  # noqa: D301 - click reads the sign
    with opened(context, store, server, key):
        pass  # what is wrong with the options is said now, and not at the first question
    try:
        from agentops_otel.cli.asking import made  # noqa: PLC0415 - an extra that may be missing
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "mcp":
            raise
        raise click.ClickException("this needs one more package: pip install 'agentops_otel[mcp]'") from missing
    made(lambda: opened(context, store, server, key)).run("stdio")
