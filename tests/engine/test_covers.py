"""A call that covers what is asked on its way: the program sees one call, and its bill is counted once."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import ClassVar

import pytest

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response
from agentops_otel.engine import Instrumentor, Operation

ASK = Operation(name=names.CHAT, request=lambda told: Request(model=told.get("model")), response=lambda _: Response())
COVERING = Operation(name=names.CHAT, request=ASK.request, response=ASK.response, covers=True)


class Inner(Instrumentor):
    library = "inner_library"
    targets: ClassVar = {"inner_library:ask": ASK}


class Outer(Instrumentor):
    library = "outer_library"
    targets: ClassVar = {
        "outer_library:ask": COVERING,
        "outer_library:aask": COVERING,
        "outer_library:stream": COVERING,
    }


@pytest.fixture
def libraries(monkeypatch, watched):
    inner, outer = ModuleType("inner_library"), ModuleType("outer_library")

    def ask(model):
        return inner.ask(model)

    async def aask(model):
        await asyncio.sleep(0)
        return inner.ask(model)

    def stream(model):
        yield inner.ask(model)
        yield inner.ask(model)

    inner.ask = lambda model: f"{model} says hello"
    outer.ask, outer.aask, outer.stream = ask, aask, stream
    monkeypatch.setitem(sys.modules, "inner_library", inner)
    monkeypatch.setitem(sys.modules, "outer_library", outer)
    instrumentors = [Inner(), Outer()]
    for item in instrumentors:
        item.instrument(watched.client._recorder)
    yield inner, outer
    for item in instrumentors:
        item.uninstrument()


def test_what_is_asked_on_its_way_is_part_of_it(libraries, watched):
    inner, outer = libraries
    assert outer.ask("a") == asyncio.run(outer.aask("a")) == "a says hello"
    assert list(outer.stream("a")) == ["a says hello"] * 2
    assert [span.scope for span in watched.spans] == ["agentops_otel.outer_library"] * 3


def test_what_is_asked_beside_it_is_not(libraries, watched):
    inner, outer = libraries
    for _ in outer.stream("a"):
        inner.ask("b")
    assert sorted(span.name for span in watched.spans) == ["chat a", "chat b", "chat b"]
