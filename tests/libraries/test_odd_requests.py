"""Whatever a program passes to a library, reading it raises nothing, says nothing and uses nothing up."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from agentops_otel.engine import Registry, Sent, Server


class Broken:
    """Raises whatever is done to it."""

    def __getattr__(self, name):
        raise LookupError(name)

    def __repr__(self):
        raise LookupError

    __str__ = __bool__ = __eq__ = __hash__ = __len__ = __iter__ = __repr__


class Everything(Mapping):
    """Arguments among which every name is, always with the same value."""

    def __init__(self, value):
        self.value = value

    def __getitem__(self, name):
        return self.value

    def __contains__(self, name):
        return True

    def __iter__(self):
        return iter(("model", "messages", "contents", "config", "stream", "options", "*"))

    def __len__(self):
        return 7


def _nested(depth):
    told = []
    for _ in range(depth):
        told = [{"content": told}]
    return told


class Generator:
    """Something to be read once, which tells whether it was."""

    def __init__(self):
        self.read = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.read += 1
        raise StopIteration


VALUES = {
    "broken": Broken,
    "a broken message": lambda: [{"role": Broken(), "content": [Broken()]}],
    "none": lambda: None,
    "a generator": Generator,
    "bytes": lambda: b"\xff\xfe",
    "a surrogate": lambda: "\ud800",
    "nan": lambda: float("nan"),
    "huge": lambda: 10**400,
    "a function": lambda: print,
    "a class": lambda: dict,
    "deep": lambda: _nested(3_000),
    "mixed": lambda: [None, 7, "x", {}, {"role": 5, "parts": [{"text": 7}, None], "content": [{"type": []}]}],
}


def _operations():
    """Each operation once, by the first library that has it."""
    registry, found = Registry(), {}
    for library in sorted(registry.known()):
        for operation in registry.instrumentor_of(library).operations():
            found.setdefault(operation, library)
    return [(library, operation) for operation, library in found.items()]


OPERATIONS = _operations()


OUR_OWN = {"langchain_core chat", "langchain_core text_completion", "openai chat"}
"""Whose arguments are put together by ourselves: there is nothing among them that only the library may read."""


@pytest.mark.parametrize(
    ("library", "operation"),
    OPERATIONS,
    ids=[f"{library}-{operation.name}-{number}" for number, (library, operation) in enumerate(OPERATIONS)],
)
def test_whatever_is_asked_and_answered(watched, caplog, library, operation):
    faults = watched.client.faults
    faults.strict = False  # as in a program: what we cannot read is counted, and that is all
    for name, value in VALUES.items():
        odd = value()
        with caplog.at_level(logging.INFO):
            call = watched.client._recorder.begin(Sent(operation, Everything(odd), Server("nobody"), library))
            fold = operation.fold or (lambda state, chunk, keep: chunk)
            call.finish(faults.guarded("fold", lambda: None, fold, None, odd, True))
        assert caplog.records == [], name
        assert not isinstance(odd, Generator) or odd.read == 0 or f"{library} {operation.name}" in OUR_OWN
    assert len(watched.spans) == len(VALUES)
    faults.counts.clear()  # the fixture need not see them
