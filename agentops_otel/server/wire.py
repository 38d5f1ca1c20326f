"""The wire: bodies as they are sent, into the messages of OTLP, and answers back into the same encoding."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.json_format import MessageToJson, ParseDict, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.rpc import code_pb2  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What a server takes at most; bytes and seconds."""

    body: int = 32 * _MIB
    """Of one request, as it is sent and as it is inflated."""
    waiting: int = 256 * _MIB
    """Of all requests that are being read and stored at one time; whoever comes then is asked to come again."""
    pause: float = 10
    """Between two pieces of one request."""
    whole: float = 60
    """From the first byte of a body to the last."""


BODY_LIMIT: Final = Limits().body

_IDS: Final = ("traceId", "spanId", "parentSpanId")
_SPANS: Final = ("resourceSpans", "scopeSpans", "spans")
_LOGS: Final = ("resourceLogs", "scopeLogs", "logRecords")
# gzip has a header of its own, "deflate" is zlib's.
_WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_CODES: Final = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    405: code_pb2.UNIMPLEMENTED,
    408: code_pb2.DEADLINE_EXCEEDED,
    413: code_pb2.RESOURCE_EXHAUSTED,
    415: code_pb2.INVALID_ARGUMENT,
    429: code_pb2.RESOURCE_EXHAUSTED,
    503: code_pb2.UNAVAILABLE,
}


class IntakeError(Exception):
    """A request that cannot be taken; the message says why, `status` is the HTTP status that means it.

    `retry` says after how many seconds it may be sent again, None where that would not help.
    """

    def __init__(self, message: str, status: int = 400, retry: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry

    @property
    def code(self) -> int:
        """The code of google.rpc that means it, as gRPC and the bodies of errors have it."""
        return int(_CODES.get(self.status, code_pb2.UNKNOWN))


def media_type(content_type: str) -> str:
    """`PROTOBUF` or `JSON`, whichever this Content-Type means.

    Raises:
        IntakeError: it means neither; status 415.
    """
    told = content_type.partition(";")[0].strip().lower()
    if told not in {PROTOBUF, JSON}:
        raise IntakeError(f"send {PROTOBUF} or {JSON}, not {told or 'a body of no type'}", 415)
    return told


def inflated(body: bytes, encoding: str, limit: int = BODY_LIMIT) -> bytes:
    """The body without its Content-Encoding (gzip, deflate or none), never more than `limit` bytes of it.

    Raises:
        IntakeError: it is larger (413), of another encoding (415), or not what the encoding says (400).
    """
    told = encoding.strip().lower()
    if told in {"", "identity"}:
        return within(body, limit)
    if told not in _WINDOWS:
        raise IntakeError(f"a body is taken as gzip, as deflate or as it is, not as {told}", 415)
    decoder = zlib.decompressobj(_WINDOWS[told])
    try:
        whole = within(decoder.decompress(body, limit + 1), limit)
    except zlib.error as error:
        raise IntakeError(f"the body is not {told}: {error}") from error
    if not decoder.eof or decoder.unused_data:
        raise IntakeError(f"the {told} body {'goes on after its end' if decoder.eof else 'ends too early'}")
    return whole


def within(body: bytes, limit: int) -> bytes:
    """The body, if it has no more than `limit` bytes.

    Raises:
        IntakeError: it has more; status 413.
    """
    if len(body) > limit:
        raise IntakeError(f"a request may have {limit} bytes: send fewer spans at a time", 413)
    return body


def message(body: bytes, kind: str, factory: type[Any]) -> Any:
    """The body as a protobuf message, from either encoding.

    Raises:
        IntakeError: it is none; status 400.
    """
    request = factory()
    try:
        if kind == PROTOBUF:
            request.ParseFromString(body)
        else:
            ParseDict(loaded(body), request, ignore_unknown_fields=True)
    # Python's JSON errors and what protobuf's own checks of types raise are ValueError and TypeError.
    except (DecodeError, ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).rpartition("field: ")[2][:200]
        raise IntakeError(f"the body is no {factory.DESCRIPTOR.name} as {kind}: {reason}") from error
    return request


def loaded(body: bytes) -> dict[str, Any]:
    """The request as protobuf's JSON mapping has it; OTLP differs in its ids, which are hex instead of base64.

    Raises:
        IntakeError: it is JSON, but no object.
        ValueError: it is no JSON.
    """
    found = json.loads(body)
    if b"\\ud" in body.lower():
        # A lone surrogate in one name would cost the whole request.
        found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    if not isinstance(found, dict):
        raise IntakeError("the body is JSON, but no object with resourceSpans")
    for names in (_SPANS, _LOGS):
        for item in items(found, names):
            _rewrite_ids(item)
            for link in _objects(item, "links"):
                _rewrite_ids(link)
    return found


def items(request: dict[str, Any], names: tuple[str, ...] = _SPANS) -> Iterator[dict[str, Any]]:
    """The spans, or the log records, of a request as JSON."""
    groups, parts, leaves = names
    for group in _objects(request, groups):
        for part in _objects(group, parts):
            yield from _objects(part, leaves)


def _objects(holder: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    found = holder.get(name)
    return (item for item in found if isinstance(item, dict)) if isinstance(found, list) else iter(())


def _rewrite_ids(holder: dict[str, Any]) -> None:
    for name in _IDS:
        told = holder.get(name)
        if told is not None:
            try:
                holder[name] = base64.b64encode(binascii.unhexlify(told)).decode()
            except (ValueError, TypeError):
                holder[name] = ""


def written(answer: Any, kind: str) -> bytes:
    """A message in the encoding that its request came in."""
    if kind == JSON:
        return str(MessageToJson(answer, indent=None)).encode()
    told: bytes = answer.SerializeToString()
    return told


def status_of(error: IntakeError) -> Status:
    """An error as google.rpc.Status, the body that OTLP has for all of them."""
    return Status(code=error.code, message=str(error))
