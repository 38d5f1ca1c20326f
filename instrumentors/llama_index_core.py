"""LlamaIndex: agents, workflows, query engines, tools and retrievers, by the dispatcher of llama-index-core.

Clients tell of the model calls; LlamaIndex's own word counts only for a model that no client tells of.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _llama_index_spans as spans

from agentops_otel.engine import Arguments, Instrumentor, Operation, Runs, Sent, Server

if TYPE_CHECKING:
    from collections.abc import Hashable

    from agentops_otel.engine import Recorder, Run

_DISPATCHER = "llama_index.core.instrumentation:get_dispatcher"


class LlamaIndexInstrumentor(Instrumentor):
    """llama-index-core: structure; the clients below tell of the model calls."""

    library = "llama_index.core"
    distribution = "llama-index-core"
    requires = ">=0.14,<1"
    told_by = (frozenset({"llama", "index"}), frozenset({"llamaindex"}))

    def __init__(self) -> None:
        super().__init__()
        self.runs = Runs()
        # The agent whose turn it is, by the run of a workflow of several agents.
        self._turns: weakref.WeakKeyDictionary[Run, str] = weakref.WeakKeyDictionary()
        self._listener: Any = None

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [spans.AGENT, spans.WORKFLOW, spans.TASK, spans.TOOL, spans.RETRIEVAL, spans.MODEL]

    def instrument(self, recorder: Recorder) -> None:
        """Listen to the root of the dispatchers; a second time only changes the recorder."""
        self.recorder = recorder
        if self._listener is not None:
            return
        try:
            from llama_index.core.instrumentation import get_dispatcher  # noqa: PLC0415 - it has been imported

            self._listener = _listener(self)
            get_dispatcher().add_span_handler(self._listener)
        except (ImportError, AttributeError):
            self.missing = [_DISPATCHER]
        else:
            self.found = [_DISPATCHER]

    def uninstrument(self) -> None:
        """Listen no more."""
        super().uninstrument()
        self.runs.close()
        if self._listener is not None:
            from llama_index.core.instrumentation import get_dispatcher  # noqa: PLC0415

            listening = get_dispatcher().span_handlers
            listening[:] = [other for other in listening if other is not self._listener]
            self._listener = None

    def told(self, function: Any, *what: Any) -> None:
        """Have a run begun or ended, where something is recorded; LlamaIndex hears of no fault."""
        recorder = self.recorder
        if recorder is not None:
            recorder.guarded("run", lambda: None, function, recorder, *what)

    def begin(self, recorder: Recorder, run_id: str, parent: str | None, instance: Any, bound: Any) -> None:
        """A method is called."""
        told = {"instance": instance, "arguments": bound.arguments}
        # The id is that of the method and 36 characters of its own.
        method = run_id[:-37]
        operation, told["name"] = spans.kind(method, told, parent or "")
        sent = None if operation is None else Sent(operation, told, Server(""), self.library)
        above = self._turn(recorder, parent, method, told) if spans.in_a_turn(method) else parent
        run = self.runs.begin(recorder, run_id, above, sent, model=operation is spans.MODEL)
        if run is not None:
            # What a coroutine does may end in another context.
            run.enter(current=not _in_a_coroutine())

    def _turn(self, recorder: Recorder, workflow: str | None, method: str, told: Arguments) -> Hashable:
        """The run of the agent whose turn it is: it began with its first step, and ends where another one's begins."""
        turn, name, above = (workflow,), spans.whose_turn(method, told), self.runs.get(workflow)
        if above is not None and name is not None and name != self._turns.get(above):
            self.runs.finish(recorder, turn, None)
            self._turns[above] = name
            sent = Sent(spans.AGENT, {**told, "name": name}, Server(""), self.library)
            self.runs.begin(recorder, turn, workflow, sent)
        return workflow if self.runs.get(turn) is None else turn

    def finish(self, recorder: Recorder, run_id: str, answer: Any) -> None:
        """A method has returned; with a workflow of several agents, the last turn is over."""
        self.runs.finish(recorder, (run_id,), answer)
        self.runs.finish(recorder, run_id, answer)

    def fail(self, recorder: Recorder, run_id: str, error: BaseException) -> None:
        """A method has raised."""
        self.runs.fail(recorder, (run_id,), error)
        self.runs.fail(recorder, run_id, error)


def _in_a_coroutine() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _listener(told_to: LlamaIndexInstrumentor) -> Any:
    """What LlamaIndex's dispatcher tells of its spans."""
    from llama_index.core.instrumentation.span import BaseSpan  # noqa: PLC0415 - only where it is installed
    from llama_index.core.instrumentation.span_handlers import BaseSpanHandler  # noqa: PLC0415

    class Listener(BaseSpanHandler[BaseSpan]):  # type: ignore[misc] # a base that mypy does not see
        def span_enter(
            self, id_: str, bound_args: Any, instance: Any = None, parent_id: str | None = None, **_: Any
        ) -> None:
            told_to.told(told_to.begin, id_, parent_id, instance, bound_args)

        def span_exit(self, id_: str, *_: Any, result: Any = None, **__: Any) -> None:
            told_to.told(told_to.finish, id_, result)

        def span_drop(self, id_: str, *_: Any, err: Any = None, **__: Any) -> None:
            told_to.told(told_to.fail, id_, err)

        def new_span(self, *_: Any, **__: Any) -> None:
            """None are kept here."""

        prepare_to_exit_span = prepare_to_drop_span = new_span

    return Listener()
