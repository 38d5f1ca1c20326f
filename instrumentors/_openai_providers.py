"""Who answers in the shape of OpenAI, told by where the client was pointed at."""

from __future__ import annotations

from typing import Final

PROVIDERS: Final = {
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "inference.ai.azure.com": "azure.ai.inference",
    "amazonaws.com": "aws.bedrock",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.ai21.com": "ai21",
    "api.anthropic.com": "anthropic",
    "inference.baseten.co": "baseten",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "inference.crusoecloud.com": "crusoe",
    "cloud.databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "gcp.databricks.com": "databricks",
    "api.deepinfra.com": "deepinfra",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "models.github.ai": "github",
    "api.groq.com": "groq",
    "router.huggingface.co": "huggingface",
    "api.minimax.io": "minimax",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.novita.ai": "novita",
    "integrate.api.nvidia.com": "nvidia",
    "openrouter.ai": "openrouter",
    "api.perplexity.ai": "perplexity",
    "api.portkey.ai": "portkey",
    "api.sambanova.ai": "sambanova",
    "snowflakecomputing.com": "snowflake",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.writer.com": "writer",
    "api.x.ai": "x_ai",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
}
"""By the end of the host's name; whoever is not here is taken for OpenAI itself, or for a gateway before it."""

_OWN_HOSTS: Final = {"ollama": "ollama", "vllm": "vllm"}
"""Names under which one runs these beside one's own program."""
_OWN_PORTS: Final = {11434: "ollama", 1234: "lm_studio"}
"""Ports that nothing else listens on by default. vLLM's is 8000, as is everybody's: it stays unknown."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "host.docker.internal"})


def local(host: str, port: int | None) -> str | None:
    """Who answers on this machine or beside it; None where that is not certain."""
    if host in _LOOPBACK:
        return _OWN_PORTS.get(port or 0)
    return _OWN_HOSTS.get(host)
