"""The embeddings shape of OpenAI, which others speak too."""

from __future__ import annotations

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response, Usage
from agentops_otel.engine import Arguments, Operation, listed, read

_FLOAT_BYTES = 4


def request(arguments: Arguments) -> Request:
    """Embeddings that are asked for."""
    encoding = arguments.get("encoding_format")
    return Request(model=arguments.get("model"), encoding_formats=[encoding] if isinstance(encoding, str) else None)


def response(answer: object) -> Response:
    """The embeddings that were answered; their texts are sent as numbers, or packed in base64."""
    first = next(iter(listed(read(answer, "data"))), None)
    vector = read(first, "embedding")
    size = len(vector) * 3 // 4 // _FLOAT_BYTES if isinstance(vector, str) else len(listed(vector))
    used = read(answer, "usage.prompt_tokens")
    return Response(
        model=read(answer, "model"),
        usage=None if used is None else Usage(input_tokens=used),
        dimension_count=size or None,
    )


OPERATION = Operation(name=names.EMBEDDINGS, request=request, response=response)
