"""Pipeline: resource, tracer provider, session processor, delivery: built once from a configuration."""

from __future__ import annotations

import functools
import logging
import os
import shutil
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from agentops_otel import host
from agentops_otel.accounting.prices import Prices, own_prices
from agentops_otel.configuration import sdk_disabled
from agentops_otel.conventions import names, secrets
from agentops_otel.delivery import Delivery, Receiver
from agentops_otel.engine import Recorder
from agentops_otel.engine.metrics import Metrics
from agentops_otel.receivers import ExporterReceiver, OtlpReceiver, StoreReceiver
from agentops_otel.redaction import Redaction
from agentops_otel.sessions.ground import Ground
from agentops_otel.sessions.identity import SessionIds
from agentops_otel.sessions.processor import SessionProcessor
from agentops_otel.sessions.seat import Seats
from agentops_otel.sessions.spans import OwnTracer, Provider, follows_parents, is_unsampled, settings_allow
from agentops_otel.store.paths import resolve
from agentops_otel.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, Tracer

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.configuration import Configuration
    from agentops_otel.faults import Faults
    from agentops_otel.sessions.session import Session

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

    content: bool
    """Whether messages are captured."""
    drops: Callable[[SpanContext], bool]
    """Whether nothing that starts below this span is recorded."""

    def ground(
        self,
        config: Configuration,
        faults: Faults,
        on_end: Callable[[Session], None],
        here: Callable[[], Context | None],
    ) -> Ground:
        """What sessions stand on here; `on_end` is told of each that ends, `here` says where a span starts."""
        return Ground(
            self.tracer,
            self.processor,
            faults,
            self.ids,
            self.content,
            on_end,
            keep_file=self.keep_file if self.store is not None else None,
            host=lambda: host.environment(host.resource()),
            stored=partial(self.stored, seconds=config.max_wait_time / 1000, project=config.project_id)
            if self.store is not None
            else None,
            page=self.page,
            here=here,
        )

    def recorder(self, config: Configuration, faults: Faults, parent: Callable[[], Context | None]) -> Recorder:
        """Where calls go; `parent` says where one starts, if not in what is current."""
        return Recorder(
            self.tracer_of,
            faults,
            parent=parent,
            content=self.content,
            metrics=Metrics(SCOPE, package_version()) if config.metrics or Metrics.wanted() else None,
            enrich=self.processor.enrich_now,
            is_untold=self.processor.is_untold,
            drops=self.drops,
        )

    def page(self) -> str | None:
        """The URL below which the endpoint shows sessions, once it has told it."""
        receivers = self.delivery.receivers
        return next((receiver.page for receiver in receivers if isinstance(receiver, OtlpReceiver)), None)

    def stored(self, session_id: str, seconds: float, project: str | None = None) -> Sequence[SpanRecord] | None:
        """All records of a session in the local store, after ours have been written there; None without a store."""
        if self.store is None:
            return None
        self.delivery.flush(seconds)
        return self.store.spans(session_id, project)

    def keep_file(self, path: str, name: str) -> str:
        """Have a copy of a file made beside the store, which there must be, and return the URL that it will have."""
        assert self.store is not None  # noqa: S101 - only asked where there is one
        kept = Path(f"{self.store.path}.media") / f"{name}{Path(path).suffix}"
        source = Path(path).absolute()

        def copy() -> None:
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source, kept)

        self.delivery.do(copy)
        return kept.as_uri()


