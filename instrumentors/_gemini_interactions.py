"""Google's interactions: steps in, steps out, and a stream of events that ends with the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _gemini as gemini
from agentops_otel_instrumentors._openai_chat import loaded

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from agentops_otel.engine import Arguments, Operation, Shape, fields, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEDIA = frozenset({"image", "audio", "video", "document"})
_MODALITIES = ("audio", "image")
_ENDS = frozenset({"interaction.completed", "interaction.complete"})
_BEGINNINGS = frozenset({"interaction.created", "interaction.start"})
_MOST_STEPS = 4096


def _asked(arguments: Arguments) -> Any:
    """What is asked: the arguments themselves, or the request object that stands for them."""
    whole = arguments.get("request")
    return arguments if whole is None else whole


def _request(arguments: Arguments) -> Request:
    asked = _asked(arguments)
    told = gemini.request(read(asked, "model"), read(asked, "generation_config"), stream=read(asked, "stream") is True)
    effort = read(asked, "generation_config.thinking_level")
    told.reasoning_level = told.reasoning_level if effort is None else str(gemini.word(effort)).lower()
    told.output_type = told.output_type or gemini.output_type(read(asked, "response_mime_type"))
    told.service_tier = gemini.word(read(asked, "service_tier"))
    told.previous_response_id = read_text(asked, "previous_interaction_id")
    told.agent_name = read_text(asked, "agent")
    return told


def usage(told: Any) -> Usage | None:
    """Usage: input counts include cached tokens; what tools brought in and thoughts are counted beside the rest."""
    asked, answered = gemini.count(told, "total_input_tokens"), gemini.count(told, "total_output_tokens")
    tools, thoughts = gemini.count(told, "total_tool_use_tokens"), gemini.count(told, "total_thought_tokens")
    if asked is None and answered is None:
        return None
    parts: dict[str, Any] = {
        f"{modality}_{side}_tokens": gemini.by_modality(told, lists, "tokens").get(modality.upper())
        for modality in _MODALITIES
        for side, lists in (
            ("input", ("input_tokens_by_modality", "tool_use_tokens_by_modality")),
            ("output", ("output_tokens_by_modality",)),
            ("cache_read", ("cached_tokens_by_modality",)),
        )
    }
    searches = [
        gemini.count(item, "count") or 0
        for item in listed(read(told, "grounding_tool_count"))
        if gemini.word(read(item, "type")) == "google_search"
    ]
    return Usage(
        input_tokens=None if asked is None else asked + (tools or 0),
        output_tokens=None if answered is None and thoughts is None else (answered or 0) + (thoughts or 0),
        cache_read_tokens=gemini.count(told, "total_cached_tokens"),
        reasoning_tokens=thoughts,
        web_searches=sum(searches) or None,
        **parts,
    )


def _response(answer: Any) -> Response:
    status = gemini.word(read(answer, "status"))
    return Response(
        id=read_text(answer, "id") or None,
        model=gemini.word(read(answer, "model")),
        usage=usage(read(answer, "usage")),
        status=None if status == "completed" else status,
        service_tier=gemini.word(read(answer, "service_tier")),
        error=_error(answer) if status == "failed" else None,
    )


def _error(answer: Any) -> str:
    first = read(answer, "error") or next(iter(listed(read(answer, "errors"))), None)
    return str(read(first, "code") or "failed")


def _fold(state: Any, event: Any, keep: bool) -> Any:
    """Events as one interaction. One that goes on in a further request tells the counts of each by itself."""
    kind = str(read(event, "event_type", ""))
    if state is None:
        state = Shape(id=None, model=None, status=None, service_tier=None, usage=None, error=None, steps={})
    if kind in _ENDS or kind in _BEGINNINGS:
        told = read(event, "interaction")
        for name in ("id", "model", "status", "service_tier"):
            state[name] = read(told, name) or state[name]
        if kind in _ENDS:
            state["usage"] = _added(state.usage, read(told, "usage"))
    elif kind == "interaction.status_update":
        state["status"] = read(event, "status") or state.status
    elif kind == "error":
        state["status"], state["error"] = "failed", read(event, "error")
    elif keep:
        _fold_step(state["steps"], kind, event)
    return state


def _added(before: Any, told: Any) -> Any:
    """Counts of one request after another."""
    if before is None or told is None:
        return before if told is None else told
    counts = [name for name in fields(told) if gemini.count(told, name) is not None]
    return Shape((name, (gemini.count(before, name) or 0) + (gemini.count(told, name) or 0)) for name in counts)


def _fold_step(steps: dict[int, Any], kind: str, event: Any) -> None:
    index = read(event, "index")
    if not isinstance(index, int) or not 0 <= index < _MOST_STEPS:
        return
    if kind == "step.start":
        step = read(event, "step")
        steps[index] = Shape(step=step, type=read(step, "type"), pieces=[], arguments=[])
    elif kind == "step.delta" and index in steps:
        delta = read(event, "delta")
        text = read_text(delta, "text") or read_text(delta, "content.text")
        if text:
            steps[index]["pieces"].append(text)
        elif (piece := read_text(delta, "arguments")) is not None:
            steps[index]["arguments"].append(piece)


def _content(arguments: Arguments) -> Content:
    asked = _asked(arguments)
    system = read(asked, "system_instruction")
    return Content(
        _messages(read(asked, "input")),
        [Text(system)] if isinstance(system, str) else [],
        [_tool(item) for item in listed(read(asked, "tools"))],
    )


def _tool(item: Any) -> Tool:
    kind = str(read(item, "type", "function"))
    return Tool(str(read(item, "name", kind)), kind, read_text(item, "description"), read(item, "parameters"))


def _messages(told: Any) -> list[Message]:
    """Steps as messages; contents that stand by themselves are the user's, in one message."""
    if isinstance(told, str):
        return [Message("user", [Text(told)])]
    items = list(told) if isinstance(told, (list, tuple)) else [told]
    if all(not _is_step(item) for item in items):
        return [Message("user", [_part(item) for item in items])]
    return [_message(item) for item in items]


