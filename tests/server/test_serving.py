"""Serving: connections on which a request does not arrive are closed, and the others are answered meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import httpx
import pytest
import uvicorn

from agentops_otel.server import serving
from agentops_otel.server.app import make_app

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def address(store, monkeypatch):
    """Host and port of a server that waits half a second for the head of a request."""
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.5)
    config = uvicorn.Config(
        make_app(store), http=serving.PunctualProtocol, log_level="error", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


def closed(connection, within=5.0):
    """Whether the other side closes the connection, without having answered anything more."""
    connection.settimeout(within)
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(100) == b""
    return True


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, HEAD + b"X: " + b"y" * 1000])
def test_a_head_that_does_not_end_is_not_waited_for(address, sent):
    with socket.create_connection(address) as connection:
        connection.sendall(sent)
        began = time.monotonic()
        assert closed(connection)
        assert 0.3 < time.monotonic() - began < 3


def test_one_that_comes_slowly_is_not_waited_for_either(address):
    with socket.create_connection(address) as connection:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 3:
                connection.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < 3


def test_a_second_request_has_a_deadline_too(address):
    with socket.create_connection(address) as connection:
        connection.sendall(HEAD + b"\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer or b"/export" not in answer:
            answer += connection.recv(10_000)
        connection.sendall(b"GET")
        assert closed(connection)


def test_the_others_are_answered_meanwhile(address):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(address)).sendall(b"G")
        began = time.monotonic()
        assert httpx.get(f"http://localhost:{address[1]}/").status_code == 200
        assert time.monotonic() - began < 2


def test_a_connection_that_is_used_stays_open(address):
    with httpx.Client(base_url=f"http://localhost:{address[1]}") as client:
        for _ in range(3):
            assert client.get("/").status_code == 200
            time.sleep(0.6)
