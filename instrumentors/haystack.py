"""Haystack: pipelines, components, agents, tools and retrievals, as Haystack tells its tracer of them.

Clients tell of the model calls; Haystack's own word counts only for a model that no client tells of. The program's own
tracer stays in its place and hears the same as ever.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _haystack_spans as spans
from opentelemetry import trace

from agentops_otel.engine import Instrumentor, Operation, Runs, Sent, Server, add_content, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from agentops_otel.engine import Recorder, Run

_TRACE = "haystack.tracing.tracer:ProxyTracer.trace"
_TOLD = frozenset({"error", "input", "output", "output_data"})


class _Place:
    """Where the program is: what its component or tool is called, and which tools the agent's model has asked for."""

    def __init__(self, name: str | None, *, is_agent: bool) -> None:
        self.name, self.is_agent = name, is_agent
        self.calls: list[Any] = []


_place: ContextVar[_Place | None] = ContextVar("agentops_otel-haystack", default=None)


class _Watched:
    """One of Haystack's spans, and what it is told: the tags that end with `input` and `output` above all."""

    def __init__(self, told: dict[str, Any], run: Run, run_id: int, *, yields: bool) -> None:
        self.told, self.run, self.run_id, self.yields = told, run, run_id, yields
        self.outer = _place.get()
        self.place = (
            None if yields or told["operation"] in spans.MODELS else _Place(told["name"], is_agent=told["is_agent"])
        )
        if self.place is not None:
            _place.set(self.place)

    def leave(self) -> None:
        """Give the calling context back what it had, if it still has this."""
        self.run.leave()  # ended elsewhere, where it is uninstrumented meanwhile
        if self.place is not None and _place.get() is self.place:
            _place.set(self.outer)


