"""Intake: the one way of OTLP requests into a store, whichever protocol brings them."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agentops_otel.accounting.dialects import translate
from agentops_otel.accounting.enrichment import enrich
from agentops_otel.accounting.prices import Prices
from agentops_otel.server.reading import spans_of, starts_of
from agentops_otel.server.salvage import salvaged
from agentops_otel.server.wire import IntakeError, Limits, inflated, message
from agentops_otel.store.base import ReadOnlyError, StoreError
from agentops_otel.store.keys import DEFAULT_PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store.group import Writer

RETRY_SECONDS: Final = 5
_LEFT_OUT: Final = "{} spans are left out: illegible, or with ids that are not 16 and 8 bytes, or that are zero"


@dataclass(frozen=True)
class Signal:
    """One of the three kinds of telemetry that OTLP carries."""

    name: str
    request: type[Any]
    response: type[Any]

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return f"/v1/{self.name}"

    @property
    def service(self) -> str:
        """The gRPC service that takes it, by the method Export."""
        return str(self.request.DESCRIPTOR.full_name).removesuffix("Request").replace(".Export", ".")


TRACES: Final = Signal("traces", ExportTraceServiceRequest, ExportTraceServiceResponse)
LOGS: Final = Signal("logs", ExportLogsServiceRequest, ExportLogsServiceResponse)
METRICS: Final = Signal("metrics", ExportMetricsServiceRequest, ExportMetricsServiceResponse)
SIGNALS: Final = (TRACES, LOGS, METRICS)


class Taken(NamedTuple):
    """What one request brought: its records, and how many of its spans were left out."""

    records: list[SpanRecord]
    rejected: int


class Intake:
    """Takes requests in. Every method may be called from any thread, and blocks until the store has committed."""

    def __init__(self, store: Writer, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._store = store
        self._prices = Prices()
        # A request of many small parts is thirty times its size while it is read: one at a time.
        self._reading = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    @contextlib.contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Room for `size` more bytes of a request, as long as the block runs.

        Raises:
            IntakeError: there is none; status 503.
        """
        with self._counting:
            if self._waiting + size > self.limits.waiting:
                raise IntakeError("too much is being stored at this moment: send it again", 503, RETRY_SECONDS)
            self._waiting += size
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= size

    def take(self, signal: Signal, body: bytes, kind: str, encoding: str = "", project: str | None = None) -> Any:
        """Store what a request brings, and give the response that says so, as a message of OTLP.

        What is not left out is committed when this returns. Everything belongs to `project`, the one whose key came
        with the request: to "default" where no key is needed.

        Raises:
            IntakeError: the request cannot be taken, or not now.
        """
        with self._reading:
            taken = self._read(signal, inflated(body, encoding, self.limits.body), kind, project or DEFAULT_PROJECT)
        if taken.records:
            try:
                self._store.insert(taken.records)
            except ReadOnlyError as error:
                raise IntakeError(str(error), 403) from error  # to send it again would not help
            except StoreError as error:
                raise IntakeError(str(error), 503, RETRY_SECONDS) from error
        response = signal.response()
        if taken.rejected:
            response.partial_success.rejected_spans = taken.rejected
            response.partial_success.error_message = _LEFT_OUT.format(taken.rejected)
        return response

    def _read(self, signal: Signal, body: bytes, kind: str, project: str) -> Taken:
        if signal is TRACES:
            return records_of_request(body, kind, self._prices, project)
        # Metrics are not kept: there is nothing in them that spans do not say.
        return Taken(starts_of(message(body, kind, LOGS.request), project) if signal is LOGS else [], 0)


def records_of_request(body: bytes, kind: str, prices: Prices | None = None, project: str | None = None) -> Taken:
    """The spans of an ExportTraceServiceRequest as records, in current names, model calls with what they cost.

    `kind` is the media type; `prices` keeps what it has looked up, so callers keep one.

    Raises:
        IntakeError: not one span of it can be read.
    """
    lost = 0
    try:
        request = message(body, kind, TRACES.request)
    except IntakeError:
        found = salvaged(body, kind)
        if found is None:
            raise
        request, lost = found
    records, rejected = spans_of(request, project)
    prices = prices or Prices()
    for record in records:
        record.attributes = enrich(translate(record), prices, start_time=record.start_time)
    return Taken(records, rejected + lost)
