"""One request to an OTLP endpoint, over HTTP or gRPC, and what its answer means for the spans in it."""

from __future__ import annotations

import email.utils
import gzip
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from agentops_otel.conventions import names
from agentops_otel.otlp.endpoint import GRPC, Endpoint, tls, tls_files

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_SIZE: Final = 65_536
_LATER: Final = frozenset({408, 425, 429})
_SMALLER: Final = frozenset({400, 413})
_REPAIRABLE: Final = frozenset({401, 403, 404, 405, 407})
TOO_LARGE: Final = "HTTP 413"
_LONGEST: Final = 86_400.0
_SERVER_ERROR: Final = 500


class Meaning(Enum):
    """What an answer means."""

    TAKEN = "taken"
    LATER = "later"
    """It may be taken another time."""
    SMALLER = "smaller"
    """It, or one span in it, is too large or wrong: a part may be taken."""
    KEPT = "kept"
    """A key or an address is wrong: that can be repaired, and until then nothing is taken."""
    REFUSED = "refused"
    """It never will be taken."""


@dataclass(frozen=True)
class Answer:
    """What came back; `reason` is short, the same for the same cause, and without anything secret."""

    meaning: Meaning
    reason: str = ""
    after: float | None = None
    """Seconds that the receiver wants to be left alone."""
    rejected: int = 0
    """Spans of a request that was taken, which were not."""
    page: str | None = None
    """Below which URL the receiver says that sessions have their pages."""


class Transport(Protocol):
    """Sends bodies; may block, for as long as the endpoint's `seconds` at each step."""

    def send(self, body: bytes) -> Answer:
        """Send one gzipped request of spans; never raises for anything that the network does."""

    def tell(self, body: bytes) -> Answer:
        """Send one gzipped request of log records; the same otherwise."""

    def close(self) -> None:
        """Nothing more will be sent."""


def transport(endpoint: Endpoint) -> Transport:
    """The transport for this endpoint. All that it needs is imported now: while a process ends, nothing can be.

    Raises:
        OSError: a certificate cannot be read.
    """
    return Grpc(endpoint) if endpoint.protocol == GRPC else Http(endpoint)


class Unusable:
    """For an endpoint that nothing can be sent to as it is set up: everything is kept."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def send(self, body: bytes) -> Answer:  # noqa: ARG002 - nothing is sent
        """Why it is not sent."""
        return Answer(Meaning.KEPT, self._reason)

    tell = send

    def close(self) -> None:
        """Nothing is open."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Does not follow: a redirect would take the key to another place, and a POST would become a GET."""

    def redirect_request(self, *_: Any) -> None:
        """None: the redirect is the answer."""


