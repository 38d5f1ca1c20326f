"""MCP: requests of a client to a server and back; tools that a server runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Request, Response, ToolResult
from agentops_otel.engine import (
    Arguments,
    Instrumentor,
    Operation,
    Sent,
    Server,
    Shape,
    fields,
    listed,
    read,
    read_text,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context

_CALL_TOOL = "tools/call"
_KEPT_ALIVE = "ping"
_SERVED = {"call_tool": _CALL_TOOL, "get_prompt": "prompts/get", "read_resource": "resources/read"}


def _asked(arguments: Arguments) -> Any:
    """The request itself: mcp 1 wraps it in a model of its own."""
    request = arguments.get("request")
    return read(request, "root", request)


def _about(method: str, params: Any) -> Request:
    """What a request is about, by what its method acts on."""
    name = read_text(params, "name")
    uri = read(params, "uri")
    more = {names.MCP_METHOD: method, names.MCP_RESOURCE: None if uri is None else str(uri)}
    if method == _CALL_TOOL:
        return Request(tool_name=name, more=more)
    return Request(more={**more, names.PROMPT_NAME: name if method == "prompts/get" else None})


def _request(arguments: Arguments) -> Request:
    asked = _asked(arguments)
    about = _about(str(read(asked, "method")), read(asked, "params"))
    about.more = {**(about.more or {}), names.MCP_PROTOCOL: arguments.get("protocol_version")}
    return about


def _field(answer: Any, name: str, before: str) -> Any:
    """A field by its name in mcp 2; by the older one only where there is no other, for fastmcp warns of that."""
    return read(answer, name if hasattr(answer, name) else before)


def _response(answer: Any) -> Response:
    """A tool that failed says so in an answer that is no error of the protocol; an error carries a code."""
    code = read(answer, "code")
    if code is not None:
        return Response(error=str(code), more={names.RPC_STATUS: str(code)})
    failed = _field(answer, "is_error", "isError") is True
    return Response(error=names.TOOL_ERROR if failed else None)


def _output(answer: Any) -> ToolResult:
    """What a tool answered: its structured result, else its texts."""
    told = _field(answer, "structured_content", "structuredContent")
    blocks = listed(read(answer, "content"))
    texts = [read(block, "text") for block in blocks]
    if told is not None:
        return ToolResult(told)
    return ToolResult("\n".join(map(str, texts)) if all(texts) else [fields(block) for block in blocks])


def _carry(arguments: Arguments, context: Context) -> None:
    """Give the server the trace context in `params._meta`; mcp 2 does so itself."""
    params = read(arguments.get("request"), "root.params")
    if params is None:
        return
    carried: dict[str, str] = {}
    inject(carried, context)
    if read(params, "meta") is None and carried:
        params.meta = type(params).Meta(**carried)
    else:
        for name, value in carried.items():
            setattr(params.meta, name, value)


_REQUEST = Operation(name=names.MCP_REQUEST, request=_request, response=_response, kind="", carry=_carry)
_TOOL = replace(
    _REQUEST,
    name=names.EXECUTE_TOOL,
    kind=names.KIND_TOOL,
    content=lambda told: Content(arguments=read(_asked(told), "params.arguments")),
    output=_output,
)


def _served(method: str) -> Operation:
    """A request that FastMCP serves, as its public methods see it."""

    def request(arguments: Arguments) -> Request:
        return _about(method, arguments)

    def output(answer: Any) -> ToolResult:
        return _output(answer if read(answer, "content") is not None else Shape(structured_content=answer))

    kind = names.EXECUTE_TOOL if method == _CALL_TOOL else names.MCP_REQUEST
    return Operation(
        name=kind,
        title=method,
        request=request,
        response=_response,
        kind=names.KIND_TOOL if kind == names.EXECUTE_TOOL else "",
        span_kind=SpanKind.SERVER,
        content=(lambda told: Content(arguments=told.get("arguments"))) if kind == names.EXECUTE_TOOL else None,
        output=output if kind == names.EXECUTE_TOOL else None,
    )


class MCPInstrumentor(Instrumentor):
    """mcp: requests of clients, and of servers to their clients; tools, prompts and resources of FastMCP's servers.

    mcp 2 makes spans of its own. Those of its servers are what the conventions ask for, and are kept; those of
    its clients tell less than ours, and are left out of sessions.
    """

    library = "mcp"
    requires = ">=1.23,<3"
    targets: ClassVar = {
        "mcp:ClientSession.send_request": None,
        "mcp:ServerSession.send_request": None,
        **{f"mcp.server.fastmcp:FastMCP.{name}": _served(method) for name, method in _SERVED.items()},
    }

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of calls that are captured."""
        return [_TOOL, _REQUEST]

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The request; None for a keep-alive, and for a tool call that a span around it tells of already."""
        if operation is not None:
            subject = read_text(arguments, "name")
            context = _caller(instance)
            titled = replace(operation, title=f"{operation.title} {subject}" if subject else operation.title)
            return Sent(titled, arguments, Server(""), self.library, context)
        asked = _asked(arguments)
        method, subject = str(read(asked, "method")), read_text(asked, "params.name")
        if method == _KEPT_ALIVE:
            return None
        told = {**arguments, "protocol_version": read(instance, "protocol_version")}
        current = trace.get_current_span()
        if method == _CALL_TOOL and _tells_of(current, subject):
            current.set_attributes({name: value for name, value in (_request(told).more or {}).items() if value})
            _carry(arguments, trace.set_span_in_context(current))
            return None
        titled = replace(
            _TOOL if method == _CALL_TOOL else _REQUEST, title=f"{method} {subject}" if subject else method
        )
        return Sent(titled, told, Server(""), self.library)

    def answered(self, error: BaseException) -> Any:
        """The error that the other side answered with."""
        return read(error, "error")


def _tells_of(span: Any, tool: str | None) -> bool:
    """Whether this span is the run of the tool that is called: a framework's, or a decorated function's."""
    told = getattr(span, "attributes", None) or {}
    runs = told.get(names.OPERATION_NAME) == names.EXECUTE_TOOL
    return runs and told.get(names.TOOL_NAME) == tool and names.MCP_METHOD not in told


def _caller(server: Any) -> Context | None:
    """Where a served request comes from, if its caller says so in `params._meta`."""
    try:
        meta = server.get_context().request_context.meta
    except (LookupError, ValueError):  # called by the program itself, not by a client
        return None
    context = extract(
        {name: value for name, value in (read(meta, "model_extra") or {}).items() if isinstance(value, str)}
    )
    return context if trace.get_current_span(context).get_span_context().is_valid else None
