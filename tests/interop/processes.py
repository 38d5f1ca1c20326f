"""A tool as a process of its own on loopback, as long as it is needed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time

import httpx

STOP_SECONDS = 20


def free_ports(count):
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in found]


@contextlib.contextmanager
def running(command, folder, is_ready, *, seconds, environment=()):
    """Run a command in a folder until `is_ready` says so, and end it and its children afterwards, whatever happens."""
    log = folder / "log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
    with log.open("w") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**clean, "HOME": str(folder), **dict(environment)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + seconds
        while not is_ready():
            assert process.poll() is None, f"{command[0]} ended by itself:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"not ready after {seconds} s:\n{log.read_text()[-3000:]}"
            time.sleep(0.2)
        yield process
    finally:
        end(process)


def end(process):
    """End the process and its children, the hard way if need be."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Children that outlive their parent are in its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)


def answers(url):
    """Whether something answers there with success."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def listens(port):
    """Whether something takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def eventually(ask, seconds=60):
    """What `ask` answers, once that is not empty; receivers write what they took when they see fit."""
    deadline = time.monotonic() + seconds
    while True:
        found = ask()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.25)
