"""azure-ai-inference as rows."""

from __future__ import annotations

from azure.ai import inference
from azure.ai.inference import aio
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import RequestsTransport
from openai_shaped import chat_row, embeddings_row, expected

from agentops_otel.conventions import names

LIBRARY = "azure.ai.inference"
MODEL = "Phi-4"
USAGE = {"prompt_tokens": 21, "completion_tokens": 19, "total_tokens": 40}


class _Transport(RequestsTransport):
    """Closes with itself the connections of streams that were never closed, of which Python would warn."""

    def __init__(self):
        super().__init__()
        self.answers = []

    def send(self, request, **options):
        self.answers.append(super().send(request, **options))
        return self.answers[-1]

    def close(self):
        for answer in self.answers:
            answer.internal_response.close()
        super().close()


def _client(kind):
    def make(url, is_async):
        module, more = (aio, {}) if is_async else (inference, {"transport": _Transport()})
        credential = AzureKeyCredential("k")
        return getattr(module, kind)(endpoint=url, credential=credential, retry_total=0, request_id="r", **more)

    return make


ROWS = [
    chat_row(
        "azure-ai-inference-chat",
        _client("ChatCompletionsClient"),
        lambda client, **asked: client.complete(**asked),
        provider="azure.ai.inference",
        model=MODEL,
        usage=USAGE,
        expected=expected("azure.ai.inference", MODEL, **{names.CACHE_READ_TOKENS: None, names.REASONING_TOKENS: None}),
        broken=None,
        leaks=True,  # streamed asynchronously: now and then, without us too
    ),
    embeddings_row(
        "azure-ai-inference-embeddings",
        _client("EmbeddingsClient"),
        lambda client, **asked: client.embed(**{**asked, "input": [asked["input"]]}),
        provider="azure.ai.inference",
        model="text-embedding-3-small",
    ),
]
