"""Anthropic's messages, from Anthropic itself and through the clouds of others."""

from __future__ import annotations

from typing import Any, ClassVar

from agentops_otel_instrumentors import _anthropic_messages as messages
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request, Response
from agentops_otel.engine import Arguments, Operation, Sent, read


def _batch_response(item: Any) -> Response:
    """One line of a batch's results; only those that succeeded are billed."""
    if read(item, "result.type") != "succeeded":
        return Response()
    response = messages.response(read(item, "result.message"))
    response.conditions = ["processing=batch"]
    return response


_MESSAGES = Operation(
    name=names.CHAT,
    request=messages.request,
    response=messages.response,
    fold=messages.fold,
    content=messages.content,
    output=messages.output,
)
_COMPLETE = Operation(
    name=names.TEXT_COMPLETION,
    request=messages.request,
    response=messages.response,
    fold=messages.fold,
    content=messages.content,
    output=messages.output,
)
_BATCH_ITEM = Operation(
    name=names.CHAT,
    request=messages.request,
    response=_batch_response,
    output=lambda item: messages.output(read(item, "result.message")),
)
_BATCH = Operation(
    name=names.FETCH_RESPONSE, request=lambda _: Request(), response=lambda _: Response(), each=_BATCH_ITEM
)


class AnthropicInstrumentor(StainlessInstrumentor):
    """anthropic: messages (beta too), whole and streamed, the results of batches; Bedrock, Vertex, Foundry."""

    library = "anthropic"
    requires = ">=0.69,<3"
    provider = "anthropic"
    targets: ClassVar = {
        f"anthropic:{prefix}Anthropic{cloud}.request": None
        for cloud in ("", "Bedrock", "BedrockMantle", "Vertex", "Foundry", "AWS")
        for prefix in ("", "Async")
    }
    faces: ClassVar = ("anthropic.resources:Messages.create", "anthropic.resources:AsyncMessages.create")
    routes: ClassVar = {
        "POST /v1/messages": _MESSAGES,
        "POST /v1/complete": _COMPLETE,
        "GET /v1/messages/batches/*/results": _BATCH,
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call; of which the library itself is kept from making a second span."""
        sent = super().sent(operation, instance, arguments)
        options = arguments["options"]
        if sent is not None and getattr(options, "span_name", None) is not None:
            # anthropic >= 2.11 makes a span of its own, and sends its trace context to the provider, unless
            # the request has no name: ours is the span of this call.
            options.span_name = None
        return sent

    clouds: ClassVar = {
        "AnthropicBedrock": "aws.bedrock",
        "AnthropicVertex": "gcp.vertex_ai",
        "AnthropicFoundry": "azure.ai.inference",
    }
