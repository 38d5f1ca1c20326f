"""How the command line prints: foreign text made harmless, figures short, colours where they are wanted."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLOURS: Final = {"Success": "green", "Failure": "red", "Indeterminate": "yellow", "running": "cyan"}

_NARROWEST: Final = 20
_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86_400
# Whole escape sequences go, so that what is left of them is not read as text.
_SEQUENCES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)
# Lone surrogates too: JSON may carry them as escapes, and only as these can they be printed.
_UNSAFE_IN_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN: Final = str.maketrans(
    {"├": "|", "└": "`", "│": "|", "─": "-", "→": ">", "●": "*", "✗": "x", "·": "-", "…": "~"}
)


def clean(text: object) -> str:
    """Text out of a span on one line, without what a terminal would obey: escapes, controls, bidi marks."""
    found = str(text)
    if found.isascii() and found.isprintable():
        return found
    kept = []
    for character in _SEQUENCES.sub("", found):
        kind = unicodedata.category(character)
        if kind in {"Zl", "Zp"} or character in "\t\n\r\v\f":
            kept.append(" ")
        elif not kind.startswith("C") or character == "\N{ZERO WIDTH JOINER}":
            kept.append(character)
    return "".join(kept)


def harmless_json(text: str) -> str:
    """JSON with the characters escaped that JSON allows and a terminal obeys."""
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(line: str = "", *, colour: bool = False) -> None:
    """Print a line; where the output cannot show our signs, with ASCII in their place."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        line.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        line = line.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    click.echo(line, color=colour)


def wants_colour(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether standard output is a terminal that shows colours, and nobody said `NO_COLOR`."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and environment.get("TERM") != "dumb"


def columns() -> int | None:
    """How wide the terminal is that standard output goes to; None where it goes to a file or a pipe."""
    return max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None


def paint(text: str, colour: str | None, *, on: bool, bold: bool | None = None, dim: bool | None = None) -> str:
    """The text in a colour, if colours are `on`."""
    return click.style(text, fg=colour, bold=bold, dim=dim) if on and text else text


def money(cost: Decimal | None, *, unpriced: int = 0) -> str:
    """USD to the cent, below a cent to two significant digits; `?` stands for what is not known."""
    if cost is None:
        return "?"
    shown = f"${cost:,.2f}"
    if cost and abs(cost) < Decimal("0.01"):
        shown = "$" + format(Decimal(f"{cost:.1e}"), "f")
    return f"{shown}+?" if unpriced else shown


def span_of_time(seconds: float | None) -> str:
    """`<1ms`, `12ms`, `4.2s`, `3m 5s`, `2h 10m`, `3d 4h`; `-` for None."""
    if seconds is None:
        return "-"
    if 0 < seconds < 0.0005:  # noqa: PLR2004 - what would round to 0ms
        return "<1ms"
    if seconds < 0.9995:  # noqa: PLR2004 - what would round to 1000ms
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:  # noqa: PLR2004 - what would round to 60.0s
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, below, lesser in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "m"),
        (_MINUTE, "m", _SECOND, "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // below}{lesser}"
    return f"{whole}s"


def ago(seconds: float) -> str:
    """`just now`, `2m ago`, `5h ago`, `3d ago`."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return "just now" if seconds < 1 else f"{int(seconds)}s ago"


def count(number: int) -> str:
    """A number of tokens in at most five characters: `950`, `12.4k`, `3.1M`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            shown = f"{number / size:.1f}"
            return f"{shown.removesuffix('.0')}{unit}"
    return str(number)


def local(time: int) -> datetime:
    """A time in nanoseconds since the epoch in the time zone of this machine."""
    return datetime.fromtimestamp(time / 10**9).astimezone()


def several(number: int, word: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def width(text: str) -> int:
    """How many columns a terminal gives to this text, colours not counted."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(map(_columns, click.unstyle(text)))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """The text in at most so many columns; a sign shows where it was cut."""
    if width(text) <= columns:
        return text
    kept, used = "", 0
    for character in text:
        used += _columns(character)
        if used >= columns:
            break
        kept += character
    return f"{kept}…"


def aligned(
    rows: Sequence[Sequence[str]], right: frozenset[int], room: int | None = None, spare: Sequence[int] = ()
) -> list[str]:
    """Rows as lines with aligned columns; those in `right` are aligned to their end.

    Where there is `room` for so many columns of the terminal only, the table's columns in `spare` are left out
    one by one, in this order, until the rest fits.
    """
    widths = dict(enumerate(max(map(width, column)) for column in zip(*rows, strict=True)))
    for number in spare:
        if room is None or sum(widths.values()) + 2 * (len(widths) - 1) <= room:
            break
        del widths[number]
    lines = []
    for row in rows:
        cells = []
        for number, wide in widths.items():
            space = " " * (wide - width(row[number]))
            cells.append(space + row[number] if number in right else row[number] + space)
        lines.append("  ".join(cells).rstrip())
    return lines