def _is_step(item: Any) -> bool:
    kind = str(read(item, "type", ""))
    return kind in {"user_input", "model_output", "thought"} or kind.endswith(("_call", "_result"))


def _message(step: Any) -> Message:
    kind = str(read(step, "type", ""))
    parts = _step(step, kind)
    if kind.endswith("_result"):
        return Message("tool", parts)
    return Message("user" if kind == "user_input" else "assistant", parts)


def _step(step: Any, kind: str) -> list[Part]:
    if kind == "thought":
        said = [read_text(item, "text") for item in listed(read(step, "summary"))]
        thoughts = "\n".join(text for text in said if text) or "".join(listed(read(step, "pieces")))
        return [Reasoning(thoughts)] if thoughts else []
    start = read(step, "step", step)  # of a stream: how it began, beside what has come since
    if kind.endswith("_call"):
        pieces = listed(read(step, "arguments")) if start is not step else []
        told = loaded("".join(pieces)) if pieces else read(start, "arguments")
        ours = kind == "function_call"
        return [ToolCall(str(read(start, "name", kind)), read_text(start, "id"), told, server=not ours)]
    if kind.endswith("_result"):
        return [ToolResult(read(step, "result"), read_text(step, "call_id"), server=kind != "function_result")]
    pieces = listed(read(step, "pieces"))
    return [Text("".join(pieces))] if pieces else [_part(item) for item in listed(read(step, "content"))]


def _part(item: Any) -> Part:
    text = item if isinstance(item, str) else read_text(item, "text")
    if text is not None:
        return Text(text)
    kind = str(read(item, "type", "unknown"))
    if kind in _MEDIA:
        return Media(kind, read_text(item, "mime_type"), data=read_text(item, "data"), uri=read_text(item, "uri"))
    return Other(kind)


def _output(answer: Any) -> Sequence[Message]:
    told = read(answer, "steps")
    steps = list(told.values()) if isinstance(told, dict) else listed(told)
    parts = [
        part for step in steps if read(step, "type") != "user_input" for part in _step(step, str(read(step, "type")))
    ]
    ended = gemini.word(read(answer, "status"))
    return [Message("assistant", parts, finish_reason=ended)] if parts else []


CREATE = Operation(
    name=names.GENERATE_CONTENT,
    request=_request,
    response=_response,
    fold=_fold,
    content=_content,
    output=_output,
)
GET = Operation(
    name=names.FETCH_RESPONSE,
    request=lambda arguments: Request(response_id=read_text(arguments, "id"), stream=arguments.get("stream") is True),
    response=_response,
    fold=_fold,
    output=_output,
)
