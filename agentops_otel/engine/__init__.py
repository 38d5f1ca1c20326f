"""Captures a call: the face that instrumentors are written on; it knows no library and no session."""

from agentops_otel.engine.adopted import AdoptingProvider, add_content
from agentops_otel.engine.call import Call, Place, Recorder
from agentops_otel.engine.instrumentor import Instrumentor
from agentops_otel.engine.operation import Arguments, Operation, Sent, Server
from agentops_otel.engine.reading import Shape, fields, listed, parsed, read, read_text
from agentops_otel.engine.registry import Registry
from agentops_otel.engine.runs import Run, Runs

__all__ = [
    "AdoptingProvider",
    "Arguments",
    "Call",
    "Instrumentor",
    "Operation",
    "Place",
    "Recorder",
    "Registry",
    "Run",
    "Runs",
    "Sent",
    "Server",
    "Shape",
    "add_content",
    "fields",
    "listed",
    "parsed",
    "read",
    "read_text",
]
