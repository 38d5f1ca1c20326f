"""StoreExporter: the OpenTelemetry span exporter that writes to a store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from agentops_otel.accounting.record import SpanRecord, record_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from agentops_otel.store.base import Store

logger = logging.getLogger(__name__)


class StoreExporter(SpanExporter):
    """Writes finished spans to `store`, for any span processor of OpenTelemetry.

    Nothing is raised: an export that fails says so by its result, and the first of a row of failures is
    logged. A span that cannot be read is left out; the others of its batch are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._is_shut_down = False
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep these spans before returning."""
        if self._is_shut_down:
            return SpanExportResult.FAILURE
        try:
            records = [record for record in map(_record, spans) if record is not None]
            self.store.insert(records)
        except Exception as error:  # an exporter that raises stops the processor's thread
            if not self._is_failing:
                logger.warning("spans are not kept: %s", error)
            self._is_failing = True
            return SpanExportResult.FAILURE
        self._is_failing = False
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the interface has it
        """True: nothing waits, for an export is kept before it returns."""
        return True

    def shutdown(self) -> None:
        """Close the store; every later export fails."""
        self._is_shut_down = True
        try:
            self.store.close()
        except Exception as error:
            logger.warning("the store did not close: %s", error)


def _record(span: ReadableSpan) -> SpanRecord | None:
    try:
        return record_of(span)
    except Exception as error:
        logger.debug("a span that cannot be read is left out: %r", error)
        return None
