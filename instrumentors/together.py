"""Together: chat, completions, embeddings, reranking, images, audio."""

from __future__ import annotations

from typing import ClassVar

from agentops_otel_instrumentors import _openai_embeddings as embeddings
from agentops_otel_instrumentors import _openai_media as media
from agentops_otel_instrumentors._openai_shaped import CHAT, COMPLETION, RERANK
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

_PATHS = {
    "chat/completions": CHAT,
    "completions": COMPLETION,
    "embeddings": embeddings.OPERATION,
    "rerank": RERANK,
    "images/generations": media.IMAGES,
    "audio/speech": media.SPEECH,
    "audio/transcriptions": media.TRANSCRIPT,
    "audio/translations": media.TRANSCRIPT,
}


class TogetherInstrumentor(StainlessInstrumentor):
    """together: chat and legacy completions, whole and streamed; embeddings, reranking, images, audio."""

    library = "together"
    requires = ">=2,<4"
    provider = "together"
    targets: ClassVar = {"together:Together.request": None, "together:AsyncTogether.request": None}
    faces: ClassVar = (
        "together.resources.chat:CompletionsResource.create",
        "together.resources.chat:AsyncCompletionsResource.create",
    )
    # together 2 has the version in its base URL, together 3 in its paths.
    routes: ClassVar = {
        f"POST {version}/{path}": operation for path, operation in _PATHS.items() for version in ("/v1", "")
    }
