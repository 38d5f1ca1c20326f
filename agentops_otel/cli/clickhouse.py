"""`agentops-otel clickhouse`: what a database of a collector lacks, and the tables that make its answers fast."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

import click

from agentops_otel.cli import text
from agentops_otel.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.store.clickhouse.database import Database

_STORE: Final = click.option(
    "--store", metavar="ADDRESS", help="clickhouse://user:password@host:8123/database (AGENTOPS_STORE)."
)
_FALLS_SHORT: Final = 1


@click.group()
def clickhouse() -> None:
    """Look after a ClickHouse database that a collector writes and servers read.

    Nothing has to be done for a server to read it. Large stores are answered faster with tables of our own, which
    ClickHouse keeps up to date by itself.
    """


@clickhouse.command()
@_STORE
def check(store: str | None) -> None:
    """Tell whether the tables can be read, whether ours are there, and what to do: exits with 1 if it must be."""
    from agentops_otel.store.clickhouse import migration  # noqa: PLC0415 - few need it

    with _opened(store) as database:
        findings = migration.check(database)
    for finding in findings:
        text.say(text.clean(f"{'ok   ' if finding.is_well else 'amiss'}  {finding.message}"))
        if finding.advice is not None:
            text.say(text.clean(f"       {finding.advice}"))
    if not all(finding.is_well for finding in findings):
        raise click.exceptions.Exit(_FALLS_SHORT)


@clickhouse.command()
@_STORE
@click.option("--days", type=click.IntRange(min=1), help="How long to keep them; as long as the collector's.")
@click.option("--remove", is_flag=True, help="Remove our tables again. The collector's stay as they are.")
@click.option("--print", "prints", is_flag=True, help="Print what would be done, for whoever keeps the database.")
def migrate(store: str | None, days: int | None, remove: bool, prints: bool) -> None:
    """Make our tables beside the collector's, and fill them with what is there.

    The collector may go on writing. What was done is not done again, so it may be run at any time, and mends what
    an accident has left out. Nothing of the collector's is changed.
    """
    from agentops_otel.store.clickhouse import migration  # noqa: PLC0415 - few need it
    from agentops_otel.store.clickhouse.layout import found  # noqa: PLC0415 - the same

    with _opened(store) as database:
        if prints:
            for statement in migration.statements(found(database), days):
                click.echo(f"{statement};")
            return
        if remove:
            migration.remove(database)
            text.say("Removed. Servers read the collector's tables alone from now on.")
            return
        added = migration.migrate(database, days, lambda line: click.echo(text.clean(line), err=True))
    text.say(f"Done: {added} rows were added, and ClickHouse adds what comes. Servers notice within half a minute.")


@contextlib.contextmanager
def _opened(store: str | None) -> Iterator[Database]:
    from agentops_otel.store.clickhouse.database import SCHEMES, Address, Database  # noqa: PLC0415 - few need it

    told = store or os.environ.get("AGENTOPS_STORE", "")
    if told.partition("://")[0] not in SCHEMES:
        raise click.UsageError("name the database: --store clickhouse://user:password@host:8123/database")
    try:
        with contextlib.closing(Database(Address.of(told))) as database:
            yield database
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error
