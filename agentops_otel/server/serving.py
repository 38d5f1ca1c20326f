"""Serving: the application under uvicorn, with a deadline for every head of a request."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    import socket

    from starlette.types import ASGIApp

HEAD_SECONDS: Final = 10.0
"""How long a connection may take to send the head of a request."""
_CONNECTIONS: Final = 800
_GARBAGE: Final = (50_000, 20, 20)
_PARTING_SECONDS: Final = 2
"""How long the end waits for requests that are being answered."""


class PunctualProtocol(H11Protocol):
    """HTTP/1.1, closing connections on which a request begins and its head does not end."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """A piece of a request has come."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._cease()
        elif self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._cease()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._close)

    def _cease(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class _Server(uvicorn.Server):
    """A server whose endless answers end with it, so that nobody waits for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is being answered, and stop."""
        end_streams = getattr(getattr(self.config.app, "state", None), "end_streams", None)
        if end_streams is not None:
            end_streams()
        await super().shutdown(sockets)


def prepared(app: ASGIApp) -> uvicorn.Server:
    """A server that answers on the sockets given to its `run` until Ctrl-C, which is raised again when all is ended.

    Whatever it needs is imported now. From here on the process is the server's: its garbage is looked for less often,
    for a request makes a hundred thousand objects, and not one of them is part of a circle.
    """
    config = uvicorn.Config(
        app,
        http=PunctualProtocol,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_PARTING_SECONDS,
    )
    config.load()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    return _Server(config)
