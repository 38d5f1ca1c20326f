"""ClickHouse's HTTP interface over its engine in this process, as far as clickhouse-connect speaks it."""

from __future__ import annotations

import re
import threading
import time
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_CODE = re.compile(r"Code: (\d+)")
_INSERT = re.compile(rb"^\s*INSERT", re.IGNORECASE)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers.get("content-length") or 0)))

    def log_message(self, *_):
        """Nothing is said."""

    def _answer(self, body):
        told = self.server.told
        told.questions += 1
        time.sleep(told.delay)
        params = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        kind = self.headers.get("content-type", "")
        if kind.startswith("multipart/"):
            message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
            for part in message.get_payload():
                params[part.get_param("name", header="content-disposition")] = part.get_payload(decode=True).decode()
            body = params.pop("query").encode()
        try:
            answer = told.ask(body.decode() or params.get("query", ""), params)
        except Exception as error:  # the engine's own
            code = _CODE.search(str(error))
            self._send(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "0"})
            return
        self._send(200, answer, {"X-ClickHouse-Summary": "{}"})

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ClickHouseServer:
    """A server on loopback over the engine; `delay` makes it slow, `refusal` lets it refuse all but what it is asked."""

    def __init__(self, path, port=0):
        import chdb  # noqa: PLC0415 - only where it is

        self._connection = chdb.connect(path)
        self._lock = threading.Lock()
        self.delay = 0.0
        self.refusal = ""
        self.questions = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Request)
        self._server.daemon_threads = True
        self._server.told = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def ask(self, statement, params):
        if self.refusal and not statement.lstrip().upper().startswith("SELECT VERSION"):
            raise RuntimeError(self.refusal)
        bound = {name[6:]: value for name, value in params.items() if name.startswith("param_")}
        with self._lock:
            database = params.get("database")
            if database:
                self._connection.query(f"USE {database}", "TabSeparated")
            found = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", statement)
            kind = found[1] if found else params.get("default_format", "TabSeparated")
            bare = statement[: found.start()] if found else statement
            return self._connection.query(bare, kind, params=bound).bytes() or b""

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
