"""A framework's word on a model call gets a span only where no client told of the call."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from opentelemetry import trace
from trees import tree

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response, Usage
from agentops_otel.engine import Instrumentor, Operation, Sent, Server

CLIENTS = Operation(name=names.CHAT, request=lambda _: Request(model="client"), response=lambda _: Response())
FRAMEWORKS = Operation(
    name=names.CHAT,
    request=lambda _: Request(model="framework"),
    response=lambda answer: Response(usage=Usage(answer["tokens"], 1)),
    fold=lambda _, chunk, __: chunk,
    echo=lambda answer: not answer.get("cached"),
)


class Model:
    """A framework's model, which may ask a provider through a client."""

    def __init__(self, ask):
        self.ask = ask

    def create(self):
        return self.ask()

    async def acreate(self):
        return self.ask()

    def stream(self):
        yield self.ask()

    async def astream(self):
        yield self.ask()


class Framework(Instrumentor):
    library = "framework"
    targets: ClassVar = {f"{__name__}:Model.{name}": FRAMEWORKS for name in ("create", "acreate", "stream", "astream")}


async def _read(stream):
    return [chunk async for chunk in stream]


WAYS = {
    "create": lambda model: model.create(),
    "acreate": lambda model: asyncio.run(model.acreate()),
    "stream": lambda model: list(model.stream())[-1],
    "astream": lambda model: asyncio.run(_read(model.astream()))[-1],
}


@pytest.fixture
def recorder(watched):
    framework = Framework()
    framework.instrument(watched.client.recorder)
    assert not framework.missing
    yield watched.client.recorder
    framework.uninstrument()


def client(recorder):
    recorder.begin(Sent(CLIENTS, {}, Server(""), "client")).finish({})
    return {"tokens": 20}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_only_a_call_that_no_client_told_of_gets_a_span(watched, recorder, way):
    assert way(Model(lambda: {"tokens": 20})) == {"tokens": 20}
    assert tree(watched.spans) == "chat framework 20->1 tokens"
    way(Model(lambda: client(recorder)))
    assert [span.name for span in watched.spans] == ["chat framework", "chat client"]
    way(Model(lambda: {"tokens": 20, "cached": True}))
    assert len(watched.spans) == 2


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_failure_is_told_of_once(watched, recorder, way):
    def fail(told):
        if told:
            recorder.begin(Sent(CLIENTS, {}, Server(""), "client")).fail(error)
        raise error

    error = ValueError("no")
    for told in (False, True):
        with pytest.raises(ValueError, match="no") as raised:
            way(Model(lambda told=told: fail(told)))
        assert raised.value is error
    assert tree(watched.spans) == "chat framework ERROR ValueError\nchat client ERROR ValueError"


def test_it_is_where_the_call_began_and_the_client_is_not_below_it(watched, recorder):
    tracer = watched.client._ground.tracer
    with trace.use_span(tracer.start_span("mine", context=watched.session.parent()), end_on_exit=True):
        Model(lambda: {"tokens": 20}).create()
        Model(lambda: client(recorder)).create()
    assert tree(watched.spans) == "mine\n  chat framework 20->1 tokens\n  chat client usage missing"


def test_of_one_within_another_the_inner_one_tells(watched, recorder):
    inner = Model(lambda: {"tokens": 5})
    Model(lambda: inner.create() and {"tokens": 20}).create()
    assert tree(watched.spans) == "chat framework 5->1 tokens"
