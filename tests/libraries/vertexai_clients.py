"""Clients of Vertex AI's API that ask a loopback provider, over HTTP or gRPC."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1

MODEL = "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash"
EMBEDDER = "projects/p/locations/us-central1/publishers/google/models/text-embedding-005"


def over_http(url, version=aiplatform_v1):
    """A client over HTTP of this version of the API."""
    return version.PredictionServiceClient(
        credentials=AnonymousCredentials(), transport="rest", client_options={"api_endpoint": url}
    )


def over_grpc(address, *, asynchronous=False):
    """A client over gRPC, without encryption."""
    kind = aiplatform_v1.PredictionServiceAsyncClient if asynchronous else aiplatform_v1.PredictionServiceClient
    transport = kind.get_transport_class("grpc_asyncio" if asynchronous else "grpc")
    channel = grpc.aio.insecure_channel(address) if asynchronous else grpc.insecure_channel(address)
    return kind(transport=transport(channel=channel, host=address, credentials=None))


class Service(grpc.GenericRpcHandler):
    """Answers every method with what it is given: messages, one after another; a status breaks off, an event is awaited."""

    def __init__(self):
        self.answers = []
        self.requests = []
        self.asked = threading.Semaphore(0)

    def service(self, call_details):
        method = call_details.method.rpartition("/")[2]
        types = aiplatform_v1.types
        asked = getattr(types, re.sub("^Stream", "", method) + "Request")
        whole = {
            "request_deserializer": asked.deserialize,
            "response_serializer": lambda message: type(message).serialize(message),
        }
        if method.startswith("Stream"):
            return grpc.unary_stream_rpc_method_handler(self._stream, **whole)
        return grpc.unary_unary_rpc_method_handler(self._whole, **whole)

    def _whole(self, request, context):
        return next(self._stream(request, context))

    def _stream(self, request, context):
        self.requests.append(request)
        self.asked.release()
        for answer in self.answers.pop(0):
            if isinstance(answer, grpc.StatusCode):
                context.abort(answer, "no")
            if isinstance(answer, threading.Event):
                answer.wait(5)
            else:
                yield answer


def serve(service):
    """(server, address) of this service."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"
