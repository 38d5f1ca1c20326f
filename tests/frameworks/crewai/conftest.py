"""CrewAI as the tests need it: without telemetry, with a home of its own, and with a provider that is answered for."""

from __future__ import annotations

import os
import tempfile
import warnings

os.environ.update(
    CREWAI_DISABLE_TELEMETRY="true",
    CREWAI_TRACING_ENABLED="false",
    CREWAI_TESTING="true",
    CREWAI_STORAGE_DIR=tempfile.mkdtemp(prefix="crewai-"),
)

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # CrewAI warns of itself as it is imported
    import crewai  # noqa: F401

from agentops_otel.demo.provider import Provider


@pytest.fixture
def answering(monkeypatch):
    """`answering(answer, ...)`: a provider with these answers, which the models of the test ask."""
    opened = []

    def answer(*answers):
        opened.append(Provider(list(answers)).start())
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_BASE_URL", opened[-1].openai_url)
        return opened[-1]

    yield answer
    for provider in opened:
        assert not provider.unanswered
        provider.close()
