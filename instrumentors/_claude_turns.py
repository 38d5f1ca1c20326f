"""Turns of Claude's Agent SDK: what their messages tell of, and how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors._provider_cost import amount
from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Message,
    Part,
    Reasoning,
    Request,
    Response,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from agentops_otel.engine import Arguments, Operation, Sent, Server, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.engine import Call

LIBRARY = "claude_agent_sdk"
_COUNTS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "webSearchRequests")
_SELLERS = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai", "foundry": "azure.ai.inference"}
_SUBAGENT = "subagent_type"


def _parts(content: Any) -> list[Part]:
    parts: list[Part] = []
    for block in listed(content):
        text, thinking = read_text(block, "text"), read_text(block, "thinking")
        if text is not None:
            parts.append(Text(text))
        elif thinking:
            parts.append(Reasoning(thinking))
        elif read(block, "name") is not None:
            parts.append(ToolCall(str(read(block, "name")), read_text(block, "id"), read(block, "input")))
    return parts


def said(state: Any) -> list[Message]:
    """The last answer of an agent."""
    told = read(state, "result.result")
    parts: list[Part] = [Text(told)] if isinstance(told, str) else list(read(state, "parts") or ())
    return [Message("assistant", parts, None, read_text(state, "result.stop_reason") or "stop")] if parts else []


def ended(state: Any) -> Response:
    """How a turn ended."""
    result = read(state, "result")
    reason = read_text(result, "stop_reason") or (None if result is None else "stop")
    failed = read(result, "is_error") is True
    return Response(
        finish_reasons=[reason] if reason else None,
        conversation_id=read_text(result, "session_id"),
        error=str(read(result, "api_error_status") or read(result, "subtype")) if failed else None,
    )


def run(name: str, kind: str, **reading: Any) -> Operation:
    """A kind of work that is done here, not by a provider."""
    return Operation(name=name, kind=kind, span_kind=SpanKind.INTERNAL, **reading)


def asked(told: Arguments) -> Content:
    """What an agent is asked; a stream of prompts is not ours to read."""
    prompt = told.get("prompt")
    return Content([Message("user", [Text(prompt)])] if isinstance(prompt, str) else ())


def _failed(block: Any) -> Response:
    return Response(error=names.TOOL_ERROR if read(block, "is_error") is True else None)


def _result(block: Any) -> ToolResult:
    content = read(block, "content")
    texts = [read_text(item, "text") for item in listed(content)]
    return ToolResult("\n".join(map(str, texts)) if texts and all(texts) else content)


TOOL = run(
    names.EXECUTE_TOOL,
    names.KIND_TOOL,
    request=lambda block: Request(
        tool_name=read_text(block, "name"), tool_type="function", tool_call_id=read_text(block, "id")
    ),
    response=_failed,
    content=lambda block: Content(arguments=read(block, "input")),
    output=_result,
)
SUBAGENT = run(
    names.INVOKE_AGENT,
    names.KIND_AGENT,
    request=lambda block: Request(agent_name=read_text(block, f"input.{_SUBAGENT}")),
    response=_failed,
    content=lambda block: Content([Message("user", [Text(str(read(block, "input.prompt", "")))])]),
    output=lambda block: [Message("assistant", [Text(str(_result(block).response))], None, "stop")],
)
CHAT = Operation(
    name=names.CHAT,
    request=lambda told: Request(model=read_text(told, "model")),
    response=lambda told: Response(
        model=read_text(told, "used.canonicalModel") or read_text(told, "model"),
        usage=Usage.beside_cache(
            read(told, "used.inputTokens"),
            read(told, "used.cacheReadInputTokens"),
            read(told, "used.cacheCreationInputTokens"),
            output_tokens=read(told, "used.outputTokens"),
            web_searches=read(told, "used.webSearchRequests") or None,
            cost=amount(read(told, "used.costUSD")),
        ),
    ),
)


class Turn:
    """Follows the messages of one turn: what they tell of is below the agent's run, each below its own agent."""

    def __init__(self, call: Call, before: dict[str, Mapping[str, Any]]) -> None:
        self._call = call
        self._before = before
        self._open: dict[str, Call] = {}
        call.recorder.open_streams.add(self)

    def __call__(self, state: Any, message: Any, keep: bool) -> Any:
        """Fold one message."""
        state = state if state is not None else Shape(parts=None, result=None, model=None)
        content, by = listed(read(message, "content")), read_text(message, "parent_tool_use_id")
        if read(message, "model") is not None:
            state["model"] = read_text(message, "model")
            if keep and by is None:
                state["parts"] = _parts(content) or state["parts"]
        for block in content:
            if read(block, "tool_use_id") is not None:
                self._end(str(read(block, "tool_use_id")), block)
            elif read(block, "name") is not None and read(block, "input") is not None:
                self._begin(block, self._open.get(by or "", self._call))
        if read(message, "num_turns") is not None:
            state["result"] = message
            self._bill(message, state["model"])
            self.closed()
            self._call.finish(state)
        return state

    def _begin(self, block: Any, above: Call) -> None:
        operation = TOOL if read(block, f"input.{_SUBAGENT}") is None else SUBAGENT
        call = above.recorder.begin(Sent(operation, block, Server(""), LIBRARY), above.context)
        if call is not None:
            self._open[str(read(block, "id"))] = call

    def _end(self, call_id: str, block: Any) -> None:
        call = self._open.pop(call_id, None)
        if call is not None:
            call.finish(block)

    def _bill(self, result: Any, model: str | None) -> None:
        """What the turn used, model by model: the process tells what all its turns used until now."""
        told = read(result, "model_usage")
        if not isinstance(told, dict):
            told = {model or "unknown": _of_result(result)}
        used = {name: _difference(now, self._before.get(name)) for name, now in told.items()}
        self._before.update(told)
        for name, part in used.items():
            if not any(read(part, count) for count in (*_COUNTS, "costUSD")):
                continue
            arguments = Shape(model=name, used=part)
            server = Server(_SELLERS.get(str(read(part, "provider")), "anthropic"))
            call = self._call.recorder.begin(
                Sent(CHAT, arguments, server, LIBRARY), self._call.context, self._call.started
            )
            if call is not None:
                call.finish(arguments)

    def closed(self) -> None:
        """Whatever has not ended ends with the turn."""
        while self._open:
            self._open.popitem()[1].finish(None, complete=False)


def _of_result(result: Any) -> Shape:
    usage = read(result, "usage")
    told = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    counts = {name: read(usage, field) for name, field in zip(_COUNTS, told, strict=False)}
    return Shape(counts, costUSD=read(result, "total_cost_usd"))


def _difference(now: Any, before: Any) -> Any:
    """What was used since `before`; all of it, where the process has begun to count anew."""
    if before is None or any((read(now, name) or 0) < (read(before, name) or 0) for name in _COUNTS):
        return now
    counts = {name: (read(now, name) or 0) - (read(before, name) or 0) for name in _COUNTS}
    cost, cost_before = amount(read(now, "costUSD")), amount(read(before, "costUSD"))
    known = cost is not None and cost_before is not None and cost >= cost_before
    return {**now, **counts, "costUSD": str(cost - cost_before) if known else None}  # type: ignore[operator]
