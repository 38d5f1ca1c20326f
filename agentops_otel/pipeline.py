"""Pipeline: resource, tracer provider, session processor, delivery: built once from a configuration."""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from agentops_otel import host
from agentops_otel.accounting.prices import Prices, own_prices
from agentops_otel.conventions import names, secrets
from agentops_otel.delivery import Delivery, Receiver
from agentops_otel.receivers import ExporterReceiver, OtlpReceiver, StoreReceiver
from agentops_otel.redaction import Redaction
from agentops_otel.sessions.identity import SessionIds
from agentops_otel.sessions.processor import SessionProcessor
from agentops_otel.sessions.spans import OwnTracer, Provider, settings_allow
from agentops_otel.store.paths import resolve
from agentops_otel.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.trace import Tracer

    from agentops_otel.configuration import Configuration
    from agentops_otel.faults import Faults
logger = logging.getLogger("agentops_otel")

SCOPE = "agentops_otel"
_SCHEMA = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
_STANDARD_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def package_version() -> str:
    """The version of this package; "0" in a checkout that is not installed."""
    try:
        return version("agentops_otel")
    except PackageNotFoundError:
        return "0"


@dataclass(slots=True)
class Pipeline:
    """What spans pass through, from the tracer to where they are kept."""

    provider: Any
    """The tracer provider: the program's own if it has one, else ours."""
    tracer: Tracer
    tracer_of: Callable[[str], Tracer]
    """The tracer for the calls of a library, by its import name."""
    processor: SessionProcessor
    delivery: Delivery
    ids: SessionIds | None
    endpoint: str | None
    """Where spans are sent; None: to the local store only."""
    store: SQLiteStore | None
    """The local store, if records go there."""
    joined: bool
    """Whether the tracer provider is the program's own."""


def build(config: Configuration, faults: Faults, receivers: Sequence[Receiver] | None = None) -> Pipeline:
    """The pipeline that this configuration asks for; the program's own tracer provider is joined, if it has one."""
    provider, joined = _provider(config)
    endpoint = None
    if receivers is None:
        receivers, endpoint = _receivers(config, faults, joined=joined)
    prices = Prices(own_prices(config.prices, _refuse))
    redaction = Redaction(config.redact, faults, (config.api_key, config.parent_key))
    delivery = Delivery(receivers, faults, None if config.env_data_opt_out else host.resource, redaction)
    processor = SessionProcessor(
        prices,
        faults,
        max_queue_size=config.max_queue_size,
        max_queue_bytes=config.max_queue_bytes,
        everything=config.export == "all",
        aliases=config.cost_aliases,
    )
    delivery.serve(processor)
    provider.add_span_processor(processor)
    if config.processor is not None:
        provider.add_span_processor(config.processor)

    owned = isinstance(provider, Provider) and settings_allow()

    @functools.cache
    def tracer_of(library: str) -> Tracer:
        scope = f"{SCOPE}.{library}" if library else SCOPE
        made: Tracer = provider.get_tracer(scope, package_version(), schema_url=_SCHEMA)
        return OwnTracer(made, provider, processor, (scope, package_version())) if owned else made

    tracer = tracer_of("")
    store = next((receiver.store for receiver in receivers if isinstance(receiver, StoreReceiver)), None)
    ids = _session_ids(provider, tracer, joined=joined)
    return Pipeline(provider, tracer, tracer_of, processor, delivery, ids, endpoint, store, joined)


def _refuse(model: str, error: ValueError) -> None:
    logger.warning("the price of %s is not used: %s", model, error)


def _provider(config: Configuration) -> tuple[Any, bool]:
    """The provider to use, and whether it is the program's own."""
    if not config.isolated:
        current = trace.get_tracer_provider()
        if hasattr(current, "add_span_processor"):
            return current, True
    ours = Provider(resource=_resource(config), id_generator=SessionIds(), shutdown_on_exit=False)
    if not config.isolated:
        if isinstance(current, trace.ProxyTracerProvider):
            trace.set_tracer_provider(ours)
        else:
            logger.info(
                "the program's %s takes no span processors; sessions use a provider of their own",
                type(current).__name__,
            )
    return ours, False


def _resource(config: Configuration) -> Resource:
    told: dict[str, Any] = {names.PROJECT_ID: config.project_id}
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not named:
        told[SERVICE_NAME] = "agentops_otel"
    return Resource.create(told)


def _session_ids(provider: Any, tracer: Any, *, joined: bool) -> SessionIds | None:
    """How to choose a session's ids: our provider's generator, or one put before that of our own tracer."""
    if not joined:
        ids: SessionIds = provider.id_generator
        return ids
    others = getattr(tracer, "id_generator", None)
    if isinstance(others, SessionIds):
        return others
    if others is None:
        return None
    tracer.id_generator = SessionIds(others)
    return tracer.id_generator  # type: ignore[no-any-return]


def _receivers(config: Configuration, faults: Faults, *, joined: bool) -> tuple[list[Receiver], str | None]:
    """Where records go, and the endpoint among them."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return [], None
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    endpoint = config.receiver
    if endpoint is None and not joined and wanted in {"", "otlp"}:
        # A provider of the program's own exports to the standard endpoint by itself: twice would be once too often.
        endpoint = next((value for name in _STANDARD_ENDPOINTS if (value := os.environ.get(name, "").strip())), None)
        if endpoint is None and wanted == "otlp":
            endpoint = "http://localhost:4318"
    if config.exporter is not None:
        return [ExporterReceiver(config.exporter)], type(config.exporter).__name__
    if endpoint is not None:
        receiver = OtlpReceiver(config, faults)
        return [receiver], secrets.shown(endpoint)
    if wanted == "none" and not joined:
        return [], None
    if wanted == "console" and not joined:
        return [ExporterReceiver(ConsoleSpanExporter())], "the console"
    return [StoreReceiver(SQLiteStore(resolve(config.store)), faults)], None