class Http:
    """OTLP over HTTP, in protobuf."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        steps: list[urllib.request.BaseHandler] = [_Stay()]
        if endpoint.is_secure:
            steps.append(urllib.request.HTTPSHandler(context=tls()))
        self._opener = urllib.request.build_opener(*steps)

    def send(self, body: bytes) -> Answer:
        """Post it once."""
        return self._post(self._endpoint.url, body)

    def tell(self, body: bytes) -> Answer:
        """Post it once, to where log records go."""
        url = self._endpoint.logs_url
        return Answer(Meaning.REFUSED, "no address for logs is known") if url is None else self._post(url, body)

    def _post(self, url: str, body: bytes) -> Answer:
        endpoint = self._endpoint
        headers = {"Content-Type": "application/x-protobuf", "User-Agent": "agentops_otel", **endpoint.headers}
        if endpoint.gzip:
            headers["Content-Encoding"] = "gzip"
        else:
            body = gzip.decompress(body)
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - as configured
        try:
            with self._opener.open(request, timeout=endpoint.seconds) as answer:
                return _taken(answer.read(_ANSWER_SIZE), page_of(url, answer.headers.get(names.PAGE_HEADER)))
        except urllib.error.HTTPError as error:
            with error:
                return meaning_of(error.code, error.headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(Meaning.LATER, _described(error))

    def close(self) -> None:
        """Each request has a connection of its own."""


class Grpc:
    """OTLP over gRPC."""

    def __init__(self, endpoint: Endpoint) -> None:
        import grpc  # type: ignore[import-untyped] # noqa: PLC0415 - slow to import, and most use HTTP

        self._grpc = grpc
        self._endpoint = endpoint
        self._metadata = tuple(endpoint.headers.items())
        target = endpoint.url.partition("://")[2] or endpoint.url
        target = target.partition("/")[0]
        options = [("grpc.max_send_message_length", -1)]
        if endpoint.is_secure:
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(*tls_files()), options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        service = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
        self._export_spans = self._channel.unary_unary(service.format("trace", "Trace"))
        self._export_logs = self._channel.unary_unary(service.format("logs", "Logs"))

    def send(self, body: bytes) -> Answer:
        """Call once."""
        return self._call(self._export_spans, body)

    def tell(self, body: bytes) -> Answer:
        """Call once."""
        return self._call(self._export_logs, body)

    def _call(self, export: Any, body: bytes) -> Answer:
        grpc = self._grpc
        compression = grpc.Compression.Gzip if self._endpoint.gzip else grpc.Compression.NoCompression
        try:
            answer = export(
                gzip.decompress(body), timeout=self._endpoint.seconds, metadata=self._metadata, compression=compression
            )
            return _taken(answer)
        except grpc.RpcError as error:
            return self._meaning(error)

    def _meaning(self, error: Any) -> Answer:
        code = error.code()
        known = self._grpc.StatusCode
        reason = f"gRPC {code.name}"
        if code in {known.UNAUTHENTICATED, known.PERMISSION_DENIED, known.UNIMPLEMENTED}:
            return Answer(Meaning.KEPT, reason)
        if code is known.INVALID_ARGUMENT:
            return Answer(Meaning.SMALLER, reason)
        if code in {known.NOT_FOUND, known.ALREADY_EXISTS, known.FAILED_PRECONDITION, known.INTERNAL, known.UNKNOWN}:
            return Answer(Meaning.REFUSED, reason)
        told = {str(name).lower(): value for name, value in error.trailing_metadata() or ()}
        pushback = str(told.get("grpc-retry-pushback-ms", ""))
        return Answer(Meaning.LATER, reason, float(pushback) / 1000 if pushback.isdigit() else None)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _taken(body: bytes, page: str | None = None) -> Answer:
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:  # an answer in other words than ours; its status says that it was taken
        return Answer(Meaning.TAKEN, page=page)
    return Answer(Meaning.TAKEN, rejected=max(0, partial.rejected_spans), page=page)


def page_of(url: str, told: str | None) -> str | None:
    """The page that an answer from this URL names by its path; None for none, and for one on another server."""
    if told is None or not told.startswith("/") or not told.isascii() or not told.isprintable():
        return None
    page = urljoin(url, told)
    return page if urlsplit(page)[:2] == urlsplit(url)[:2] and page.endswith("/") else None


def meaning_of(status: int, headers: Mapping[str, str] | Any) -> Answer:
    """What an HTTP status means."""
    reason = f"HTTP {status}"
    if status in _LATER or (status >= _SERVER_ERROR and status != http.HTTPStatus.NOT_IMPLEMENTED):
        return Answer(Meaning.LATER, reason, retry_after(headers.get("Retry-After")))
    if status in _SMALLER:
        return Answer(Meaning.SMALLER, reason)
    if status in _REPAIRABLE or status < http.HTTPStatus.BAD_REQUEST:
        return Answer(Meaning.KEPT, reason)
    return Answer(Meaning.REFUSED, reason)


def retry_after(told: str | None) -> float | None:
    """Seconds, from seconds or from a date; at most a day; None where it says neither."""
    if not told:
        return None
    told = told.strip()
    if told.isascii() and told.isdigit():
        return min(float(told), _LONGEST)
    try:
        moment = email.utils.parsedate_to_datetime(told).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(0.0, moment - time.time()), _LONGEST)


def _described(error: Exception) -> str:
    """The cause in a few words; the text of an error of HTTP may hold what the receiver wrote."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return type(cause).__name__ if isinstance(cause, Exception) else type(error).__name__
