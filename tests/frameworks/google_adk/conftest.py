"""Sessions that ADK's own spans reach, and models that ask the provider of the test."""

from __future__ import annotations

import pytest
from emitting import making
from google import genai
from google.adk.models import Gemini
from google.adk.telemetry import tracer

from agentops_otel.demo.provider import Provider

make_watched = making(tracer)


@pytest.fixture
def watched(make_watched):
    return make_watched(capture_content=True)


@pytest.fixture
async def model_at():
    """`model_at(url)`: a Gemini there, whose client is closed with the test."""
    clients = []

    def made(url, name="gemini-2.5-flash"):
        clients.append(genai.Client(api_key="x", http_options={"base_url": url}))
        return Gemini(model=name, client=clients[-1])

    yield made
    for client in clients:
        await client.aio.aclose()
        client.close()


@pytest.fixture
async def answering(model_at):
    """`answering(answer, ...)`: a model whose provider has these answers, all of which are asked for."""
    opened = []

    def answer(*answers):
        opened.append(Provider(list(answers)).start())
        return model_at(opened[-1].url)

    yield answer
    for provider in opened:
        assert not provider.unanswered
        provider.close()
