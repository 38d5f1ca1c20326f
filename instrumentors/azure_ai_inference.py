"""Azure's inference clients: chat, embeddings of texts and of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from agentops_otel_instrumentors import _openai_embeddings as embeddings
from agentops_otel_instrumentors._openai_shaped import CHAT

from agentops_otel.engine import Arguments, Instrumentor, Operation


def _asked(read: Callable[[Arguments], Any]) -> Callable[[Arguments], Any]:
    """The same of what may also be given as a body that is ready to be sent, or as what a model takes beyond it."""

    def with_body(arguments: Arguments) -> Any:
        given = [arguments, arguments.get("body"), arguments.get("model_extras")]
        return read({name: value for told in given if isinstance(told, Mapping) for name, value in told.items()})

    return with_body


assert CHAT.content is not None  # noqa: S101
_CHAT = replace(CHAT, request=_asked(CHAT.request), content=_asked(CHAT.content))
_EMBEDDINGS = replace(embeddings.OPERATION, request=_asked(embeddings.OPERATION.request))


class AzureInferenceInstrumentor(Instrumentor):
    """azure-ai-inference: chat, whole and streamed, embeddings of texts and of images; Azure and GitHub models."""

    library = "azure.ai.inference"
    requires = ">=1.0.0b9,<2"
    provider = "azure.ai.inference"
    targets: ClassVar[Mapping[str, Operation | None]] = {
        f"{module}:{target}": operation
        for module in ("azure.ai.inference", "azure.ai.inference.aio")
        for target, operation in {
            "ChatCompletionsClient.complete": _CHAT,
            "EmbeddingsClient.embed": _EMBEDDINGS,
            "ImageEmbeddingsClient.embed": _EMBEDDINGS,
        }.items()
    }
