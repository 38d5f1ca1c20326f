"""Frameworks: a folder for each, collected where its framework is installed; `scripts/frameworks` runs them all.

The first line of a folder's requirements.txt, `# needs: ...`, names the modules without which it is not collected.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from apart import not_here
from recorded import Recorded

from agentops_otel.demo.provider import Provider

collect_ignore = not_here(Path(__file__).parent)


@pytest.fixture
def recorded(monkeypatch):
    """`recorded("openai/some-file.json")`: its provider, which the clients of the test ask."""
    opened: list[Recorded] = []

    def replay(file: str, *exchanges: int) -> Recorded:
        opened.append(Recorded(file, exchanges))
        monkeypatch.setenv("OPENAI_BASE_URL", opened[-1].provider.openai_url)
        monkeypatch.setenv("OPENAI_API_BASE", opened[-1].provider.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", opened[-1].provider.anthropic_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
        return opened[-1]

    yield replay
    for item in opened:
        item.provider.close()


@pytest.fixture
def answering(monkeypatch):
    """`answering(answer, ...)`: a provider with these answers, all of which the clients of the test ask for."""
    opened: list[Provider] = []

    def answer(*answers) -> Provider:
        opened.append(Provider(list(answers)).start())
        monkeypatch.setenv("OPENAI_BASE_URL", opened[-1].openai_url)
        monkeypatch.setenv("OPENAI_API_BASE", opened[-1].openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        return opened[-1]

    yield answer
    for provider in opened:
        assert not provider.unanswered
        provider.close()
