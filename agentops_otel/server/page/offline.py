"""A session as one HTML file that opens without a server, a network or a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from agentops_otel.server.page import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.page.transcript import Turn

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MOST_ROWS: Final = 5000
_ROOM: Final = Path(__file__).parent
_STYLES: Final = ("base.css", "views.css", "offline.css")


def offline(
    session: dict[str, Any],
    outline: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    turns: Sequence[Turn],
    records: Sequence[SpanRecord],
) -> str:
    """The file: the session's figures, its waterfall, its transcript, its errors, what it ran on.

    `session` is as the API tells it, `outline` and `rows` as a `Drawing` has them.
    """
    environment = Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(money=blocks.money, duration=blocks.duration, count=blocks.count, blocks=blocks.blocks)
    resource: Mapping[str, Any] = records[0].resource if records else {}
    styles = "\n".join((_ROOM / "static" / name).read_text(encoding="utf-8") for name in _STYLES)
    told = {
        # Our own files, and nothing of a session.
        "styles": Markup(styles),  # noqa: S704
        "policy": POLICY,
        "session": session,
        "outline": outline,
        "rows": [{**row, **_bar(row, outline["seconds"])} for row in rows[:MOST_ROWS]],
        "more_rows": max(0, len(rows) - MOST_ROWS),
        "turns": turns,
        "call": blocks.block_of_call,
        "failures": list(_failures(rows, records)),
        "resource": sorted(resource.items()),
    }
    return environment.get_template("offline.html").render(told)


def _bar(row: dict[str, Any], whole: float) -> dict[str, Any]:
    """Where a bar lies, in per cent."""
    whole = max(whole, 1e-9)
    seconds = row["seconds"] if row["seconds"] is not None else max(0.0, whole - row["offset"])
    left = min(100.0, max(0.0, 100 * row["offset"] / whole))
    return {"left": f"{left:.3f}", "width": f"{min(100 - left, 100 * seconds / whole):.3f}"}


def _failures(rows: Sequence[dict[str, Any]], records: Sequence[SpanRecord]) -> Iterator[dict[str, Any]]:
    by_id = {record.span_id: record for record in records}
    for row in rows:
        if row["error"] is None or row["id"] not in by_id:
            continue
        told = [event.get("attributes") or {} for event in by_id[row["id"]].events if event.get("name") == "exception"]
        stack = told[-1].get("exception.stacktrace") if told else None
        yield {"row": row, "stack": stack}
