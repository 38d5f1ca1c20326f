"""The chat shape of OpenAI, which half of the field speaks: chat completions, legacy completions, their chunks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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
from agentops_otel.engine import Arguments, Shape, fields, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FORMATS = {"json_object": "json", "json_schema": "json", "text": "text"}
_MOST_CHOICES = 1024


def request(arguments: Arguments) -> Request:
    """A chat or legacy completion that is asked for."""
    stop = arguments.get("stop")
    return Request(
        model=arguments.get("model"),
        stream=arguments.get("stream") is True,
        temperature=arguments.get("temperature"),
        top_p=arguments.get("top_p"),
        max_tokens=arguments.get("max_completion_tokens") or arguments.get("max_tokens"),
        frequency_penalty=arguments.get("frequency_penalty"),
        presence_penalty=arguments.get("presence_penalty"),
        stop_sequences=[stop] if isinstance(stop, str) else stop,
        seed=arguments.get("seed"),
        choice_count=arguments.get("n"),
        reasoning_level=arguments.get("reasoning_effort"),
        output_type=_FORMATS.get(str(read(arguments.get("response_format"), "type"))),
        api_type="chat_completions" if "messages" in arguments else None,
        service_tier=arguments.get("service_tier"),
    )


def usage(told: Any) -> Usage | None:
    """Usage as OpenAI counts it: cached tokens within the prompt, reasoning within the completion."""
    if told is None:
        return None
    prompt, completion = read(told, "prompt_tokens_details"), read(told, "completion_tokens_details")
    if read(told, "prompt_tokens") is None and read(told, "completion_tokens") is None:
        return None
    return Usage(
        input_tokens=read(told, "prompt_tokens"),
        output_tokens=read(told, "completion_tokens"),
        cache_read_tokens=read(prompt, "cached_tokens"),
        cache_write_tokens=read(prompt, "cache_write_tokens"),
        reasoning_tokens=read(completion, "reasoning_tokens"),
        audio_input_tokens=read(prompt, "audio_tokens"),
        audio_output_tokens=read(completion, "audio_tokens"),
        image_input_tokens=read(prompt, "image_tokens"),
    )


def response(answer: Any) -> Response:
    """A whole answer, or the fold of a streamed one."""
    choices = listed(read(answer, "choices"))
    return Response(
        id=read(answer, "id"),
        model=read(answer, "model"),
        finish_reasons=[read(choice, "finish_reason") or "error" for choice in choices] or None,
        usage=usage(read(answer, "usage")),
        service_tier=read(answer, "service_tier"),
        system_fingerprint=read(answer, "system_fingerprint"),
        openai=True,
        error=_error(read(answer, "error")),
    )


def _error(told: Any) -> str | None:
    """Some gateways answer 200 with an error for a body."""
    return None if told is None else str(read(told, "code") or read(told, "type") or "error")


def fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Chunks as one answer: choices by their index, texts as lists of pieces."""
    told = fields(chunk)
    if state is None:
        state = Shape(id=None, model=None, usage=None, choices=[])
    if not state["id"] and told.get("id"):
        state["id"], state["model"] = told["id"], told.get("model")
    for choice in listed(told.get("choices")):
        _fold_choice(state["choices"], fields(choice), keep)
    usage = told.get("usage") or read(told.get("x_groq"), "usage")
    if usage is not None:
        state["usage"] = usage
    for name in ("service_tier", "system_fingerprint", "error"):
        if told.get(name) is not None:
            state[name] = told[name]
    return state


def _fold_choice(choices: list[Any], told: Mapping[str, Any], keep: bool) -> None:
    index = told.get("index") or 0
    if not isinstance(index, int) or not 0 <= index < _MOST_CHOICES:
        return
    while len(choices) <= index:
        choices.append(Shape(finish_reason=None, message=Shape(role="assistant", content=[], tool_calls={})))
    reason = told.get("finish_reason")
    if reason and isinstance(reason, str):
        choices[index]["finish_reason"] = reason
    if keep:
        delta, message = told.get("delta"), choices[index]["message"]
        if delta is None:  # a legacy completion
            message["content"].append(joined(told.get("text")))
        else:
            _fold_delta(message, fields(delta))


def _fold_delta(message: Shape, told: Mapping[str, Any]) -> None:
    for name in ("content", "refusal", "reasoning_content", "reasoning"):
        value = told.get(name)
        if value and isinstance(value, str):
            message.setdefault(name, []).append(value)
    if told.get("tool_calls"):
        for call in listed(told["tool_calls"]):
            _fold_tool_call(message["tool_calls"], call)
    if told.get("function_call") is not None:
        _fold_tool_call(message["tool_calls"], Shape(function=told["function_call"]))


