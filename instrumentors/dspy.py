"""DSPy: programs, the modules within them, agents, tools and evaluations; its own word on model calls.

DSPy asks most providers by an HTTP client of its own, of which nobody else tells. Where it asks through LiteLLM, that
tells of the call, and DSPy's word is left out.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, ClassVar

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import (
    Content,
    Documents,
    Message,
    Output,
    Request,
    Response,
    Text,
    ToolResult,
    Usage,
)
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, listed, read, read_text

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
_AGENTS = frozenset({"CodeAct", "ReAct", "ReActV2"})


def _name(told: Arguments) -> str:
    return type(told["instance"]).__name__


def _given(told: Arguments) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "instance"}


def _asked(told: Arguments) -> Content:
    """The fields that a program is called with, each by its name."""
    return Content([Message("user", [Text("\n".join(f"{name}: {value}" for name, value in _given(told).items()))])])


def _answer(prediction: Any) -> Output:
    """The fields that a program answers with."""
    items = getattr(prediction, "items", None)
    fields = dict(items()) if callable(items) else {}
    text = "\n".join(f"{name}: {value}" for name, value in fields.items())
    return [Message("assistant", [Text(text)], None, "stop")] if text else []


def _run(name: str, kind: str, subject: str, **reading: Any) -> Operation:
    return Operation(
        **{
            "name": name,
            "kind": kind,
            "span_kind": SpanKind.INTERNAL,
            "request": lambda told: Request(**dict[str, Any]({subject: _name(told)})),
            "response": lambda _: Response(),
            **reading,
        }
    )


PROGRAM = _run(names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name", content=_asked, output=_answer)
AGENT = _run(names.INVOKE_AGENT, names.KIND_AGENT, "agent_name", content=_asked, output=_answer)
MODULE = _run(names.TASK, names.KIND_TASK, "name")
EVALUATION = _run(names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name")
TOOL = _run(
    names.EXECUTE_TOOL,
    names.KIND_TOOL,
    "tool_name",
    request=lambda told: Request(
        tool_name=read_text(told["instance"], "name"),
        tool_type="function",
        tool_description=read_text(told["instance"], "desc"),
    ),
    content=lambda told: Content(arguments=_given(told)),
    output=ToolResult,
)
RETRIEVAL = _run(
    names.RETRIEVAL,
    names.KIND_OPERATION,
    "data_source_id",
    content=lambda told: Content(query=read_text(told, "query")),
    output=lambda found: Documents([(None, None) for _ in listed(read(found, "passages", found))]),
)


def _entry(model: Any, answer: Any) -> Any:
    """What the model's history has of this answer: others may be asked for at the same time."""
    entries = reversed(listed(read(model, "history")))
    return next((item for item in entries if answer in (read(item, "outputs"), read(item, "response"))), None)


def _told(model: Any, answer: Any) -> Response:
    entry = _entry(model, answer)
    usage = read(entry, "usage")
    used = Usage(
        read(usage, "prompt_tokens"),
        read(usage, "completion_tokens"),
        cache_read_tokens=read(usage, "prompt_tokens_details.cached_tokens") or None,
        reasoning_tokens=read(usage, "completion_tokens_details.reasoning_tokens") or None,
    )
    return Response(
        model=read_text(entry, "response_model"),
        finish_reasons=["stop"],
        usage=None if used.input_tokens is None and used.output_tokens is None else used,
    )


def _was_asked(model: Any, answer: Any) -> bool:
    """Whether a provider was asked: of an answer that it kept DSPy counts no usage, though the answer tells it."""
    entry = _entry(model, answer)
    if entry is None or read(entry, "usage"):
        return True
    told = ("cost", "response.usage.input_tokens", "response.usage.prompt_tokens")
    return not any(read(entry, name) for name in told)


def _messages(told: Arguments) -> Content:
    prompt = read_text(told, "prompt")
    messages = [Message("user", [Text(prompt)])] if prompt else []
    for item in listed(told.get("messages")):
        text = read_text(item, "content")
        messages.append(Message(read_text(item, "role") or "user", [Text(text)] if text else []))
    return Content(messages)


def _said(outputs: Any) -> Output:
    texts = [item if isinstance(item, str) else read_text(item, "text") for item in listed(outputs)]
    return [Message("assistant", [Text(text)], None, "stop") for text in texts if text]


def _model(told: Arguments) -> str | None:
    name = read_text(told["instance"], "model")
    return None if name is None else name.rpartition("/")[2]


CHAT = Operation(
    name=names.CHAT,
    request=lambda told: Request(
        model=_model(told),
        temperature=read(told["instance"], "kwargs.temperature"),
        max_tokens=read(told["instance"], "kwargs.max_tokens"),
    ),
    response=lambda _: Response(),
    content=_messages,
    output=_said,
    echo=lambda _: True,
)


class DSPyInstrumentor(Instrumentor):
    """dspy: structure, and the model calls that it makes by itself."""

    library = "dspy"
    requires = ">=3.4,<4"
    told_by = (frozenset({"dspy"}),)
    targets: ClassVar = {
        "dspy:Module.__call__": MODULE,
        "dspy:Module.acall": MODULE,
        "dspy:Evaluate.__call__": EVALUATION,
        "dspy:Tool.__call__": TOOL,
        "dspy:Tool.acall": TOOL,
        "dspy:Retrieve.__call__": RETRIEVAL,
        "dspy:BaseLM.__call__": CHAT,
        "dspy:BaseLM.acall": CHAT,
        # As they are where another instrumentation has put its own there.
        "dspy:LM.__call__": CHAT,
        "dspy:LM.acall": CHAT,
    }

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of runs that are told of."""
        return [PROGRAM, AGENT, MODULE, TOOL, RETRIEVAL, CHAT]

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The run; a module that no other has called is a program."""
        provider = ""
        if operation is MODULE:
            operation = AGENT if type(instance).__name__ in _AGENTS else MODULE if _called_by() else PROGRAM
        elif operation is CHAT:
            told, _, model = str(read(instance, "model", "")).partition("/")
            provider = _PROVIDERS.get(told, told) if model else ""
            response, echo = functools.partial(_told, instance), functools.partial(_was_asked, instance)
            operation = replace(CHAT, response=response, echo=echo)
        assert operation is not None  # noqa: S101 - there is no such target
        return Sent(operation, {**arguments, "instance": instance}, Server(provider), self.library)


def _called_by() -> bool:
    """Whether a module is running, whose part another one is."""
    from dspy import settings  # noqa: PLC0415 - it is there: it is calling us

    return bool(read(settings, "caller_modules"))
