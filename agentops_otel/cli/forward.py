"""`agentops-otel forward`: what an endpoint has not taken yet is sent to it now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from agentops_otel.cli import text
from agentops_otel.configuration import Configuration, ConfigurationError, key_problem
from agentops_otel.otlp.endpoint import GRPC, Endpoint
from agentops_otel.otlp.sending import Sending
from agentops_otel.otlp.transport import transport
from agentops_otel.receivers import spool_path
from agentops_otel.spool import Spool, SpoolError
from agentops_otel.store import StoreError

if TYPE_CHECKING:
    from agentops_otel.spool import Address, Waiting

_DAY: Final = 86_400
_STEP_SECONDS: Final = 1.0


@click.command()
@click.option("--store", metavar="PATH", help="The store beside which they wait (AGENTOPS_STORE).")
@click.option("--endpoint", metavar="URL", help="Send them there, not where they were to go.")
@click.option("--api-key", metavar="KEY", help="The key that they were made with (AGENTOPS_API_KEY).")
@click.option("--list", "only_list", is_flag=True, help="Only say what waits, and where it is to go.")
def forward(store: str | None, endpoint: str | None, api_key: str | None, only_list: bool) -> None:
    """Send the spans that an endpoint did not take when they were made.

    They are sent in their order, and deleted here only once they have arrived. What a running program is
    about to send is left to it.
    """
    if api_key is not None and key_problem(api_key) is not None:
        raise click.UsageError(str(key_problem(api_key)))
    try:
        config = Configuration.read(store=store, api_key=api_key)
        spool = Spool(spool_path(config.store), config.max_spool_size, config.max_spool_days * _DAY)
        waiting = spool.waiting()
        if not waiting:
            text.say(f"Nothing waits to be sent ({text.clean(spool.path)}).")
            return
        complete = True
        for item in waiting:
            if only_list or item.is_held or item.address.project != config.project_id:
                _tell(item, config, only_list=only_list)
            else:
                complete = _forward(spool, item, _endpoint(item.address, endpoint, config)) and complete
        spool.release()
    except (StoreError, SpoolError, ConfigurationError, OSError) as error:
        raise click.ClickException(text.clean(error)) from error
    if not complete:
        raise SystemExit(1)


def _tell(item: Waiting, config: Configuration, *, only_list: bool) -> None:
    line = f"{text.several(item.spans, 'span')} ({item.size / 1e6:.1f} MB) for {item.address.destination}"
    if item.is_held:
        line += ": a running program is about to send them"
    elif item.address.project != config.project_id:
        line += ": made with another API key; set AGENTOPS_API_KEY to it, or give it with --api-key"
    elif only_list:
        line += ": agentops-otel forward sends them"
    text.say(text.clean(line))


def _endpoint(address: Address, told: str | None, config: Configuration) -> Endpoint:
    """Where to send; what the settings know of the same place, as a password, is used."""
    if told is not None:
        return Endpoint.of(told, config.api_key)
    configured = Endpoint.of(config.receiver, config.api_key)
    if configured.shown == address.destination:
        return configured
    protocol, separator, url = address.destination.partition(f"{GRPC}+")
    is_grpc = separator and not protocol
    return Endpoint.made(url if is_grpc else address.destination, GRPC if is_grpc else "http/protobuf", config.api_key)


def _forward(spool: Spool, item: Waiting, endpoint: Endpoint) -> bool:
    sending = Sending([spool], item.address, lambda: transport(endpoint), Counter())
    sending.wake()
    while not sending.drain(_STEP_SECONDS) and sending.trouble is None:
        pass  # it goes on: there is much to send, or the answer takes its time
    sending.close()
    if sending.recovered:
        text.say(text.clean(f"Sent {text.several(sending.recovered, 'span')} to {endpoint.shown}."))
    if sending.trouble is None:
        return True
    text.say(text.clean(f"{endpoint.shown} takes no more now: {sending.trouble}. The rest is kept; try again later."))
    return False
