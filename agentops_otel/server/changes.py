"""Server-sent events: the sessions that change, as they change."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.routing import Route

from agentops_otel.server.answers import RefusedError
from agentops_otel.server.content import as_json
from agentops_otel.server.filters import known, project_of
from agentops_otel.server.queries import session_json
from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from agentops_otel.store.base import Store
    from agentops_otel.store.questions import Change

_STREAMS: Final = 32
"""Streams at once: each asks the store twice a second."""
_PAUSE_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 15.0
_PAGE: Final = 100
_RETRY: Final = "retry: 2000\n"


class Changes:
    """The streams of one application; `end` lets all of them finish, so that a server can end at once.

    A stream reads the store as fast as its client takes what it is told and no faster, so nothing piles up for
    a slow one: it is told of each session as it is by then.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._streams = 0
        self._is_ended = False

    def routes(self) -> list[Route]:
        """The address of the streams."""
        return [Route("/v2/changes", self.get)]

    def end(self) -> None:
        """Finish all streams within half a second, and begin no more."""
        self._is_ended = True

    async def get(self, request: Request) -> Response:
        """The stream from the number that the request names, or from now on."""
        known(request, "after")
        after = _number(request)
        if self._streams >= _STREAMS:
            raise RefusedError(429, f"{_STREAMS} streams are open: close one, or ask GET /v2/sessions now and then")
        newest = await run_in_threadpool(self._newest)
        # A number that is yet to come belongs to another store: all that is here is news.
        begin = newest if after is None else after if after <= newest else 0
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(begin, project_of(request)), 200, headers, "text/event-stream")

    def _newest(self) -> int:
        return self._store.change()

    def _changes(self, after: int, project: str | None) -> list[Change]:
        return self._store.changes(after, _PAGE, project)

    async def _events(self, after: int, project: str | None) -> AsyncIterator[str]:
        self._streams += 1
        try:
            yield f"{_RETRY}id: {after}\nevent: ready\ndata: {{}}\n\n"
            spoken = time.monotonic()
            while not self._is_ended:
                try:
                    changes = await run_in_threadpool(self._changes, after, project)
                except StoreError:
                    changes = []  # the store may be back in a moment
                for change in changes:
                    yield _event(change)
                if changes:
                    after, spoken = changes[-1].number, time.monotonic()
                    continue
                if time.monotonic() - spoken > _HEARTBEAT_SECONDS:
                    yield ": still here\n\n"
                    spoken = time.monotonic()
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._streams -= 1


def _number(request: Request) -> int | None:
    told = request.headers.get("last-event-id") or request.query_params.get("after")
    if told is None:
        return None
    if not (told.isascii() and told.isdigit() and len(told) < 19):  # noqa: PLR2004 - SQLite's numbers
        raise RefusedError(400, "Last-Event-ID is the id of an event of this stream: leave it out to begin now")
    return int(told)


def _event(change: Change) -> str:
    kind = "session" if change.row is not None else "deleted"
    gone = {"id": change.session_id, "project_id": change.project_id}
    data = gone if change.row is None else session_json(change.row)
    return f"id: {change.number}\nevent: {kind}\ndata: {as_json(data)}\n\n"
