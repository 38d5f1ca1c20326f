"""Portkey: its gateway, which passes on what it is asked in the shape of OpenAI."""

from __future__ import annotations

from typing import ClassVar

from agentops_otel_instrumentors._openai_routes import ROUTES
from agentops_otel_instrumentors._stainless import StainlessInstrumentor


class PortkeyInstrumentor(StainlessInstrumentor):
    """portkey-ai: all that goes through its gateway in the shape of OpenAI, whole, streamed and parsed."""

    library = "portkey_ai"
    requires = ">=2.3.4,<3"
    provider = "portkey"
    # It asks through a copy of OpenAI's client that it brings along.
    targets: ClassVar = {
        "portkey_ai.api_resources.client:OpenAI.request": None,
        "portkey_ai.api_resources.client:AsyncOpenAI.request": None,
    }
    routes: ClassVar = ROUTES
