"""OpenAI, and every provider that is spoken to through its client."""

from __future__ import annotations

from typing import Any, ClassVar

from agentops_otel_instrumentors._openai_providers import PROVIDERS, local
from agentops_otel_instrumentors._openai_routes import ROUTES
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.engine import read


class OpenAIInstrumentor(StainlessInstrumentor):
    """openai: chat, responses, completions, embeddings, images, audio and moderations, whole and streamed."""

    library = "openai"
    requires = ">=1.99,<4"
    provider = "openai"
    targets: ClassVar = {"openai:OpenAI.request": None, "openai:AsyncOpenAI.request": None}
    faces: ClassVar = (
        "openai.resources.chat:Completions.create",
        "openai.resources.chat:AsyncCompletions.create",
        "openai.resources.responses:Responses.create",
        "openai.resources.responses:AsyncResponses.create",
    )
    routes: ClassVar = ROUTES
    providers: ClassVar = PROVIDERS
    clouds: ClassVar = {"AzureOpenAI": "azure.ai.openai", "BedrockOpenAI": "aws.bedrock"}

    def answered(self, error: BaseException) -> Any:
        """The completion that `parse` could not parse, cut off by its length or a filter: it is billed all the same."""
        return read(error, "completion")

    def _provider(self, client: Any, host: str) -> str:
        return local(host, client.base_url.port) or super()._provider(client, host)
