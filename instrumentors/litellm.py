"""LiteLLM: one face before all providers; what it asks through their own clients is counted once."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors import _openai_embeddings as embeddings
from agentops_otel_instrumentors import _openai_responses as responses
from agentops_otel_instrumentors._openai_shaped import CHAT, COMPLETION, RERANK
from agentops_otel_instrumentors._provider_cost import amount

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Server, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_text": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "gcp.gemini",
    "hosted_vllm": "vllm",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "ollama_chat": "ollama",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "gcp.vertex_ai",
    "voyage": "voyageai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""LiteLLM's names of the providers that have another one elsewhere."""


def _cost(answer: Any) -> Decimal | None:
    """What LiteLLM says that it cost. It says 0 of what it knows no price of, too: that is no figure."""
    told = read(answer, "hidden_params")
    if read(told, "cache_hit") is True:
        return Decimal(0)  # answered from LiteLLM's own cache
    return amount(read(told, "response_cost")) or amount(read(answer, "usage.cost")) or None


def _priced(response: Callable[[Any], Response]) -> Callable[[Any], Response]:
    """The same response, with LiteLLM's own cost where it tells one."""

    def with_cost(answer: Any) -> Response:
        told = response(answer)
        told.openai = False
        cost = _cost(answer)
        if cost is not None:
            told.usage = told.usage or Usage()
            told.usage.cost = cost
        return told

    return with_cost


def _plain(request: Callable[[Arguments], Request]) -> Callable[[Arguments], Request]:
    """The same request, without what only OpenAI has attributes for."""

    def without(arguments: Arguments) -> Request:
        asked = request(arguments)
        asked.api_type = asked.service_tier = None
        return asked

    return without


def _covering(operation: Operation) -> Operation:
    return replace(operation, covers=True, request=_plain(operation.request), response=_priced(operation.response))


_RESPONSES = Operation(
    name=names.CHAT,
    request=responses.request,
    response=responses.response,
    fold=responses.fold,
    content=responses.content,
    output=responses.output,
)
_FUNCTIONS = {
    "completion": CHAT,
    "text_completion": COMPLETION,
    "embedding": embeddings.OPERATION,
    "responses": _RESPONSES,
    "rerank": RERANK,
}


def _targets() -> Mapping[str, Operation]:
    """Each function where it is defined, whence the library takes it, and where its users find it."""
    homes = {"responses": "litellm.responses.main", "rerank": "litellm.rerank_api.main"}
    found: dict[str, Operation] = {}
    for name, operation in _FUNCTIONS.items():
        covering = _covering(operation)
        for function in (name, f"a{name}"):
            found[f"litellm:{function}"] = covering
            found[f"{homes.get(name, 'litellm.main')}:{function}"] = covering
    return found


class LiteLLMInstrumentor(Instrumentor):
    """litellm: chat, text completions, embeddings, responses, reranking; each attempt of its Router; its own cost."""

    library = "litellm"
    requires = ">=1.106,<2"
    provider = "litellm"
    targets: ClassVar[Mapping[str, Operation | None]] = {**_targets()}

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """The provider that the model's name or the caller says, at the address that the caller gives, if any."""
        del instance
        name = _provider(arguments)
        provider = _PROVIDERS.get(name, name) or self.provider
        url = arguments.get("api_base") or arguments.get("base_url")
        return Server.at(provider, url) if isinstance(url, str) else Server(provider)


def _provider(arguments: Arguments) -> str:
    told, model = arguments.get("custom_llm_provider"), arguments.get("model")
    if isinstance(told, str) and told:
        return told
    if not isinstance(model, str):
        return ""
    library = sys.modules.get("litellm")
    prefix, _, rest = model.partition("/")
    if rest and prefix in {str(read(item, "value", item)) for item in read(library, "provider_list", ())}:
        return prefix
    costs = read(library, "model_cost")
    entry = costs.get(model) if isinstance(costs, dict) else None
    name = read(entry, "litellm_provider")
    return name if isinstance(name, str) else ""
