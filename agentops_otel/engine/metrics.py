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
_PARTS = {
    names.INPUT_TOKENS: {
        "text": names.TEXT_INPUT_TOKENS,
        "audio": names.AUDIO_INPUT_TOKENS,
        "image": names.IMAGE_INPUT_TOKENS,
    },
    names.OUTPUT_TOKENS: {
        "text": names.TEXT_OUTPUT_TOKENS,
        "audio": names.AUDIO_OUTPUT_TOKENS,
        "image": names.IMAGE_OUTPUT_TOKENS,
    },
    names.CACHE_READ_TOKENS: {"audio": names.AUDIO_CACHE_READ_TOKENS, "image": names.IMAGE_CACHE_READ_TOKENS},
}
"""Where the parts of a count by modality stand, if the provider tells them."""


class Metrics:
    """Records what each model call took and used, through the metrics API: without a MeterProvider it does nothing.

    The conventions have no metrics of embeddings but their duration.
    """

    def __init__(self, scope: str, version: str) -> None:
        meter = metrics.get_meter(scope, version)
        prefix = "gen_ai.client.inference."

        def histogram(name: str, unit: str, bounds: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit=unit, explicit_bucket_boundaries_advisory=bounds)

        self._embedding = histogram("gen_ai.client.operation.duration", "s", _SECONDS)
        self._duration = histogram(f"{prefix}duration", "s", _SECONDS)
        self._first_chunk = histogram(f"{prefix}time_to_first_chunk", "s", _SECONDS)
        self._spread = {
            names.INPUT_TOKENS: histogram(f"{prefix}operation.input_tokens", "{token}", _TOKENS),
            names.OUTPUT_TOKENS: histogram(f"{prefix}operation.output_tokens", "{token}", _TOKENS),
        }
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
        seconds = (call.ended or time.perf_counter()) - call.started
        if call.operation.name == names.EMBEDDINGS:
            self._embedding.record(seconds, outcome)
            return
        self._duration.record(seconds, outcome)
        if names.RESPONSE_TIME_TO_FIRST_CHUNK in attributes:
            self._first_chunk.record(attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK], common)
        for name, counter in self._usage.items():
            if name in attributes or name in self._spread:
                for modality, tokens in _by_modality(attributes, name).items():
                    counter.add(tokens, {**common, _MODALITY: modality})
        for name, spread in self._spread.items():
            if name in attributes:
                spread.record(attributes[name], outcome)


def _by_modality(attributes: Mapping[str, Any], name: str) -> dict[str, int]:
    """A count by modality; all of it is `unknown` where the provider does not tell."""
    total: int = attributes.get(name, 0)
    parts = {modality: attributes.get(part) for modality, part in _PARTS.get(name, {}).items()}
    told = {modality: tokens for modality, tokens in parts.items() if tokens is not None}
    rest = total - sum(told.values())
    if not told or rest < 0:
        return {"unknown": total}
    others = "unknown" if "text" in told else "text"
    return {modality: tokens for modality, tokens in {**told, others: rest}.items() if tokens} or {others: 0}
