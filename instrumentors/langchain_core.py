"""LangChain and LangGraph: agents, graphs and their nodes, chains, tools and retrievers, by LangChain's callbacks.

Clients tell of the model calls; LangChain's own word counts only for a model that no client tells of.
"""

from __future__ import annotations

import functools
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import wrapt
from agentops_otel_instrumentors import _langchain_messages as messages
from agentops_otel_instrumentors import _langchain_runs as runs

from agentops_otel.engine import Instrumentor, Operation, Recorder, Runs, Sent, Server, read_text

if TYPE_CHECKING:
    from collections.abc import Callable


_TELLING = (__name__, "agentops_otel.", "langchain_core.callbacks")
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def _where() -> tuple[bool, bool]:
    """How the function of LangChain's that tells of a run may carry it: at all, and as the current span.

    A generator hands its context to its reader, a batch begins several runs before the first does anything, and
    ends that a coroutine tells of come in another context.
    """
    frame = inspect.currentframe()
    while frame is not None and (
        frame.f_globals.get("__name__", "").startswith(_TELLING) or frame.f_code.co_name.startswith("<")
    ):
        frame = frame.f_back
    if frame is None:
        return False, False
    code = frame.f_code
    return not (code.co_flags & _GENERATOR or "batch" in code.co_name), not code.co_flags & inspect.CO_COROUTINE


class Callbacks:
    """What LangChain tells, as runs. With `run_inline` LangChain tells it where the work itself is done."""

    run_inline = True
    raise_error = False

    def __init__(self, recorder_of: Callable[[], Recorder | None]) -> None:
        self._recorder_of = recorder_of

    @property
    def ignore_llm(self) -> bool:
        """Whether nothing is recorded."""
        return self._recorder_of() is None

    ignore_chat_model = ignore_chain = ignore_agent = ignore_retriever = ignore_llm

    # --- beginnings ----------------------------------------------------------------------------------

    def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        """A chain, a graph or one of its nodes begins."""
        self._begin(None, serialized, {**told, "inputs": inputs})

    def on_tool_start(self, serialized: Any, input_str: Any, **told: Any) -> None:
        """A tool is run."""
        self._begin(runs.TOOL, serialized, {**told, "input": input_str})

    def on_retriever_start(self, serialized: Any, query: Any, **told: Any) -> None:
        """Documents are looked for."""
        self._begin(runs.RETRIEVAL, serialized, {**told, "query": query})

    def on_chat_model_start(self, serialized: Any, asked: Any, **told: Any) -> None:
        """A chat model is asked."""
        self._begin(runs.CHAT, serialized, {**told, "messages": asked}, model=True)

    def on_llm_start(self, serialized: Any, prompts: Any, **told: Any) -> None:
        """A model without messages is asked."""
        self._begin(runs.COMPLETION, serialized, {**told, "messages": prompts}, model=True)

    def _begin(
        self, operation: Operation | None, serialized: Any, told: dict[str, Any], *, model: bool = False
    ) -> None:
        recorder = self._recorder_of()
        if recorder is not None:
            recorder.guarded("run", lambda: None, _begin, recorder, operation, serialized, told, model)

    # --- ends ----------------------------------------------------------------------------------------

    def on_chain_end(self, outputs: Any, *, run_id: Any, **_: Any) -> None:
        """A chain, a tool, a retriever or a model has come to its end."""
        self._end("finish", run_id, outputs)

    on_tool_end = on_retriever_end = on_chain_end

    def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
        """A model has answered."""
        if messages.is_cached(response):
            _RUNS.drop(run_id)
        self._end("finish", run_id, response)

    def on_llm_new_token(self, token: str, *, run_id: Any, **_: Any) -> None:
        """A piece of an answer goes to its reader, in whose context ours ends."""
        del token
        run = _RUNS.get(run_id)
        if run is not None:
            run.hand_over()

    def on_chain_error(self, error: BaseException, *, run_id: Any, **told: Any) -> None:
        """It failed; or its reader left, or it was interrupted, which is no error."""
        if isinstance(error, GeneratorExit) or _is_signal(error):
            self._end("finish", run_id, None)
        else:
            self._end("fail", run_id, error, told.get("response"))

    on_tool_error = on_retriever_error = on_llm_error = on_chain_error

    def _end(self, how: str, *told: Any) -> None:
        recorder = self._recorder_of()
        if recorder is not None:
            recorder.guarded("run", lambda: None, getattr(_RUNS, how), recorder, *told)


def _is_signal(error: BaseException) -> bool:
    """Whether LangGraph says something by raising it: an interrupt, or a command to the graph above."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def _begin(recorder: Recorder, operation: Operation | None, serialized: Any, told: dict[str, Any], model: bool) -> None:
    told["serialized"], told["name"] = serialized, told.get("name") or read_text(serialized, "name")
    operation = operation or runs.chain(told["name"], told)
    sent = None
    if operation is not None:
        provider = read_text(told.get("metadata"), "ls_provider") if model else None
        sent = Sent(operation, told, Server(runs.PROVIDERS.get(provider or "", provider or "")), "langchain_core")
    run = _RUNS.begin(recorder, told["run_id"], told.get("parent_run_id"), sent, model=model)
    may_carry, as_current = _where()
    # A model gives back what a generator's reader would see, before there is anything to read.
    if run is not None and (may_carry or model):
        run.enter(current=may_carry and as_current)


class _Hook:
    """What LangChain asks for callbacks: there is one in a process, for what is registered stays registered."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.is_registered = False

    def register(self, _: Any) -> None:
        """Have the callbacks added to every run, unless they are there already."""
        if self.is_registered:
            return
        from langchain_core.tracers.context import register_configure_hook  # noqa: PLC0415 - it is imported now

        self.is_registered = True
        callbacks = callbacks_class()(lambda: self.recorder)
        # The default is seen in every context, threads that were started before included.
        register_configure_hook(ContextVar("agentops_otel", default=callbacks), True, callbacks_class())


_RUNS = Runs()
_HOOK = _Hook()


@functools.cache
def callbacks_class() -> Any:
    """`Callbacks` as a class that LangChain takes for one of its own."""
    from langchain_core.callbacks.base import BaseCallbackHandler  # noqa: PLC0415 - only where it is installed

    return type("LangChainCallbacks", (Callbacks, BaseCallbackHandler), {})


class LangChainInstrumentor(Instrumentor):
    """langchain-core, and with it langchain and langgraph: structure; the clients below tell of the model calls."""

    library = "langchain_core"
    requires = ">=1.7,<2"
    told_by = (frozenset({"langchain"}), frozenset({"langgraph"}))

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [runs.AGENT, runs.WORKFLOW, runs.TASK, runs.TOOL, runs.RETRIEVAL, runs.CHAT, runs.COMPLETION]

    def instrument(self, recorder: Recorder) -> None:
        """Register with LangChain once it is there; a second time only changes the recorder."""
        self.recorder = _HOOK.recorder = recorder
        wrapt.register_post_import_hook(_HOOK.register, "langchain_core.callbacks.manager")
        self.found = ["langchain_core.tracers.context:register_configure_hook"]

    def uninstrument(self) -> None:
        """From here on LangChain's callbacks find ours switched off."""
        super().uninstrument()
        _HOOK.recorder = None
        _RUNS.close()
