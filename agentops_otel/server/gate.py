"""The gate: who may speak to the server, decided before anything is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from agentops_otel.server.keys import KEY_HEADER, Keys
from agentops_otel.server.refusals import refusal
from agentops_otel.server.wire import IntakeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_HOST: Final = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::[0-9]*)?")
_OPEN_PATHS: Final = frozenset({"/", "/v3/auth/token", "/sessions", "/analytics", "/compare"})
_OPEN_FOLDERS: Final = ("/page/", "/s/")
_BEARER: Final = "bearer "
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})
_ANSWER_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Gate:
    """ASGI middleware that turns away what does not come from a friend.

    Refused with 403 are Host headers other than this machine's own names and `hosts` (a web page whose name
    is made to point here has another), and writes that a browser says come from another site; with 401
    requests without an accepted key. No CORS header is ever sent, so no other site reads an answer.

    What passes has its project in `request.state.project`: the one that its key opens, None for all of them.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], keys: Keys) -> None:
        self._app = app
        self._hosts = LOOPBACK | {host.strip("[]").lower() for host in hosts}
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or let it pass to the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ANSWER_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        try:
            scope.setdefault("state", {})["project"] = self._project(scope, headers)
        except IntakeError as error:
            await refusal(scope["path"], headers, error)(scope, receive, send_on)
        else:
            await self._app(scope, receive, send_on)

    def _project(self, scope: Scope, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if "*" not in self._hosts and _name(host) not in self._hosts:
            raise IntakeError("this server answers as localhost or 127.0.0.1 only", 403)
        if scope.get("method") not in _READING and _is_foreign(headers, host):
            raise IntakeError("a page of another site may not write here", 403)
        if _is_open(scope["path"]):
            return None
        return self._keys.admit(_key(headers), peer_of(scope))


def _is_open(path: str) -> bool:
    """Whether nothing of a session is told there: the first words, and the shells of the page."""
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS)


def peer_of(scope: Scope) -> str:
    """The address that a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _key(headers: Headers) -> str | None:
    """The key of a request; the original's programs name it as a bearer, once they have exchanged it."""
    named = headers.get(KEY_HEADER)
    told = headers.get("authorization", "")
    if named is None and told[: len(_BEARER)].lower() == _BEARER:
        named = told[len(_BEARER) :].strip()
    return named


def _name(host: str) -> str | None:
    """The name in a Host header, without its port and the brackets of IPv6; None where it is none."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else None


def _is_foreign(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "none") not in _OWN_SITE:
        return True
    origin = headers.get("origin")
    return origin is not None and _authority(origin) != host.lower()


def _authority(origin: str) -> str | None:
    """The `host:port` of an Origin header; None where it has none, as for `null`."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
