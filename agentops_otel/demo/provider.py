"""Provider: a loopback server that answers as OpenAI and Anthropic do, from a script of prepared answers."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from typing_extensions import Self

_JOIN_SECONDS = 5.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived: `path` without its query, header names in lower case.

    `body` is the parsed JSON, None where the body is empty or is not JSON; `raw` has the bytes.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The parsed JSON body, or None."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say to one request.

    Either a whole `body`, sent with its length, or `chunks`, written one by one with chunked transfer
    encoding; an empty chunk is left out. `delay` is in seconds: before a whole body, or before every
    chunk. `cut` drops the connection: after so many chunks, or, with a whole body, before anything is
    answered. The content type is JSON for a body and an event stream for chunks, unless `headers` has
    one; lengths and transfer encodings in `headers` are left out.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str = b""
    chunks: Iterable[bytes] | None = None
    delay: float = 0.0
    cut: int | None = None

    @classmethod
    def json(cls, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """A whole JSON body."""
        return cls(status=status, headers=headers or {}, body=json.dumps(body))

    @classmethod
    def sse(
        cls,
        events: Iterable[Mapping[str, Any]],
        *,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        cut: int | None = None,
    ) -> Answer:
        """A stream of server-sent events, a chunk for each.

        An event with a `type` goes out under that name, as Anthropic and the Responses API do. Events
        without one are chat completion chunks: `[DONE]` follows the last of them.
        """
        listed = list(events)
        chunks = [_sse(event) for event in listed]
        if listed and "type" not in listed[-1]:
            chunks.append(b"data: [DONE]\n\n")
        return cls(headers=headers or {}, chunks=chunks, delay=delay, cut=cut)


Script: TypeAlias = Iterable[Answer] | Callable[[Request], Answer]
"""Answers in the order of the requests, or a function that answers each request."""


class Provider:
    """A provider of models on 127.0.0.1, for real client libraries and without a network.

    Use it as a context manager and point the clients at its addresses:

        with Provider([Answer.json(bodies.chat("Hello!"))]) as provider:
            client = openai.OpenAI(api_key="none", base_url=provider.openai_url)

    `answers` is one script for all requests, or a script for each path (`"/v1/messages"`). A request
    for which no answer is left gets status 500 with a text that says so, is not retried by the clients,
    and is kept in `unanswered`. Every request is kept in `requests`, in order of arrival.
    """

    def __init__(self, answers: Script | Mapping[str, Script]) -> None:
        self.requests: list[Request] = []
        self.unanswered: list[Request] = []
        scripts = answers if isinstance(answers, Mapping) else {None: answers}
        self._scripts = {path: _started(script) for path, script in scripts.items()}
        self._by_path = isinstance(answers, Mapping)
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address without a path, e.g. `http://127.0.0.1:40123`; RuntimeError unless it runs."""
        if self._server is None:
            raise RuntimeError("the provider is not running: use it as a context manager, or call start()")
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def openai_url(self) -> str:
        """What `openai.OpenAI(base_url=...)` and OPENAI_BASE_URL take."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """What `anthropic.Anthropic(base_url=...)` and ANTHROPIC_BASE_URL take."""
        return self.url

    def start(self) -> Self:
        """Listen on a free port; calling it again does nothing."""
        if self._server is None:
            self._server = _Server(self.answer)
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(_POLL_SECONDS,), name="provider", daemon=True
            )
            self._thread.start()
        return self

    def close(self) -> None:
        """Drop every connection and wait for the threads to end; calling it again does nothing."""
        if self._server is None or self._thread is None:
            return
        server, self._server = self._server, None
        server.closing.set()
        server.shutdown()
        self._thread.join(_JOIN_SECONDS)
        server.drop_connections()
        server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, request: Request) -> Answer:
        """The answer that the script has for `request`, which is kept; never raises."""
        with self._lock:
            self.requests.append(request)
        try:
            found = self._scripted(request)
        except Exception as error:
            found = f"the script failed: {error!r}"
        if isinstance(found, Answer):
            return found
        with self._lock:
            self.unanswered.append(request)
        return _refusal(f"{found} ({request.method} {request.path})")

    def _scripted(self, request: Request) -> Answer | str:
        """The answer, or why there is none."""
        script = self._scripts.get(request.path if self._by_path else None)
        if script is None:
            return "the script has no answers for this path"
        if not isinstance(script, Iterator):
            return script(request)
        with self._lock:
            return next(script, "the script is exhausted: no answer is left")


def _started(script: Script) -> Iterator[Answer] | Callable[[Request], Answer]:
    return script if callable(script) else iter(script)


def _sse(event: Mapping[str, Any]) -> bytes:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def _refusal(message: str) -> Answer:
    # Both clients retry a 500 unless this header says no, and would ask an exhausted script again.
    headers = {"x-should-retry": "false"}
    body = {"type": "error", "error": {"type": "unanswered", "message": message}}
    return Answer.json(body, status=500, headers=headers)


class _Server(ThreadingHTTPServer):
    """Keeps the connections, so that they can be dropped and their threads awaited."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.closing = threading.Event()
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", 0), _Connection)

    def server_bind(self) -> None:
        # HTTPServer looks its own name up in the DNS here, which takes seconds where there is none.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        # The base class waits for no daemon thread, and one that is no daemon holds up the process for
        # as long as a client keeps its connection open.
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="provider-connection",
            daemon=True,
        )
        self._connections = {known: sock for known, sock in self._connections.items() if known.is_alive()}
        self._connections[thread] = request
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that hang up; anything else is a fault of ours and is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def drop_connections(self) -> None:
        for thread, connection in self._connections.items():
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
            thread.join(_JOIN_SECONDS)


class _Connection(BaseHTTPRequestHandler):
    """Reads requests from one connection and writes the answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _reply(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.answer(Request(self.command, path, query, headers, self._read()))
        try:
            self._write(answer)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply  # noqa: N815 - http.server looks these names up

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _write(self, answer: Answer) -> None:
        if answer.chunks is None:
            self._write_whole(answer)
        else:
            self._write_chunks(answer, answer.chunks)

    def _write_whole(self, answer: Answer) -> None:
        if answer.cut is not None or self.server.closing.wait(answer.delay):
            self.close_connection = True
            return
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        self._write_head(answer, "application/json", ("content-length", str(len(body))))
        self.wfile.write(body)

    def _write_chunks(self, answer: Answer, chunks: Iterable[bytes]) -> None:
        self._write_head(answer, "text/event-stream", ("transfer-encoding", "chunked"))
        for chunk in islice(filter(None, chunks), answer.cut):
            if self.server.closing.wait(answer.delay):
                break
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if answer.cut is not None or self.server.closing.is_set():
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _write_head(self, answer: Answer, content_type: str, framing: tuple[str, str]) -> None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        headers = {"content-type": content_type} | headers
        headers.pop("content-length", None)
        headers.pop("transfer-encoding", None)
        self.send_response_only(answer.status)
        for name, value in (*headers.items(), framing):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Stay silent: what was asked is in `Provider.requests`."""
