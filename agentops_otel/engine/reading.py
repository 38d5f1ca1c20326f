"""Reading foreign things: objects, dicts and None alike, with no exception and no surprise."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, cast


def read(thing: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path, `read(answer, "usage.prompt_tokens")`, whatever each step is; else `default`."""
    while thing is not None and path:
        name, _, path = path.partition(".") if "." in path else (path, "", "")
        thing = thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)
    return default if thing is None else thing


_NOTHING: dict[str, Any] = {}
_MAPPING, _MODEL, _OBJECT = range(3)


def fields(thing: Any) -> Mapping[str, Any]:
    """The fields of a dict or an object, unknown ones that a model has kept included; {} for anything else.

    One look-up of all fields instead of one for each: for what is read with every chunk of a stream.
    """
    own_type: Any = type(thing)
    kind = _kind(own_type)
    if kind == _MAPPING:
        return cast("Mapping[str, Any]", thing)
    try:
        own = vars(thing)
    except TypeError:
        return thing if isinstance(thing, Mapping) else _NOTHING
    # pydantic keeps fields that a model does not declare beside the others. Not `model_extra`: a property costs more.
    more = getattr(thing, "__pydantic_extra__", None) if kind == _MODEL else None
    return {**own, **more} if more else own


@functools.lru_cache(maxsize=512)
def _kind(type_of_thing: Any) -> int:
    if issubclass(type_of_thing, Mapping):  # such as the models of Azure's clients
        return _MAPPING
    return _MODEL if hasattr(type_of_thing, "__pydantic_extra__") else _OBJECT


def read_text(thing: Any, path: str) -> str | None:
    """The string at a dotted path; None where anything else is."""
    value = read(thing, path)
    return value if isinstance(value, str) else None


def listed(thing: Any) -> list[Any]:
    """The items of a list or tuple; [] for anything else, iterators included, for those are not ours to read."""
    return list(thing) if isinstance(thing, (list, tuple)) else []


class Shape(dict[str, Any]):
    """A JSON object that reads like the parsed object of a client library: `shape.usage`, None where absent."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        """The value under this name, or None."""
        return self.get(name)


def parsed(body: str | bytes) -> Any:
    """A JSON body with its objects as `Shape`s.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(body, object_hook=Shape)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def shaped(chunk: Any) -> Any:
    """A chunk that came as plain dicts, because the caller asked the library for those, as `Shape`s."""
    if isinstance(chunk, dict):
        return Shape((name, shaped(value)) for name, value in chunk.items())
    return [shaped(item) for item in chunk] if isinstance(chunk, list) else chunk
