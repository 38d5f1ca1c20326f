"""Vertex AI's prediction service: what its clients of either version of the API ask and are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _gemini as gemini
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Request, Response, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, listed, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.conventions.model import Message

_METHODS = ("generate_content", "stream_generate_content", "predict")


def told(message: Any) -> Any:
    """A message as a dict of what is set in it: its attributes are never absent, and a count of zero is no count."""
    if isinstance(message, dict):
        return {name: told(value) for name, value in message.items()}
    if isinstance(message, (list, tuple)):
        return [told(item) for item in message]
    kind = type(message)
    return MessageToDict(kind.pb(message), preserving_proto_field_name=True) if hasattr(kind, "pb") else message


def _asked(arguments: Arguments) -> dict[str, Any]:
    """What is asked: the request, or the fields that are given one by one."""
    request = arguments.get("request")
    if request is not None:
        asked = told(request)
        return asked if isinstance(asked, dict) else {}
    contents = arguments.get("contents")
    return {"model": arguments.get("model"), "contents": told(listed(contents))}


def _request(arguments: Arguments, *, stream: bool) -> Request:
    request = arguments.get("request")
    model = arguments.get("model") if request is None else read(request, "model")
    config = told(read(request, "generation_config"))
    return gemini.request(_named(model), config, stream=stream)


def _named(model: Any) -> str | None:
    """A model by its own name, without the project and place that it is asked in; an endpoint as it is."""
    return model.rpartition("/models/")[2] if isinstance(model, str) else None


def _content(arguments: Arguments) -> Content:
    asked = _asked(arguments)
    return gemini.content(asked.get("contents"), asked, gemini.tools(listed(asked.get("tools"))))


def _response(answer: Any) -> Response:
    return gemini.response(told(answer))


def _output(answer: Any) -> Sequence[Message]:
    return gemini.output(told(answer))


def _fold(state: Any, chunk: Any, keep: bool) -> Any:
    return gemini.fold(state, told(chunk), keep)


def _embedded(answer: Any) -> Response:
    vectors = [_field(item, "embeddings") for item in getattr(answer, "predictions", None) or ()]
    counts = [_field(_field(item, "statistics"), "token_count") for item in vectors]
    known = [int(count) for count in counts if isinstance(count, (int, float))]
    size = len(_field(vectors[0], "values") or ()) if vectors else 0
    used = Usage(input_tokens=sum(known)) if known and len(known) == len(counts) else None
    return Response(usage=used, dimension_count=size or None)


def _field(mapping: Any, name: str) -> Any:
    """A field of a value that is a mapping, though no dict; None where it has none."""
    try:
        return mapping[name]
    except (KeyError, TypeError, IndexError):
        return None


_GENERATE = Operation(
    name=names.GENERATE_CONTENT,
    request=lambda arguments: _request(arguments, stream=False),
    response=_response,
    content=_content,
    output=_output,
)
_STREAM = Operation(
    name=names.GENERATE_CONTENT,
    request=lambda arguments: _request(arguments, stream=True),
    response=_response,
    fold=_fold,
    content=_content,
    output=_output,
)
_EMBED = Operation(
    name=names.EMBEDDINGS,
    request=lambda arguments: Request(model=_named(_endpoint(arguments))),
    response=_embedded,
)
_OPERATIONS: dict[str, Operation | None] = dict(zip(_METHODS, (_GENERATE, _STREAM, None), strict=True))


def _endpoint(arguments: Arguments) -> Any:
    request = arguments.get("request")
    return arguments.get("endpoint") if request is None else read(request, "endpoint")


class VertexInstrumentor(Instrumentor):
    """A version of Vertex AI's API: generated content, whole and streamed, and embeddings by `predict`."""

    distribution = "google-cloud-aiplatform"
    requires = ">=1.100,<3"
    provider = "gcp.vertex_ai"

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of calls that are captured."""
        return [_GENERATE, _STREAM, _EMBED]

    @staticmethod
    def clients(module: str) -> dict[str, Operation | None]:
        """The targets of the clients in this module."""
        return {
            f"{module}:PredictionService{kind}.{method}": operation
            for kind in ("Client", "AsyncClient")
            for method, operation in _OPERATIONS.items()
        }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call; None for a prediction that is no embedding, for a model of whichever kind answers it."""
        if operation is None:
            if "embedding" not in str(_named(_endpoint(arguments))):
                return None
            operation = _EMBED
        return Sent(operation, arguments, self.server(instance, arguments), self.library)

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """Who answers: the client tells at which endpoint it asks."""
        del arguments
        endpoint = read(instance, "api_endpoint")
        if not isinstance(endpoint, str):
            return Server(self.provider)
        return Server.at(self.provider, endpoint if "://" in endpoint else f"https://{endpoint}")
