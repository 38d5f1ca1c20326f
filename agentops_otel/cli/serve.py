"""`agentops-otel serve`: the server on this machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import signal
import socket
import uuid
import webbrowser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from agentops_otel.cli import text
from agentops_otel.store import SessionQuery, StoreError, is_address, open_store, place_of, resolve
from agentops_otel.store.keys import KeyFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.store import Store

_ANY: Final = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 - only ever with a key
_EXTRA: Final = frozenset({"jinja2", "starlette", "uvicorn"})
_MIB: Final = 1024 * 1024
_GRPC_PORT: Final = 4317


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=4318, show_default=True, help="0: any free port.")
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    default=_GRPC_PORT,
    show_default=True,
    help="For OTLP over gRPC. 0: any free port.",
)
@click.option("--no-grpc", is_flag=True, help="Take OTLP over HTTP only.")
@click.option("--store", metavar="PATH", help="Another store (AGENTOPS_STORE), or clickhouse://...")
@click.option("--key-file", metavar="PATH", help="Keys that are not beside the store: a file *.keys.")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="An API key (a UUID) to insist on; may be repeated.")
@click.option(
    "--max-request",
    type=click.IntRange(1, 2047),
    default=32,
    show_default=True,
    metavar="MIB",
    help="The largest request that is taken, unpacked.",
)
@click.option("--open", "opens", is_flag=True, help="Open the server's first page in a browser.")
def serve(
    host: str,
    port: int,
    grpc_port: int,
    no_grpc: bool,
    store: str | None,
    key_file: str | None,
    keys: tuple[str, ...],
    max_request: int,
    opens: bool,
) -> None:
    """Take traces in over OTLP, keep them in the store, and answer for their sessions.

    Ctrl-C ends it. Other machines are let in with --host, and then a key is needed: see agentops-otel keys.
    """
    for key in keys:
        _check_key(key)
    try:
        place, only_reads = place_of(store), is_address(store)
        file = _key_file(store, key_file)
        is_open = _is_loopback(host)
        kept = [] if file is None else file.read()  # a file that cannot be read is told now, too
        if not is_open and not keys and not kept:
            raise click.UsageError(_no_key(host, place, store, file, only_reads=only_reads))
        with contextlib.closing(open_store(store, at_once=True)) as opened, contextlib.suppress(KeyboardInterrupt):
            if not only_reads:
                # What cannot be read is told now, not to the first who sends. A database may come later than this.
                opened.sessions(SessionQuery(limit=1))
            server = _server(opened, keys, file, host, max_request * _MIB, is_open=is_open, only_reads=only_reads)
            wanted_port = None if no_grpc or only_reads else grpc_port
            with _listening(host, port) as listener, server.grpc(host, wanted_port) as taken:
                url = _url(host, listener.getsockname()[1])
                with server.ending_well():
                    if only_reads:
                        _tell_of_reading(opened, url, place, has_keys=server.keys.are_needed)
                    else:
                        _tell(url, None if taken is None else _url(host, taken), place, has_keys=server.keys.are_needed)
                    if opens:
                        webbrowser.open(url)
                    server.http.run(sockets=[listener])
    except StoreError as error:
        raise click.ClickException(text.clean(error)) from error
    click.echo("\nStopped.")


def _key_file(store: str | None, told: str | None) -> KeyFile | None:
    """The file of keys that is meant; a database has none beside it."""
    if told is not None:
        return KeyFile(told)
    return None if is_address(store) else KeyFile(resolve(store))


def _no_key(host: str, place: str, store: str | None, file: KeyFile | None, *, only_reads: bool) -> str:
    if only_reads:
        name = "agentops.keys" if file is None else str(file.path)
        ways = f"  agentops-otel keys add --project default --store {name}\n  agentops-otel serve --key-file {name} ..."
    else:
        ways = f"  agentops-otel keys add --project default{'' if store is None else f' --store {place}'}"
    return f"{host} lets other machines in, so a key is needed. Make one, and start again:\n{ways}"


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


@dataclass(frozen=True)
class _Server:
    """What is served, and all that it needs: nothing is imported any more once Ctrl-C may come."""

    http: Any
    intake: Any
    keys: Any

    @contextlib.contextmanager
    def ending_well(self) -> Iterator[None]:
        """Ctrl-C ends the server in good order, also in the moments before it listens for that itself."""
        previous = signal.signal(signal.SIGINT, self.http.handle_exit)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    @contextlib.contextmanager
    def grpc(self, host: str, port: int | None) -> Iterator[int | None]:
        """OTLP over gRPC beside it; the port that it has, None where none is wanted."""
        if port is None:
            yield None
            return
        from agentops_otel.server.grpc_intake import GrpcIntake  # noqa: PLC0415 - gRPC is slow to import

        try:
            taking = GrpcIntake(self.intake, self.keys, _address(host, port))
        except OSError as error:
            raise click.ClickException(_busy(port, "--grpc-port 0", "--no-grpc")) from error
        try:
            yield taking.port
        finally:
            taking.close()


def _server(
    store: Store,
    given: tuple[str, ...],
    file: KeyFile | None,
    host: str,
    largest: int,
    *,
    is_open: bool,
    only_reads: bool,
) -> _Server:
    try:
        from agentops_otel.server.app import make_app  # noqa: PLC0415 - an extra that may be missing
        from agentops_otel.server.serving import prepared  # noqa: PLC0415 - the same
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise click.ClickException(
            f"the server needs {missing.name}, which is not installed: pip install 'agentops_otel[server]'"
        ) from missing
    from agentops_otel.server.intake import Intake  # noqa: PLC0415 - it takes half a second to import
    from agentops_otel.server.keys import Keys  # noqa: PLC0415 - the same
    from agentops_otel.server.wire import Limits  # noqa: PLC0415 - the same
    from agentops_otel.store.group import GroupWriter  # noqa: PLC0415 - the same
    from agentops_otel.store.upkeep import Upkeep  # noqa: PLC0415 - the same

    keys = Keys(given, file, required=not is_open)
    # What is only read needs neither a thread that writes nor one that keeps it well.
    writer = store if only_reads else GroupWriter(store, Upkeep(store).wake)
    intake = Intake(writer, Limits(body=largest, waiting=max(Limits().waiting, 2 * largest)))
    app = make_app(store, keys, ("*",) if host in _ANY else (host,), intake)
    return _Server(prepared(app), intake, keys)


def _listening(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.create_server((bare, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(_busy(port, "--port 0")) from error
        raise click.ClickException(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error


def _busy(port: int, *ways: str) -> str:
    told = " or ".join(f"agentops-otel serve {way}" for way in ways)
    return (
        f"port {port} is taken by another program: another `agentops-otel serve`, or a collector.\n"
        f"Take one that is free: {told}"
    )


def _address(host: str, port: int) -> str:
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def _url(host: str, port: int) -> str:
    return f"http://{_address(socket.gethostname() if host in _ANY else host, port)}"


def _tell_of_reading(store: Store, url: str, place: str, *, has_keys: bool) -> None:
    try:
        store.change()
        found = f"Reading          {place}, which a collector writes: send traces to that"
    except StoreError as error:
        # It is asked again with every request: whoever starts all at once need not think of an order.
        found = f"Not readable yet {error}"
    lines = [found, f"Look at          {url}/"]
    if has_keys:
        lines.append("Key              needed in the header X-Agentops-Api-Key")
    for line in (*lines, "Ctrl-C ends it."):
        text.say(text.clean(line))


def _tell(url: str, grpc_url: str | None, path: str, *, has_keys: bool) -> None:
    lines = [
        f"Send traces to   {url}/v1/traces   agentops.init(endpoint={url!r})",
        *([] if grpc_url is None else [f"  or over gRPC   {grpc_url}"]),
        f"Look at          {url}/   or: agentops-otel sessions ls --store {path}",
        f"Kept in          {path}",
    ]
    if has_keys:
        lines.append("Key              needed in the header X-Agentops-Api-Key, or agentops.init(api_key=...)")
    for line in (*lines, "Ctrl-C ends it."):
        text.say(text.clean(line))
