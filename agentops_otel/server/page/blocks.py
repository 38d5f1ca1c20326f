"""A message as blocks of text, calls and pictures, for whoever writes it down; and figures in few characters."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.server.content import parts_of
from agentops_otel.server.queries import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]+")
_CENT: Final = Decimal("0.00995")


@dataclass(slots=True)
class Block:
    """A part of a message: `kind` is text, reasoning, call, result, picture or place.

    `text` is what it says; of a picture its data URL, of a call its arguments. `result` is what a call gave, None where
    that is not known; `error` says that it failed.
    """

    kind: str
    text: str
    title: str = ""
    result: str | None = None
    error: str | None = None


def blocks(message: dict[str, Any], results: Mapping[str, Any]) -> Iterator[Block]:
    """The parts of a message, in their order; each call with its result out of `results`."""
    for part in parts_of(message):
        block = _block(part, results)
        if block is not None:
            yield block


def block_of_call(name: Any, given: Any, value: Any, error: str | None = None) -> Block:
    """A tool or an action that ran."""
    return Block(
        "call", "" if given is None else as_text(given), str(name), None if value is None else as_text(value), error
    )


def as_text(value: Any) -> str:
    """A text as it is, anything else as JSON; JSON in a text is laid out."""
    value = parsed(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _block(part: dict[str, Any], results: Mapping[str, Any]) -> Block | None:
    kind = str(part.get("type"))
    content = part.get("content")
    if kind in {"text", "reasoning"}:
        text = content if isinstance(content, str) else as_text(content if content is not None else "")
        return Block(kind, text) if text else None
    if kind in {"tool_call", "server_tool_call"}:
        told = part.get("server_tool_call", {})
        given = part.get("arguments", told.get("arguments", told) if isinstance(told, dict) else told)
        call_id = part.get("id")
        result = results.get(call_id) if isinstance(call_id, str) else None
        result = result or {}
        return block_of_call(part.get("name") or "tool", given, result.get("value"), result.get("error"))
    if kind in {"tool_call_response", "server_tool_call_response"}:
        told = part.get("server_tool_call_response", {})
        value = part.get("response", part.get("result", told.get("result", told) if isinstance(told, dict) else told))
        return Block("result", as_text(value))
    if kind in {"blob", "uri", "file"}:
        return _media(part, content)
    return Block("text", as_text(part))


def _media(part: dict[str, Any], content: Any) -> Block:
    modality, mime = str(part.get("modality") or "file"), str(part.get("mime_type") or "")
    data = content if isinstance(content, str) else ""
    if mime in _PICTURES and _BASE64.fullmatch(data):
        return Block("picture", f"data:{mime};base64,{''.join(data.split())}", modality)
    place = part.get("uri") or part.get("file_id")
    return Block("place", as_text(place) if place else f"{mime or 'data'}, {len(data):,} characters", modality)


def money(cost: Any, unpriced: int = 0) -> str:
    """USD to the cent, below a cent to two significant digits: `$1.20`, `$0.00082`; `?` where it is unknown."""
    try:
        amount = Decimal(str(cost))
    except InvalidOperation:
        return "?"
    if not amount.is_finite():
        return "?"
    more = "+?" if unpriced else ""
    if amount == 0 or abs(amount) >= _CENT:
        return f"${amount:,.2f}{more}"
    return f"${amount:.{1 - amount.adjusted()}f}{more}"


def duration(seconds: float | None) -> str:
    """`<1ms`, `12ms`, `4.2s`, `3m 5s`, `2h 10m`, `3d 4h`; `-` for what is not known."""
    if seconds is None:
        return "-"
    if 0 < seconds < 0.0005:  # noqa: PLR2004 - half a millisecond
        return "<1ms"
    if seconds < 0.9995:  # noqa: PLR2004 - less than a second, as it is rounded
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:  # noqa: PLR2004 - less than a minute, as it is rounded
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, below, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // below}{lesser}"
    return f"{whole // 60}m {whole % 60}s"


def count(number: int) -> str:
    """A number in at most five characters: `950`, `12.4k`, `3.1M`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + unit
    return str(number)
