"""Salvage: the spans of a request that can be read, where one that cannot would cost them all."""

from __future__ import annotations

import functools
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from agentops_otel.server.wire import PROTOBUF, loaded

_PACKAGE: Final = "agentops_otel.layers"
_LAYERS: Final = {"Request": {1: True}, "Group": {1: False, 2: True}, "Part": {1: False, 2: True}}
"""The messages around spans, with their fields as bytes: whether they are repeated, by number."""
_BROKEN: Final = (DecodeError, KeyError, ParseError, ValueError, TypeError, AttributeError, RecursionError)


def salvaged(body: bytes, kind: str) -> tuple[ExportTraceServiceRequest, int] | None:
    """A request of the spans that can be read, and how many cannot; None where the body as a whole cannot be.

    Resources and scopes that cannot be read are left out, and their spans kept.
    """
    request, lost = ExportTraceServiceRequest(), 0
    try:
        groups = _of_protobuf(body) if kind == PROTOBUF else _of_json(body)
        for resource, parts in groups:
            group = ResourceSpans()
            _merge(group.resource, resource)
            for scope, spans in parts:
                part = ScopeSpans()
                _merge(part.scope, scope)
                read = [found for found in (_span(span) for span in spans) if found is not None]
                lost += len(spans) - len(read)
                part.spans.extend(read)
                group.scope_spans.append(part)
            request.resource_spans.append(group)
    except _BROKEN:
        return None
    is_empty = not any(part.spans for group in request.resource_spans for part in group.scope_spans)
    return None if is_empty else (request, lost)


def _of_protobuf(body: bytes) -> list[Any]:
    request, group, part = _layers()
    groups = [group.FromString(found) for found in request.FromString(body).f1]
    return [
        (found.f1, [(inner.f1, list(inner.f2)) for inner in (part.FromString(told) for told in found.f2)])
        for found in groups
    ]


def _of_json(body: bytes) -> list[Any]:
    return [
        (
            group.get("resource"),
            [(part.get("scope"), part.get("spans") or []) for part in group.get("scopeSpans") or []],
        )
        for group in loaded(body)["resourceSpans"]
    ]


def _merge(place: Any, told: Any) -> None:
    made = type(place)()
    try:
        if isinstance(told, bytes):
            made.ParseFromString(told)
        elif told is not None:
            ParseDict(told, made, ignore_unknown_fields=True)
    except _BROKEN:
        return
    place.CopyFrom(made)


def _span(told: Any) -> Span | None:
    try:
        span = Span()
        if isinstance(told, bytes):
            span.ParseFromString(told)
        else:
            ParseDict(told, span, ignore_unknown_fields=True)
    except _BROKEN:
        return None
    return span


@functools.cache
def _layers() -> list[Any]:
    """Message classes for the layers around spans, which leave what is in them as bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="agentops_otel/layers.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _LAYERS.items():
        layer = file.message_type.add(name=name)
        for number, is_repeated in fields.items():
            kind = descriptor_pb2.FieldDescriptorProto
            label = kind.LABEL_REPEATED if is_repeated else kind.LABEL_OPTIONAL
            layer.field.add(name=f"f{number}", number=number, type=kind.TYPE_BYTES, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _LAYERS]
