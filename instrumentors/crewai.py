"""CrewAI: crews, flows, tasks, agents, tools and guardrails, by the events that it emits.

Clients tell of the model calls; CrewAI's own word counts only for a model that no client tells of.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _crewai_events as events

from agentops_otel.engine import Instrumentor, Operation, Runs, Sent, Server, read, read_text

if TYPE_CHECKING:
    from agentops_otel.conventions.model import ToolCall
    from agentops_otel.engine import Recorder

_LIMIT = 1_000
_BUS = "crewai.events.event_bus:CrewAIEventsBus.emit"
_PROVIDERS = {"azure": "azure.ai.openai", "bedrock": "aws.bedrock", "gemini": "gcp.gemini", "google": "gcp.gemini"}


class CrewAIInstrumentor(Instrumentor):
    """crewai: structure; the clients below tell of the model calls. Its own telemetry stays as it is."""

    library = "crewai"
    requires = ">=1.15,<2"
    told_by = (frozenset({"crewai"}),)

    def __init__(self) -> None:
        super().__init__()
        self._runs = Runs()
        # Tools that a model has asked for, by the run in which it did.
        self._waiting: dict[str, list[ToolCall]] = {}

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return list(events.OPERATIONS.values())

    def instrument(self, recorder: Recorder) -> None:
        """Listen where events are emitted: listeners of the bus are called later, on threads of its own."""
        super().instrument(recorder)
        if not self.found:
            self._try(_BUS, lambda _: self._emitted)

    def uninstrument(self) -> None:
        """From here on events pass by."""
        super().uninstrument()
        self._runs.close()
        self._waiting.clear()

    def _emitted(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        del instance
        result = wrapped(*args, **kwargs)  # the bus itself tells the event what it is below
        recorder = self.recorder
        if recorder is not None:
            recorder.guarded("run", lambda: None, self._told, recorder, *_source_and_event(*args, **kwargs))
        return result

    def _told(self, recorder: Recorder, source: Any, event: Any) -> None:
        kind = read_text(event, "type") or ""
        if kind in events.OPERATIONS:
            self._started(recorder, kind, source, event)
            return
        run_id = read(event, "started_event_id")
        if run_id is None:
            return
        self._waiting.pop(run_id, None)
        asked = events.calls(event.response) if kind == "llm_call_completed" else []
        if asked:
            self._waiting.setdefault(event.parent_event_id, []).extend(asked)
            while len(self._waiting) > _LIMIT:  # of runs that never end
                self._waiting.pop(next(iter(self._waiting)), None)
        error = _raised(event)
        if error is None:
            self._runs.finish(recorder, run_id, event)
        else:
            self._runs.fail(recorder, run_id, error)

    def _started(self, recorder: Recorder, kind: str, source: Any, event: Any) -> None:
        operation: Operation | None = events.OPERATIONS[kind]
        if kind == "flow_started" and type(source).__module__.startswith("crewai."):
            operation = None  # how an agent is made
        sent = None
        if operation is not None:
            told = {"event": event, "call_id": self._call_id(event) if kind == "tool_usage_started" else None}
            sent = Sent(operation, told, Server(_provider(source) if operation is events.MODEL else ""), self.library)
        run = self._runs.begin(recorder, event.event_id, event.parent_event_id, sent, model=operation is events.MODEL)
        if run is not None:
            # The events of a coroutine may come in other contexts than the work.
            run.enter(current=not _in_a_coroutine())

    def _call_id(self, event: Any) -> str | None:
        """Which of the calls that the model asked for this tool answers."""
        waiting = self._waiting.get(event.parent_event_id, [])
        for call in waiting:
            if call.name == event.tool_name and _parsed(call.arguments) == _parsed(event.tool_args):
                waiting.remove(call)
                return call.id
        return None


def _source_and_event(source: Any, event: Any) -> tuple[Any, Any]:
    return source, event


def _raised(event: Any) -> BaseException | None:
    """The error that an event tells of, where it is at hand: most events have only its text."""
    told = read(event, "error")
    if isinstance(told, BaseException):
        return told
    current = sys.exc_info()[1]
    return current if isinstance(told, str) and told and current is not None and str(current) in told else None


def _provider(source: Any) -> str:
    named = read_text(source, "provider") or ""
    return _PROVIDERS.get(named, named)


def _in_a_coroutine() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _parsed(told: Any) -> Any:
    try:
        return json.loads(told)
    except (ValueError, TypeError, RecursionError):
        return told
