"""What happens in sessions, line by line as it happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from agentops_otel.cli import overview, text, tree
from agentops_otel.cli.exports import line as json_line
from agentops_otel.cli.reader import Filters
from agentops_otel.server.otlp_json import traces_data
from agentops_otel.server.outline import outline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.cli.reader import Reader, Row
    from agentops_otel.server.outline import Node

_WATCHED: Final = 50
"""Sessions that are looked at, the newest first."""


class Tail:
    """The spans that have ended since the last look, in the order of their ends; open ones are told when they end.

    Followed is the one session of this id, or with None every session that runs or begins.
    """

    def __init__(self, reader: Reader, session_id: str | None, *, colour: bool, as_json: bool) -> None:
        self._reader = reader
        self._session_id = session_id
        self._colour = colour
        self._as_json = as_json
        self._rows: dict[str, Row] = {}
        self._told: dict[str, set[tuple[str, str]]] = {}
        self.is_over = False
        """Whether the one session that is followed has ended."""

    def begin(self) -> Iterator[str]:
        """What there is: all of the one session that is followed; else which sessions run, and nothing of before."""
        if self._session_id is not None:
            yield from self.look()
            return
        for row in reversed(self._listed()):
            self._rows[row["id"]] = row
            if row["is_running"]:
                self._told[row["id"]] = {_key(node) for node in self._ended(row["id"])}
                yield from self._remark(row, overview.tags(row))

    def look(self) -> Iterator[str]:
        """What is new since the last look."""
        listed = self._listed()
        for row in reversed(listed):
            before = self._rows.get(row["id"])
            # What a running session does is not always something that its row counts.
            if row["is_running"] or row != before:
                self._rows[row["id"]] = row
                yield from self._news(row, before)
        known = {row["id"] for row in listed}
        for session_id in self._rows.keys() - known:
            del self._rows[session_id]
            self._told.pop(session_id, None)

    def _news(self, row: Row, before: Row | None) -> Iterator[str]:
        if before is None and row["is_running"]:
            yield from self._remark(row, overview.tags(row))
        told = self._told.setdefault(row["id"], set())
        for node in self._ended(row["id"]):
            if _key(node) not in told:
                told.add(_key(node))
                yield self._line(row, node)
        if not row["is_running"]:
            if before is None or before["is_running"]:
                yield from self._remark(row, overview.outcome(row))
            self.is_over = row["id"] == self._session_id

    def _listed(self) -> list[Row]:
        if self._session_id is None:
            return self._reader.sessions(Filters(), _WATCHED)
        row = self._reader.session(self._session_id)
        return [] if row is None else [row]

    def _ended(self, session_id: str) -> list[Node]:
        nodes = [node for node in outline(self._reader.spans(session_id)) if node.seconds is not None]
        return sorted(
            (node for node in nodes if not node.record.is_session), key=lambda node: node.record.end_time or 0
        )

    def _line(self, row: Row, node: Node) -> str:
        if self._as_json:
            return json_line(traces_data([node.record]))
        return "  ".join((*self._before(row, node.record.end_time or 0), tree.one_line(node, self._colour)))

    def _remark(self, row: Row, said: str) -> Iterator[str]:
        """A line about the session itself, for people."""
        if not self._as_json:
            state = overview.state(row, colour=self._colour)
            yield "  ".join(filter(None, (*self._before(row, time.time_ns()), state, said)))

    def _before(self, row: Row, moment: int) -> tuple[str, str]:
        shown = f"{text.local(moment):%H:%M:%S}", overview.short(row["id"])
        return text.paint(shown[0], None, on=self._colour, dim=True), shown[1]


def _key(node: Node) -> tuple[str, str]:
    return node.record.trace_id, node.record.span_id
