"""Bedrock through botocore, which boto3 and aiobotocore are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from agentops_otel_instrumentors import _bedrock_bodies as bodies
from agentops_otel_instrumentors import _bedrock_converse as converse

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Message, Request, Response, Text
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, Shape, listed, read, read_text

_SERVICES = frozenset({"bedrock-runtime", "bedrock-agent-runtime"})

_CONVERSE = Operation(
    name=names.CHAT,
    request=converse.request,
    response=converse.response,
    fold=converse.fold,
    content=converse.content,
    output=converse.output,
)
_CONVERSE_STREAM = replace(
    _CONVERSE, request=lambda arguments: replace(converse.request(arguments), stream=True), within="stream"
)
_INVOKE = Operation(
    name=names.CHAT,
    request=bodies.request,
    response=bodies.response,
    fold=bodies.fold,
    content=bodies.content,
    output=bodies.output,
    within="body",
)
_INVOKE_STREAM = replace(_INVOKE, request=lambda arguments: replace(bodies.request(arguments), stream=True))
_INVOKE_TEXT = replace(_INVOKE, name=names.TEXT_COMPLETION)
_INVOKE_TEXT_STREAM = replace(_INVOKE_STREAM, name=names.TEXT_COMPLETION)
_INVOKE_EMBED = Operation(name=names.EMBEDDINGS, request=bodies.request, response=bodies.embedded, within="body")
_INVOKE_RERANK = Operation(name=names.RERANK, request=bodies.request, response=bodies.ranked, within="body")


def _agent_request(arguments: Arguments) -> Request:
    return Request(
        stream=True,
        agent_id=arguments.get("agentId"),
        agent_name=arguments.get("agentName"),
        model=arguments.get("foundationModel"),
        conversation_id=arguments.get("sessionId"),
    )


def _agent_fold(state: Any, event: Any, keep: bool) -> Any:
    state = state or Shape(pieces=[])
    data = read(event, "chunk.bytes") if keep else None
    if isinstance(data, bytes):
        state["pieces"].append(data.decode(errors="replace"))
    return state


def _generated_request(arguments: Arguments) -> Request:
    told = read(arguments, "retrieveAndGenerateConfiguration")
    base = read(told, "knowledgeBaseConfiguration")
    source = base or read(told, "externalSourcesConfiguration")
    known = read(base, "knowledgeBaseId")
    return Request(
        model=read(source, "modelArn"),
        conversation_id=arguments.get("sessionId"),
        more=None if known is None else {"aws.bedrock.knowledge_base.id": known},
    )


def _generated_fold(state: Any, event: Any, keep: bool) -> Any:
    state = state or Shape(pieces=[])
    text = read_text(event, "output.text")
    if keep and text is not None:
        state["pieces"].append(text)
    return state


def _question(arguments: Arguments) -> Content:
    text = read_text(arguments, "inputText") or read_text(arguments, "input.text")
    return Content([] if text is None else [Message("user", [Text(text)])])


def _said(answer: Any) -> list[Message]:
    text = "".join(listed(read(answer, "pieces"))) or read_text(answer, "output.text")
    return [Message("assistant", [Text(text)], finish_reason="stop")] if text else []


_AGENT = Operation(
    name=names.INVOKE_AGENT,
    request=_agent_request,
    response=lambda _: Response(),
    fold=_agent_fold,
    content=_question,
    output=_said,
    kind=names.KIND_AGENT,
    within="completion",
)
_GENERATED = Operation(
    name=names.CHAT,
    request=_generated_request,
    response=lambda answer: Response(conversation_id=read(answer, "sessionId")),
    fold=_generated_fold,
    content=_question,
    output=_said,
)
_GENERATED_STREAM = replace(
    _GENERATED, request=lambda arguments: replace(_generated_request(arguments), stream=True), within="stream"
)
_RETRIEVE = Operation(
    name=names.RETRIEVAL,
    request=lambda arguments: Request(
        data_source_id=arguments.get("knowledgeBaseId"),
        more={"aws.bedrock.knowledge_base.id": arguments.get("knowledgeBaseId")},
    ),
    response=lambda _: Response(),
    content=lambda arguments: Content(query=read_text(arguments, "retrievalQuery.text")),
    output=lambda answer: Documents(
        [(_source(item), read(item, "score")) for item in listed(read(answer, "retrievalResults"))]
    ),
    kind=names.KIND_TOOL,
)
_RERANK = Operation(
    name=names.RERANK,
    request=lambda arguments: Request(
        model=read(arguments, "rerankingConfiguration.bedrockRerankingConfiguration.modelConfiguration.modelArn")
    ),
    response=lambda _: Response(),
)


def _source(item: Any) -> str | None:
    """Where a document is from: an address, whatever kind of place it is."""
    told = read(item, "location")
    places = told.values() if isinstance(told, dict) else ()
    return next((text for place in places for name in ("uri", "url") if (text := read_text(place, name))), None)


class BedrockInstrumentor(Instrumentor):
    """boto3, botocore, aiobotocore: Bedrock's converse and invoke_model, whole and streamed, its agents and retrievals.

    The clients' classes are made by botocore as the program runs: clients that were there before are captured too.
    """

    library = "botocore"
    requires = ">=1.40,<2"
    provider = "aws.bedrock"
    made: ClassVar = {
        "botocore.client:BaseClient": {
            "converse": _CONVERSE,
            "converse_stream": _CONVERSE_STREAM,
            "invoke_model": _INVOKE,
            "invoke_model_with_response_stream": _INVOKE_STREAM,
            "invoke_agent": _AGENT,
            "invoke_inline_agent": _AGENT,
            "rerank": _RERANK,
            "retrieve": _RETRIEVE,
            "retrieve_and_generate": _GENERATED,
            "retrieve_and_generate_stream": _GENERATED_STREAM,
        }
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call, if the client is one of Bedrock's."""
        if instance.meta.service_model.service_name not in _SERVICES:
            return None
        if operation is _INVOKE or operation is _INVOKE_STREAM:
            operation = _kind_of(arguments, streamed=operation is _INVOKE_STREAM)
        return super().sent(operation, instance, arguments)

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """Who answers this client."""
        del arguments
        url = urlsplit(instance.meta.endpoint_url)
        return Server(self.provider, url.hostname, url.port or (80 if url.scheme == "http" else 443))


def _kind_of(arguments: Arguments, *, streamed: bool) -> Operation:
    """What a model is invoked for, by its name and by what it is sent."""
    model = str(arguments.get("modelId")).lower()
    if "embed" in model:
        return _INVOKE_EMBED
    if "rerank" in model:
        return _INVOKE_RERANK
    body = bodies.asked(arguments)
    if body is None or "messages" in body or "message" in body:
        return _INVOKE_STREAM if streamed else _INVOKE
    return _INVOKE_TEXT_STREAM if streamed else _INVOKE_TEXT
