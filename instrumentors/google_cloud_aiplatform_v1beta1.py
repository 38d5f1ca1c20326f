"""Vertex AI's API, version 1beta1, which vertexai.preview asks too."""

from __future__ import annotations

from typing import ClassVar

from agentops_otel_instrumentors._vertex import VertexInstrumentor


class VertexV1Beta1Instrumentor(VertexInstrumentor):
    """google-cloud-aiplatform: contents generated on Vertex AI, whole and streamed, and embeddings (`predict`)."""

    library = "google.cloud.aiplatform_v1beta1"
    targets: ClassVar = VertexInstrumentor.clients(library)
