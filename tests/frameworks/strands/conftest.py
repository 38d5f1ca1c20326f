"""Sessions that Strands' own spans reach, and models that ask the provider of the test."""

from __future__ import annotations

import pytest
from emitting import making
from strands.models.openai import OpenAIModel
from strands.telemetry import get_tracer

from agentops_otel.demo.provider import Provider

make_watched = making(get_tracer().tracer)


@pytest.fixture
def watched(make_watched):
    return make_watched(capture_content=True)


@pytest.fixture
def answering():
    """`answering(answer, ...)`: a model whose provider has these answers, all of which are asked for."""
    opened = []

    def answer(*answers, **settings):
        opened.append(Provider(list(answers)).start())
        told = {"api_key": "x", "base_url": opened[-1].openai_url, "max_retries": 0, **settings}
        return OpenAIModel(client_args=told, model_id="gpt-4o")

    yield answer
    for provider in opened:
        assert not provider.unanswered
        provider.close()
