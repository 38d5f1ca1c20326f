"""Google's Gemini models, by their own API and on Vertex AI."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors import _gemini as gemini
from agentops_otel_instrumentors import _gemini_interactions as interactions
from agentops_otel_instrumentors import _gemini_live as live
from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Request, Response, ToolResult, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Server, Shape, listed, parsed, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentops_otel.engine import Recorder

_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def _request(arguments: Arguments) -> Request:
    return gemini.request(arguments.get("model"), arguments.get("config"))


def _stream_request(arguments: Arguments) -> Request:
    return gemini.request(arguments.get("model"), arguments.get("config"), stream=True)


def _whole(answer: Any) -> Any:
    """The answer; read from its body where the caller wanted the HTTP response and nothing else."""
    body = read(answer, "sdk_http_response.body")
    if not isinstance(body, str) or read(answer, "candidates") is not None:
        return answer
    return _snake(parsed(body))


def _snake(told: Any) -> Any:
    if isinstance(told, dict):
        return Shape((_CAMEL.sub(r"_\1", name).lower(), _snake(value)) for name, value in told.items())
    return [_snake(item) for item in told] if isinstance(told, list) else told


def _embedded(answer: Any) -> Response:
    vectors = listed(read(answer, "embeddings"))
    counts = [read(item, "statistics.token_count") for item in vectors]
    used = read(answer, "usage_metadata.prompt_token_count")
    if used is None and counts and all(count is not None for count in counts):
        used = int(sum(counts))  # Vertex counts each text by itself
    size = len(listed(read(vectors[0], "values"))) if vectors else 0
    return Response(usage=None if used is None else Usage(input_tokens=used), dimension_count=size or None)


_GENERATE = Operation(
    name=names.GENERATE_CONTENT,
    request=_request,
    response=lambda answer: gemini.response(_whole(answer)),
    fold=gemini.fold,
    begins=gemini.begins,
    content=gemini.asked,
    output=lambda answer: gemini.output(_whole(answer)),
)
_STREAM = replace(_GENERATE, request=_stream_request)
_EMBED = Operation(
    name=names.EMBEDDINGS,
    request=lambda arguments: Request(model=arguments.get("model")),
    response=_embedded,
)


def _run_of(function: Any) -> Operation:
    """A run of one of the user's functions, which the library calls because the model asks for it."""
    asked = Request(tool_name=function.__name__, tool_type="function", tool_description=function.__doc__)
    return Operation(
        name=names.EXECUTE_TOOL,
        request=lambda _: asked,
        response=lambda _: Response(),
        content=lambda arguments: Content(arguments=dict(arguments)),
        output=ToolResult,
        kind=names.KIND_TOOL,
        span_kind=SpanKind.INTERNAL,
    )


class GoogleGenAIInstrumentor(Instrumentor):
    """google-genai: generated content, chats, live turns, interactions, embeddings, functions that it calls by itself.

    The functions that a configuration offers as tools are run by the library, which then asks again: each answer is
    a call of its own, and each run a tool's.
    """

    library = "google.genai"
    requires = ">=2,<4"
    provider = "gcp.gemini"
    targets: ClassVar = {
        f"google.genai.models:{prefix}Models.{method}": operation
        for prefix in ("", "Async")
        for method, operation in (
            ("generate_content", _GENERATE),
            ("generate_content_stream", _STREAM),
            ("embed_content", _EMBED),
        )
    }
    reached: ClassVar = {
        f"google.genai.client:{prefix}Client.interactions": {"create": interactions.CREATE, "get": interactions.GET}
        for prefix in ("", "Async")
    }
    answers: ClassVar = ("google.genai.types:GenerateContentResponse.model_validate",)

    def __init__(self) -> None:
        super().__init__()
        self._talks = live.Talks(lambda maker: self.server(maker, {}), self.library)

    def instrument(self, recorder: Recorder) -> None:
        """As any other, and the live connections, whose turns are no calls of any method."""
        self._talks.recorder = recorder
        is_first = not (self.found or self.missing)
        super().instrument(recorder)
        for target, wrapper in self._talks.wrappers().items() if is_first else ():
            self._try(target, functools.partial(_whatever_is_given, wrapper))

    def uninstrument(self) -> None:
        """As any other; connections that are open are not followed further."""
        self._talks.recorder = None
        super().uninstrument()

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """Who answers: the client tells which of Google's services it is, but not at which address."""
        del arguments
        if instance is None:  # a function of the user's
            return Server("")
        return Server("gcp.vertex_ai" if getattr(instance, "vertexai", False) else self.provider)

    def given(self, arguments: Mapping[str, Any], record: Callable[[Any, Operation], Any]) -> Mapping[str, Any]:
        """The call with the user's functions as ones that record their runs."""
        config: Any = arguments.get("config")
        offered = listed(read(config, "tools"))
        if not any(_is_function(tool) for tool in offered):
            return arguments
        tools = [record(tool, _run_of(tool)) if _is_function(tool) else tool for tool in offered]
        if isinstance(config, dict):
            return {**arguments, "config": {**config, "tools": tools}}
        return {**arguments, "config": config.model_copy(update={"tools": tools})}


def _whatever_is_given(wrapper: Callable[..., Any], parameters: Any) -> Callable[..., Any]:
    del parameters
    return wrapper


def _is_function(tool: Any) -> bool:
    return callable(tool) and hasattr(tool, "__name__") and not isinstance(tool, type)
