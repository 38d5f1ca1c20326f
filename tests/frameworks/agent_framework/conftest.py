"""Sessions that the framework's own spans reach, and clients of its that ask the provider of the test."""

from __future__ import annotations

import openai
import pytest
from agent_framework.openai import OpenAIChatClient, OpenAIChatCompletionClient
from emitting import making

make_watched = making()


@pytest.fixture
def watched(make_watched):
    return make_watched(capture_content=True)


@pytest.fixture
async def client_at():
    """`client_at(provider)`: asks chat completions, or responses, of OpenAI's API there."""
    opened = []

    def made(provider, *, responses=False, model="gpt-4o", max_retries=0):
        opened.append(openai.AsyncOpenAI(api_key="x", base_url=provider.openai_url, max_retries=max_retries))
        return (OpenAIChatClient if responses else OpenAIChatCompletionClient)(model, async_client=opened[-1])

    yield made
    for client in opened:
        await client.close()
