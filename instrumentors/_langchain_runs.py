"""LangChain's runs: what each of them is shown as, and how it is read."""

from __future__ import annotations

from typing import Any

from agentops_otel_instrumentors import _langchain_messages as messages
from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Documents, Request, Response, ToolResult
from agentops_otel.engine import Arguments, Operation, listed, read, read_text

PROVIDERS = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
_HIDDEN = "langsmith:hidden"


def _operation(name: str, kind: str, subject: str = "", **reading: Any) -> Operation:
    return Operation(
        name=name,
        request=lambda told: Request(**{subject: told["name"]}),
        response=lambda _: Response(),
        kind=kind,
        span_kind=SpanKind.INTERNAL,
        **reading,
    )


def _said(told: Arguments) -> Content:
    return Content(messages.messages(told["inputs"]))


AGENT = _operation(names.INVOKE_AGENT, names.KIND_AGENT, "agent_name", content=_said, output=messages.last)
WORKFLOW = _operation(names.INVOKE_WORKFLOW, names.KIND_WORKFLOW, "workflow_name", content=_said, output=messages.last)
TASK = _operation(names.TASK, names.KIND_TASK, "name")
TOOL = Operation(
    name=names.EXECUTE_TOOL,
    request=lambda told: Request(
        tool_name=told["name"],
        tool_type="function",
        tool_description=read_text(told["serialized"], "description"),
        tool_call_id=told.get("tool_call_id"),
    ),
    response=lambda answer: Response(error="tool_error" if read(answer, "status") == "error" else None),
    content=lambda told: Content(arguments=told.get("inputs") or told["input"]),
    output=lambda answer: ToolResult(read(answer, "content") if read(answer, "type") == "tool" else answer),
    kind=names.KIND_TOOL,
    span_kind=SpanKind.INTERNAL,
)
RETRIEVAL = _operation(
    names.RETRIEVAL,
    names.KIND_OPERATION,
    "data_source_id",
    content=lambda told: Content(query=told["query"]),
    output=lambda found: Documents([(read_text(item, "id"), read(item, "metadata.score")) for item in listed(found)]),
)


def _asked(told: Arguments) -> Request:
    params, metadata = told.get("invocation_params"), told.get("metadata")
    model = read_text(params, "model") or read_text(params, "model_name") or read_text(metadata, "ls_model_name")
    return Request(
        model=model,
        stream=read(params, "stream") is True,
        temperature=read(metadata, "ls_temperature"),
        max_tokens=read(metadata, "ls_max_tokens"),
    )


CHAT = Operation(
    name=names.CHAT,
    request=_asked,
    response=messages.response,
    content=lambda told: Content(messages.messages(next(iter(told["messages"]), ()))),
    output=messages.answered,
)
COMPLETION = Operation(
    name=names.TEXT_COMPLETION,
    request=_asked,
    response=messages.response,
    content=lambda told: Content(messages.messages(list(told["messages"]))),
    output=messages.answered,
)


def chain(name: str | None, told: Arguments) -> Operation | None:
    """What a chain is shown as: an agent, a workflow, a node of a graph; None for the steps in between."""
    tags, metadata = listed(told.get("tags")), told.get("metadata") or {}
    if _HIDDEN in tags or told.get("run_type") in {"prompt", "parser"}:
        return None
    is_root = told.get("parent_run_id") is None
    of_agent = metadata.get("ls_integration") == "langchain_create_agent"
    if any(str(tag).startswith("graph:step:") for tag in tags):
        return None if of_agent else TASK  # the nodes of an agent are how it is made
    if name == "AgentExecutor" or (of_agent and (name == metadata.get("lc_agent_name") or is_root)):
        return AGENT
    return WORKFLOW if is_root else None
