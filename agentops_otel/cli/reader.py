"""Where the commands read sessions from: a store on this machine or a server, asked in the same way."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from agentops_otel.cli import text
from agentops_otel.server.listing import Listing
from agentops_otel.server.queries import export_of, hit_json, session_json, statistics
from agentops_otel.store import SessionQuery, StoreError, open_store, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store import SessionRow, Store

    _Command = TypeVar("_Command", bound=Callable[..., Any])

Row = dict[str, Any]
"""A session as `session_json` tells it, wherever it comes from."""

_PAGE: Final = 1000
_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_COST: Final = re.compile(r"(<=|>=|<|>|=)\s*\$?([0-9]{1,9}(?:\.[0-9]{1,12})?)")
_COMPARED: Final[dict[str, Callable[[Decimal, Decimal], bool]]] = {
    "<": lambda cost, limit: cost < limit,
    "<=": lambda cost, limit: cost <= limit,
    "=": lambda cost, limit: cost == limit,
    ">=": lambda cost, limit: cost >= limit,
    ">": lambda cost, limit: cost > limit,
}


class NotFound(click.ClickException):
    """There is no such session."""

    exit_code = 3


class Refused(click.ClickException):
    """A server wants a key, or another one."""

    exit_code = 4


class Unreachable(click.ClickException):
    """No server answers."""

    exit_code = 5


@dataclass(frozen=True)
class Filters:
    """Which sessions are wanted; `since` in nanoseconds since the epoch, `cost` as `>0.1`. All must hold."""

    end_states: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    since: int | None = None
    cost: str | None = None

    def accept(self, row: Row) -> bool:
        """Whether this session is wanted. One whose cost is unknown is neither dear nor cheap."""
        state = "running" if row["is_running"] else row["end_state"]
        return (
            (not self.end_states or state in self.end_states)
            and set(self.tags) <= set(row["tags"])
            and (not self.models or any(model in self.models for model in row["models"]))
            and (self.since is None or nanoseconds(row["init_timestamp"]) >= self.since)
            and (self.cost is None or self._accepts_cost(row["cost"]))
        )

    def _accepts_cost(self, told: str | None) -> bool:
        sign, limit = cost_condition(self.cost or "")
        return told is not None and _COMPARED[sign](Decimal(told), limit)


class Reader(Protocol):
    """A place of sessions; `where` names it in messages. What fails is raised as a `click.ClickException`."""

    where: str

    def sessions(self, filters: Filters, limit: int | None = None) -> list[Row]:
        """The sessions that the filters accept, newest first; None for all."""

    def find(self, reference: str) -> list[str]:
        """The ids that may be meant: by a prefix, or by `@last`, `@last~1`."""

    def session(self, session_id: str) -> Row | None:
        """One session by its whole id."""

    def spans(self, session_id: str) -> list[SpanRecord]:
        """Its spans by start time, open ones included."""

    def export(self, session_id: str) -> dict[str, Any]:
        """All that is known of it, as the API exports it."""

    def statistics(self, session_id: str) -> dict[str, Any]:
        """Its figures, as the API tells them."""

    def search(self, wanted: str, limit: int) -> list[dict[str, Any]]:
        """Spans in which a text is found, the newest first, as the API lists them."""

    def delete(self, session_id: str) -> None:
        """Remove it with all its spans."""


class LocalReader:
    """The sessions of a store on this machine: of one project, or of all."""

    def __init__(self, store: Store, path: str | None, project: str | None = None) -> None:
        self._store = store
        self._project = project
        self.where = place_of(path)

    def sessions(self, filters: Filters, limit: int | None = None) -> list[Row]:
        """As the promise has it; filters may need more sessions read than are wanted."""
        found: list[Row] = []
        query = SessionQuery(
            since=filters.since, limit=_PAGE if limit is None else min(limit, _PAGE), project=self._project
        )
        while True:
            page = self._store.sessions(query)
            found += [row for row in map(session_json, page) if filters.accept(row)]
            if page.cursor is None or (limit is not None and len(found) >= limit):
                return found[:limit]
            query = replace(query, cursor=page.cursor)

    def find(self, reference: str) -> list[str]:
        """As the store finds it."""
        return self._store.find(reference, self._project)

    def session(self, session_id: str) -> Row | None:
        """As the store has it."""
        row = self._store.session(session_id, self._project)
        return None if row is None else session_json(row)

    def spans(self, session_id: str) -> list[SpanRecord]:
        """As the store has them."""
        return self._store.spans(session_id, self._project)

    def export(self, session_id: str) -> dict[str, Any]:
        """Made of the store's records."""
        row = self._known(session_id)
        return export_of(row, self._store.spans(session_id, row.project_id))

    def statistics(self, session_id: str) -> dict[str, Any]:
        """Made of the store's records."""
        row = self._known(session_id)
        return statistics(row, Listing.of(self._store.spans(session_id, row.project_id)))

    def search(self, wanted: str, limit: int) -> list[dict[str, Any]]:
        """As the store finds them."""
        return [hit_json(hit) for hit in self._store.search(wanted, limit)]

    def delete(self, session_id: str) -> None:
        """Out of the store."""
        self._store.delete(session_id, self._project)

    def _known(self, session_id: str) -> SessionRow:
        row = self._store.session(session_id, self._project)
        if row is None:
            raise NotFound(f"the session {text.clean(session_id)} is not there any more")
        return row


