"""Any value as text or JSON that a span can carry: never raises, always valid, always bounded."""

from __future__ import annotations

import json
import math
from typing import Any

TEXT_LIMIT = 1_000_000
"""Characters of one text that are kept; a longer one is cut and says so."""
BLOB_LIMIT = 65_536
"""Characters of base64 that are kept inline; a larger blob is named by its size instead."""
DEPTH_LIMIT = 32
_ITEM_LIMIT = 10_000


def text(value: str) -> str:
    """The text without lone surrogates (one would lose a whole export) and within the limit."""
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
    """The value as JSON: valid whatever it is, NaN as a string, foreign objects by their fields or their type."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def plain(value: Any, depth: int = DEPTH_LIMIT) -> Any:  # noqa: PLR0911 - one row for each kind of value
    """The value as dicts, lists, strings, numbers and None only, as a copy.

    Iterators are not touched: they belong to the caller, and reading one would empty it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(str(value))
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {_key(key): plain(item, depth - 1) for key, item in _some(value.items())}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth - 1) for item in _some(value)]
    return _foreign(value, depth)


def _some(items: Any) -> list[Any]:
    return list(items)[:_ITEM_LIMIT]


def _key(key: Any) -> str:
    return text(key) if isinstance(key, str) else text(described(key))


def _foreign(value: Any, depth: int) -> Any:
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        try:
            return plain(dump(value, mode="json", exclude_none=True), depth - 1)
        except Exception:  # a model that cannot dump itself is described like any other object
            return described(value)
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        return {name: plain(getattr(value, name, None), depth - 1) for name in fields}
    return described(value)


def described(value: Any) -> str:
    """`str(value)`, or the name of its type where that fails."""
    try:
        return text(str(value))
    except Exception:  # a broken __str__ is the caller's own and none of our business
        return f"<{type(value).__name__}>"
