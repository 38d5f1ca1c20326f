"""Clients of AutoGen's that are closed with the test."""

from __future__ import annotations

import pytest
from autogen_core.models import CreateResult, ModelFamily, ModelInfo, RequestUsage
from autogen_ext.models.openai import OpenAIChatCompletionClient
from autogen_ext.models.replay import ReplayChatCompletionClient

INFO = ModelInfo(
    vision=False, function_calling=True, json_output=True, family=ModelFamily.GPT_4O, structured_output=True
)


@pytest.fixture
async def chat():
    """`chat("gpt-4o")`: OpenAI's client of AutoGen's."""
    opened = []

    def made(model="gpt-4o", **settings):
        opened.append(OpenAIChatCompletionClient(model=model, model_info=INFO, api_key="sk-none", **settings))
        return opened[-1]

    yield made
    for client in opened:
        await client.close()


@pytest.fixture
def local():
    """`local("one", [FunctionCall(...)])`: a model in this process, of which no client tells."""

    def made(*answers, cached=False):
        results = [
            CreateResult(
                finish_reason="stop" if isinstance(item, str) else "function_calls",
                content=item,
                usage=RequestUsage(prompt_tokens=20, completion_tokens=7),
                cached=cached,
            )
            for item in answers
        ]
        return ReplayChatCompletionClient(results, model_info=INFO)

    return made