def place_options(command: _Command) -> _Command:
    """The options that say where to read: `--store`, `--server`, `--key`."""
    chosen: Any = command
    for option in (
        click.option("--key", metavar="KEY", help="The server's key (AGENTOPS_API_KEY)."),
        click.option("--server", metavar="URL", help="Ask this server (AGENTOPS_SERVER)."),
        click.option("--store", metavar="PATH", help="Read this store (AGENTOPS_STORE)."),
    ):
        chosen = option(chosen)
    return chosen  # type: ignore[no-any-return]


def reading(command: _Command) -> Callable[..., Any]:
    """Give the command its `reader`, and the options that say where it reads."""

    @place_options
    @click.option("--project", metavar="NAME", help="Only this project of the store.")
    @click.pass_context
    @functools.wraps(command)
    def read(
        context: click.Context,
        /,
        *,
        store: str | None,
        project: str | None,
        server: str | None,
        key: str | None,
        **options: Any,
    ) -> None:
        with opened(context, store, server, key, project) as reader:
            command(reader, **options)

    return read


@contextlib.contextmanager
def opened(
    context: click.Context | None, store: str | None, server: str | None, key: str | None, project: str | None = None
) -> Iterator[Reader]:
    """The place that is meant, closed at the end; what it cannot do ends the command with its exit code."""
    if store is not None and server is not None:
        raise click.UsageError("sessions are read from a --store or from a --server, not from both", context)
    chosen = server if store is not None else server or os.environ.get("AGENTOPS_SERVER")
    if chosen:
        if project is not None:
            raise click.UsageError("a --project is of a store: on a server, the key says which it is", context)
        from agentops_otel.cli.server_reader import ServerReader  # noqa: PLC0415 - a store needs no network library

        yield ServerReader(chosen, key or os.environ.get("AGENTOPS_API_KEY"))
        return
    if key is not None:
        raise click.UsageError("a --key is for a --server, and none is named", context)
    with local(store, project) as reader:
        yield reader


@contextlib.contextmanager
def local(store: str | None, project: str | None = None) -> Iterator[Reader]:
    """The store on this machine, closed at the end; what it cannot do is raised as a `click.ClickException`."""
    try:
        with contextlib.closing(open_store(store)) as found:
            yield LocalReader(found, store, project)
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error


def nanoseconds(timestamp: str) -> int:
    """A time of ISO 8601 as nanoseconds since the epoch.

    Raises:
        ValueError: it is none.
    """
    # Python 3.10 does not know that Z is a time zone.
    read = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", timestamp))
    seconds = (read if read.tzinfo else read.astimezone()).timestamp()
    return round(seconds * 1000) * 10**6


def since_of(told: str) -> int:
    """`90s`, `30m`, `2h`, `3d`, `1w`, or a day or time of ISO 8601, in nanoseconds since the epoch.

    Raises:
        ValueError: it is none of these.
    """
    found = _AGO.fullmatch(told)
    if found is not None:
        return time.time_ns() - int(found[1]) * _UNITS[found[2]] * 10**9
    return nanoseconds(told)


def cost_condition(told: str) -> tuple[str, Decimal]:
    """A comparison and an amount in USD, out of `>0.1`.

    Raises:
        ValueError: it is none.
    """
    found = _COST.fullmatch(told.strip())
    if found is None:
        raise ValueError(told)
    return found[1], Decimal(found[2])
