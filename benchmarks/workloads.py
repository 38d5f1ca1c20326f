"""What programs do with a model, and how many spans each of it is."""

from __future__ import annotations

import asyncio
import base64
import os
from typing import NamedTuple

import openai

MESSAGES = [{"role": role, "content": "word " * 200} for role in ("system", "user", "user")]
LONG = [{"role": role, "content": "word " * 10_000} for role in ("system", "user", "assistant", "user")]
PICTURE = {"url": "data:image/png;base64," + base64.b64encode(os.urandom(768 * 1024)).decode()}
HUGE = [*LONG, {"role": "user", "content": [{"type": "image_url", "image_url": PICTURE}]}]
_MODEL = "gpt-4o-mini"


class Workload(NamedTuple):
    """`run(clients, step)` does it once; `step(kind, name)` is a span of the contestant's around a block."""

    name: str
    run: object
    spans: int
    messages: list
    per_block: int


class Clients(NamedTuple):
    """The clients of a program."""

    sync: openai.OpenAI
    asynchronous: openai.AsyncOpenAI
    loop: asyncio.AbstractEventLoop


def clients():
    return Clients(openai.OpenAI(api_key="x"), openai.AsyncOpenAI(api_key="x"), asyncio.new_event_loop())


def _chat(clients, step):
    clients.sync.chat.completions.create(model=_MODEL, messages=MESSAGES, temperature=0.5)


def _stream(clients, step):
    for _ in clients.sync.chat.completions.create(model=_MODEL, messages=MESSAGES, temperature=0.5, stream=True):
        pass


def _responses(clients, step):
    clients.sync.responses.create(model=_MODEL, input=MESSAGES, temperature=0.5)


def _gather(clients, step):
    async def all_at_once():
        create = clients.asynchronous.chat.completions.create
        await asyncio.gather(*(create(model=_MODEL, messages=MESSAGES, temperature=0.5) for _ in range(200)))

    clients.loop.run_until_complete(all_at_once())


def _agent(clients, step):
    with step("agent", "planner"):
        for _ in range(20):
            _chat(clients, step)
            with step("tool", "search"):
                pass


def _huge(clients, step):
    clients.sync.chat.completions.create(model=_MODEL, messages=HUGE, temperature=0.5)


WORKLOADS = (
    Workload("chat", _chat, 1, MESSAGES, 100),
    Workload("stream of 200 chunks", _stream, 1, MESSAGES, 50),
    Workload("Responses API", _responses, 1, MESSAGES, 100),
    Workload("200 async calls in a gather", _gather, 200, MESSAGES, 1),
    Workload("agent run of 41 spans", _agent, 41, MESSAGES, 3),
    Workload("200 KB of text and a 1 MB image", _huge, 1, HUGE, 5),
)
