"""Pydantic AI: its own spans of agents and tools, switched on; clients tell of the model calls.

Its own span of a model call is kept only where no client tells of that call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import NoOpMeterProvider

from agentops_otel.conventions import names
from agentops_otel.engine import AdoptingProvider, Instrumentor

if TYPE_CHECKING:
    from agentops_otel.engine import Recorder

_SWITCH = "pydantic_ai:Agent.instrument_all"


class PydanticAIInstrumentor(Instrumentor):
    """pydantic-ai: adopts the spans that it makes itself, unless the program has switched them on for another place."""

    library = "pydantic_ai"
    distribution = "pydantic-ai-slim"
    requires = ">=2.38,<3"
    emits = (frozenset({"pydantic", "ai"}),)
    adopts = (names.CHAT, names.EXECUTE_TOOL, names.INVOKE_AGENT)

    def __init__(self) -> None:
        super().__init__()
        self._provider = AdoptingProvider(self.library)
        self._settings: Any = None

    def instrument(self, recorder: Recorder) -> None:
        """Switch its spans on; a second time only changes the recorder."""
        self.recorder = self._provider.recorder = recorder
        if self._settings is not None:
            self._settings.include_content = recorder.content
            return
        try:
            from pydantic_ai import Agent  # noqa: PLC0415 - called when it has been imported
            from pydantic_ai.models.instrumented import InstrumentationSettings  # noqa: PLC0415

            self._settings = InstrumentationSettings(
                tracer_provider=self._provider,
                meter_provider=NoOpMeterProvider(),  # clients' calls are measured by the engine
                include_content=recorder.content,
                include_binary_content=False,
                include_model_request_parameters=False,
            )
            if _chosen(Agent) is None:
                Agent.instrument_all(self._settings)
        except (ImportError, AttributeError, TypeError):
            self.missing = [_SWITCH]
        else:
            self.found = [_SWITCH]

    def uninstrument(self) -> None:
        """Switch them off, unless the program has chosen otherwise since. Agents that run now tell nothing more."""
        super().uninstrument()
        self._provider.recorder = None
        if self._settings is None:
            return
        from pydantic_ai import Agent  # noqa: PLC0415

        if _chosen(Agent) is self._settings:
            Agent.instrument_all(False)
        self._settings = None


def _chosen(agent: Any) -> Any:
    """What all agents are switched to, by the program or by us; None for nothing.

    There is no method to ask for it, and a choice of the program's stays.
    """
    settings = [value for name, value in vars(agent).items() if "instrument" in name and _is_choice(value)]
    return settings[0] if settings else None


def _is_choice(value: Any) -> bool:
    return value is True or type(value).__name__ == "InstrumentationSettings"
