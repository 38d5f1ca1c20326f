"""The shape of a session's spans: what lies below what, when nothing ran, what the end waited for, and a small map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_IDLE_SHARE: Final = 0.05
_IDLE_SECONDS: Final = 0.5
"""A time in which nothing ran is told from this part of the session, and this length, on."""
_MOST_IDLE: Final = 50
_SHOWN_SHARE: Final = 0.02
"""How long an idle time is drawn, of the time in which something ran."""
_MAP_WIDTH: Final = 1000
_MAP_DEPTH: Final = 12
_MAP_GRAIN: Final = 2


class Bar(NamedTuple):
    """A span as it is drawn: rows come parents before children; times are seconds after the first span."""

    depth: int
    begin: float
    end: float
    kind: str


class Idle(NamedTuple):
    """A time in which nothing ran, and how many seconds it is drawn as."""

    begin: float
    end: float
    shown: float


@dataclass(slots=True)
class Shape:
    """The rows of a session by their number: `parents` (None at the top), `sizes` (how many rows lie below)."""

    bars: Sequence[Bar]
    parents: list[int | None]
    sizes: list[int]

    @classmethod
    def of(cls, bars: Sequence[Bar]) -> Shape:
        """The shape of rows in the order in which they are drawn."""
        parents: list[int | None] = []
        sizes = [0] * len(bars)
        path: list[int] = []
        for number, bar in enumerate(bars):
            del path[bar.depth :]
            parents.append(path[-1] if path else None)
            for above in path:
                sizes[above] += 1
            path.append(number)
        return cls(bars, parents, sizes)

    @property
    def seconds(self) -> float:
        """From the first span's begin to the last one's end."""
        return max((bar.end for bar in self.bars), default=0.0)

    def idle(self) -> list[Idle]:
        """The longest times in which no span ran that has none below it, in their order."""
        gaps, until = [], 0.0
        work = (bar for bar, size in zip(self.bars, self.sizes, strict=True) if not size)
        for begin, end in sorted((bar.begin, bar.end) for bar in work):
            if begin > until:
                gaps.append((until, begin))
            until = max(until, end)
        if self.seconds > until:
            gaps.append((until, self.seconds))
        least = max(_IDLE_SECONDS, self.seconds * _IDLE_SHARE)
        long = sorted((gap for gap in gaps if gap[1] - gap[0] >= least), key=lambda gap: gap[0] - gap[1])[:_MOST_IDLE]
        busy = self.seconds - sum(end - begin for begin, end in long)
        shown = max(busy, _IDLE_SECONDS / 10) * _SHOWN_SHARE
        return [Idle(begin, end, min(shown, end - begin)) for begin, end in sorted(long)]

    def critical(self) -> set[int]:
        """The rows that the end of the session waited for: at each level the last to end, and what ended before it."""
        below: dict[int | None, list[int]] = {}
        for number, above in enumerate(self.parents):
            below.setdefault(above, []).append(number)
        found: set[int] = set()
        pending: list[tuple[int | None, float]] = [(None, self.seconds)]
        while pending:
            above, limit = pending.pop()
            until = limit
            # What outlives the span above it is cut there; of two that ran beside each other, the last to end counts.
            for number in sorted(below.get(above, ()), key=lambda number: -min(self.bars[number].end, limit)):
                end = min(self.bars[number].end, limit)
                if end <= until:
                    found.add(number)
                    pending.append((number, end))
                    until = self.bars[number].begin
        return found

    def cells(self, idle: Sequence[Idle], failed: Sequence[bool]) -> list[list[int | str]]:
        """The map: `[kind, depth, begin, length]` in thousandths of the time, idle times as long as they are drawn."""
        place = _places(idle)
        whole = max(place(self.seconds), 1e-9)
        merged: dict[tuple[str, int], list[list[int]]] = {}
        for bar, has_failed in zip(self.bars, failed, strict=True):
            if bar.kind == "session" and len(self.bars) > 1:
                continue  # it would cover the whole map and tell nothing
            begin = int(_MAP_WIDTH * place(bar.begin) / whole)
            end = max(begin + _MAP_GRAIN, int(_MAP_WIDTH * place(bar.end) / whole))
            told = merged.setdefault(("error" if has_failed else bar.kind, min(bar.depth, _MAP_DEPTH)), [])
            if told and told[-1][0] <= begin <= told[-1][1] + _MAP_GRAIN:
                told[-1][1] = max(told[-1][1], end)
            else:
                told.append([begin, end])
        return [list(cell) for cell in _flat(merged)]


def _places(idle: Sequence[Idle]) -> Callable[[float], float]:
    def place(time: float) -> float:
        taken = 0.0
        for begin, end, shown in idle:
            if time <= begin:
                break
            taken += (min(time, end) - begin) * (1 - shown / (end - begin))
        return time - taken

    return place


def _flat(merged: dict[tuple[str, int], list[list[int]]]) -> Iterator[tuple[str, int, int, int]]:
    for (kind, depth), told in merged.items():
        for begin, end in told:
            yield kind, depth, begin, min(end, _MAP_WIDTH) - begin
