"""Voyage AI: embeddings of texts, of chunks in context and of images, and reranking."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Request, Response, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Server, listed, read

_LOCAL = "voyageai.local.helpers"
"""Where the library says which models it runs itself."""


def _request(arguments: Arguments) -> Request:
    kind = arguments.get("output_dtype")
    return Request(
        model=arguments.get("model") or read(sys.modules.get("voyageai"), "VOYAGE_EMBED_DEFAULT_MODEL"),
        encoding_formats=[kind] if isinstance(kind, str) else None,
    )


def _usage(answer: Any) -> Usage | None:
    total = read(answer, "total_tokens")
    return None if total is None else Usage(input_tokens=total, text_input_tokens=read(answer, "text_tokens"))


def _embedded(answer: Any) -> Response:
    """Embeddings; those in context are grouped by document. The library keeps neither id nor model."""
    groups = listed(read(answer, "results"))
    vectors = listed(read(groups[0] if groups else answer, "embeddings"))
    first = vectors[0] if vectors else None
    return Response(usage=_usage(answer), dimension_count=len(listed(first)) or None)


def _ranked(answer: Any) -> Documents:
    results = listed(read(answer, "results"))
    return Documents([(str(read(item, "index")), read(item, "relevance_score")) for item in results])


_EMBED = Operation(name=names.EMBEDDINGS, request=_request, response=_embedded)
_RERANK = Operation(
    name=names.RERANK,
    request=_request,
    response=lambda answer: Response(usage=_usage(answer)),
    content=lambda arguments: Content(query=arguments.get("query")),
    output=_ranked,
)


class VoyageAIInstrumentor(Instrumentor):
    """voyageai: embeddings of texts, of chunks in context and of images and videos, reranking; models run locally."""

    library = "voyageai"
    requires = ">=0.3.7,<0.6"
    provider = "voyageai"
    targets: ClassVar = {
        f"voyageai:{client}.{method}": operation
        for client in ("Client", "AsyncClient")
        for method, operation in {
            "embed": _EMBED,
            "contextualized_embed": _EMBED,
            "multimodal_embed": _EMBED,
            "rerank": _RERANK,
        }.items()
    }

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """Voyage AI, or this machine for a model that the library runs itself: that one has no price."""
        del instance
        is_local = read(sys.modules.get(_LOCAL), "is_local_model")
        local = callable(is_local) and is_local(arguments.get("model"))
        return Server("voyageai_local" if local else self.provider)
