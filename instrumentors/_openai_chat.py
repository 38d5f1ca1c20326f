"""The chat shape of OpenAI, which half of the field speaks: chat completions, legacy completions, their chunks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors._provider_cost import cost

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
    """Usage as OpenAI counts it, and as those who speak its language do: cached tokens within the prompt."""
    told = fields(told)
    prompt = fields(told.get("prompt_tokens_details") or told.get("prompt_token_details"))  # the latter is Writer's
    completion = fields(told.get("completion_tokens_details"))
    if told.get("prompt_tokens") is None and told.get("completion_tokens") is None:
        return None
    cached = prompt.get("cached_tokens")
    if cached is None:  # Together and Moonshot print it beside the prompt, DeepSeek under a name of its own
        cached = told.get("cached_tokens", told.get("prompt_cache_hit_tokens"))
    reasoning = completion.get("reasoning_tokens", told.get("reasoning_tokens"))
    return Usage(
        input_tokens=told.get("prompt_tokens"),
        output_tokens=_output_tokens(told, reasoning),
        cache_read_tokens=cached,
        cache_write_tokens=prompt.get("cache_write_tokens"),
        reasoning_tokens=reasoning,
        audio_input_tokens=prompt.get("audio_tokens"),
        audio_output_tokens=completion.get("audio_tokens"),
        image_input_tokens=prompt.get("image_tokens"),
        cost=cost(told),
    )


def _output_tokens(told: Mapping[str, Any], reasoning: Any) -> Any:
    """All output. OpenAI counts reasoning within the completion, xAI beside it: the total tells which."""
    parts = told.get("prompt_tokens"), told.get("completion_tokens"), reasoning
    if reasoning and all(type(part) is int for part in parts) and sum(parts) == told.get("total_tokens"):
        return parts[1] + reasoning
    return parts[1]


def response(answer: Any) -> Response:
    """A whole answer, or the fold of a streamed one."""
    told = fields(answer)
    return Response(
        id=told.get("id"),
        model=told.get("model"),
        finish_reasons=[read(choice, "finish_reason") or "error" for choice in listed(told.get("choices"))] or None,
        usage=usage(told.get("usage")),
        service_tier=told.get("service_tier"),
        system_fingerprint=told.get("system_fingerprint"),
        openai=True,
        error=_error(told.get("error")),
    )


def _error(told: Any) -> str | None:
    """Some gateways answer 200 with an error for a body."""
    return None if told is None else str(read(told, "code") or read(told, "type") or "error")


def fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Chunks as one answer: choices by their index, texts as lists of pieces."""
    try:
        # Nearly all chunks bring nothing but the next piece of the first choice's text: those are done here.
        (choice,) = chunk.choices
        if choice.finish_reason is None and chunk.usage is None and choice.index == 0 and state["choices"]:
            if not keep:
                return state
            delta = choice.delta
            told = delta.__dict__
            # Not `model_extra`: a property that costs more than all the rest.
            if isinstance(told["content"], str) and not (
                delta.__pydantic_extra__
                or told["tool_calls"]
                or told.get("refusal")
                or told.get("function_call")
                or told.get("reasoning")
                or told.get("reasoning_content")
            ):
                state["choices"][0]["message"]["content"].append(told["content"])
                return state
    except (AttributeError, LookupError, TypeError, ValueError):  # the first of all, another client's, or an odd one
        pass
    return _fold(state, chunk, keep)


def _fold(state: Any, chunk: Any, keep: bool) -> Any:
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
    if read(told.get("x_groq"), "error") is not None:
        state["error"] = Shape(code=read(told.get("x_groq"), "error"))
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
    for part in parts_of({"content": told["content"]}) if isinstance(told.get("content"), list) else ():
        if isinstance(part, (Text, Reasoning)):  # Mistral's models that reason answer in typed pieces
            message.setdefault("content" if isinstance(part, Text) else "reasoning", []).append(part.content)
    if told.get("tool_calls"):
        for call in listed(told["tool_calls"]):
            _fold_tool_call(message["tool_calls"], call)
    if told.get("function_call") is not None:
        _fold_tool_call(message["tool_calls"], Shape(function=told["function_call"]))


