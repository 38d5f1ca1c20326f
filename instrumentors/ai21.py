"""AI21: the chat of its Jamba models."""

from __future__ import annotations

from typing import ClassVar

from agentops_otel_instrumentors._openai_shaped import CHAT

from agentops_otel.engine import Instrumentor


class AI21Instrumentor(Instrumentor):
    """ai21: chat, whole and streamed, from AI21's own studio and through the clouds that its clients speak to."""

    library = "ai21"
    requires = ">=4,<5"
    provider = "ai21"
    targets: ClassVar = {
        f"ai21.clients.studio.resources.chat:{kind}.create": CHAT
        for kind in ("ChatCompletions", "AsyncChatCompletions")
    }
