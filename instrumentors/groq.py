"""Groq: chat, embeddings, speech, transcripts."""

from __future__ import annotations

from typing import ClassVar

from agentops_otel_instrumentors import _openai_embeddings as embeddings
from agentops_otel_instrumentors import _openai_media as media
from agentops_otel_instrumentors._openai_shaped import CHAT
from agentops_otel_instrumentors._stainless import StainlessInstrumentor


class GroqInstrumentor(StainlessInstrumentor):
    """groq: chat, whole and streamed, with the usage that its streams keep in `x_groq`; embeddings, audio."""

    library = "groq"
    requires = ">=0.13,<2"
    provider = "groq"
    targets: ClassVar = {"groq:Groq.request": None, "groq:AsyncGroq.request": None}
    faces: ClassVar = ("groq.resources.chat:Completions.create", "groq.resources.chat:AsyncCompletions.create")
    routes: ClassVar = {
        "POST /openai/v1/chat/completions": CHAT,
        "POST /openai/v1/embeddings": embeddings.OPERATION,
        "POST /openai/v1/audio/speech": media.SPEECH,
        "POST /openai/v1/audio/transcriptions": media.TRANSCRIPT,
        "POST /openai/v1/audio/translations": media.TRANSCRIPT,
    }
