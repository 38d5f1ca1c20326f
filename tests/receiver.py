"""A stand-in for an OTLP receiver, over HTTP or gRPC, that keeps what it is sent."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


class Received:
    """What came in: spans as protobuf messages, headers of each request, the resource of each span."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []

    def take(self, request: Any, headers: dict[str, str]) -> None:
        self.headers.append(headers)
        for group in request.resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    self.spans.append(span)
                    self.resources.append({item.key: item.value.string_value for item in group.resource.attributes})

    @staticmethod
    def attributes(span: Any) -> dict[str, Any]:
        """The attributes of one span as a dict."""
        found = {}
        for item in span.attributes:
            kind = item.value.WhichOneof("value")
            value = getattr(item.value, kind) if kind else None
            found[item.key] = [entry.string_value for entry in value.values] if kind == "array_value" else value
        return found


class HttpReceiver(Received):
    """OTLP/HTTP on a loopback port; `status` is what it answers, `tls` has it speak https."""

    def __init__(self, status: int = 200, tls: Any = None) -> None:
        super().__init__()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/logs":
                    self.send_response(404)  # it takes spans only
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                receiver.paths.append(self.path)
                if receiver.status == 200:
                    request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
                    receiver.take(request, {name.lower(): value for name, value in self.headers.items()})
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.status = status
        self.paths: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HttpReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class GrpcReceiver(Received, trace_service_pb2_grpc.TraceServiceServicer):
    """OTLP/gRPC on a loopback port; with `credentials` over TLS."""

    def __init__(self, credentials: Any = None) -> None:
        super().__init__()
        self._server = grpc.server(ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        if credentials is None:
            self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        else:
            self.url = f"https://127.0.0.1:{self._server.add_secure_port('127.0.0.1:0', credentials)}"

    def Export(self, request: Any, context: Any) -> Any:
        self.take(request, dict(context.invocation_metadata()))
        return trace_service_pb2.ExportTraceServiceResponse()

    def __enter__(self) -> GrpcReceiver:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()
