"""`agentops-otel sessions`: what is in a store or on a server, for people and for programs."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from agentops_otel.cli import differences, exports, overview, text
from agentops_otel.cli.reader import Filters, NotFound, cost_condition, local, reading, since_of
from agentops_otel.cli.tail import Tail
from agentops_otel.cli.tree import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO, TypeVar

    from agentops_otel.cli.reader import Reader, Row

    _Command = TypeVar("_Command", bound=Callable[..., Any])

_CANDIDATES: Final = 10
_COMPLETED: Final = 50
_LOOK_SECONDS: Final = 0.5
_END_STATES: Final = ("Success", "Failure", "Indeterminate", "running")


class _Ambiguous(click.ClickException):
    exit_code = 2


def _read_by(read: Callable[[str], Any], expected: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that reads an option's text, and says what is `expected` where it cannot."""

    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else read(value)
        except (ValueError, OverflowError) as error:
            raise click.BadParameter(f"{text.clean(value)!r} is not {expected}", ctx, param) from error

    return callback


def _condition(told: str) -> str:
    cost_condition(told)
    return told


_since = _read_by(since_of, "a time such as 30m, 2h, 3d or 2026-11-21")
_cost = _read_by(_condition, "a comparison such as '>0.1' or '<=2'")


def _known_ids(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """What may be meant by the beginning of an id, for shells that complete it: the newest sessions of a store."""
    try:
        with local(context.params.get("store")) as reader:
            rows = reader.sessions(Filters(), _COMPLETED)
    except click.ClickException:
        return []
    found = [CompletionItem(text.clean(row["id"]), help=overview.brief(row)) for row in rows]
    return [item for item in [CompletionItem("@last", help="the newest"), *found] if item.value.startswith(begun)]


def _id_argument(command: _Command) -> _Command:
    return click.argument("reference", metavar="ID", shell_complete=_known_ids)(command)


def _filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which sessions are wanted; the command gets them as `filters`."""

    @functools.wraps(command)
    def filtered(
        *,
        end_state: tuple[str, ...],
        tag: tuple[str, ...],
        model: tuple[str, ...],
        since: int | None,
        cost: str | None,
        **options: Any,
    ) -> None:
        command(filters=Filters(end_state, tag, model, since, cost), **options)

    chosen: Callable[..., Any] = filtered
    for option in (
        click.option(
            "--cost",
            callback=_cost,
            metavar="LIMIT",
            help="Only those of this cost in USD: '>0.1', '<=2'.",
        ),
        click.option(
            "--since", callback=_since, metavar="TIME", help="Only those begun since: 30m, 2h, 3d, 2026-11-21."
        ),
        click.option(
            "--model",
            multiple=True,
            metavar="NAME",
            help="Only those that called this model, or any of several.",
        ),
        click.option("--tag", multiple=True, metavar="TAG", help="Only those with this tag, or with all of several."),
        click.option(
            "--end-state",
            multiple=True,
            type=click.Choice(_END_STATES, case_sensitive=False),
            metavar="STATE",
            help="Success, Failure, Indeterminate or running; or any of several.",
        ),
    ):
        chosen = option(chosen)
    return chosen


@click.group()
def sessions() -> None:
    """List, show, compare, follow, export and delete sessions, here or on a server.

    They are read from the store on this machine, or with --server from a server.
    An ID may be cut short; @last is the newest session, @last~1 the one before it.

    \b
    Ends with 0 when all went well, 1 after an error, 2 when called wrongly,
    3 when there is no such session, 4 when the server wants another key,
    5 when no server answers.
    """  # noqa: D301 - click reads the sign


@sessions.command("ls")
@_filter_options
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=20, show_default=True, help="Show at most so many."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@reading
def list_sessions(reader: Reader, filters: Filters, limit: int, as_json: bool) -> None:
    """List sessions, newest first."""
    rows = reader.sessions(filters, limit)
    if as_json:
        _print_json(rows)
        return
    colour = text.wants_colour()
    if rows:
        lines = overview.table(rows, colour, text.columns())
    elif filters == Filters() or not reader.sessions(Filters(), 1):
        lines = _nothing_yet(reader)
    else:
        lines = [f"No session in {reader.where} is like that: ask for less, or see all with agentops-otel sessions ls"]
    _say(lines, colour)


@sessions.command()
@_id_argument
@click.option("--json", "as_json", is_flag=True, help="Print what `export` prints.")
@reading
def show(reader: Reader, reference: str, as_json: bool) -> None:
    """Show a session and its spans as a tree.

    An ID may be cut short; @last is the newest session, @last~1 the one before it.
    """
    row = _found(reader, reference)
    if as_json:
        _print_json(reader.export(row["id"]))
        return
    colour = text.wants_colour()
    _say([*overview.head(row, colour), "", *render(reader.spans(row["id"]), colour, text.columns())], colour)


@sessions.command(short_help="Add up calls, tokens and cost.")
@click.argument("reference", metavar="[ID]", required=False, shell_complete=_known_ids)
@_filter_options
@click.option(
    "--by",
    type=click.Choice(["day", "end-state", "tag"]),
    default="day",
    show_default=True,
    help="What all sessions are grouped by.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reading
def stats(reader: Reader, reference: str | None, filters: Filters, by: str, as_json: bool) -> None:
    """Add up calls, tokens and cost: with an ID of this session by model, without one of all sessions.

    An ID may be cut short; @last is the newest session, @last~1 the one before it.
    """
    colour = text.wants_colour()
    if reference is None:
        told = overview.totals(reader.sessions(filters), by)
        lines = overview.totals_table(told, by, colour, text.columns())
        _print_json(told) if as_json else _say(lines, colour)
        return
    if filters != Filters():
        raise click.UsageError("filters choose among all sessions: leave out the ID, or the filters")
    row = _found(reader, reference)
    figures = reader.statistics(row["id"])
    if as_json:
        _print_json(figures)
    else:
        _say([*overview.head(row, colour), "", *overview.by_model(figures, colour)], colour)


@sessions.command(short_help="Compare two sessions.")
@click.argument("first", metavar="ID", shell_complete=_known_ids)
@click.argument("second", metavar="OTHER", shell_complete=_known_ids)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reading
def diff(reader: Reader, first: str, second: str, as_json: bool) -> None:
    """Compare two sessions: their figures, and the steps in which they differ.

    \b
    ~ a step of both with another input, output or outcome
    - a step of the first alone
    + a step of the second alone

    An ID may be cut short; @last is the newest session, @last~1 the one before it.
    """  # noqa: D301 - click reads the sign
    told = differences.compared(reader, _id(reader, first), _id(reader, second))
    colour = text.wants_colour()
    _print_json(told) if as_json else _say(differences.lines(told, colour), colour)


@sessions.command()
@click.argument("reference", metavar="[ID]", required=False, shell_complete=_known_ids)
@click.option("--json", "as_json", is_flag=True, help="Print each span as a line of OTLP JSON.")
@reading
def tail(reader: Reader, reference: str | None, as_json: bool) -> None:
    """Follow sessions while they run: each span as it ends.

    With an ID, such as @last, from the beginning of this session to its end; without one, whatever happens
    from now on, until Ctrl-C.
    """
    colour = text.wants_colour()
    followed = Tail(
        reader, None if reference is None else _found(reader, reference)["id"], colour=colour, as_json=as_json
    )
    with contextlib.suppress(KeyboardInterrupt):
        _say(followed.begin(), colour)
        if reference is None and not as_json and _is_terminal(sys.stderr):
            click.echo("Waiting for what happens; Ctrl-C ends it.", err=True)
        looked = 0.0
        while not followed.is_over:
            # A look at a large session takes long: it gets a sixth of the time, and no more.
            time.sleep(max(_LOOK_SECONDS, 5 * looked))
            begun = time.monotonic()
            _say(followed.look(), colour)
            looked = time.monotonic() - begun


@sessions.command()
@click.argument("references", metavar="[ID]...", nargs=-1, shell_complete=_known_ids)
@_filter_options
@click.option("--all", "everything", is_flag=True, help="All sessions, or all that the filters leave.")
@click.option(
    "--format",
    "form",
    type=click.Choice(exports.FORMS),
    default="json",
    metavar="FORM",
    show_default=True,
    help=f"{', '.join(exports.FORMS[:-1])} or {exports.FORMS[-1]}.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@reading
def export(
    reader: Reader, references: tuple[str, ...], filters: Filters, everything: bool, form: str, output: Path | None
) -> None:
    """Print all that is known of sessions; an ID may be cut short, or be @last.

    \b
    json   one object, an array of several
    jsonl  a session in each line
    csv    a row for each LLM call, tool call, action and error
    otlp   the spans of a session in each line, for OpenTelemetry's collectors
    """  # noqa: D301 - click reads the sign
    if bool(references) == everything:
        raise click.UsageError("say which sessions: an ID such as @last, several, or --all")
    if references and filters != Filters():
        raise click.UsageError("filters choose among all sessions: use them with --all")
    ids = [row["id"] for row in reader.sessions(filters)] if everything else _ids(reader, references)
    pieces = exports.written(reader, _with_progress(ids, output), form, as_list=everything or len(ids) > 1)
    if output is None or str(output) == "-":
        for piece in pieces:
            click.echo(_encoded(piece), nl=False)
        return
    try:
        with output.open("wb") as file:
            file.writelines(_encoded(piece) for piece in pieces)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror or error}") from error
    click.echo(f"{ids[0] if len(ids) == 1 else text.several(len(ids), 'session')} written to {output}", err=True)


@sessions.command("rm")
@click.argument("references", metavar="ID...", nargs=-1, required=True, shell_complete=_known_ids)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@reading
def remove(reader: Reader, references: tuple[str, ...], yes: bool) -> None:
    """Delete sessions and all their spans, for good.

    An ID may be cut short; @last is the newest session, @last~1 the one before it.
    """
    rows = [_found(reader, reference) for reference in references]
    if not yes:
        if not _is_terminal(sys.stdin):
            raise click.UsageError("nobody is there to ask: say --yes to delete")
        for row in rows:
            click.echo(f"  {overview.brief(row)}", err=True)
        if not click.confirm(f"Delete {text.several(len(rows), 'session')} in {reader.where}?", err=True):
            raise click.ClickException("nothing is deleted")
    for row in {row["id"]: row for row in rows}.values():
        reader.delete(row["id"])
        click.echo(f"Deleted {text.clean(row['id'])}")


# --- Finding ------------------------------------------------------------------------------------------------


def _ids(reader: Reader, references: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(_id(reader, reference) for reference in references))


def _found(reader: Reader, reference: str) -> Row:
    row = reader.session(_id(reader, reference))
    if row is None:
        raise _missing(reader, reference)
    return row


def _id(reader: Reader, reference: str) -> str:
    ids = reader.find(reference)
    if len(ids) > 1:
        raise _Ambiguous("\n".join(_candidates(reader, reference, ids)))
    if not ids:
        raise _missing(reader, reference)
    return ids[0]


def _missing(reader: Reader, reference: str) -> NotFound:
    if not reader.sessions(Filters(), 1):
        return NotFound("\n".join(_nothing_yet(reader)))
    return NotFound(
        f"no session in {reader.where} is called {text.clean(reference)!r}\n"
        "See which there are: agentops-otel sessions ls"
    )


def _candidates(reader: Reader, reference: str, ids: list[str]) -> Iterator[str]:
    yield f"{text.clean(reference)!r} may be any of {len(ids)} sessions; give more of the id:"
    for session_id in ids[:_CANDIDATES]:
        row = reader.session(session_id)
        if row is not None:
            yield f"  {overview.brief(row)}"
    if len(ids) > _CANDIDATES:
        yield f"  and {len(ids) - _CANDIDATES} more"


def _nothing_yet(reader: Reader) -> list[str]:
    return [
        f"No sessions yet in {reader.where}",
        "See one in a few seconds: agentops-otel demo",
        "Record your own:          import agentops_otel; agentops_otel.init()",
    ]


# --- Printing -----------------------------------------------------------------------------------------------


def _say(lines: Iterable[str], colour: bool) -> None:
    for line in lines:
        text.say(line, colour=colour)


def _print_json(value: Any) -> None:
    click.echo(_encoded(exports.indented(value)))


def _encoded(piece: str) -> bytes:
    """As UTF-8 whatever the terminal's own encoding; a lone surrogate, which has none, as an escape."""
    return piece.encode("utf-8", "backslashreplace")


def _with_progress(ids: list[str], output: Path | None) -> Iterator[str]:
    """The ids one by one; on a terminal that shows nothing else, with a bar that says how far it is."""
    is_free = output is not None or not _is_terminal(sys.stdout)
    if len(ids) == 1 or not is_free or not _is_terminal(sys.stderr):
        yield from ids
        return
    with click.progressbar(ids, label="Exporting", file=sys.stderr, show_pos=True) as shown:
        yield from shown


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty()
