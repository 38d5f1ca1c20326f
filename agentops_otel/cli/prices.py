"""`agentops-otel prices`: what a model is counted with, where that figure comes from, and how to give another."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import click

from agentops_otel.accounting import catalogue
from agentops_otel.accounting.prices import Price, Prices, own_prices
from agentops_otel.cli import text
from agentops_otel.cli.reader import NotFound
from agentops_otel.configuration import Configuration, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from agentops_otel.accounting.catalogue import Listed, Rate

_PER: Final = "1M tokens"
_LINE: Final = 100
_SELLERS: Final = 8


@click.command(short_help="Tell what a model costs, and where that price comes from.")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def prices(model: str | None, as_json: bool) -> None:
    """Tell what MODEL costs, and where that price comes from; without MODEL, which prices there are.

    \b
    agentops-otel prices gpt-4o-mini
    agentops-otel prices azure/gpt-4o    as sold by someone else

    Prices of your own come first: init(prices=...) in a program, or AGENTOPS_PRICES.

    Ends with 3 when the price of MODEL is not known.
    """  # noqa: D301 - click reads the sign
    own = _own()
    now = datetime.now(timezone.utc)
    if model is None:
        told: Any = _summary(own, now)
        lines = _summary_lines(told)
    else:
        override = Prices(own).override(None, model)
        listed = None if override is not None else catalogue.look_up(model, now)
        if override is None and listed is None:
            raise NotFound("\n".join(_unknown(model)))
        told = _own_json(model, override) if override else _listed_json(model, listed)
        lines = _own_lines(model, override) if override else _listed_lines(model, listed)
    if as_json:
        click.echo(text.harmless_json(json.dumps(told, indent=2, default=str)))
        return
    for line in lines:
        text.say(line, colour=text.wants_colour())


def _own() -> dict[str, Price]:
    def refuse(model: str, error: ValueError) -> None:
        click.echo(text.clean(f"The price of {model} is not used: {error}"), err=True)

    try:
        return own_prices(Configuration.read().prices, refuse)
    except ConfigurationError as error:
        raise click.ClickException(text.clean(error)) from error


def _source(sign: str = " ") -> str:
    """As people read it; with "@", as spans carry it."""
    return f"genai-prices{sign}{version('genai-prices')}"


# --- All -------------------------------------------------------------------------------------------------


def _summary(own: Mapping[str, Price], now: datetime) -> dict[str, Any]:
    models, providers = catalogue.size()
    return {
        "source": _source("@"),
        "models": models,
        "providers": providers,
        "newest_change": catalogue.newest_change(now.date()),
        "own": {model: _fields(price) for model, price in own.items()},
    }


def _summary_lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['models']:,} models of {told['providers']} providers, by {_source()}, read on this machine"
    yield f"Newest change of a price: {told['newest_change']}. For newer ones: pip install --upgrade genai-prices"
    yield ""
    if told["own"]:
        yield "Prices of your own, from AGENTOPS_PRICES, in USD for 1M tokens:"
        for model, rates in told["own"].items():
            yield f"  {text.clean(model)}: {', '.join(f'{name} {_money(rate)}' for name, rate in rates.items())}"
    else:
        yield "No prices of your own. Give them as init(prices=...), or here:"
        yield f"  {_advice('my-model')}"
    yield ""
    yield "One model: agentops-otel prices gpt-4o-mini"


# --- One of your own -------------------------------------------------------------------------------------


def _fields(price: Price) -> dict[str, Decimal]:
    return {name: rate for name, rate in asdict(price).items() if rate is not None}


def _own_json(model: str, price: Price) -> dict[str, Any]:
    rates = [{"what": name.replace("_", " "), "per": _PER, "usd": rate} for name, rate in _fields(price).items()]
    return {"model": model, "source": "override", "rates": rates}


def _own_lines(model: str, price: Price) -> Iterator[str]:
    yield f"{text.clean(model)}, at a price of your own"
    yield ""
    rows = [("", f"USD for {_PER}")]
    rows += [(name.replace("_", " "), _money(rate)) for name, rate in _fields(price).items()]
    yield from (f"  {line}" for line in text.aligned(rows, frozenset({1})))
    yield ""
    yield "Source: AGENTOPS_PRICES, which comes before all others"


# --- One of the catalogue --------------------------------------------------------------------------------


def _listed_json(model: str, listed: Listed | None) -> dict[str, Any]:
    assert listed is not None  # noqa: S101 - the caller has seen to it
    return {
        "model": model,
        "source": _source("@"),
        "provider": listed.provider,
        "listed_as": listed.model,
        "since": listed.since,
        "by_the_hour": listed.hourly,
        "rates": _rates_json(listed.rates),
        "conditions": {name: _rates_json(rates) for name, rates in listed.conditions.items()},
        "url": listed.url,
        "note": listed.note,
        "others": list(listed.others),
    }


def _rates_json(rates: Sequence[Rate]) -> list[dict[str, Any]]:
    return [
        {
            "what": rate.what,
            "per": rate.per,
            "usd": rate.price,
            **({"tiers": [{"over": start, "usd": price} for start, price in rate.tiers]} if rate.tiers else {}),
        }
        for rate in rates
    ]


def _listed_lines(model: str, listed: Listed | None) -> Iterator[str]:
    assert listed is not None  # noqa: S101 - as above
    colour, room = text.wants_colour(), text.columns()
    named = "" if listed.model == model.rpartition("/")[2] else f" (listed as {listed.model})"
    yield text.paint(text.clean(f"{model} at {listed.seller}{named}"), None, on=colour, bold=True)
    yield ""
    if listed.rates:
        rows = [("", f"USD for {_PER}", *listed.conditions)]
        rows += [_row(rate, listed) for rate in listed.rates]
        right = frozenset(range(1, len(rows[0])))
        spare = range(len(rows[0]) - 1, 1, -1)
        yield from (f"  {line}" for line in text.aligned(rows, right, None if room is None else room - 2, list(spare)))
    else:
        yield "  free"
    yield ""
    yield f"Source: {_source()}{f', this price since {listed.since}' if listed.since else ''}"
    if listed.hourly:
        yield "It depends on the hour of the day: this is the price of now."
    if listed.url:
        yield f"The provider's list: {listed.url}"
    if listed.note:
        yield from textwrap.wrap(text.clean(f"Note: {listed.note}"), min(room or _LINE, _LINE), break_on_hyphens=False)
    if listed.others:
        yield f"Also sold by: {', '.join(listed.others[:_SELLERS])} (prices SELLER/{text.clean(listed.model)})"
    yield f"Not what you pay? {_advice(text.clean(model))}"


def _row(rate: Rate, listed: Listed) -> tuple[str, ...]:
    what = rate.what if rate.per == _PER else f"{rate.what}, for {'an' if rate.per == 'hour' else ''} {rate.per}"
    same = (rate.what, rate.per)
    others = (
        next((_cell(of) for of in rates if (of.what, of.per) == same), "") for rates in listed.conditions.values()
    )
    return " ".join(what.split()), _cell(rate), *others


def _cell(rate: Rate) -> str:
    return _money(rate.price) + "".join(f", {_money(price)} over {start // 1000}k" for start, price in rate.tiers)


def _money(price: Decimal) -> str:
    plain = format(price.normalize(), "f")
    whole, _, parts = plain.partition(".")
    return f"${whole}.{parts.ljust(2, '0')}"


# --- None ------------------------------------------------------------------------------------------------


def _unknown(model: str) -> Iterator[str]:
    told = text.clean(model)
    yield f"no price is known for {told!r}: its calls are counted, and shown as unpriced"
    close = catalogue.near(model)
    if close:
        yield f"Is it one of these? {', '.join(map(text.clean, close))}"
    yield f"Give it a price: {_advice(told)}"


def _advice(model: str) -> str:
    return f"""AGENTOPS_PRICES='{{"{model}": {{"input": 1, "output": 2}}}}'"""
