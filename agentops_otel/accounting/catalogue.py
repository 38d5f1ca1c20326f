"""The catalogue of prices that genai-prices brings along: what a model is listed for, since when, and by whom else."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.sellers import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, datetime
    from decimal import Decimal

_PER: Final = {
    "mtok": "1M tokens",
    "kcount": "1,000",
    "kpages": "1,000 pages",
    "mchars": "1M characters",
    "hours": "hour",
}
_KEY: Final = re.compile(rf"(.+)_({'|'.join(_PER)})")
_NEAR: Final = 5
_ALIKE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Rate:
    """USD for so much of something: `per` says how much.

    `tiers` are (from how many input tokens on, USD): from there on, all of it costs that.
    """

    what: str
    per: str
    price: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """What a model costs by the price data.

    `conditions` are the rates of other service tiers and of batches, only where they differ: `{"flex": (...)}`.
    `since` is the day this price began, None where the data does not say; `hourly` says that it depends on the hour.
    `others` list the model as well.
    """

    provider: str
    seller: str
    model: str
    rates: tuple[Rate, ...]
    conditions: Mapping[str, tuple[Rate, ...]]
    since: date | None
    hourly: bool
    note: str | None
    url: str | None
    others: tuple[str, ...]


def look_up(model: str, now: datetime) -> Listed | None:
    """The price that holds `now` for a model, named as `gpt-4o-mini` or `azure/gpt-4o-mini`; None where there is none.

    It is looked up as `Prices.quote` does. Slow: it reads the price data.
    """
    snapshot = _snapshot()
    for provider_id, name in candidates(None, model):
        try:
            provider, found = snapshot.find_provider_model(name, None, provider_id or None, None)
        except LookupError:
            continue
        rates = _rates(found.get_prices(now))
        # Where one provider's models are priced by another's list, conditions of that one are not known to hold.
        is_own = any(found is listed for listed in provider.models)
        return Listed(
            provider.id,
            provider.name,
            found.id,
            rates,
            dict(_conditions(found, rates, now)) if is_own else {},
            _since(found, now),
            any(dated.constraint is not None and _start(dated) is None for dated in _dated(found)),
            found.price_comments,
            next(iter(provider.pricing_urls or ()), None),
            tuple(_others(snapshot, provider.id, name)),
        )
    return None


def near(model: str) -> list[str]:
    """Names of models that the price data has and that look like this one, the nearest first."""
    told = model.lower().rpartition("/")[2]
    known = {name for provider in _snapshot().providers for name in (listed.id for listed in provider.models)}
    holding = sorted((name for name in known if told and told in name), key=lambda name: (len(name), name))
    alike = difflib.get_close_matches(told, sorted(known), n=_NEAR, cutoff=_ALIKE)
    return list(dict.fromkeys([*holding, *alike]))[:_NEAR]


def size() -> tuple[int, int]:
    """How many models the price data has, and of how many providers."""
    providers = _snapshot().providers
    return sum(len(provider.models) for provider in providers), len(providers)


def newest_change(today: date) -> date | None:
    """When the newest price that holds by `today` began: the data itself bears no date. Reads all of it."""
    begun = (
        start
        for provider in _snapshot().providers
        for model in provider.models
        for start in map(_start, _dated(model))
        if start is not None
    )
    return max((start for start in begun if start <= today), default=None)


def _snapshot() -> Any:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to import

    return get_snapshot()


def _rates(prices: Any) -> tuple[Rate, ...]:
    """Input first, then what is read from and written to caches, then the rest, as the data has it."""
    found = []
    for key, price in vars(prices).items():
        named = _KEY.fullmatch(key)
        if price is None or named is None:
            continue
        tiers = tuple((tier.start, tier.price) for tier in getattr(price, "tiers", ()))
        found.append(Rate(named[1].replace("_", " "), _PER[named[2]], getattr(price, "base", price), tiers))
    order = ("input", "cache read", "cache write", "cache write 1h", "output")
    return tuple(sorted(found, key=lambda rate: order.index(rate.what) if rate.what in order else len(order)))


def _conditions(model: Any, standard: tuple[Rate, ...], now: datetime) -> Iterator[tuple[str, tuple[Rate, ...]]]:
    same: dict[tuple[Rate, ...], list[str]] = {}
    for variant in getattr(model, "price_variants", None) or ():
        if variant.constraint is None or variant.constraint.active(now):
            rates = _rates(model.get_prices(now, variant.when))
            same.setdefault(rates, []).extend(variant.when.values())
    for rates, named in same.items():
        if rates != standard:
            yield ", ".join(dict.fromkeys(named)), rates


def _since(model: Any, now: datetime) -> date | None:
    for dated in reversed(_dated(model)):
        if dated.constraint is None or dated.constraint.active(now):
            return _start(dated)
    return None


def _dated(model: Any) -> list[Any]:
    """Its prices with what they depend on; none where one price has always held."""
    return model.prices if isinstance(model.prices, list) else []


def _start(dated: Any) -> date | None:
    """The day a price began; other constraints are hours of the day."""
    begun: date | None = getattr(dated.constraint, "start_date", None)
    return begun


def _others(snapshot: Any, provider_id: str, model: str) -> Iterator[str]:
    for provider in snapshot.providers:
        if provider.id != provider_id and any(listed.is_match(model) for listed in provider.models):
            yield provider.id
