"""A collector on a loopback port that fails as it is told, and remembers what it was sent."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2

REFUSE, HANG, RESET, GARBAGE, LOSE_ANSWER = "refuse", "hang", "reset", "garbage", "lose the answer"


class Collector:
    """Speaks OTLP over HTTP on a raw socket. `mode` is a status, or one of the words above; it may change.

    `spans` are the spans that it acknowledged, `stored` those that it kept, acknowledged or not; each may hold
    one several times, as a receiver sees it.
    """

    def __init__(self, mode: Any = 200, headers: dict[str, str] | None = None) -> None:
        self.headers = headers or {}
        self.spans: list[Any] = []
        self.stored: list[Any] = []
        self.requests: list[float] = []
        self.sent_headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.refuses: Callable[[Any], bool] = lambda _: False
        """Spans that make it answer 400."""
        self.largest = 1 << 30
        """Bytes from which on it answers 413."""
        self.rejects = 0
        self.mode: Any = mode
        self._released = threading.Event()
        self._server: socket.socket | None = None
        self.port = 0
        self.start()

    # --- up and down ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, on the same port as before."""
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", self.port))
        server.listen(128)
        self.port = server.getsockname()[1]
        self._server = server
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown(socket.SHUT_RDWR)
            server.close()

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- what came -----------------------------------------------------------------------------------

    @property
    def ids(self) -> set[tuple[bytes, bytes]]:
        """Trace and span ids of what it keeps: what a receiver counts."""
        return {(span.trace_id, span.span_id) for span in self.stored}

    @property
    def names(self) -> Counter[str]:
        return Counter(span.name for span in self.stored)

    def wait_for(self, spans: int, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while len(self.ids) < spans:
            assert time.monotonic() < deadline, f"{len(self.ids)} of {spans} spans came"
            time.sleep(0.02)

    # --- the wire ------------------------------------------------------------------------------------

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        mode = self.mode
        with connection:
            if mode == RESET:
                self.requests.append(time.monotonic())
                _reset(connection)
                return
            try:
                headers, body = _read(connection)
            except OSError:
                return
            if headers.pop(":path") == "/v1/logs":  # it takes spans only
                connection.sendall(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                return
            self.requests.append(time.monotonic())
            self.sent_headers.append(headers)
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            self.raw.append(body)
            if mode == HANG:
                self._released.wait(60)
            elif mode == GARBAGE:
                connection.sendall(b"\x00\xff this is no HTTP \r\n\r\n")
            else:
                self._answer(connection, mode, body)

    def _answer(self, connection: socket.socket, mode: Any, body: bytes) -> None:
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        spans = [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]
        if mode == LOSE_ANSWER:
            self.stored.extend(spans)
            _reset(connection)
            return
        status = mode
        if status == 200 and any(map(self.refuses, spans)):
            status = 400
        if status == 200 and len(body) > self.largest:
            status = 413
        answer = trace_service_pb2.ExportTraceServiceResponse()
        if status == 200:
            taken = spans[: len(spans) - min(self.rejects, len(spans))]
            answer.partial_success.rejected_spans = len(spans) - len(taken)
            self.spans.extend(taken)
            self.stored.extend(taken)
        told = answer.SerializeToString()
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(told)}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + told)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read(connection: socket.socket) -> tuple[dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {":path": first.split(" ")[1]} | {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(connection)
    return headers, body


def _more(connection: socket.socket) -> bytes:
    got = connection.recv(1 << 20)
    if not got:
        raise ConnectionError
    return got


def attributes(span: Any) -> dict[str, Any]:
    """The plain attributes of a span."""
    return {item.key: _value(item.value) for item in span.attributes}


def _value(value: common_pb2.AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
