"""Sellers: whose prices hold for a model of a provider, and by which names the price data knows both."""

from __future__ import annotations

import functools
import re
from typing import Final

_PROVIDERS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "portkey": "",  # a gateway: the model's own name tells whose bill it goes on
    "litellm": "",
}
"""genai-prices' ids of the providers that the conventions name otherwise; the rest have one name in both."""

_HOSTS: Final = (
    "cerebras",
    "fireworks",
    "groq",
    "huggingface",
    "lm_studio",
    "nvidia",
    "ollama",
    "replicate",
    "together",
    "vllm",
)
"""Providers that run models of others at prices of their own: a maker's name before the model's is not a seller's."""

_RESOURCE: Final = re.compile(r"^(publishers/[^/]+/)?models/")
"""What Google puts before a model's name."""


@functools.lru_cache(maxsize=4096)
def candidates(provider: str | None, model: str) -> tuple[tuple[str, str], ...]:
    """(provider, model) pairs to look up in turn: as told, then by the prefix in the model's own name."""
    known = _PROVIDERS.get(provider or "", provider or "")
    model = _RESOURCE.sub("", model)
    pairs = [(known, model)]  # without a provider, its own name tells whose model it is
    prefix, _, rest = model.partition("/")
    if rest and prefix != known:
        if not known.startswith(_HOSTS):
            pairs.append((_PROVIDERS.get(prefix, prefix), rest))
    elif rest:
        pairs.append((known, rest))
    return tuple(pairs)
