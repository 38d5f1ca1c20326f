"""`agentops-otel sessions`: what is in the store, for people and for programs."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from agentops_otel.cli import text
from agentops_otel.cli.tree import render
from agentops_otel.server.queries import duration, export_of, session_json
from agentops_otel.store import StoreError, open_store, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from agentops_otel.store import SessionRow, Store

    _Command = TypeVar("_Command", bound=Callable[..., Any])

_SHORT: Final = 8
_ID_COLUMNS: Final = 16
_TAG_COLUMNS: Final = 40
_CANDIDATES: Final = 10
_HEADINGS: Final = (
    "ID",
    "STARTED",
    "STATE",
    "TIME",
    "COST",
    "LLMS",
    "TOOLS",
    "ERRORS",
    "IN/CACHED/OUT",
    "TAGS",
)
_RIGHT: Final = frozenset({3, 4, 5, 6, 7, 8})


class _NotFound(click.ClickException):
    exit_code = 3


class _Ambiguous(click.ClickException):
    exit_code = 2


def _store_option(command: _Command) -> _Command:
    option = click.option("--store", metavar="PATH", help="A store other than the usual one (AGENTOPS_STORE).")
    return option(command)


def _id_argument(command: _Command) -> _Command:
    return click.argument("reference", metavar="ID")(command)


@click.group()
def sessions() -> None:
    """List, show and export the sessions on this machine.

    An ID may be cut short; @last is the newest session, @last~1 the one before it.
    """


@sessions.command("ls")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@_store_option
def list_sessions(limit: int, as_json: bool, store: str | None) -> None:
    """List sessions, newest first."""
    with _opened(store) as opened:
        rows = opened.sessions(limit)
        if as_json:
            _print_json([session_json(row) for row in rows])
            return
        colour = text.wants_colour()
        for line in _table(rows, colour) if rows else _nothing_yet(store):
            text.say(line, colour=colour)


@sessions.command()
@_id_argument
@click.option("--json", "as_json", is_flag=True, help="Print what `export` prints.")
@_store_option
def show(reference: str, as_json: bool, store: str | None) -> None:
    """Show a session and its spans as a tree."""
    with _opened(store) as opened:
        row = _found(opened, reference, store)
        records = opened.spans(row.session_id)
        if as_json:
            _print_json(export_of(row, records))
            return
        colour = text.wants_colour()
        for line in (*_head(row, colour), "", *render(records, colour)):
            text.say(line, colour=colour)


@sessions.command()
@_id_argument
@click.option("--format", "form", type=click.Choice(["json"]), default="json", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@_store_option
def export(reference: str, form: str, output: Path | None, store: str | None) -> None:  # noqa: ARG001 - one form so far
    """Print all that is known of a session as JSON."""
    with _opened(store) as opened:
        row = _found(opened, reference, store)
        whole = export_of(row, opened.spans(row.session_id))
    if output is None or str(output) == "-":
        _print_json(whole)
        return
    try:
        output.write_text(_json(whole) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror or error}") from error
    click.echo(f"{whole['session']['id']} is written to {output}", err=True)


# --- Finding ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: str | None) -> Iterator[Store]:
    """The store, closed at the end; what it cannot do ends the command with 1."""
    try:
        with contextlib.closing(open_store(path)) as store:
            yield store
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error


def _found(store: Store, reference: str, path: str | None) -> SessionRow:
    ids = store.find(reference)
    if len(ids) > 1:
        raise _Ambiguous("\n".join(_candidates(store, reference, ids)))
    row = store.session(ids[0]) if ids else None
    if row is None:
        if not store.sessions(1):
            raise _NotFound("\n".join(_nothing_yet(path)))
        raise _NotFound(
            f"no session in {resolve(path)} is called {text.clean(reference)!r}\n"
            "See which there are: agentops-otel sessions ls"
        )
    return row


def _candidates(store: Store, reference: str, ids: list[str]) -> Iterator[str]:
    yield f"{text.clean(reference)!r} may be any of {len(ids)} sessions; give more of the id:"
    for session_id in ids[:_CANDIDATES]:
        row = store.session(session_id)
        if row is not None:
            told = text.clean(session_id), _started(row), _state(row, colour=False), _tags(row)
            yield f"  {'  '.join(told)}".rstrip()
    if len(ids) > _CANDIDATES:
        yield f"  and {len(ids) - _CANDIDATES} more"


def _nothing_yet(path: str | None) -> list[str]:
    return [
        f"No sessions yet in {resolve(path)}",
        "See one in a few seconds: agentops-otel demo",
        "Record your own:          import agentops_otel; agentops_otel.init()",
    ]


# --- Printing -----------------------------------------------------------------------------------------------


def _json(value: Any) -> str:
    return text.harmless_json(json.dumps(value, ensure_ascii=False, indent=2))


def _print_json(value: Any) -> None:
    click.echo(_json(value).encode("utf-8"))


def _table(rows: list[SessionRow], colour: bool) -> list[str]:
    headings = tuple(text.paint(heading, None, on=colour, dim=True) for heading in _HEADINGS)
    return text.aligned([headings, *(_line(row, colour) for row in rows)], right=_RIGHT)


def _line(row: SessionRow, colour: bool) -> tuple[str, ...]:
    errors = text.paint(str(row.errors), "red", on=colour) if row.errors else "0"
    tokens = (row.tokens.get(kind, 0) for kind in ("input_tokens", "cache_read_tokens", "output_tokens"))
    return (
        _short(row.session_id),
        _started(row),
        _state(row, colour=colour),
        text.span_of_time(_seconds(row)),
        text.money(row.cost, unpriced=row.unpriced_calls),
        str(row.llm_calls),
        str(row.tool_calls),
        errors,
        "/".join(map(text.count, tokens)),
        text.cut(_tags(row), _TAG_COLUMNS),
    )


def _head(row: SessionRow, colour: bool) -> list[str]:
    reason = f": {text.clean(row.end_state_reason)}" if row.end_state_reason else ""
    fields = [
        ("Started", f"{text.local(row.start_time):%Y-%m-%d %H:%M:%S}, {_ago(row)}"),
        ("Duration", text.span_of_time(_seconds(row)) + (" so far" if row.is_running else "")),
        ("Cost", _cost(row)),
        ("Tokens", _tokens(row)),
        ("Calls", _calls(row, colour)),
        ("Models", text.clean(", ".join(row.models))),
        ("Tags", _tags(row)),
        ("Video", text.clean(row.video or "")),
    ]
    title = text.paint(f"Session {text.clean(row.session_id)}", None, on=colour, bold=True)
    told = [f"{text.paint(f'{name:<9}', None, on=colour, dim=True)} {said}" for name, said in fields if said]
    return [title, f"{_state(row, colour=colour)}{reason}", *told]


def _cost(row: SessionRow) -> str:
    unknown = f"{text.several(row.unpriced_calls, 'call')} of unknown price" if row.unpriced_calls else ""
    known = text.money(row.cost) if row.cost is not None else ""
    return " and ".join(filter(None, (known, unknown)))


def _tokens(row: SessionRow) -> str:
    def parts(*kinds: tuple[str, str]) -> str:
        told = [f"{row.tokens[kind]:,} {word}" for kind, word in kinds if row.tokens.get(kind)]
        return f" ({', '.join(told)})" if told else ""

    read = parts(("cache_read_tokens", "from cache"), ("cache_write_tokens", "to cache"))
    written = parts(("reasoning_tokens", "reasoning"))
    counts = row.tokens.get("input_tokens", 0), row.tokens.get("output_tokens", 0)
    return f"{counts[0]:,} in{read}, {counts[1]:,} out{written}"


def _calls(row: SessionRow, colour: bool) -> str:
    errors = text.several(row.errors, "error")
    told = [
        text.several(row.llm_calls, "LLM call"),
        text.several(row.tool_calls, "tool call"),
        text.several(row.actions, "action"),
        text.paint(errors, "red", on=colour) if row.errors else errors,
    ]
    return ", ".join(told)


def _short(session_id: str) -> str:
    """The first eight digits of a UUID; more of an id that somebody made up."""
    shown = text.clean(session_id)
    return shown[:_SHORT] if shown[_SHORT : _SHORT + 1] == "-" else text.cut(shown, _ID_COLUMNS)


def _state(row: SessionRow, *, colour: bool) -> str:
    state = "running" if row.is_running else text.clean(row.end_state)
    return f"{text.paint('●', text.COLOURS.get(state), on=True)} {state}" if colour else state


def _started(row: SessionRow) -> str:
    begun, now = text.local(row.start_time), text.local(time.time_ns())
    if begun.date() == now.date():
        return f"{begun:%H:%M} {_ago(row)}"
    return f"{begun:%b %d %H:%M} {_ago(row)}" if begun.year == now.year else f"{begun:%Y-%m-%d} {_ago(row)}"


def _ago(row: SessionRow) -> str:
    return text.ago(max(time.time_ns() - row.start_time, 0) / 10**9)


def _seconds(row: SessionRow) -> float | None:
    return max(time.time_ns() - row.start_time, 0) / 10**9 if row.is_running else duration(row)


def _tags(row: SessionRow) -> str:
    return text.clean(", ".join(row.tags))
