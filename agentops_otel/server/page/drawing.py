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
_FIELDS: Final = (
    "id",
    "depth",
    "kind",
    "name",
    "offset",
    "seconds",
    "first_chunk",
    "model",
    "has_failed",
    "error",
    "is_orphan",
    "figures",
)


@dataclass(slots=True)
class Drawing:
    """The rows of a session, parents before children, each as the values of its `fields`; and what is told of all.

    JSON is made of what is asked for alone: `row`, `window`, `failed`.

    In a row, times are seconds after `start`, that of the earliest span. `seconds` is None while a span is open,
    `first_chunk` where nothing was streamed, `cost` (USD, a decimal string) where it is unknown; `figures` stand
    only where the tally counted them; `size` is how many rows lie below. `whole` holds: `total` rows, `seconds`,
    `kinds`, `idle` times (begin, end, seconds that they are drawn as), the `map`, the rows of `errors`, `folds` (the
    rows at the top, or right below the session, that have others below them, with their id and size), and `oddities`:
    what a reader should know of the records, as no session span, parents that never arrived, children that began
    before them.
    """

    fields: tuple[str, ...]
    rows: list[tuple[Any, ...]]
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
            (*_values(node, first), number, shape.parents[number], shape.sizes[number], number in critical)
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
                (number, node.record.span_id, size)
                for number, (node, size) in enumerate(zip(nodes, shape.sizes, strict=True))
                if size and _folds(node)
            ],
            "oddities": list(_oddities(records, nodes)),
        }
        told = (*_FIELDS, "number", "parent", "size", "is_critical")
        return cls(told, rows, {node.record.span_id: number for number, node in enumerate(nodes)}, whole)

    def row(self, number: int) -> dict[str, Any]:
        """The row of this number."""
        return dict(zip(self.fields, self.rows[number], strict=True))

    def window(self, begin: int, limit: int) -> str:
        """So many rows from this one on, as a JSON list."""
        return as_json([self.row(number) for number in range(begin, min(begin + limit, len(self.rows)))])

    def failed(self) -> str:
        """The rows in which an error arose, as a JSON list."""
        return as_json([self.row(number) for number in self.whole["errors"]])


def _folds(node: Node) -> bool:
    """Whether a row is folded where all are: whatever stands at the top or below the session."""
    depth = len(node.lasts)
    return depth == 1 or (depth == 0 and node.kind != names.KIND_SESSION)


def _bar(node: Node, first: int, latest: int) -> Bar:
    record = node.record
    begin = (record.start_time - first) / _SECOND
    end = (latest - first) / _SECOND if node.seconds is None else begin + node.seconds
    return Bar(len(node.lasts), begin, end, node.kind)


def row_of(node: Node, first: int) -> dict[str, Any]:
    """A span as the page reads it; times are seconds after `first` (ns)."""
    return dict(zip(_FIELDS, _values(node, first), strict=True))


def _values(node: Node, first: int) -> tuple[Any, ...]:
    record = node.record
    told = record.attributes
    return (
        record.span_id,
        len(node.lasts),
        node.kind,
        node.name,
        (record.start_time - first) / _SECOND,
        node.seconds,
        _number(told.get(names.RESPONSE_TIME_TO_FIRST_CHUNK)),
        told.get(names.RESPONSE_MODEL) or told.get(names.REQUEST_MODEL),
        node.has_failed,
        node.error,
        node.is_orphan,
        None if node.figures is None else _figures(node.figures),
    )


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