def build(
    config: Configuration, faults: Faults, seats: Seats | None = None, receivers: Sequence[Receiver] | None = None
) -> Pipeline:
    """The pipeline that this configuration asks for; the program's own tracer provider is joined, if it has one.

    `seats` are those that the client has had before, in whatever providers.
    """
    seats = seats or Seats()
    provider, joined = _provider(config, seats)
    endpoint = None
    if receivers is None:
        receivers, endpoint = _receivers(config, faults, joined=joined)
    prices = Prices(own_prices(config.prices, _refuse))
    redaction = Redaction(config.redact, faults, (config.api_key, config.parent_key))
    identity = {names.PROJECT_ID: config.project_id}
    delivery = Delivery(receivers, faults, None if config.env_data_opt_out else host.resource, redaction, identity)
    delivery.gather, delivery.batch = config.schedule_delay / 1000, max(config.max_export_batch_size, 1)
    processor = SessionProcessor(
        prices,
        faults,
        max_queue_size=config.max_queue_size,
        max_queue_bytes=config.max_queue_bytes,
        everything=config.export == "all",
        aliases=config.cost_aliases,
    )
    delivery.serve(processor)
    seat = seats.at(provider)
    seat.seat(processor, config.processor)

    owned = isinstance(provider, Provider) and settings_allow()

    @functools.cache
    def tracer_of(library: str) -> Tracer:
        scope = f"{SCOPE}.{library}" if library else SCOPE
        made: Tracer = provider.get_tracer(scope, package_version(), schema_url=_SCHEMA)
        return OwnTracer(made, provider, seat, (scope, package_version())) if owned else made

    tracer = tracer_of("")
    store = next((receiver.store for receiver in receivers if isinstance(receiver, StoreReceiver)), None)
    ids = _session_ids(provider, tracer, joined=joined)
    content = config.content_captured(endpoint)
    if endpoint is not None and not content:
        logger.info("messages are not captured for %s; capture_content=True sends them", endpoint)
    return Pipeline(
        provider, tracer, tracer_of, processor, delivery, ids, endpoint, store, joined, content, _drops(provider)
    )


def _drops(provider: Any) -> Callable[[SpanContext], bool]:
    """Whether nothing is recorded that starts below a span, as far as that is known before anything has started."""
    if sdk_disabled():
        return lambda _: True
    return is_unsampled if isinstance(provider, Provider) and follows_parents() else lambda _: False


def move(session: Session, former: Pipeline, built: Pipeline, ground: Ground, config: Configuration) -> None:
    """Let a session go on in this pipeline, with what is kept of it; a store that is left behind forgets it."""
    if former is built:
        return
    same = former.store is not None and built.store is not None and former.store.path == built.store.path
    project = session.config.project_id
    same = same and project == config.project_id  # in one file, it is another session all the same
    session.move(ground, config, announce=not same)
    if same or former.store is None:
        former.delivery.flush(config.max_wait_time / 1000)
        return
    records = former.stored(session.session_id, config.max_wait_time / 1000, project) or ()
    former.store.delete(session.session_id, project)
    built.processor.carry(record for record in records if record.end_time is not None)


def withdraw(session: Session, built: Pipeline) -> None:
    """Let a session never have been: nothing is kept of it."""
    session.withdraw()
    if built.store is not None:
        built.delivery.flush(session.config.max_wait_time / 1000)
        built.store.delete(session.session_id, session.config.project_id)


def _refuse(model: str, error: ValueError) -> None:
    logger.warning("the price of %s is not used: %s", model, error)


def _provider(config: Configuration, seats: Seats) -> tuple[Any, bool]:
    """The provider to use, and whether it is the program's own."""
    if not config.isolated:
        current = trace.get_tracer_provider()
        if hasattr(current, "add_span_processor"):
            return current, not isinstance(current, Provider)
    if seats.own is None or (config.isolated and seats.own is trace.get_tracer_provider()):
        seats.own = Provider(resource=_resource(config), id_generator=SessionIds(), shutdown_on_exit=False)
    if not config.isolated:
        if isinstance(current, trace.ProxyTracerProvider):
            trace.set_tracer_provider(seats.own)
        else:
            logger.info(
                "the program's %s takes no span processors; sessions use a provider of their own",
                type(current).__name__,
            )
    return seats.own, False


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
    if sdk_disabled():
        return [], None
    told = os.environ.get("OTEL_TRACES_EXPORTER", "").lower().split(",")
    wanted = {name for item in told if (name := item.strip())}
    endpoint = config.receiver
    if endpoint is None and not joined and (not wanted or "otlp" in wanted):
        # A provider of the program's own exports to the standard endpoint by itself: twice would be once too often.
        endpoint = next((value for name in _STANDARD_ENDPOINTS if (value := os.environ.get(name, "").strip())), None)
        if endpoint is None and "otlp" in wanted:
            endpoint = "http://localhost:4318"
    if config.exporter is not None:
        return [ExporterReceiver(config.exporter)], type(config.exporter).__name__
    shown = [ExporterReceiver(ConsoleSpanExporter())] if "console" in wanted and not joined else []
    if endpoint is not None:
        return [OtlpReceiver(config, faults), *shown], secrets.shown(endpoint)
    if "none" in wanted and not joined:
        return [], None
    if shown:
        return [*shown], "the console"
    return [StoreReceiver(SQLiteStore(resolve(config.store)), faults)], None
