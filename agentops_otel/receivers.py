"""Receivers: the two places that records are delivered to, the local store and any OTLP endpoint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.re import parse_env_headers

from agentops_otel.conventions import names
from agentops_otel.store.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.configuration import Configuration
    from agentops_otel.faults import Faults
    from agentops_otel.store.sqlite import SQLiteStore

KEY_HEADER = "x-agentops-api-key"
_TRACES_PATH = "/v1/traces"


class StoreReceiver:
    """Keeps records in a store on this machine, start records too."""

    def __init__(self, store: SQLiteStore, faults: Faults) -> None:
        self.store = store
        self.name = "the local store"
        self._faults = faults

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Insert them; of a batch that fails, each by itself, so that one bad record loses only itself."""
        for record in records:
            if record.end_time is None:
                owner = Owner.claim(self.store.owners).name
                record.attributes = {**record.attributes, names.OWNER: owner}
        try:
            self.store.insert(records)
        except (TypeError, ValueError) as error:
            self._faults.note("store.insert", error)
            return all(self._deliver_one(record) for record in records)
        return True

    def _deliver_one(self, record: SpanRecord) -> bool:
        try:
            self.store.insert([record])
        except (TypeError, ValueError) as error:
            self._faults.note("store.insert", error)
            return False
        return True

    def close(self) -> None:
        """Close the store's files."""
        self.store.close()

    def after_fork(self) -> None:
        """The store looks after itself."""


class ExporterReceiver:
    """Gives records to any SpanExporter, as spans."""

    def __init__(self, exporter: Any, name: str | None = None) -> None:
        self.name = name or type(exporter).__name__
        self._exporter = exporter

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Export those that have ended; False if the exporter did not take them."""
        spans = [span_of(record) for record in records if record.end_time is not None]
        if not spans:
            return True
        return bool(self._exporter.export(spans).name == "SUCCESS")

    def close(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def after_fork(self) -> None:
        """The exporter is the program's own, and so is what it does in a child."""


class OtlpReceiver(ExporterReceiver):
    """Sends records to an OTLP endpoint through the stock exporter; HTTP unless the standard variables say gRPC."""

    def __init__(self, config: Configuration, endpoint: str) -> None:
        self.name = endpoint
        self._config = config
        self._explicit = config.receiver is not None
        # Made, and imported, now: while a process ends, the SDK's modules cannot be imported any more.
        super().__init__(self._made(), endpoint)

    def after_fork(self) -> None:
        """A connection cannot be shared with the parent."""
        self._exporter = self._made()

    def _made(self) -> Any:
        if self._protocol() == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - gRPC is slow to import
                OTLPSpanExporter as GrpcExporter,
            )

            options: dict[str, Any] = {"headers": tuple(self._headers().items()) or None}
            if self._explicit:
                options |= {"endpoint": self.name, "insecure": not self.name.startswith("https")}
            return GrpcExporter(**options)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - not without an endpoint
            OTLPSpanExporter as HttpExporter,
        )

        options = {"headers": self._headers() or None}
        if self._explicit:
            options["endpoint"] = traces_url(self.name)
        return HttpExporter(**options)

    @staticmethod
    def _protocol() -> str:
        for variable in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
            told = os.environ.get(variable, "").strip().lower()
            if told:
                return told
        return "http/protobuf"

    def _headers(self) -> Mapping[str, str]:
        """The key beside the headers of the standard variables, which the exporter reads only without ours."""
        if not self._config.api_key:
            return {}
        told = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS", os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
        return {**parse_env_headers(told, liberal=True), KEY_HEADER: self._config.api_key}


def traces_url(endpoint: str) -> str:
    """The URL that traces are posted to, for the base URL of a receiver; a URL with a path is taken as it is."""
    base, _, rest = endpoint.partition("://")
    host, slash, path = rest.partition("/")
    return endpoint if slash and path else f"{base}://{host}{_TRACES_PATH}"


def span_of(record: SpanRecord) -> ReadableSpan:
    """The record as a span that any exporter takes."""
    trace_id = int(record.trace_id, 16)
    flags = TraceFlags(TraceFlags.SAMPLED)
    parent = None
    if record.parent_id is not None:
        parent = SpanContext(trace_id, int(record.parent_id, 16), is_remote=False, trace_flags=flags)
    return ReadableSpan(
        name=record.name,
        context=SpanContext(trace_id, int(record.span_id, 16), is_remote=False, trace_flags=flags),
        parent=parent,
        resource=Resource(dict(record.resource)),
        attributes=dict(record.attributes),
        events=[Event(event["name"], event["attributes"], event["timestamp"]) for event in record.events],
        links=[_link(link) for link in record.links],
        kind=SpanKind[record.kind.upper()],
        status=Status(StatusCode[record.status.upper()], record.status_message),
        start_time=record.start_time,
        end_time=record.end_time,
        instrumentation_scope=InstrumentationScope(record.scope, record.scope_version),
    )


def _link(link: Mapping[str, Any]) -> Link:
    context = SpanContext(int(link["trace_id"], 16), int(link["span_id"], 16), is_remote=True)
    return Link(context, link["attributes"])
