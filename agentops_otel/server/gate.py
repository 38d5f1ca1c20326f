"""The gate: who may speak to the server, decided before anything is read."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY_HEADER: Final = "X-Agentops-Api-Key"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_HOST: Final = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::[0-9]*)?")
_OPEN_PATHS: Final = frozenset({"/"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})
_ANSWER_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Keys:
    """The keys that are accepted, kept as digests; without one, everybody is."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def accept(self, key: str | None) -> bool:
        """Whether this is one of them, in a time that does not depend on how near it comes."""
        if not self._digests:
            return True
        asked = _digest(key or "")
        # A sum, for `any` would stop at the first match.
        return sum(hmac.compare_digest(asked, digest) for digest in self._digests) > 0


class Gate:
    """ASGI middleware that turns away what does not come from a friend.

    Refused with 403 are Host headers other than this machine's own names and `hosts` (a web page whose name
    is made to point here has another), and writes that a browser says come from another site; with 401
    requests without an accepted key. No CORS header is ever sent, so no other site reads an answer.
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
                MutableHeaders(scope=message).update(_ANSWER_HEADERS)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_on)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if "*" not in self._hosts and _name(host) not in self._hosts:
            return PlainTextResponse("this server answers as localhost or 127.0.0.1 only\n", 403)
        if scope.get("method") not in _READING and _is_foreign(headers, host):
            return PlainTextResponse("a page of another site may not write here\n", 403)
        if scope["path"] not in _OPEN_PATHS and not self._keys.accept(headers.get(KEY_HEADER)):
            return PlainTextResponse(f"an accepted key is needed in the header {KEY_HEADER}\n", 401)
        return None


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "replace")).digest()


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
