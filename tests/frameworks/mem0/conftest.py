"""Memories in a folder of the test, whose model is a loopback provider, and clients of a service that is one."""

from __future__ import annotations

import os

os.environ["MEM0_TELEMETRY"] = "False"

import pytest
from leftovers import pytest_configure, pytest_unconfigure  # noqa: F401 - hooks

from agentops_otel.demo.provider import Provider

SIZE = 8


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """`memory(Memory, answer)`: one that asks a provider with these answers; its vectors have 8 numbers."""
    monkeypatch.setenv("MEM0_DIR", str(tmp_path))
    opened = []

    def made(kind, answer):
        provider = Provider(answer).start()
        asked = {"api_key": "sk-none", "openai_base_url": provider.openai_url}
        store = {"path": str(tmp_path / "vectors"), "collection_name": "notes", "embedding_model_dims": SIZE}
        config = {
            "llm": {"provider": "openai", "config": {"model": "gpt-4o", **asked}},
            "embedder": {"provider": "openai", "config": {**asked, "embedding_dims": SIZE}},
            "vector_store": {"provider": "qdrant", "config": store},
            "history_db_path": str(tmp_path / "history.db"),
        }
        opened.append((kind.from_config(config), provider))
        return opened[-1][0]

    yield made
    for one, provider in opened:
        one.vector_store.client.close()
        one.close()
        provider.close()
