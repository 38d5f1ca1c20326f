"""Any value as text or JSON that a span can carry: never raises, always valid, always bounded."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

TEXT_LIMIT = 1_000_000
"""Characters of one text that are kept; a longer one is cut and says so."""
BLOB_LIMIT = 65_536
"""Characters of base64 that are kept inline; a larger blob is named by its size instead."""
DEPTH_LIMIT = 32
SIZE_LIMIT = 10_000_000
"""Characters of one value that are kept, whatever its parts; what comes after them is left out."""
ITEM_LIMIT = 10_000
_ITEM_SIZE = 64
"""What a value counts beside its text: values that hold each other many times over have no text at all."""
_LEFT_OUT = "…"


def text(value: str) -> str:
    """The text without lone surrogates (one would lose a whole export) and within the limit."""
    if type(value) is not str:
        value = str.__str__(value)  # a member of an enumeration, mostly
    if len(value) > TEXT_LIMIT:
        value = f"{value[:TEXT_LIMIT]}…[truncated, {len(value)} characters]"
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode()
    return value


def to_json(value: Any) -> str:
    """The value as JSON, valid whatever it is: NaN as text, foreign objects by their fields or as text."""
    return encoded(plain(value))


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def encoded(value: Any) -> str:
    """JSON of what is plain already, as everything is that a `Copy` gives.

    Where the program has pydantic's core, as with most clients, that writes it: in a third of the time.
    """
    # Absent, too, while another thread is importing it just now.
    to_json = getattr(sys.modules.get("pydantic_core"), "to_json", None)
    return _encode(value) if to_json is None else to_json(value).decode()


def told(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return text(value) if isinstance(value, str) else to_json(value)


def plain(value: Any) -> Any:
    """The value as dicts, lists, strings, numbers and None only, as a copy.

    Iterators are not touched: they belong to the caller, and reading one would empty it.
    """
    return Copy().of(value)


class Copy:
    """One value under copy, and how much of it may still be kept: for values that are put together of foreign parts."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = SIZE_LIMIT

    def of(self, value: Any, depth: int = DEPTH_LIMIT) -> Any:
        """The copy of this part of it."""
        if value is None or value is True or value is False:
            return value
        if type(value) is str:
            return self.text(value)
        self._left -= _ITEM_SIZE
        if self._left < 0:
            return _LEFT_OUT
        try:
            return self._leaf(value) if isinstance(value, _LEAVES) else self._branch(value, depth)
        except Exception:  # a value that cannot be read is the caller's own, and spoils nothing else
            return self.text(described(value))

    def text(self, value: str) -> str:
        """The copy of a text."""
        if self._left < 0:
            return _LEFT_OUT
        self._left -= len(value)
        return text(value)

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return self.of(value.value, 1)
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, int):
            return int(value) if abs(value) < 2**63 else self.text(described(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(value)
        return f"<{len(value)} bytes>"

    def _branch(self, value: Any, depth: int) -> Any:
        if depth == 0:
            return _LEFT_OUT
        if isinstance(value, dict):
            return self._dict(value, depth - 1)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._list(value, depth - 1)
        found = _fields(value)
        return self.text(described(value)) if found is None else self._dict(found, depth - 1)

    def _dict(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, item in value.items():
            if len(copy) == ITEM_LIMIT or self._left < 0:
                copy[_LEFT_OUT] = f"[truncated, {len(value)} items]"
                break
            name = self.text(str.__str__(key) if isinstance(key, str) else described(key))
            copy[name] = self.of(item, depth)
        return copy

    def _list(self, value: Collection[Any], depth: int) -> list[Any]:
        copy: list[Any] = []
        for item in value:
            if len(copy) == ITEM_LIMIT or self._left < 0:
                copy.append(f"…[truncated, {len(value)} items]")
                break
            copy.append(self.of(item, depth))
        return copy


_LEAVES = (str, int, float, bytes, bytearray, memoryview, Enum)


def _fields(value: Any) -> dict[str, Any] | None:
    """What a pydantic model or a dataclass holds and shows; None for any other object."""
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        # Not mode="json": that reads iterators to their end.
        dumped: dict[str, Any] = dump(value, exclude_none=True, warnings=False)
        return dumped
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in fields(value) if field.repr}
    return None


def described(value: Any) -> str:
    """`str(value)`, or the name of its type where that fails."""
    try:
        return text(str(value))
    except Exception:  # a broken __str__ is the caller's own and none of our business
        return f"<{type(value).__name__}>"


def reason(error: BaseException) -> str:
    """An error as the reason for something: `ValueError: bad input`, or its type where it says nothing."""
    return f"{type(error).__name__}: {described(error)}".rstrip(": ")


def error_type(error: BaseException) -> str:
    """The name of an error's class, with its module unless it is built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
