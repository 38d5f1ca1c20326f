"""Claude's Agent SDK: agents, their tools and sub-agents, by the messages of the process that does the work.

That process asks the models itself, so its own word on usage and cost is the one that counts. It is exact for a turn
and a model, not for each answer: a call is what one model was asked for in one turn.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors import _claude_turns as turns

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Request
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, read, read_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentops_otel.engine import Call

_CLIENT = f"{turns.LIBRARY}:ClaudeSDKClient"


class ClaudeAgentInstrumentor(Instrumentor):
    """claude-agent-sdk: structure, usage and cost, all by the process that the SDK speaks to."""

    library = "claude_agent_sdk"
    distribution = "claude-agent-sdk"
    requires = ">=0.2.80,<0.3"
    told_by = (frozenset({"claude", "agent"}), frozenset({"claude_agent_sdk"}))
    targets: ClassVar = {
        f"{turns.LIBRARY}:query": None,
        # Others put theirs in the place of both, around this one.
        f"{turns.LIBRARY}.query:query": None,
        f"{_CLIENT}.query": None,
        f"{_CLIENT}.receive_response": None,
        f"{_CLIENT}.receive_messages": None,
    }

    def __init__(self) -> None:
        super().__init__()
        self._used: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self._prompts: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [_agent({}), turns.SUBAGENT, turns.TOOL, turns.CHAT]

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """A turn of an agent: with the function `query`, or with a client, whose answers are read apart."""
        del operation
        if instance is None:
            return Sent(_agent({}), arguments, Server(""), self.library)
        if "prompt" in arguments:
            self._prompts[instance] = arguments["prompt"]
            return None
        before = self._used.setdefault(instance, {})
        told = {"prompt": self._prompts.pop(instance, None), "options": read(instance, "options")}
        return Sent(_agent(before), told, Server(""), self.library, whose=instance)


def _agent(before: dict[str, Any]) -> Operation:
    follow: Callable[[Call], turns.Turn] = lambda call: turns.Turn(call, before)  # noqa: E731 - typed here
    return turns.run(
        names.INVOKE_AGENT,
        names.KIND_AGENT,
        request=lambda told: Request(agent_name=read_text(told.get("options"), "agent")),
        response=turns.ended,
        follow=follow,
        begins=lambda state, _: read(state, "result") is not None,
        content=turns.asked,
        output=turns.said,
    )