class HaystackInstrumentor(Instrumentor):
    """haystack-ai: structure; the clients below tell of the model calls."""

    library = "haystack"
    distribution = "haystack-ai"
    requires = ">=3.4,<4"
    told_by = (frozenset({"haystack"}),)

    def __init__(self) -> None:
        super().__init__()
        self.runs = Runs()
        self._ids = itertools.count()
        self._span: Any = None

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [spans.WORKFLOW, spans.TASK, spans.AGENT, spans.TOOL, spans.RETRIEVAL, spans.CHAT, spans.EMBEDDINGS]

    def instrument(self, recorder: Recorder) -> None:
        """Listen where Haystack tells its tracer, whichever that is; a second time only changes the recorder."""
        self.recorder = recorder
        if not self._wrapped:
            self._span = self._span or _span_class(self)
            self._try(_TRACE, self._heard)

    def uninstrument(self) -> None:
        """Listen no more."""
        super().uninstrument()
        self.runs.close()

    def told(self, function: Callable[..., Any], *what: Any) -> Any:
        """What the function says, where something is recorded; Haystack hears of no fault."""
        recorder = self.recorder
        return None if recorder is None else recorder.guarded("run", lambda: None, function, recorder, *what)

    def _heard(self, parameters: Sequence[str]) -> Callable[..., Any]:
        def heard(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            told = {**dict(zip(parameters, args, strict=False)), **kwargs}
            theirs = wrapped(*map(self._bare, args), **{name: self._bare(kwargs[name]) for name in kwargs})
            known = self.recorder is not None and spans.is_known(told.get("operation_name"))
            return self._within(theirs, told) if known else theirs

        return heard

    def _bare(self, value: Any) -> Any:
        return value.__wrapped__ if type(value) is self._span else value

    @contextmanager
    def _within(self, theirs: AbstractContextManager[Any], told: dict[str, Any]) -> Iterator[Any]:
        watched = self.told(self.begin, told)
        if watched is None:
            with theirs as span:
                yield span
            return
        try:
            # Theirs is within ours, so that it is what the program finds current.
            with theirs as span:
                if watched.yields:  # to its reader, in whose context nothing of ours may stay
                    watched.run.hand_over()
                yield self._span(span, watched)
        except GeneratorExit:
            watched.leave()
            self.runs.drop(watched.run_id)
            raise
        except BaseException as error:
            watched.leave()
            self.told(self.runs.fail, watched.run_id, error)
            raise
        watched.leave()
        self.told(self.runs.finish, watched.run_id, watched.told)

    def begin(self, recorder: Recorder, traced: dict[str, Any]) -> _Watched | None:
        """Haystack begins a span."""
        tags, place = traced.get("tags") or {}, _place.get()
        parent: Any = traced.get("parent_span")
        above: _Watched | None = parent.agentops_watched if type(parent) is self._span else None
        operation, name = spans.kind(traced["operation_name"], tags)
        is_part = operation is spans.AGENT and traced["operation_name"] == spans.COMPONENT
        if operation is spans.AGENT and not is_part and place is not None:
            # It has no name of its own, and the component that it is has told of it.
            operation, name = (None, None) if place.is_agent else (operation, place.name)
        told = {"operation": operation, "name": name, "tags": tags, "is_agent": is_part}
        span, run_id = None if above is None else above.run.span, next(self._ids)
        # Haystack's word on the parent counts for more than a span of others in which it may be wrapped.
        context = None if span is None else trace.set_span_in_context(span)
        sent = None if operation is None else Sent(operation, told, Server(""), self.library, context)
        run = self.runs.begin(recorder, run_id, above and above.run_id, sent, model=operation in spans.MODELS)
        if run is None:
            return None
        run.enter(current=True)
        return _Watched(told, run, run_id, yields=tags.get("haystack.pipeline.execution_mode") == "async")

    def tag(self, recorder: Recorder, watched: _Watched, key: str, value: Any) -> None:
        """Haystack tells something more of a span."""
        told, call, place = watched.told, watched.run.call, watched.outer
        operation, called = told["operation"], key.rpartition(".")[2]
        if called not in _TOLD:
            return
        told[called] = value
        if called == "input" and operation is spans.TOOL and place is not None:
            told["id"] = _taken(place.calls, told["name"], value)
        if called == "input" and call is not None and operation.content is not None and recorder.content:
            add_content(recorder, call.span, operation.content(told), None)
        if called == "output" and operation is spans.CHAT and place is not None:
            place.calls = [call for reply in listed(read(value, "replies")) for call in listed(reply.tool_calls)]


def _taken(calls: list[Any], name: str, arguments: Any) -> str | None:
    """The id of the call that has these very arguments, for equal ones may be asked for several times.

    Where a hook has put others in their place, it is that of the only call of this tool.
    """
    found = [call for call in calls if read(call, "arguments") is arguments]
    found = found or [call for call in calls if read(call, "tool_name") == name]
    return read_text(found[0], "id") if len(found) == 1 else None


def _span_class(told_to: HaystackInstrumentor) -> Any:
    """A span of the program's tracer, in all but that we hear what it is told."""
    import wrapt  # noqa: PLC0415 - only where Haystack is

    class Span(wrapt.ObjectProxy[Any]):
        agentops_watched: Any = None  # a name that the class has is the proxy's own

        def __init__(self, span: Any, watched: _Watched) -> None:
            super().__init__(span)
            self.agentops_watched = watched

        def set_tag(self, key: str, value: Any) -> None:
            self.__wrapped__.set_tag(key, value)
            told_to.told(told_to.tag, self.agentops_watched, key, value)

        def set_tags(self, tags: dict[str, Any]) -> None:
            self.__wrapped__.set_tags(tags)
            for key, value in tags.items():
                told_to.told(told_to.tag, self.agentops_watched, key, value)

        def set_content_tag(self, key: str, value: Any) -> None:
            self.__wrapped__.set_content_tag(key, value)
            told_to.told(told_to.tag, self.agentops_watched, key, value)

    return Span
