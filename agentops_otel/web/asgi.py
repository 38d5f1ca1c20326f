"""ASGI: a session for each request of any ASGI application, and of each websocket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agentops_otel.client import default as client
from agentops_otel.sessions.inheritance import within
from agentops_otel.web.visits import HEALTH, KEY, Rules, Visit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]

_ENDS = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
"""Messages that give a body at once, and its last byte with it."""
_LEAVES = frozenset({"http.disconnect", "websocket.disconnect"})
_NORMAL = frozenset({1000, 1001, 1005})
"""Codes with which a websocket is closed when all is well."""


class ASGIMiddleware:
    """Runs each request in a session of its own, named after its method and route.

    FastAPI and Starlette: `app.add_middleware(ASGIMiddleware)`; any other: `app = ASGIMiddleware(app)`.

    The session ends with the last byte of the answer: Success, Failure for an exception or a status of 5xx,
    Indeterminate for 4xx and for a client that has gone before. Within, `request.scope["agentops_otel.session"]`
    is the session. It answers nothing itself and changes no message; `exclude`, `only`, `tags` and `join` are
    explained at `Rules`.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        *,
        only: Sequence[str] = ("*",),
        exclude: Sequence[str] = HEALTH,
        tags: Any = None,
        join: bool = False,
    ) -> None:
        self.app = app
        self.rules = Rules(only=only, exclude=exclude, tags=tags, join=join)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        visit = self._opened(scope)
        if visit is None:
            await self.app(scope, receive, send)
            return

        async def watched_receive() -> Any:
            message = await receive()
            _note_received(visit, message)
            return message

        async def watched_send(message: Any) -> None:
            is_last = _note_sent(visit, message)
            await send(message)
            if is_last:
                visit.is_complete = True
                visit.route = _route(scope)
                await _ended(visit)

        with within(visit.session.context):
            try:
                await self.app(scope, watched_receive, watched_send)
            except BaseException as error:
                visit.route = _route(scope)
                visit.fail(error)
                raise
            visit.route = _route(scope)
            await _ended(visit)

    def _opened(self, scope: Scope) -> Visit | None:
        try:
            if scope["type"] not in {"http", "websocket"}:
                return None
            told = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
            visit = self.rules.open(scope.get("method", "WEBSOCKET"), scope["path"], told)
            if visit is not None:
                scope[KEY] = visit.session
            return visit
        except Exception as error:
            client.faults.note("web.asgi", error)
            return None


def _note_received(visit: Visit, message: Any) -> None:
    try:
        if message["type"] in _LEAVES:
            visit.is_gone = not visit.is_complete
            if message["type"] == "websocket.disconnect":
                _closed(visit, message.get("code", 1005))
    except Exception as error:
        client.faults.note("web.asgi", error)


def _note_sent(visit: Visit, message: Any) -> bool:
    """Note what an answer says; whether it is the last that it says."""
    try:
        kind = message["type"]
        if kind == "http.response.start":
            visit.status = message["status"]
        elif kind == "websocket.accept":
            visit.status = 101
        elif kind == "websocket.close":
            _closed(visit, message.get("code", 1000))
        return kind in _ENDS or (kind == "http.response.body" and not message.get("more_body", False))
    except Exception as error:
        client.faults.note("web.asgi", error)
        return False


def _closed(visit: Visit, code: int) -> None:
    """A websocket was closed: well, or as a client that has gone, or with an error of the server's."""
    if visit.is_complete:
        return
    visit.is_complete = True
    if visit.status is None:
        visit.status = 403  # refused before it was accepted
    elif code not in _NORMAL:
        visit.is_complete = not visit.is_gone
        visit.status = 500


async def _ended(visit: Visit) -> None:
    """End the visit without keeping the event loop waiting: the prices may have to be loaded first."""
    if not visit.session.is_running:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # of another kind, as trio's
        visit.end()
        return
    await asyncio.to_thread(visit.end)


def _route(scope: Scope) -> str | None:
    """The route as the application declares it, where its framework puts it into the scope."""
    told = getattr(scope.get("route"), "path", None)
    return told if isinstance(told, str) else None
