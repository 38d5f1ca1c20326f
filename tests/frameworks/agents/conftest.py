"""Models of the SDK's that ask the provider of the test."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager

import openai
import pytest
from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel

from agentops_otel.demo.provider import Provider


@asynccontextmanager
async def _model(monkeypatch, kind, max_retries=0):
    # Without a key the SDK's own exporter sends nothing.
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with openai.AsyncOpenAI(api_key="sk-none", max_retries=max_retries) as client:
        yield kind(model="gpt-4o", openai_client=client)


@pytest.fixture
def responses_of(monkeypatch):
    """`async with responses_of() as model`: its client is closed with the block."""
    return functools.partial(_model, monkeypatch, OpenAIResponsesModel)


@pytest.fixture
def chats_of(monkeypatch):
    return functools.partial(_model, monkeypatch, OpenAIChatCompletionsModel)


@pytest.fixture
def answering(monkeypatch):
    """`answering(answer, ...)`: a provider with these answers, which the clients of the test ask."""
    opened = []

    def answer(*answers):
        opened.append(Provider(list(answers)).start())
        monkeypatch.setenv("OPENAI_BASE_URL", opened[-1].openai_url)

    yield answer
    for provider in opened:
        assert not provider.unanswered
        provider.close()
