"""LlamaIndex's spans: what each of them is shown as, and how it is read."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Message, Request, Response, Text, ToolResult, Usage
from agentops_otel.engine import Arguments, Operation, listed, read, read_text

# What is streamed begins when it is read, after its span is over: of that the clients alone tell.
_MODEL_METHODS = {"chat", "achat", "complete", "acomplete"}
_QUESTIONS = {"query", "aquery", "chat", "achat", "stream_chat", "astream_chat"}
_ENGINES = {"BaseQueryEngine", "BaseChatEngine"}
_SEVERAL = "AgentWorkflow."
_OWN_STEPS = ("BaseWorkflowAgent.", _SEVERAL)


def _text(told: Any) -> str | None:
    """The text of a question or an answer, in any of LlamaIndex's shapes."""
    if isinstance(told, str):
        return told
    paths = ("query_str", "content", "response.content", "response", "message.content", "text", "result")
    return next((text for path in paths if (text := read_text(told, path))), None)


def _messages(told: Any) -> list[Message]:
    return [
        Message(str(read(item, "role.value", "user")), [Text(text)]) for item in listed(told) if (text := _text(item))
    ]


def _asked(told: Arguments) -> Content:
    given = told["arguments"]
    start, history = given.get("start_event"), _messages(read(given.get("ev"), "input"))
    if history:  # of an agent whose turn it is
        return Content(history)
    places = [given.get("str_or_query_bundle"), given.get("message"), read(start, "user_msg"), read(start, "input")]
    said = next((text for place in places if place is not None and (text := _text(place))), None)
    return Content([Message("user", [Text(said)])] if said else ())


def _answered(result: Any) -> list[Message]:
    said = _text(read(result, "result") if read_text(result, "result") is None else result)
    return [Message("assistant", [Text(said)], None, "stop")] if said else []


def _structure(name: str, kind: str, subject: str, **reading: Any) -> Operation:
    def request(told: Arguments) -> Request:
        asked = Request()
        setattr(asked, subject, told["name"])
        return asked

    settings = {"request": request, "response": lambda _: Response(), "span_kind": SpanKind.INTERNAL, **reading}
    return Operation(name=name, kind=kind, **settings)


def _used(result: Any) -> ToolResult:
    told = read(result, "tool_output", result)
    output = read(told, "raw_output")
    return ToolResult(read(told, "content") if output is None else output)


def _tool(told: Arguments) -> Request:
    return Request(
        tool_name=told["name"],
        tool_type="function",
        tool_call_id=read_text(told["arguments"].get("ev"), "tool_id"),
        tool_description=read_text(told["instance"], "metadata.description"),
    )


def _given(told: Arguments) -> Content:
    event = told["arguments"].get("ev")
    return Content(arguments=told["arguments"].get("kwargs") if event is None else read(event, "tool_kwargs"))


def _failed(result: Any) -> Response:
    told = read(result, "tool_output", result)
    return Response(error="tool_error" if read(told, "is_error") is True else None)


def _model(told: Arguments) -> Request:
    model = told["instance"]
    return Request(
        model=read_text(model, "model") or read_text(model, "metadata.model_name"),
        temperature=read(model, "temperature"),
        max_tokens=read(model, "max_tokens"),
    )


def _usage(result: Any) -> Usage | None:
    told = read(result, "raw.usage") or read(result, "additional_kwargs")
    counts = [read(told, f"{part}_tokens") for part in ("prompt", "completion", "input", "output")]
    if all(count is None for count in counts):
        return None
    return Usage(
        input_tokens=counts[2] if counts[0] is None else counts[0],
        output_tokens=counts[3] if counts[1] is None else counts[1],
    )


AGENT = _structure(names.INVOKE_AGENT, names.KIND_AGENT, "agent_name", content=_asked, output=_answered)
WORKFLOW = _structure(names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name", content=_asked, output=_answered)
TASK = _structure(names.TASK, names.KIND_TASK, "name")
TOOL = _structure(
    names.EXECUTE_TOOL, names.KIND_TOOL, "tool_name", request=_tool, response=_failed, content=_given, output=_used
)
RETRIEVAL = _structure(
    names.RETRIEVAL,
    names.KIND_OPERATION,
    "data_source_id",
    content=lambda told: Content(query=_text(told["arguments"].get("str_or_query_bundle"))),
    output=lambda found: Documents([(read_text(item, "node.node_id"), read(item, "score")) for item in listed(found)]),
)
MODEL = Operation(
    name=names.CHAT,
    request=_model,
    response=lambda result: Response(model=read_text(result, "raw.model"), usage=_usage(result)),
    content=lambda told: Content(_messages(told["arguments"].get("messages"))),
    output=_answered,
)


def whose_turn(method: str, told: Arguments) -> str | None:
    """The agent that this step of a workflow of several agents prepares; None for all other steps."""
    prepares = method == f"{_SEVERAL}setup_agent"
    return read_text(told["arguments"].get("ev"), "current_agent_name") if prepares else None


def in_a_turn(method: str) -> bool:
    """Whether this is a step of a workflow of several agents, which is a part of the turn of one of them."""
    return method.startswith(_SEVERAL) and not method.endswith(".run")


def kind(method: str, told: Arguments, parent: str) -> tuple[Operation | None, str | None]:
    """What a span of this method is shown as, and after what it is named; None for the steps in between."""
    owner, event = told["instance"], told["arguments"].get("ev")
    bases = {base.__name__ for base in type(owner).__mro__}
    called = method.rpartition(".")[2]
    found: tuple[Operation | None, str | None] = None, None
    if called == "call_tool" and event is not None:
        found = TOOL, read_text(event, "tool_name")
    elif called in {"call", "acall"} and "BaseTool" in bases and ".call_tool-" not in parent:
        found = TOOL, read_text(owner, "metadata.name")
    elif called == "run" and "BaseWorkflowAgent" in bases:
        found = AGENT, read_text(owner, "name")
    elif (called == "run" and "Workflow" in bases) or (called in _QUESTIONS and bases & _ENGINES):
        found = WORKFLOW, type(owner).__name__
    elif called in {"retrieve", "aretrieve"} and "BaseRetriever" in bases:
        found = RETRIEVAL, type(owner).__name__
    elif called in _MODEL_METHODS and "BaseLLM" in bases:
        found = MODEL, None
    elif event is not None and ".run-" in parent and not method.startswith(_OWN_STEPS):
        found = TASK, called
    return found
