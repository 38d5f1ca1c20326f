"""Models of LangChain's whose clients are closed with the test, and a session of the package's own client."""

from __future__ import annotations

import openai
import pytest
from conftest import Memory, Watched
from langchain_openai import ChatOpenAI

import agentops_otel
from agentops_otel.client import default


@pytest.fixture
async def chat():
    """`chat("gpt-4o", streaming=True)`: a ChatOpenAI with HTTP clients of its own."""
    opened = []

    def made(model, **settings):
        opened.append((openai.DefaultHttpxClient(), openai.DefaultAsyncHttpxClient()))
        plain, asynchronous = opened[-1]
        return ChatOpenAI(model=model, http_client=plain, http_async_client=asynchronous, **settings)

    yield made
    for plain, asynchronous in opened:
        plain.close()
        await asynchronous.aclose()


class Default(Watched):
    """The same of the client that the functions of the package act on."""

    def __init__(self, **settings):
        self.memory = Memory()
        self.client = default
        default.receivers = [self.memory]
        self.session = agentops_otel.init(isolated=True, log_summary=False, capture_content=True, **settings)


@pytest.fixture
def make_default():
    made = []

    def make(**settings):
        made.append(Default(**settings))
        return made[-1]

    yield make
    for item in made:
        item.close()
        item.client.receivers = None