def _fold_tool_call(calls: dict[int, Any], call: Any) -> None:
    index = read(call, "index", 0)
    if not isinstance(index, int):
        return
    into = calls.setdefault(index, Shape(id=None, function=Shape(name="", arguments=[])))
    into["id"] = read(call, "id") or into["id"]
    into["function"]["name"] += joined(read(call, "function.name"))
    into["function"]["arguments"].append(joined(read(call, "function.arguments")))


def joined(value: Any) -> str:
    """A text that came whole or in pieces."""
    return value if isinstance(value, str) else "".join(piece for piece in listed(value) if isinstance(piece, str))


def loaded(arguments: Any) -> Any:
    """The arguments of a tool call as JSON; the text as it came where it is none."""
    text = joined(arguments)
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


def output(answer: Any) -> Sequence[Message]:
    """The messages that were answered, one for each choice."""
    return [_answered(choice) for choice in listed(read(answer, "choices"))]


def _answered(choice: Any) -> Message:
    message = read(choice, "message")
    parts: list[Part] = []
    if message is None:
        parts.append(Text(joined(read(choice, "text"))))
    else:
        thought = joined(read(message, "reasoning_content") or read(message, "reasoning"))
        if thought:
            parts.append(Reasoning(thought))
        parts.extend(parts_of(message))
    return Message("assistant", parts, finish_reason=read_text(choice, "finish_reason"))


def content(arguments: Arguments) -> Content:
    """What was sent: messages and tools, or the prompt of a legacy completion."""
    prompt = arguments.get("prompt")
    if prompt is not None and "messages" not in arguments:
        prompts = [prompt] if isinstance(prompt, str) else listed(prompt)
        return Content([Message("user", [Text(item)]) for item in prompts if isinstance(item, str)])
    tools = [_tool(tool) for tool in listed(arguments.get("tools"))]
    tools += [_tool({"type": "function", "function": item}) for item in listed(arguments.get("functions"))]
    return Content([message_of(item) for item in listed(arguments.get("messages"))], tools=tools)


def _tool(tool: Any) -> Tool:
    kind = str(read(tool, "type", "function"))
    told = read(tool, kind) or tool
    return Tool(
        str(read(told, "name", kind)),
        kind,
        description=read(told, "description"),
        parameters=read(told, "parameters"),
    )


def message_of(message: Any) -> Message:
    """One message of a conversation."""
    role = str(read(message, "role", "user"))
    if role in {"tool", "function"}:
        answer = read(message, "content")
        parts: list[Part] = [ToolResult(answer, read(message, "tool_call_id"))]
        return Message("tool", parts, name=read(message, "name"))
    return Message("system" if role == "developer" else role, parts_of(message), name=read(message, "name"))


def parts_of(message: Any) -> list[Part]:
    """The parts of a message: its content, its refusal, its tool calls."""
    told = read(message, "content")
    parts: list[Part] = []
    if isinstance(told, str) and told:  # a stream begins with an empty text, whatever comes
        parts.append(Text(told))
    elif told and all(isinstance(piece, str) for piece in listed(told)):
        parts.append(Text(joined(told)))
    else:
        parts.extend(_part(item) for item in listed(told))
    refusal = joined(read(message, "refusal"))
    if refusal:
        parts.append(Text(refusal))
    calls = read(message, "tool_calls")
    parts.extend(_tool_call(call) for call in (calls.values() if isinstance(calls, dict) else listed(calls)))
    legacy = read(message, "function_call")
    if legacy is not None:
        parts.append(ToolCall(str(read(legacy, "name", "")), arguments=loaded(read(legacy, "arguments"))))
    return parts


def _tool_call(call: Any) -> ToolCall:
    function = read(call, "function") or read(call, "custom")
    told = read(function, "arguments") or read(function, "input")
    return ToolCall(str(read(function, "name", "")), read(call, "id"), loaded(told))


def _part(item: Any) -> Part:
    kind = str(read(item, "type", ""))
    if kind in {"text", "input_text", "output_text"}:
        return Text(str(read(item, "text", "")))
    if kind == "refusal":
        return Text(str(read(item, "refusal", "")))
    if kind in {"image_url", "input_image"}:
        told = read(item, "image_url")
        return media("image", told if isinstance(told, str) else read(told, "url"), read(item, "file_id"))
    if kind == "input_audio":
        audio = read(item, "input_audio")
        return Media("audio", f"audio/{read(audio, 'format', 'wav')}", data=read_text(audio, "data"))
    if kind in {"file", "input_file"}:
        told = read(item, "file") or item
        return media("document", read(told, "file_data") or read(told, "file_url"), read(told, "file_id"))
    return Other(kind or "unknown")


def media(modality: str, url: Any, file_id: Any = None) -> Media:
    """A medium by its URL, its data URL or its file id."""
    if not isinstance(url, str):
        return Media(modality, file_id=file_id if isinstance(file_id, str) else "")
    if not url.startswith("data:"):
        return Media(modality, uri=url)
    kind, _, data = url[5:].partition(",")
    return Media(modality, kind.partition(";")[0] or None, data=data)
