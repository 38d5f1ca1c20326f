"""Event streams as Bedrock writes them: frames with headers, a payload and two checksums."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

from agentops_otel.demo.provider import Answer


def frame(kind: str, payload: Any, message: str = "event") -> bytes:
    """One event; `message` is `exception` for one that is an error."""
    told = {":message-type": message, ":content-type": "application/json"}
    told[":event-type" if message == "event" else ":exception-type"] = kind
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in told.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    start = prelude + struct.pack("!I", zlib.crc32(prelude))
    whole = start + headers + body
    return whole + struct.pack("!I", zlib.crc32(whole))


def events(*frames: bytes) -> Answer:
    """A stream of these."""
    return Answer(headers={"content-type": "application/vnd.amazon.eventstream"}, chunks=list(frames))


def converse(*told: dict[str, Any]) -> Answer:
    """A stream of Converse: `{"messageStop": {...}}` and its like."""
    return events(*(frame(kind, payload) for item in told for kind, payload in item.items()))


def chunks(*told: Any) -> list[bytes]:
    """Frames of an invoked model's chunks."""
    return [frame("chunk", {"bytes": base64.b64encode(json.dumps(item).encode()).decode()}) for item in told]
