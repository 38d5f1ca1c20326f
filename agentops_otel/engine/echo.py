"""Echo: a framework's word on a model call, as a call that gets a span only where no client told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from agentops_otel.engine.call import Call
from agentops_otel.engine.runs import RUN_KEY, Run, around, below
from agentops_otel.faults import guard

if TYPE_CHECKING:
    from agentops_otel.engine.call import Recorder
    from agentops_otel.engine.operation import Sent


class Echo(Call):
    """Its span begins when all is over, at the time and place where the call began; there may never be one."""

    __slots__ = ("__weakref__", "_run")

    def __init__(self, recorder: Recorder, sent: Sent) -> None:
        run = Run(around(), sent)
        run.place = below(run) or recorder.parent() or otel_context.get_current()
        self._run = run
        self.recorder, self.sent, self.operation = recorder, sent, sent.operation
        self.started, self.ended, self.first_chunk = run.started, None, None
        self.context = otel_context.set_value(RUN_KEY, run)
        self._ticket = [True]
        recorder.open_streams.add(self)

    @guard("engine")
    def finish(self, answer: Any, *, complete: bool = True) -> None:
        """Tell of the call, if nobody else has and it was one: an answer may come from a cache."""
        if self._take_ticket():
            call = None if answer is not None and not self._asked_for(answer) else self._told()
            if call is not None:
                call.finish(answer, complete=complete)

    @guard("engine")
    def fail(self, error: BaseException, answer: Any = None) -> None:
        """Tell that it failed, if nobody else has."""
        if self._take_ticket():
            call = self._told()
            if call is not None:
                call.fail(error, answer)

    def closed(self) -> None:
        """The program ends, and this has not."""
        self.finish(None, complete=False)

    def _asked_for(self, answer: Any) -> bool:
        assert self.operation.echo is not None  # noqa: S101 - that is how it became an echo
        return bool(self.recorder.guarded("echo", lambda: True, self.operation.echo, answer))

    def _told(self) -> Call | None:
        self._run.shelters = False
        if self._run.asked:
            return None
        call = self.recorder.begin(self.sent, self._run.place, self.started)
        if call is not None:
            call.first_chunk = self.first_chunk
        return call
