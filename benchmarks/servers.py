"""Persisted spans per second beside Phoenix and MLflow from PyPI: same spans, same clients, one after the other.

    scripts/servers                                   (makes an environment for each peer, and runs this)
    python benchmarks/servers.py --folder .venv-interop [--spans 51200] [--peer-spans 2560] [--only ours phoenix]

Each server is started as its documents say, on loopback with SQLite files in a new directory, and is given one span
first, which loads what is loaded once. Then two client processes post OTLP requests of 512 spans of about 1 KB, as
protobuf; one that is told to come again later comes again. The clock runs from the first request until all spans are in
the server's database, which is asked past the server: an answer alone says nothing, for some answer first and write
afterwards. Peers are given fewer spans, for they take long.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import multiprocessing
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from intake import request

BATCH, CLIENTS = 512, 2
START_SECONDS, WAIT_SECONDS = 300, 540


@dataclass(frozen=True)
class Server:
    """How a server is started, given spans, and asked what it has; words in braces are filled in."""

    command: tuple[str, ...]
    database: str
    count: str = "SELECT count(*) FROM spans"
    package: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


SERVERS = {
    "ours": Server(
        (
            sys.executable, "-m", "agentops_otel",
            "serve", "--port", "{port}", "--no-grpc", "--store", "{folder}/ours.db",
        ),
        "ours.db",
    ),
    "phoenix": Server(
        ("{bin}/phoenix", "serve"),
        "phoenix.db",
        package="arize-phoenix",
        environment={
            "PHOENIX_PORT": "{port}",
            "PHOENIX_GRPC_PORT": "{other}",
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_WORKING_DIR": "{folder}",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        },
    ),
    "mlflow": Server(
        (
            "{bin}/mlflow", "server", "--host", "127.0.0.1", "--port", "{port}",
            "--backend-store-uri", "sqlite:///{folder}/mlflow.db", "--default-artifact-root", "{folder}/artifacts",
        ),
        "mlflow.db",
        package="mlflow",
        headers={"x-mlflow-experiment-id": "0"},
    ),
}  # fmt: skip


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(server, folder, tools):
    """The port of the server, as long as it runs."""
    port = free_port()
    words = {"port": port, "other": free_port(), "folder": folder, "bin": tools}
    environment = {**os.environ, **{name: value.format(**words) for name, value in server.environment.items()}}
    command = [word.format(**words) for word in server.command]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        first = request(10**6, 1)
        deadline = time.monotonic() + START_SECONDS
        while not sent(port, server.headers, first):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not answer:\n{log.read_text()[-2000:]}")
            time.sleep(0.5)
        while persisted(server, folder) < 1:
            time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def sent(port, headers, body):
    """Whether the server takes this request now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf", **headers})
        answer = connection.getresponse()
        answer.read()
    except OSError:
        return False
    else:
        return answer.status == 200
    finally:
        connection.close()


def send(port, headers, bodies):
    for body in bodies:
        while not sent(port, headers, body):
            time.sleep(0.2)


def persisted(server, folder):
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{folder / server.database}?mode=ro", uri=True, timeout=30)
        ) as file:
            return file.execute(server.count).fetchone()[0]
    except sqlite3.Error:
        return 0


def measured(server, tools, spans):
    """Spans per second, from the first request until all of them are in the database."""
    batches = [request(number, BATCH) for number in range(max(spans // BATCH, CLIENTS))]
    expected = len(batches) * BATCH + 1
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        with running(server, folder, tools) as port:
            clients = [
                context.Process(target=send, args=(port, server.headers, batches[half::CLIENTS]))
                for half in range(CLIENTS)
            ]
            begun = time.monotonic()
            for client in clients:
                client.start()
            kept = 0
            while kept < expected and time.monotonic() - begun < WAIT_SECONDS:
                time.sleep(0.05)
                kept = persisted(server, folder)
            seconds = time.monotonic() - begun
            for client in clients:
                client.terminate()
                client.join()
    return kept - 1, seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--folder", type=Path, default=Path(".venv-interop"), help="where the environments of peers are"
    )
    parser.add_argument("--spans", type=int, default=51_200)
    parser.add_argument("--peer-spans", type=int, default=2560)
    parser.add_argument("--only", nargs="*", default=list(SERVERS), choices=SERVERS)
    told = parser.parse_args()
    rates = {}
    for name in told.only:
        server, tools = SERVERS[name], (told.folder / name / "bin").absolute()
        version = "this checkout"
        if server.package is not None:
            listed = [
                str(tools / "python"),
                "-c",
                f"import importlib.metadata as m; print(m.version({server.package!r}))",
            ]
            version = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.strip()
        kept, seconds = measured(server, tools, told.spans if name == "ours" else told.peer_spans)
        rates[name] = kept / seconds
        beside = f"   ours is {rates['ours'] / rates[name]:6.0f} x" if name != "ours" and "ours" in rates else ""
        print(f"  {name:8} {version:14} {kept:7} spans in {seconds:6.1f} s: {rates[name]:8.0f}/s{beside}", flush=True)


if __name__ == "__main__":
    main()
