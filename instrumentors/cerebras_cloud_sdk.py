"""Cerebras: chat and legacy completions."""

from __future__ import annotations

from typing import ClassVar

from agentops_otel_instrumentors._openai_shaped import CHAT, COMPLETION
from agentops_otel_instrumentors._stainless import StainlessInstrumentor


class CerebrasInstrumentor(StainlessInstrumentor):
    """cerebras-cloud-sdk: chat and legacy completions, whole and streamed."""

    library = "cerebras.cloud.sdk"
    requires = ">=1.24,<2"
    provider = "cerebras"
    targets: ClassVar = {"cerebras.cloud.sdk:Cerebras.request": None, "cerebras.cloud.sdk:AsyncCerebras.request": None}
    faces: ClassVar = (
        "cerebras.cloud.sdk.resources.chat:CompletionsResource.create",
        "cerebras.cloud.sdk.resources.chat:AsyncCompletionsResource.create",
    )
    routes: ClassVar = {"POST /v1/chat/completions": CHAT, "POST /v1/completions": COMPLETION}
