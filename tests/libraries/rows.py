"""Rows of the contract for libraries of any shape: how one is called, answered, and what its span tells."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agentops_otel.conventions import names, plain
from agentops_otel.demo.provider import Answer


@dataclass(frozen=True, kw_only=True)
class Row:
    """One operation of a library, declared in a file `rows_<library>.py` with `LIBRARY` (import name) and `ROWS`."""

    id: str
    make: Callable[[str, bool], Any]
    """(address of the provider, asynchronous) -> a client."""
    call: Callable[[Any], Any]
    """client -> the answer, or an awaitable of it."""
    stream: Callable[[Any], Any] | None = None
    """client -> something to iterate over, or an awaitable of something to iterate over asynchronously."""
    whole: Answer
    streamed: Answer | None = None
    refused: Answer | None = field(default_factory=lambda: Answer.json({"error": {"message": "no"}}, status=400))
    """An answer that the library raises over, without trying again."""
    broken: Answer | None = None
    """A stream with an error in its middle that is no loss of the connection, where the provider has such."""
    expected: Mapping[str, Any]
    """Attributes of its span, whole or streamed."""
    stream_expected: Mapping[str, Any] = field(default_factory=dict)
    """What is different where it is streamed."""
    leaks: bool = False
    """The library itself leaves connections to the garbage collector, here or there."""
    clock: str = ""
    """A pattern of what the library itself takes from the clock and puts into its answers, which is never the same."""
    has_async: bool = True
    streams_async: bool = True

    def client(self, provider: Any, *, asynchronous: bool = False) -> Any:
        """A client that asks this provider."""
        return self.make(provider.url, asynchronous)

    @property
    def span_name(self) -> str:
        """What its span is called."""
        operation, model = self.expected.get(names.OPERATION_NAME), self.expected.get(names.REQUEST_MODEL)
        if operation is None:
            return names.RERANK
        return f"{operation} {model}" if model else str(operation)


def answered(reason: str | None, *parts: Mapping[str, Any]) -> str:
    """What a span says of an answer of these parts."""
    return plain.to_json([{"role": "assistant", "parts": list(parts), "finish_reason": reason}])


def installed(library: str) -> bool:
    """Whether a library is here, by its import name."""
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def rows() -> list[Row]:
    """The rows of all libraries that are installed here."""
    found: list[Row] = []
    for path in sorted(Path(__file__).parent.glob("rows_*.py")):
        library = next(line for line in path.read_text().splitlines() if line.startswith("LIBRARY = "))
        if installed(library.split('"')[1]):
            found += importlib.import_module(path.stem).ROWS
    return found
