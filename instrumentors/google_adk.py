"""Google's ADK: its own spans of workflows, agents and tools, with what went into a tool and what came out of it.

Clients tell of the model calls; ADK's own span of one is kept only where no client tells of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry import trace

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, ToolResult
from agentops_otel.engine import Instrumentor, add_content, listed, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentops_otel.engine import Recorder

_TELLING = "google.adk.telemetry.tracing"


class ADKInstrumentor(Instrumentor):
    """google-adk: adopts the spans that it makes itself, which go wherever the program's tracer provider sends them."""

    library = "google.adk"
    distribution = "google-adk"
    requires = ">=2.13,<3"
    # Arize's instrumentation makes others in the place of ADK's own.
    emits = (frozenset({"gcp", "vertex", "agent"}), frozenset({"google", "adk"}))
    asides = ("execute_tool (merged)",)
    adopts = (names.GENERATE_CONTENT, names.EXECUTE_TOOL, names.INVOKE_AGENT, names.INVOKE_WORKFLOW)

    def instrument(self, recorder: Recorder) -> None:
        """Have ADK's word on a tool's run seen once ADK can give it; a second time only changes the recorder."""
        self.recorder = recorder
        if not self._wrapped:
            wrapt.register_post_import_hook(self._listen, _TELLING)

    def _listen(self, _: Any) -> None:
        if self.recorder is not None and not self._wrapped:
            self._try(f"{_TELLING}:trace_tool_call", self._seen)

    def _seen(self, parameters: Sequence[str]) -> Callable[..., None]:
        def told(wrapped: Callable[..., None], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            wrapped(*args, **kwargs)
            if self.recorder is not None:
                told = {**dict(zip(parameters, args, strict=False)), **kwargs}
                self.recorder.guarded("adopted", lambda: None, _tell, self.recorder, told)

        return told


def _tell(recorder: Recorder, told: dict[str, Any]) -> None:
    """Write a tool's arguments and result on its span: ADK leaves them out unless a setting of its own wants them."""
    parts = listed(read(told.get("function_response_event"), "content.parts"))
    answer = read(parts[0], "function_response.response") if parts else None
    span = told.get("span") or trace.get_current_span()
    add_content(recorder, span, Content(arguments=told.get("args")), ToolResult(answer))
