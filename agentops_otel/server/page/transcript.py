"""The conversation of a whole session: what each call added, every tool call with its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names
from agentops_otel.server.content import as_json, messages_of, parts_of, work_of
from agentops_otel.server.outline import Node, outline
from agentops_otel.server.page.drawing import row_of
from agentops_otel.server.queries import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agentops_otel.accounting.record import SpanRecord

_WORK: Final = frozenset({names.KIND_TOOL, names.KIND_AGENT, names.KIND_ACTION})
_Message = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """A model call, a tool, an action or an agent, in the order of the outline.

    `said` is what was sent and not sent before (`repeated` messages were), `answered` what came back; messages are in
    the shape of the conventions. `results` are those of the tool calls in them, by id: `value`, `error`, `seconds`,
    `span` (None where only a later message told of it). `given` and `value` are a tool's or an action's own.
    """

    node: Node
    number: int
    system: list[Any] = field(default_factory=list)
    said: list[_Message] = field(default_factory=list)
    answered: list[_Message] = field(default_factory=list)
    repeated: int = 0
    results: dict[str, Any] = field(default_factory=dict)
    given: Any = None
    value: Any = None

    @property
    def has_content(self) -> bool:
        """Whether anything that was said or done is told."""
        return bool(self.said or self.answered or self.repeated or self.given is not None or self.value is not None)

    def as_json(self, first: int) -> str:
        """The turn as the page reads it; its span's times are seconds after `first` (ns)."""
        told = {name: getattr(self, name) for name in ("system", "said", "answered", "repeated", "results")}
        span = {**row_of(self.node, first), "number": self.number}
        return as_json({"span": span, **told, "given": self.given, "value": self.value})


def turns(records: Sequence[SpanRecord]) -> list[Turn]:
    """The turns of a session; a message is told where it is new, and a tool where it was called."""
    nodes = list(outline(records))
    results = _Results(nodes)
    seen: set[str] = set()
    told: list[Turn] = []
    shown: set[str] = set()
    # As the outline has them: what ran beside each other stays with the agent that it belongs to.
    for number, node in enumerate(nodes):
        if node.kind == names.KIND_LLM and (node.figures or node.error or node.seconds is None):
            turn = _call(node, number, results, seen)
            shown.update(each["span"] for each in turn.results.values() if each["span"])
            told.append(turn)
        elif node.kind in _WORK:
            given, value = work_of(node.record.attributes)
            told.append(Turn(node, number, given=given, value=value))
    return [turn for turn in told if turn.node.kind != names.KIND_TOOL or turn.node.record.span_id not in shown]


def _call(node: Node, number: int, results: _Results, seen: set[str]) -> Turn:
    told = node.record.attributes
    turn = Turn(node, number)
    sent = messages_of(told.get(names.INPUT_MESSAGES))
    fresh = [message for message in sent if _is_new(seen, message)]
    turn.repeated = len(sent) - len(fresh)
    turn.said = [message for message in map(results.without, fresh) if parts_of(message)]
    turn.answered = messages_of(told.get(names.OUTPUT_MESSAGES))
    for message in turn.answered:
        _is_new(seen, message)
    system = told.get(names.SYSTEM_INSTRUCTIONS)
    if system and _is_new(seen, {"role": "system", "parts": [{"all": system}]}):
        turn.system = [part for message in messages_of(system) for part in _system_parts(message)]
    for message in (*turn.said, *turn.answered):
        for part in parts_of(message):
            call_id = part.get("id")
            if part.get("type") == "tool_call" and isinstance(call_id, str) and call_id in results.by_call:
                turn.results[call_id] = results.by_call[call_id]
    return turn


def _system_parts(message: _Message) -> Iterable[_Message]:
    """System instructions are parts without a message around them; some write messages all the same."""
    return parts_of(message) if "parts" in message else [message]


def _is_new(seen: set[str], message: _Message) -> bool:
    key = as_json([message.get("role"), parts_of(message)])
    if key in seen:
        return False
    seen.add(key)
    return True


class _Results:
    """What tool calls gave, by the call's id: told by the span that ran it, else by the message that told the model."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.by_call: dict[str, dict[str, Any]] = {}
        self._nameless: dict[str, list[tuple[Node, Any]]] = {}
        for node in nodes:
            if node.kind == names.KIND_TOOL:
                self._add_run(node)
        calls = sorted((node for node in nodes if node.kind == names.KIND_LLM), key=lambda node: node.record.start_time)
        for node in calls:
            for part in _parts(node.record.attributes.get(names.OUTPUT_MESSAGES)):
                self._find_run(node, part)
        for node in calls:
            for part in _parts(node.record.attributes.get(names.INPUT_MESSAGES)):
                call_id = part.get("id")
                if part.get("type") == "tool_call_response" and isinstance(call_id, str):
                    self.by_call.setdefault(call_id, _result(parsed(part.get("response", part.get("result")))))

    def _add_run(self, node: Node) -> None:
        told = node.record.attributes
        call_id = told.get(names.TOOL_CALL_ID)
        given, value = work_of(told)
        if isinstance(call_id, str):
            self.by_call[call_id] = _result(value, node)
        else:
            self._nameless.setdefault(str(told.get(names.TOOL_NAME) or node.name), []).append((node, given))

    def _find_run(self, node: Node, part: _Message) -> None:
        """A tool that was recorded by hand names no call: the same tool with the same arguments, run after it."""
        call_id = part.get("id")
        if part.get("type") != "tool_call" or not isinstance(call_id, str) or call_id in self.by_call:
            return
        given = parsed(part.get("arguments"))
        runs = self._nameless.get(str(part.get("name")), [])
        for place, (run, taken) in enumerate(runs):
            if taken == given and run.record.start_time >= node.record.start_time:
                self.by_call[call_id] = _result(work_of(run.record.attributes)[1], run)
                del runs[place]
                return

    def without(self, message: _Message) -> _Message:
        """The message without results that stand at their calls."""
        kept = [part for part in parts_of(message) if not self._is_shown(part)]
        return {**message, "parts": kept}

    def _is_shown(self, part: _Message) -> bool:
        call_id = part.get("id")
        return part.get("type") == "tool_call_response" and isinstance(call_id, str) and call_id in self.by_call


def _result(value: Any, node: Node | None = None) -> dict[str, Any]:
    if node is None:
        return {"value": value, "error": None, "seconds": None, "span": None}
    return {"value": value, "error": node.error, "seconds": node.seconds, "span": node.record.span_id}


def _parts(value: Any) -> Iterator[_Message]:
    for message in messages_of(value):
        yield from parts_of(message)
