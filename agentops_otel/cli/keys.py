"""`agentops-otel keys`: the API keys of a store, each of which opens one project."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import click

from agentops_otel.cli import text
from agentops_otel.store import StoreError, resolve
from agentops_otel.store.keys import DEFAULT_PROJECT, KeyFile

_STORE: Final = click.option("--store", metavar="PATH", help="A store other than the usual one (AGENTOPS_STORE).")
_NOT_FOUND: Final = 3


@click.group()
def keys() -> None:
    """Make, list and remove the keys that `agentops-otel serve` asks for.

    Once a store has a key, whoever sends traces to its server or reads from it must name one. A key opens one project:
    what is sent with it belongs to the project, and nothing else is seen with it. Programs send their key with
    agentops.init(api_key=...).
    """


@keys.command()
@click.option("--project", default=DEFAULT_PROJECT, show_default=True, help="The project that the key opens.")
@_STORE
def add(project: str, store: str | None) -> None:
    """Make a key. It is shown this once: only a digest of it is kept."""
    try:
        made = KeyFile(resolve(store)).add(project)
    except ValueError as error:
        raise click.UsageError(text.clean(error)) from error
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error
    text.say(made.text)
    told = f"Key {made.key.id} of the project {text.clean(project)!r}. It is not shown again: only a digest is kept."
    click.echo(told, err=True)


@keys.command()
@_STORE
def ls(store: str | None) -> None:
    """List the keys: id, project, and when each was made. The keys themselves are not kept."""
    try:
        found = KeyFile(resolve(store)).read()
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error
    if not found:
        text.say("There are no keys. Make one: agentops-otel keys add --project NAME")
        return
    rows = [("ID", "PROJECT", "MADE")]
    for key in found:
        made = datetime.fromtimestamp(key.made).astimezone()
        rows.append((text.clean(key.id), text.clean(key.project), f"{made:%Y-%m-%d %H:%M}"))
    for line in text.aligned(rows, frozenset()):
        text.say(line)


@keys.command()
@click.argument("key_id", metavar="ID")
@_STORE
def rm(key_id: str, store: str | None) -> None:
    """Remove a key by its id.

    The beginning of an id is enough, if no other begins with it.
    """
    try:
        removed = KeyFile(resolve(store)).remove(key_id)
    except KeyError as error:
        click.echo(f"No key, or more than one, has an id that begins with {text.clean(key_id)!r}.", err=True)
        click.echo("See them: agentops-otel keys ls", err=True)
        raise click.exceptions.Exit(_NOT_FOUND) from error
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error
    text.say(f"Removed the key {removed.id} of the project {text.clean(removed.project)!r}.")
