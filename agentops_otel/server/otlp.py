"""OTLP over HTTP: traces, logs and metrics, as protobuf and as JSON."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from agentops_otel.conventions.names import PAGE_HEADER
from agentops_otel.server.intake import SIGNALS, Intake, Signal
from agentops_otel.server.wire import IntakeError, media_type, written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_THREADS: Final = 8
"""Requests that wait for the store at one time; apart from the threads that reading is answered on."""


def routes(intake: Intake) -> list[Route]:
    """The addresses that OTLP has for its three signals."""
    threads = anyio.CapacityLimiter(_THREADS)

    def endpoint(signal: Signal) -> Route:
        async def export(request: Request) -> Response:
            kind = media_type(request.headers.get("content-type", ""))
            encoding = request.headers.get("content-encoding", "")
            project = getattr(request.state, "project", None)
            with ExitStack() as held:
                body = await _body(request, intake, held)
                response = await anyio.to_thread.run_sync(
                    intake.take, signal, body, kind, encoding, project, limiter=threads
                )
            # So that a program can say where its session is to be seen; see `session.session_url`.
            headers = {PAGE_HEADER: f"{request.scope.get('root_path', '')}/s/"}
            return Response(written(response, kind), headers=headers, media_type=kind)

        return Route(signal.path, export, methods=["POST"], name=f"otlp.{signal.name}")

    return [endpoint(signal) for signal in SIGNALS]


async def _body(request: Request, intake: Intake, held: ExitStack) -> bytes:
    """The body as it was sent; not one byte is waited for that goes beyond the limit, nor one that does not come."""
    limits = intake.limits
    body = bytearray()
    chunks = request.stream()
    deadline = anyio.current_time() + limits.whole
    try:
        while (chunk := await _next(chunks, min(limits.pause, deadline - anyio.current_time()))) is not None:
            held.enter_context(intake.room(len(chunk)))
            body += chunk
            if len(body) > limits.body:
                raise IntakeError(f"a request may have {limits.body} bytes: send fewer spans at a time", 413)
    except ClientDisconnect as error:
        raise IntakeError("the connection broke off before the body ended") from error
    except TimeoutError as error:
        raise IntakeError("the body did not come in time: send it faster, or fewer spans at a time", 408) from error
    except asyncio.CancelledError as error:
        # The server ends and waits no longer: an exporter that is told so sends it again.
        raise IntakeError("the server is ending", 503, 1) from error
    return bytes(body)


async def _next(chunks: AsyncIterator[bytes], seconds: float) -> bytes | None:
    try:
        # Not asyncio.wait_for, which makes a task for every piece.
        with anyio.fail_after(max(seconds, 0)):
            return await anext(chunks)
    except StopAsyncIteration:
        return None
