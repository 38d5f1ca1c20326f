"""Pydantic AI: its own spans of agents, tools and embedders, switched on; clients tell of the model calls.

Its own span of a model call is kept only where no client tells of that call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import NoOpMeterProvider

from agentops_otel.conventions import names
from agentops_otel.engine import AdoptingProvider, Instrumentor

if TYPE_CHECKING:
    from agentops_otel.engine import Recorder

_SWITCHED = ("Agent", "Embedder")


class PydanticAIInstrumentor(Instrumentor):
    """pydantic-ai: adopts the spans that it makes itself, unless the program has switched them on for another place."""

    library = "pydantic_ai"
    distribution = "pydantic-ai-slim"
    requires = ">=2.38,<3"
    emits = (frozenset({"pydantic", "ai"}),)
    adopts = (names.CHAT, names.EMBEDDINGS, names.EXECUTE_TOOL, names.INVOKE_AGENT)

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
            from pydantic_ai.models.instrumented import InstrumentationSettings  # noqa: PLC0415 - it has been imported

            self._settings = InstrumentationSettings(
                tracer_provider=self._provider,
                meter_provider=NoOpMeterProvider(),  # clients' calls are measured by the engine
                include_content=recorder.content,
                include_binary_content=False,
                include_model_request_parameters=False,
            )
        except (ImportError, TypeError):
            self.missing = [f"pydantic_ai:{name}.instrument_all" for name in _SWITCHED]
            return
        self.found, self.missing = [], []
        for name, switched in _switched().items():
            if switched is not None and _chosen(switched) is None:
                switched.instrument_all(self._settings)
            (self.missing if switched is None else self.found).append(f"pydantic_ai:{name}.instrument_all")

    def uninstrument(self) -> None:
        """Switch them off, unless the program has chosen otherwise since. Agents that run now tell nothing more."""
        super().uninstrument()
        self._provider.recorder = None
        if self._settings is None:
            return
        for switched in _switched().values():
            if switched is not None and _chosen(switched) is self._settings:
                switched.instrument_all(False)
        self._settings = None


def _switched() -> dict[str, Any]:
    """The classes that have a switch for all of their kind, by name; None for one that this version has not."""
    import pydantic_ai  # noqa: PLC0415 - it has been imported

    found = {name: getattr(pydantic_ai, name, None) for name in _SWITCHED}
    return {name: kind if hasattr(kind, "instrument_all") else None for name, kind in found.items()}


def _chosen(switched: Any) -> Any:
    """What all agents, or all embedders, are switched to, by the program or by us; None for nothing.

    There is no method to ask for it, and a choice of the program's stays.
    """
    settings = [value for name, value in vars(switched).items() if "instrument" in name and _is_choice(value)]
    return settings[0] if settings else None


def _is_choice(value: Any) -> bool:
    return value is True or type(value).__name__ == "InstrumentationSettings"
