"""`agentops-otel serve`: the server on this machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import uuid
from typing import TYPE_CHECKING, Final

import click

from agentops_otel.cli import text
from agentops_otel.store import StoreError, open_store, resolve

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from agentops_otel.store import Store

_ANY: Final = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 - only ever with a key
_CONNECTIONS: Final = 256
_PARTING_SECONDS: Final = 2
"""How long the end waits for requests that are being answered."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=4318, show_default=True, help="0: any free port.")
@click.option("--store", metavar="PATH", help="A store other than the usual one (AGENTOPS_STORE).")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="An API key (a UUID) to insist on; may be repeated.")
def serve(host: str, port: int, store: str | None, keys: tuple[str, ...]) -> None:
    """Take traces in over OTLP, keep them in the store, and answer for their sessions.

    Ctrl-C ends it. Other machines are let in with --host, and then a key is needed.
    """
    for key in keys:
        _check_key(key)
    if not keys and not _is_loopback(host):
        raise click.UsageError(
            f"{host} lets other machines in, so a key is needed. Here is a new one:\n"
            f"  agentops-otel serve --host {host} --port {port} --key {uuid.uuid4()}"
        )
    try:
        path = resolve(store)
        with contextlib.closing(open_store(path)) as opened, contextlib.suppress(KeyboardInterrupt):
            opened.sessions(1)  # a store that cannot be read is told now, not to the first who sends
            app = _app(opened, keys, host)
            with _listening(host, port) as listener:
                _tell(_url(host, listener.getsockname()[1]), str(path), has_keys=bool(keys))
                # uvicorn ends in good order on Ctrl-C, and raises it again afterwards.
                _run(app, listener)
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error
    click.echo("\nStopped.")


def _check_key(key: str) -> None:
    try:
        uuid.UUID(key)
    except ValueError:
        raise click.UsageError(f"a key is a UUID, which this is not. Here is a new one: --key {uuid.uuid4()}") from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _app(store: Store, keys: tuple[str, ...], host: str) -> ASGIApp:
    try:
        import uvicorn  # noqa: F401, PLC0415 - looked for now, needed by _run

        from agentops_otel.server.app import make_app  # noqa: PLC0415 - an extra that may be missing
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
            raise
        raise click.ClickException(
            f"the server needs {missing.name}, which is not installed: pip install 'agentops_otel[server]'"
        ) from missing
    return make_app(store, keys, hosts=("*",) if host in _ANY else (host,))


def _listening(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.create_server((bare, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"port {port} is taken by another program: another `agentops-otel serve`, or a collector.\n"
                "Take one that is free: agentops-otel serve --port 0"
            ) from error
        raise click.ClickException(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error


def _url(host: str, port: int) -> str:
    bare = socket.gethostname() if host in _ANY else host.strip("[]")
    return f"http://[{bare}]:{port}" if ":" in bare else f"http://{bare}:{port}"


def _tell(url: str, path: str, *, has_keys: bool) -> None:
    lines = [
        f"Send traces to   {url}/v1/traces   agentops.init(endpoint={url!r})",
        f"Look at          {url}/   or: agentops-otel sessions ls --store {path}",
        f"Kept in          {path}",
    ]
    if has_keys:
        lines.append("Key              needed in the header X-Agentops-Api-Key, or agentops.init(api_key=...)")
    for line in (*lines, "Ctrl-C ends it."):
        text.say(text.clean(line))


def _run(app: ASGIApp, listener: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415 - an extra that may be missing

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_PARTING_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])
