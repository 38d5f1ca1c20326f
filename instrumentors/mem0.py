"""Mem0: what is searched, kept, changed and deleted in a memory; clients tell of the model calls on the way."""

from __future__ import annotations

from typing import Any, ClassVar

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names
from agentops_otel.conventions.model import Content, Memories, Request, Response
from agentops_otel.engine import Arguments, Instrumentor, Operation, Sent, Server, listed, read, read_text

_OPERATIONS = {
    "add": names.CREATE_MEMORY,
    "search": names.SEARCH_MEMORY,
    "get": names.SEARCH_MEMORY,
    "get_all": names.SEARCH_MEMORY,
    "update": names.UPDATE_MEMORY,
    "delete": names.DELETE_MEMORY,
    "delete_all": names.DELETE_MEMORY,
    "reset": names.DELETE_MEMORY_STORE,
}
_GIVEN = {"add", "update"}


def _found(answer: Any) -> list[Any] | None:
    """The records of an answer: several under a name, a bare list, or one alone; None where it is about none."""
    records = read(answer, "results") if isinstance(answer, dict) else answer
    if isinstance(records, (list, tuple)):
        return list(records)
    return [answer] if read_text(answer, "memory") is not None else None


def _request(told: Arguments) -> Request:
    more = {
        names.MEMORY_STORE_ID: read_text(told["instance"], "collection_name"),
        names.MEMORY_RECORD_ID: told.get("memory_id"),
    }
    return Request(more={name: value for name, value in more.items() if isinstance(value, str)})


def _response(answer: Any) -> Response:
    records = _found(answer)
    return Response(more=None if records is None else {names.MEMORY_RECORD_COUNT: len(records)})


def _memories(answer: Any) -> Memories:
    told = [(read_text(item, "memory"), read_text(item, "id"), read(item, "score")) for item in _found(answer) or ()]
    return Memories([(content, name, score) for content, name, score in told if content is not None])


def _asked(told: Arguments) -> Content:
    query = told.get("query")
    return Content(memory_query=query if isinstance(query, str) else None)


def _given(told: Arguments) -> Content:
    """What is to be kept: a text, or what was said in messages."""
    text = told.get("text") or told.get("data") or read_text(told.get("options"), "text")
    messages = told.get("messages", text)
    texts = [item if isinstance(item, str) else read_text(item, "content") for item in listed(messages) or [messages]]
    name = told.get("memory_id")
    return Content(memories=Memories([(text, name, None) for text in texts if text]))


def _operation(method: str, span_kind: SpanKind) -> Operation:
    return Operation(
        name=_OPERATIONS[method],
        kind=names.KIND_OPERATION,
        span_kind=span_kind,
        request=_request,
        response=_response,
        content=_given if method in _GIVEN else _asked,
        output=_memories,
    )


def _targets(module: str, kind: SpanKind, *classes: str) -> dict[str, Operation]:
    made = {method: _operation(method, kind) for method in _OPERATIONS}
    return {f"{module}:{name}.{method}": told for name in classes for method, told in made.items()}


class Mem0Instrumentor(Instrumentor):
    """mem0ai: memories in the process, and those of Mem0's own service."""

    library = "mem0"
    distribution = "mem0ai"
    requires = ">=2.2,<3"
    provider = "mem0"
    told_by = (frozenset({"mem0"}),)
    targets: ClassVar = {
        **_targets("mem0.memory.main", SpanKind.INTERNAL, "Memory", "AsyncMemory"),
        **_targets("mem0.client.main", SpanKind.CLIENT, "MemoryClient", "AsyncMemoryClient"),
    }

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call; of Mem0's service where it is one of its clients that asks, whose methods call each other."""
        if operation is None:
            return None
        host = read_text(instance, "host")
        server = Server(self.provider) if host is None else Server.at(self.provider, host)
        return Sent(operation, {**arguments, "instance": instance}, server, self.library, whose=instance)
