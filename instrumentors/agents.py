"""OpenAI's Agents SDK: agents, tools, hand-offs and guardrails, by a trace processor beside the user's own.

Clients tell of the model calls; the SDK's own word counts only for a model that no client tells of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _agents_spans as spans

from agentops_otel.conventions import names
from agentops_otel.engine import Instrumentor, Operation, Runs, Sent, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentops_otel.conventions.model import ToolCall
    from agentops_otel.engine import Recorder

_DEFAULT_WORKFLOW = "Agent workflow"
_LIMIT = 1_000


class Processor:
    """The SDK's trace processor: what it is told of becomes runs."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.is_registered = False
        self._add: Callable[[Any], None] | None = None
        self.runs = Runs()
        self._tool_calls: dict[str, list[ToolCall]] = {}

    def register(self, add: Callable[[Any], None]) -> None:
        """Be added to the processors; once, for none can be taken away again."""
        self._add = add
        if not self.is_registered:
            self.is_registered = True
            add(self)

    def kept(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> None:
        """Others set the processors anew: those for which the SDK sends its traces. Ours is none of them, and stays."""
        del instance
        self.is_registered = False
        wrapped(*args, **kwargs)
        if self.recorder is not None and self._add is not None:
            self.recorder.guarded("register", lambda: None, self.register, self._add)

    def on_trace_start(self, trace: Any) -> None:
        """A run of agents begins; it is shown where the user has given it a name."""
        self._guarded(self._begin, trace.trace_id, None, "trace", trace)

    def on_trace_end(self, trace: Any) -> None:
        """It is over."""
        self._tool_calls.pop(trace.trace_id, None)
        self._guarded(self._end, trace.trace_id, trace)

    def on_span_start(self, span: Any) -> None:
        """A piece of work begins."""
        self._guarded(self._begin, span.span_id, span.parent_id or span.trace_id, span.span_data.type, span.span_data)

    def on_span_end(self, span: Any) -> None:
        """It is over, and its data are complete."""
        self._guarded(self._completed, span)
        self._guarded(self._end, span.span_id, span)

    def shutdown(self) -> None:
        """Nothing to do: sessions end by themselves."""

    force_flush = shutdown

    def _guarded(self, function: Callable[..., Any], *told: Any) -> None:
        if self.recorder is not None:
            self.recorder.guarded("run", lambda: None, function, self.recorder, *told)

    def _begin(self, recorder: Recorder, run_id: str, parent_id: str | None, kind: str, data: Any) -> None:
        operation = spans.OPERATIONS.get(kind)
        if kind == "trace" and data.name != _DEFAULT_WORKFLOW:
            operation = spans.WORKFLOW
        sent = None
        if operation is not None:
            sent = Sent(operation, {"data": data}, Server("openai" if kind == "response" else ""), "agents")
        run = self.runs.begin(recorder, run_id, parent_id, sent, model=operation is spans.MODEL)
        if run is not None:
            run.enter(current=True)

    def _end(self, recorder: Recorder, run_id: str, told: Any) -> None:
        self.runs.finish(recorder, run_id, told)

    def _completed(self, recorder: Recorder, span: Any) -> None:
        """Tell what was not known when the span began: to whom a hand-off goes, which call a tool answers."""
        del recorder
        data, run = span.span_data, self.runs.get(span.span_id)
        asked = spans.calls(data)
        if asked:
            self._tool_calls.setdefault(span.trace_id, []).extend(asked)
            while len(self._tool_calls) > _LIMIT:  # of traces that never end
                self._tool_calls.pop(next(iter(self._tool_calls)), None)
        waiting = self._tool_calls.get(span.trace_id, [])
        if run is None or run.span is None:
            return
        if data.type == "handoff" and isinstance(data.to_agent, str):
            run.span.update_name(f"{names.HANDOFF} {data.to_agent}")
            run.span.set_attribute(names.STEP_NAME, data.to_agent)
        elif data.type == "function":
            for call in waiting:
                if (call.name, call.arguments) == (data.name, data.input):
                    waiting.remove(call)
                    run.span.set_attribute(names.TOOL_CALL_ID, call.id or "")
                    return

    def close(self) -> None:
        """Nothing is told any more."""
        self.recorder = None
        self.runs.close()
        self._tool_calls.clear()


_PROCESSOR = Processor()


class AgentsInstrumentor(Instrumentor):
    """openai-agents: structure; the clients below tell of the model calls. The SDK's own exporter stays as it is."""

    library = "agents"
    distribution = "openai-agents"
    requires = ">=0.24,<1"
    told_by = (frozenset({"openai", "agents"}),)

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [*spans.OPERATIONS.values(), spans.WORKFLOW]

    def instrument(self, recorder: Recorder) -> None:
        """Add our processor; a second time only changes the recorder."""
        self.recorder = recorder
        try:
            from agents.tracing import add_trace_processor  # noqa: PLC0415 - called when the SDK has been imported
        except ImportError:  # another library of that name
            self.missing = ["agents.tracing:add_trace_processor"]
            return
        _PROCESSOR.recorder = recorder
        _PROCESSOR.register(add_trace_processor)
        if not self.found:
            self.found = ["agents.tracing:add_trace_processor"]
            for module in ("agents", "agents.tracing"):
                self._try(f"{module}:set_trace_processors", lambda _: _PROCESSOR.kept)

    def uninstrument(self) -> None:
        """From here on the processor passes everything by."""
        super().uninstrument()
        _PROCESSOR.close()
