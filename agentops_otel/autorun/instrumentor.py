"""The whole as one instrumentor, by the protocol of opentelemetry-instrumentation, which need not be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel.autorun.start import start
from agentops_otel.client import default as client

if TYPE_CHECKING:
    from collections.abc import Collection


class AgentOpsInstrumentor:
    """What `opentelemetry-instrument` finds as `agentops`: a session around the program, and all calls in it.

    Nothing is printed and nothing raised; the tracer provider that was set up before is joined.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: a library that is not there is not captured."""
        return ()

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether calls are captured now."""
        return client.pipeline is not None

    def instrument(self, **settings: Any) -> None:
        """Start; settings that opentelemetry-instrumentation gives to every instrumentor mean nothing here."""
        del settings
        start()

    def uninstrument(self, **settings: Any) -> None:
        """End the sessions as Indeterminate, and leave all libraries as they were."""
        del settings
        for session in client.sessions:
            session.end_session(end_state_reason="uninstrumented")
        client.shut_down()
