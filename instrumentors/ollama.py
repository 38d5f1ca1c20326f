"""Ollama: chat, completions and embeddings of models on this machine or another."""

from __future__ import annotations

from dataclasses import replace
from inspect import isfunction
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Media, Message, Part, Reasoning, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNTS = ("model", "done", "done_reason", "prompt_eval_count", "eval_count")
_PIECES = ("content", "thinking", "tool_calls")


def _request(arguments: Arguments) -> Request:
    options, level, stop = arguments.get("options"), arguments.get("think"), read(arguments, "options.stop")
    return Request(
        model=arguments.get("model"),
        stream=arguments.get("stream") is True,
        temperature=read(options, "temperature"),
        top_p=read(options, "top_p"),
        top_k=read(options, "top_k"),
        max_tokens=read(options, "num_predict"),
        frequency_penalty=read(options, "frequency_penalty"),
        presence_penalty=read(options, "presence_penalty"),
        stop_sequences=[stop] if isinstance(stop, str) else stop,
        seed=read(options, "seed"),
        reasoning_level=level if isinstance(level, str) else None,
        output_type="json" if arguments.get("format") else None,
    )


def _response(answer: Any) -> Response:
    """A whole answer, or the fold of a streamed one. A prompt that is found in the cache whole has no count."""
    asked, answered = read(answer, "prompt_eval_count"), read(answer, "eval_count")
    reason = read(answer, "done_reason") or (None if read(answer, "done") else "error")
    return Response(
        model=read(answer, "model"),
        finish_reasons=[reason] if reason else None,
        usage=None if asked is None and answered is None else Usage(input_tokens=asked, output_tokens=answered),
    )


def _embedded(answer: Any) -> Response:
    used = read(answer, "prompt_eval_count")
    vectors = listed(read(answer, "embeddings"))
    return Response(
        model=read(answer, "model"),
        usage=None if used is None else Usage(input_tokens=used),
        dimension_count=len(listed(vectors[0] if vectors else read(answer, "embedding"))) or None,
    )


def _fold(state: Any, chunk: Any, keep: bool) -> Any:
    """Chunks as one answer; the last one carries the counts."""
    state = Shape(message=Shape({name: [] for name in _PIECES})) if state is None else state
    for name in _COUNTS:
        value = read(chunk, name)
        if value is not None:
            state[name] = value
    if keep:
        said = _said(chunk)
        for name in ("content", "thinking"):
            if isinstance(said[name], str):
                state["message"][name].append(said[name])
        state["message"]["tool_calls"] += listed(said["tool_calls"])
    return state


def _said(answer: Any) -> Shape:
    """The message of a chat, or what stands for one in a completion."""
    message = read(answer, "message")
    if message is not None:
        return Shape({name: read(message, name) for name in _PIECES})
    return Shape(content=read(answer, "response"), thinking=read(answer, "thinking"), tool_calls=None)


def _output(answer: Any) -> Sequence[Message]:
    said = _said(answer)
    thought = chat.joined(said["thinking"])
    parts: list[Part] = [Reasoning(thought)] if thought else []
    return [Message("assistant", parts + chat.parts_of(said), finish_reason=read_text(answer, "done_reason"))]


def _pictures(told: Any) -> list[Part]:
    """Pictures that are sent: their data is taken only where it is base64 already."""
    values = [read(item, "value", item) for item in listed(told)]
    return [Media("image", data=value if isinstance(value, str) else None) for value in values]


def _declared(tool: Any) -> Any:
    """A tool, which may be a function whose signature the library turns into one."""
    if not isfunction(tool):
        return tool
    return {"type": "function", "function": {"name": tool.__name__, "description": tool.__doc__}}


def _content(arguments: Arguments) -> Content:
    asked = listed(arguments.get("messages"))
    content = chat.content({"messages": asked, "tools": [_declared(tool) for tool in listed(arguments.get("tools"))]})
    for message, item in zip(content.messages, asked, strict=True):
        message.parts = [*message.parts, *_pictures(read(item, "images"))]
    return content


def _prompt(arguments: Arguments) -> Content:
    prompt, system = arguments.get("prompt"), arguments.get("system")
    parts: list[Part] = [Text(prompt)] if isinstance(prompt, str) and prompt else []
    return Content(
        [Message("user", parts + _pictures(arguments.get("images")))],
        [Text(system)] if isinstance(system, str) and system else (),
    )


_CHAT = Operation(name=names.CHAT, request=_request, response=_response, fold=_fold, content=_content, output=_output)
_GENERATE = replace(_CHAT, name=names.TEXT_COMPLETION, content=_prompt)
_EMBED = Operation(name=names.EMBEDDINGS, request=_request, response=_embedded)
_METHODS = {"chat": _CHAT, "generate": _GENERATE, "embed": _EMBED, "embeddings": _EMBED}


class OllamaInstrumentor(Instrumentor):
    """ollama: chat and completions, whole and streamed; embeddings. By a client, or by the module's own functions."""

    library = "ollama"
    requires = ">=0.4.8,<0.7"
    provider = "ollama"
    # The module's functions are methods of a client that it made when it was imported: they are not looked up again.
    targets: ClassVar = {
        f"ollama:{place}{method}": operation
        for place in ("Client.", "AsyncClient.", "")
        for method, operation in _METHODS.items()
    }