def _fold_tool_call(calls: dict[float, Any], call: Any) -> None:
    index = read(call, "index", 0)
    if not isinstance(index, (int, float)):  # Together's client reads it as a float
        return
    name = read(call, "id")
    if name and index in calls and calls[index]["id"] not in {None, name}:
        index = max(calls) + 1  # not every provider counts them
    into = calls.setdefault(index, Shape(id=None, function=Shape(name="", arguments=[])))
    into["id"] = name or into["id"]
    into["function"]["name"] += joined(read(call, "function.name"))
    told = read(call, "function.arguments")
    if isinstance(told, dict):  # whole, as a client library may have parsed it
        into["function"]["arguments"] = told
    elif isinstance(into["function"]["arguments"], list):
        into["function"]["arguments"].append(joined(told))


def joined(value: Any) -> str:
    """A text that came whole or in pieces."""
    return value if isinstance(value, str) else "".join(piece for piece in listed(value) if isinstance(piece, str))


def loaded(arguments: Any) -> Any:
    """The arguments of a tool call as JSON; the text as it came where it is none; an object as it is."""
    if isinstance(arguments, dict):
        return arguments
    text = joined(arguments)
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


def output(answer: Any) -> Sequence[Message]:
    """The messages that were answered, one for each choice."""
    return [_answered(choice) for choice in listed(read(answer, "choices"))]


def _answered(choice: Any) -> Message:
    told = fields(choice)
    message = told.get("message")
    if message is None:
        parts: list[Part] = [Text(joined(told.get("text")))]
    else:
        said = fields(message)
        thought = joined(said.get("reasoning_content") or said.get("reasoning"))
        parts = [Reasoning(thought), *parts_of(said)] if thought else parts_of(said)
    return Message("assistant", parts, finish_reason=read_text(told, "finish_reason"))


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
    told = fields(message)
    role, name = str(told.get("role") or "user"), told.get("name")
    if role in {"tool", "function"}:
        return Message("tool", [ToolResult(told.get("content"), told.get("tool_call_id"))], name=name)
    return Message("system" if role == "developer" else role, parts_of(told), name=name)


def parts_of(message: Mapping[str, Any]) -> list[Part]:
    """The parts of a message, by its fields: its content, its refusal, its tool calls."""
    told = message.get("content")
    parts: list[Part] = []
    if isinstance(told, str) and told:  # a stream begins with an empty text, whatever comes
        parts.append(Text(told))
    elif told and all(isinstance(piece, str) for piece in listed(told)):
        parts.append(Text(joined(told)))
    else:
        parts.extend(_part(item) for item in listed(told))
    refusal = message.get("refusal")
    if refusal:
        parts.append(Text(joined(refusal)))
    calls = message.get("tool_calls")
    if calls:
        parts.extend(_tool_call(call) for call in (calls.values() if isinstance(calls, dict) else listed(calls)))
    legacy = message.get("function_call")
    if legacy is not None:
        parts.append(ToolCall(str(read(legacy, "name", "")), arguments=loaded(read(legacy, "arguments"))))
    return parts


def _tool_call(call: Any) -> ToolCall:
    function = read(call, "function") or read(call, "custom")
    told = read(function, "arguments") or read(function, "input")
    return ToolCall(str(read(function, "name", "")), read(call, "id"), loaded(told))


def _part(item: Any) -> Part:
    kind = str(read(item, "type", ""))
    if kind in {"text", "input_text", "output_text", "refusal"}:
        return Text(str(read(item, "refusal" if kind == "refusal" else "text", "")))
    if kind == "thinking":
        told = read(item, "thinking")
        return Reasoning(
            told if isinstance(told, str) else "".join(str(read(piece, "text", "")) for piece in listed(told))
        )
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
