"""Models of Pydantic AI's that ask the provider of the test."""

from __future__ import annotations

from contextlib import asynccontextmanager

import boto3
import openai
import pytest
from anthropic import AsyncAnthropic
from cohere import AsyncClientV2
from google.genai import Client
from google.oauth2.credentials import Credentials
from groq import AsyncGroq
from mistralai.client import Mistral
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.models.cohere import CohereModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.groq import GroqModel
from pydantic_ai.models.mistral import MistralModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.snowflake import SnowflakeModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.bedrock import BedrockProvider
from pydantic_ai.providers.cohere import CohereProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.groq import GroqProvider
from pydantic_ai.providers.mistral import MistralProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.snowflake import SnowflakeProvider

from agentops_otel.demo.provider import Provider


@asynccontextmanager
async def model_of(kind, url, name):
    """A model of the API that is called so in the recordings, with a client that is closed with the block."""
    if kind in {"chat.completions", "responses"}:
        made = OpenAIChatModel if kind == "chat.completions" else OpenAIResponsesModel
        async with openai.AsyncOpenAI(api_key="x", base_url=f"{url}/v1", max_retries=0) as client:
            yield made(name, provider=OpenAIProvider(openai_client=client))
    elif kind == "snowflake":
        async with openai.AsyncOpenAI(api_key="x", base_url=f"{url}/v1", max_retries=0) as client:
            yield SnowflakeModel(name, provider=SnowflakeProvider(openai_client=client))
    elif kind == "messages":
        async with AsyncAnthropic(api_key="x", base_url=url, max_retries=0) as client:
            yield AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client))
    elif kind == "v2.chat":
        async with AsyncClientV2("x", base_url=url) as client:
            yield CohereModel(name, provider=CohereProvider(cohere_client=client))
    elif kind == "groq":
        async with AsyncGroq(api_key="x", base_url=url, max_retries=0) as client:
            yield GroqModel(name, provider=GroqProvider(groq_client=client))
    elif kind == "mistral":
        async with Mistral(api_key="x", server_url=url) as client:
            yield MistralModel(name, provider=MistralProvider(mistral_client=client))
    elif kind == "converse":
        where = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        client = boto3.client("bedrock-runtime", endpoint_url=url, **where)
        yield BedrockConverseModel(name, provider=BedrockProvider(bedrock_client=client))
        client.close()
    else:
        where = {"api_key": "x"}
        if kind == "vertex":
            where = {"vertexai": True, "project": "p", "location": "global", "credentials": Credentials("token")}
        client = Client(http_options={"base_url": url}, **where)
        yield GoogleModel(name, provider=GoogleProvider(client=client))
        await client.aio.aclose()
        client.close()


@pytest.fixture
def models():
    return model_of


@pytest.fixture
async def chat_of():
    """`await chat_of(answer, ...)`: a chat model whose provider gives these answers."""
    opened = []

    async def made(*answers):
        provider = Provider(list(answers)).start()
        context = model_of("chat.completions", provider.url, "gpt-4o")
        opened.append((provider, context))
        return await context.__aenter__()

    yield made
    for provider, context in opened:
        await context.__aexit__(None, None, None)
        assert not provider.unanswered
        provider.close()
