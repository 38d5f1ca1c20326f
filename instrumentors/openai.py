"""OpenAI, and every provider that is spoken to through its client."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors._openai_providers import PROVIDERS, local
from agentops_otel_instrumentors._openai_routes import ROUTES
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.engine import read

if TYPE_CHECKING:
    from agentops_otel.engine import Recorder


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

    def instrument(self, recorder: Recorder) -> None:
        """As any other; httpx2 is imported now, if it is installed.

        openai 2 looks for it while it builds a request, and fails where another thread is importing it just then, as
        ours does with the prices.
        """
        with suppress(ImportError):
            import_module("httpx2")
        super().instrument(recorder)

    def answered(self, error: BaseException) -> Any:
        """The completion that `parse` could not parse, cut off by its length or a filter: it is billed all the same."""
        return read(error, "completion")

    def _provider(self, client: Any, host: str) -> str:
        return local(host, client.base_url.port) or super()._provider(client, host)
