"""A session's outline as the waterfall draws it: every span in its place, told by windows of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import price_text
from agentops_otel.conventions import names
from agentops_otel.server.content import as_json
from agentops_otel.server.outline import outline
from agentops_otel.server.page.shape import Bar, Shape
from agentops_otel.server.queries import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.server.outline import Figures, Node

_SECOND: Final = 10**9
_MOST_ERRORS: Final = 10_000


@dataclass(slots=True)
class Drawing:
    """The rows of a session, parents before children, as JSON texts; and what is told of all of them at once.

    In a row, times are seconds after `start`, that of the earliest span. `seconds` is None while a span is open,
    `first_chunk` where nothing was streamed, `cost` (USD, a decimal string) where it is unknown; `figures` stand
    only where the tally counted them; `size` is how many rows lie below. `whole` holds: `total` rows, `seconds`,
    `kinds`, `idle` times (begin, end, seconds that they are drawn as), the `map`, the rows of `errors`, `folds` (the
    rows at the top, or right below the session, that have others below them, with their id and size), and `oddities`:
    what a reader should know of the records, as no session span, parents that never arrived, children that began
    before them.
    """

    rows: list[str]
    places: dict[str, int]
    whole: dict[str, Any]

    @classmethod
    def of(cls, records: Sequence[SpanRecord]) -> Drawing:
        """The drawing of all records of a session."""
        first = min((record.start_time for record in records), default=0)
        latest = max((max(record.end_time or 0, record.start_time) for record in records), default=0)
        nodes = list(outline(records))
        shape = Shape.of([_bar(node, first, latest) for node in nodes])
        critical = shape.critical()
        idle = shape.idle()
        rows = [
            {
                **row_of(node, first),
                "number": number,
                "parent": shape.parents[number],
                "size": shape.sizes[number],
                "is_critical": number in critical,
            }
            for number, node in enumerate(nodes)
        ]
        whole = {
            "start": timestamp(first),
            "total": len(rows),
            "seconds": shape.seconds,
            "kinds": sorted({node.kind for node in nodes}),
            "idle": idle,
            "map": shape.cells(idle, [node.error is not None for node in nodes]),
            "errors": [number for number, node in enumerate(nodes) if node.error is not None][:_MOST_ERRORS],
            "folds": [
                (number, row["id"], row["size"]) for number, row in enumerate(rows) if row["size"] and _folds(row)
            ],
            "oddities": list(_oddities(records, nodes)),
        }
        return cls([as_json(row) for row in rows], {row["id"]: row["number"] for row in rows}, whole)

    def window(self, begin: int, limit: int) -> str:
        """So many rows from this one on, as a JSON list."""
        return f"[{', '.join(self.rows[begin : begin + limit])}]"

    def failed(self) -> str:
        """The rows in which an error arose, as a JSON list."""
        return f"[{', '.join(self.rows[number] for number in self.whole['errors'])}]"


def _folds(row: dict[str, Any]) -> bool:
    """Whether a row is folded where all are: whatever stands at the top or below the session."""
    depth: int = row["depth"]
    return depth == 1 or (depth == 0 and row["kind"] != names.KIND_SESSION)


def _bar(node: Node, first: int, latest: int) -> Bar:
    record = node.record
    begin = (record.start_time - first) / _SECOND
    end = (latest - first) / _SECOND if node.seconds is None else begin + node.seconds
    return Bar(len(node.lasts), begin, end, node.kind)


def row_of(node: Node, first: int) -> dict[str, Any]:
    """A span as the page reads it; times are seconds after `first` (ns)."""
    record = node.record
    told = record.attributes
    return {
        "id": record.span_id,
        "depth": len(node.lasts),
        "kind": node.kind,
        "name": node.name,
        "offset": (record.start_time - first) / _SECOND,
        "seconds": node.seconds,
        "first_chunk": _number(told.get(names.RESPONSE_TIME_TO_FIRST_CHUNK)),
        "model": told.get(names.RESPONSE_MODEL) or told.get(names.REQUEST_MODEL),
        "has_failed": node.has_failed,
        "error": node.error,
        "is_orphan": node.is_orphan,
        "figures": None if node.figures is None else _figures(node.figures),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "cost": None if figures.cost is None else price_text(figures.cost),
        "unpriced_calls": figures.unpriced_calls,
    }


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and 0 <= value < float("inf") else None


def _oddities(records: Sequence[SpanRecord], nodes: Sequence[Node]) -> Iterator[str]:
    if not any(record.is_session for record in records):
        yield "No session span has arrived: its end, its end state and its tags are not known."
    orphans = sum(node.is_orphan for node in nodes)
    if orphans:
        yield f"{orphans} {'span names a parent' if orphans == 1 else 'spans name parents'} that never arrived."
    by_id = {record.span_id: record for record in records}
    circle = _in_circles({record.span_id: record.parent_id for record in records})
    if circle:
        count = "1 span is below itself" if circle == 1 else f"{circle} spans are below themselves"
        yield f"{count}: parents make a circle, which is cut at its first span."
    early = sum(
        record.start_time < by_id[record.parent_id].start_time for record in records if record.parent_id in by_id
    )
    if early:
        count = f"{early} {'span begins' if early == 1 else 'spans begin'}"
        yield f"{count} before the one above: the clocks of two hosts differ, or the times were set by hand."
    backwards = sum(record.end_time is not None and record.end_time < record.start_time for record in records)
    if backwards:
        count = f"{backwards} {'span ends' if backwards == 1 else 'spans end'}"
        yield f"{count} before it began: a clock was set back, or the times were set by hand."


def _in_circles(parents: dict[str, str | None]) -> int:
    """How many spans are their own descendants."""
    seen: dict[str, int] = {}
    count = 0
    for number, begin in enumerate(parents):
        path: list[str] = []
        step: str | None = begin
        while step is not None and step in parents and step not in seen:
            seen[step] = number
            path.append(step)
            step = parents[step]
        if step is not None and seen.get(step) == number and step in path:
            count += len(path) - path.index(step)
    return count
