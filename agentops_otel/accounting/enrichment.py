"""Enrichment: attributes in, attributes with what the call cost out; twice is the same as once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agentops_otel.accounting.prices import Quote
from agentops_otel.accounting.tally import is_model_call
from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import read_inner, read_text, read_usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentops_otel.accounting.prices import Prices
    from agentops_otel.conventions.model import Usage


_REGIONAL = frozenset({"aws.bedrock"})
"""Where the price is that of what was asked for, `us.anthropic.claude...`: the answer has the model's plain name."""


def enrich(
    attributes: Mapping[str, Any],
    prices: Prices,
    *,
    start_time: int | None = None,
    aliases: bool = True,
    wait: bool = True,
) -> Mapping[str, Any]:
    """The attributes of a span with what accounting knows of it; the same object where it knows nothing.

    A model call gains its cost in USD and the source of the price, where the price is known. `start_time` is
    when the call was made, for prices change. With `wait=False` nothing is loaded: the cost is then left to a
    later call. Attributes are read by their current names alone: see `dialects.translate` for all others.
    """
    return reckon(attributes, prices, start_time=start_time, aliases=aliases, wait=wait).attributes


class Reckoned(NamedTuple):
    """A span's attributes, and what they tell of, so that nobody has to read it again."""

    attributes: Mapping[str, Any]
    usage: Usage | None = None
    """Of the call itself; None too where it was not looked for."""


def reckon(
    attributes: Mapping[str, Any],
    prices: Prices,
    *,
    start_time: int | None = None,
    aliases: bool = True,
    wait: bool = True,
) -> Reckoned:
    """What `enrich` says, and the usage that it is said by."""
    prefix = _usage_prefix(attributes)
    if prefix is None or names.COST in attributes:
        return Reckoned(attributes)
    usage = read_usage(attributes, prefix)
    quote = None if usage is None else _quote(attributes, usage, prices, start_time, wait)
    if quote is None:
        return Reckoned(attributes, usage)
    cost = float(quote.cost)
    enriched = {**attributes, names.COST: cost, names.COST_SOURCE: quote.source}
    if aliases:
        for name in names.COST_ALIASES:
            enriched[name] = cost
    return Reckoned(enriched, usage)


def _quote(attributes: Mapping[str, Any], usage: Usage, prices: Prices, at: int | None, wait: bool) -> Quote | None:
    """The cost of a call with all that is billed beside it; None where any part of it is unknown."""
    models = _models(attributes, prices)
    whole = _first_quote(attributes, models, usage, prices, at, wait)
    if whole is None or whole.source == "provider" or names.INNER_USAGE not in attributes:
        return whole
    cost = whole.cost
    for model, part in read_inner(attributes):
        beside = _first_quote(attributes, [model] if model else models, part, prices, at, wait)
        if beside is None:
            return None
        cost += beside.cost
    return Quote(cost, whole.source)


def _first_quote(
    attributes: Mapping[str, Any], models: Sequence[str], usage: Usage, prices: Prices, at: int | None, wait: bool
) -> Quote | None:
    provider, conditions = read_text(attributes, names.PROVIDER_NAME), _conditions(attributes)
    for model in models:
        quote = prices.quote(provider, model, usage, conditions=conditions, at=at, wait=wait)
        if quote is not None:
            return quote
    return None


def _conditions(attributes: Mapping[str, Any]) -> dict[str, str]:
    tier = attributes.get(names.OPENAI_RESPONSE_SERVICE_TIER) or attributes.get(names.SERVICE_TIER)
    listed = attributes.get(names.COST_CONDITIONS)
    told = {"service_tier": str(tier)} if tier else {}
    if not isinstance(listed, (list, tuple)):
        return told
    return {**dict(str(condition).split("=", 1) for condition in listed if "=" in str(condition)), **told}


def _usage_prefix(attributes: Mapping[str, Any]) -> str | None:
    """Where a span keeps the usage to be priced; None where there is nothing to price."""
    if attributes.get(names.OPERATION_NAME) == names.FETCH_RESPONSE:
        return names.FETCHED
    return "" if is_model_call(attributes) else None


def _models(attributes: Mapping[str, Any], prices: Prices) -> list[str]:
    """The names to look a price up by: the model that answered, then the one that was asked for.

    A name that the user has given a price of their own comes first, for it is what they call the model. A call
    of no model has no price, but its provider may say what it cost.
    """
    answered, asked = read_text(attributes, names.RESPONSE_MODEL), read_text(attributes, names.REQUEST_MODEL)
    provider = read_text(attributes, names.PROVIDER_NAME)
    if asked and provider in _REGIONAL:
        answered, asked = asked, answered
    models = [answered or asked or ""]
    if asked and asked != models[0]:
        models.append(asked)
    if prices.overrides:
        models.sort(key=lambda name: prices.override(provider, name) is None)
    return models
