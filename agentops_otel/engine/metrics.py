"""Metrics: the GenAI conventions' histograms and counters, for users who have a MeterProvider."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics

from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.engine.call import Call

_SECONDS = tuple(0.01 * 2**n for n in range(14))
_TOKENS = tuple(4**n for n in range(14))
_USAGE = (
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
    names.CACHE_READ_TOKENS,
    names.CACHE_WRITE_TOKENS,
    names.REASONING_TOKENS,
)
_MODALITY = "gen_ai.token.modality"


class Metrics:
    """Records what each model call took and used, through the metrics API: without a MeterProvider it does nothing."""

    def __init__(self, scope: str, version: str) -> None:
        meter = metrics.get_meter(scope, version)
        prefix = "gen_ai.client.inference."

        def histogram(name: str, unit: str, bounds: tuple[float, ...]) -> Any:
            return meter.create_histogram(prefix + name, unit=unit, explicit_bucket_boundaries_advisory=bounds)

        self._duration = histogram("duration", "s", _SECONDS)
        self._first_chunk = histogram("time_to_first_chunk", "s", _SECONDS)
        self._input = histogram("operation.input_tokens", "{token}", _TOKENS)
        self._output = histogram("operation.output_tokens", "{token}", _TOKENS)
        self._usage = {
            name: meter.create_counter(prefix + name.removeprefix("gen_ai."), unit="{token}") for name in _USAGE
        }

    @staticmethod
    def wanted() -> bool:
        """Whether anybody listens: a MeterProvider that is not the API's own."""
        return not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")

    def record(self, call: Call, attributes: Mapping[str, Any]) -> None:
        """Record one finished call of a provider's."""
        if not call.operation.billed:
            return
        server = call.sent.server
        common = {
            names.OPERATION_NAME: call.operation.name,
            names.PROVIDER_NAME: server.provider,
            names.REQUEST_MODEL: call.request.model,
            names.RESPONSE_MODEL: attributes.get(names.RESPONSE_MODEL),
            names.SERVER_ADDRESS: server.address,
            names.SERVER_PORT: server.port,
        }
        common = {name: value for name, value in common.items() if value is not None}
        error = attributes.get(names.ERROR_TYPE)
        outcome = {**common, names.ERROR_TYPE: error} if error else common
        self._duration.record(time.perf_counter() - call.started, outcome)
        if names.RESPONSE_TIME_TO_FIRST_CHUNK in attributes:
            self._first_chunk.record(attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK], common)
        self._tokens(attributes, common, outcome)

    def _tokens(self, attributes: Mapping[str, Any], common: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        known = names.INPUT_TOKENS in attributes or names.OUTPUT_TOKENS in attributes
        kind = {**common, _MODALITY: "text" if known else "unknown"}
        for name, counter in self._usage.items():
            if name in attributes or name in {names.INPUT_TOKENS, names.OUTPUT_TOKENS}:
                counter.add(attributes.get(name, 0), kind)
        if names.INPUT_TOKENS in attributes:
            self._input.record(attributes[names.INPUT_TOKENS], outcome)
        if names.OUTPUT_TOKENS in attributes:
            self._output.record(attributes[names.OUTPUT_TOKENS], outcome)
