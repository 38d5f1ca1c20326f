"""LlamaIndex: agents, workflows, query engines, tools and retrievers, by the dispatcher of llama-index-core.

Clients tell of the model calls; LlamaIndex's own word counts only for a model that no client tells of.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _llama_index_spans as spans

from agentops_otel.engine import Instrumentor, Operation, Runs, Sent, Server

if TYPE_CHECKING:
    from agentops_otel.engine import Recorder

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
        operation, told["name"] = spans.kind(run_id[:-37], told, parent or "")
        sent = None if operation is None else Sent(operation, told, Server(""), self.library)
        run = self.runs.begin(recorder, run_id, parent, sent, model=operation is spans.MODEL)
        if run is not None:
            # What a coroutine does may end in another context.
            run.enter(current=not _in_a_coroutine())


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
            told_to.told(told_to.runs.finish, id_, result)

        def span_drop(self, id_: str, *_: Any, err: Any = None, **__: Any) -> None:
            told_to.told(told_to.runs.fail, id_, err)

        def new_span(self, *_: Any, **__: Any) -> None:
            """None are kept here."""

        prepare_to_exit_span = prepare_to_drop_span = new_span

    return Listener()
