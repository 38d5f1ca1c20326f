"""Replicate: predictions of models of every kind, waited for, polled or streamed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from agentops_otel_instrumentors import _openai_chat as chat

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Media, Message, Part, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Shape, listed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED = {"failed", "canceled", "aborted"}


def _named(told: Any) -> str | None:
    """A model, a version or a deployment: by its name, as a pair of names, or as the library's own object."""
    if isinstance(told, str):
        return told
    if isinstance(told, tuple):
        return "/".join(str(part) for part in told)
    return read_text(told, "id")


def _request(arguments: Arguments) -> Request:
    wanted = ("ref", "model", "version", "deployment")
    asked = arguments.get("input")
    limits = (read(asked, name) for name in ("max_tokens", "max_new_tokens", "max_length", "max_completion_tokens"))
    return Request(
        model=next((name for place in wanted if (name := _named(arguments.get(place)))), None),
        temperature=read(asked, "temperature"),
        top_p=read(asked, "top_p"),
        top_k=read(asked, "top_k"),
        max_tokens=next((limit for limit in limits if limit is not None), None),
        seed=read(asked, "seed"),
    )


def _response(prediction: Any) -> Response:
    """A prediction as it stands: one that still runs has neither usage nor output."""
    told, status = read(prediction, "metrics"), read_text(prediction, "status")
    used = (read(told, "input_token_count"), read(told, "output_token_count"))
    return Response(
        id=read(prediction, "id"),
        model=read(prediction, "model"),
        usage=None if used == (None, None) else Usage(*used),
        error=status if status in _FAILED else None,
    )


def _fold(state: Any, event: Any, keep: bool) -> Any:
    """Events of a stream: texts or files, then a word on how it ended."""
    state = Shape(output=[], ended=False) if state is None else state
    kind = str(read(event, "event.value", read(event, "event")))
    if kind == "output" and keep:
        state["output"].append(read(event, "data"))
    elif kind == "done":
        state["ended"] = True
        told = read(event, "data")
        state["status"] = next((word for word in ("canceled", "error") if isinstance(told, str) and word in told), None)
    return state


def _streamed(state: Any) -> Response:
    ended, status = read(state, "ended"), read_text(state, "status")
    return Response(finish_reasons=None if ended and not status else ["error"], error=status)


def _content(arguments: Arguments) -> Content:
    asked = arguments.get("input")
    system = read_text(asked, "system_prompt")
    messages = [chat.message_of(item) for item in listed(read(asked, "messages"))]
    prompt = read_text(asked, "prompt")
    if prompt is not None:
        messages.append(Message("user", [Text(prompt)]))
    return Content(messages, [Text(system)] if system else ())


def _output(answer: Any) -> Sequence[Message]:
    told = read(answer, "output")
    texts = chat.joined(told)
    parts: list[Part] = [Media("file", uri=url) for item in listed(told) if (url := read_text(item, "url"))]
    if texts.startswith(("https://", "data:")):
        parts.append(chat.media("file", texts))
    elif texts:
        parts.append(Text(texts))
    return [Message("assistant", parts, finish_reason=read_text(answer, "status"))] if parts else []


_CREATE = Operation(name=names.GENERATE_CONTENT, request=_request, response=_response, content=_content, output=_output)
_STREAM = replace(
    _CREATE,
    request=lambda arguments: replace(_request(arguments), stream=True),
    response=_streamed,
    fold=_fold,
    whole=True,
)
_FETCH = Operation(
    name=names.FETCH_RESPONSE,
    request=lambda arguments: Request(model=arguments["model"], response_id=arguments["id"], stream=True),
    response=_streamed,
    fold=_fold,
    output=_output,
)


class ReplicateInstrumentor(Instrumentor):
    """replicate: predictions (made by `run`, too, which says no more than their first answer), streams."""

    library = "replicate"
    requires = ">=1,<2"
    provider = "replicate"
    targets: ClassVar = {
        **{
            f"replicate.{place}.{prefix}create": _CREATE
            for place in (
                "prediction:Predictions",
                "model:ModelsPredictions",
                "deployment:DeploymentsPredictions",
                "deployment:DeploymentPredictions",
            )
            for prefix in ("", "async_")
        },
        # The module's functions are methods of a client that it made when it was imported.
        **{f"replicate{place}{name}": _STREAM for place in (":Client.", ":") for name in ("stream", "async_stream")},
        "replicate.prediction:Prediction.stream": _FETCH,
        "replicate.prediction:Prediction.async_stream": _FETCH,
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call; none where it is left to another one of these methods."""
        if operation is _FETCH:
            arguments = {"id": read(instance, "id"), "model": read(instance, "model")}
        elif type(instance).__name__ == "Predictions" and (arguments.get("model") or arguments.get("deployment")):
            return None
        return super().sent(operation, instance, arguments)
