"""What tokens cost: genai-prices behind one function, the user's own prices before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from importlib.metadata import version
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple

from agentops_otel.accounting.linear import PARTS, SHARED, UNITS, Line, Parts, fits, parts_in, shared_of, used_of
from agentops_otel.accounting.sellers import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentops_otel.conventions.model import Usage

_MILLION = Decimal(1_000_000)
_TOTALS = ("input_tokens", "output_tokens")
_STANDARD = frozenset({"default", "standard", "auto", "on_demand", "global", "not_available"})
"""Conditions under which the standard price holds."""
_NEEDED_PRICES = {
    "input_audio_tokens": "input_audio_mtok",
    "output_audio_tokens": "output_audio_mtok",
    "cache_write_1h_tokens": "cache_write_1h_mtok",
    "web_searches": "web_searches_kcount",
    "audio_seconds": "audio_hours",
}
_DAY = 86_400 * 10**9
_UNTOLD = (None,) * len(SHARED)
_KEPT = 4096
"""Prices that are remembered; with more of them than that, all are looked up again."""


@dataclass(frozen=True, slots=True)
class Price:
    """A user's own price of a model, in USD for a million tokens.

    `cache_read` and `cache_write` default to `input`.
    """

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any] | float | str | Price) -> Price:
        """A price from a dict of these fields, or one number for input and output alike (0: free).

        Raises:
            ValueError: a field is unknown, negative or no number.
        """
        if isinstance(value, Price):
            return value
        fields = dict(value) if isinstance(value, Mapping) else {"input": value, "output": value}
        unknown = set(fields) - {"input", "output", "cache_read", "cache_write"}
        if unknown:
            told = ", ".join(sorted(map(str, unknown)))
            raise ValueError(f"a price has input, output, cache_read and cache_write, not {told}")
        try:
            rates = {name: Decimal(str(rate)) for name, rate in fields.items() if rate is not None}
        except ArithmeticError:
            raise ValueError(f"{value!r} is no price: give USD for a million tokens, as numbers") from None
        if not rates or any(not rate.is_finite() or rate < 0 for rate in rates.values()):
            raise ValueError(f"{value!r} is no price: USD for a million tokens, zero or more")
        return cls(**rates)

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, however much is used."""
        return not any((self.input, self.output, self.cache_read, self.cache_write))

    def cost(self, usage: Usage) -> Decimal:
        """What this usage costs, in USD."""
        read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        fresh = max((usage.input_tokens or 0) - read - written, 0)
        read_rate = self.input if self.cache_read is None else self.cache_read
        write_rate = self.input if self.cache_write is None else self.cache_write
        total = fresh * self.input + read * read_rate + written * write_rate
        return (total + (usage.output_tokens or 0) * self.output) / _MILLION


class Quote(NamedTuple):
    """A cost in USD and where it comes from: `provider`, `override` or `genai-prices@VERSION`."""

    cost: Decimal
    source: str


_Conditions = tuple[tuple[str, str], ...]


def own_prices(told: Mapping[str, Any], refuse: Callable[[str, ValueError], object]) -> dict[str, Price]:
    """A user's own prices by model; those that are none are told to `refuse`, and left out."""
    found = {}
    for model, price in told.items():
        try:
            found[model] = Price.of(price)
        except ValueError as error:
            refuse(model, error)
    return found


@dataclass
class Prices:
    """The prices of one client: overrides by model (`"openai/my-model"`, `"my-model"`), then genai-prices.

    Importing genai-prices takes a fifth of a second, so `load` is for a thread that may wait; until it
    ran, `quote` with `wait=False` answers None.
    """

    overrides: Mapping[str, Price] = field(default_factory=dict)
    _calculate: Callable[..., Any] | None = None
    _usage: Callable[..., Any] | None = None
    _source: str = ""
    # Reentrant: a signal that ends the process may come while the main thread loads.
    _lock: Any = field(default_factory=threading.RLock)
    # Who sells what was asked for, the price of one combination of units on one day, and which of them are parts.
    _lines: dict[tuple[Any, ...], tuple[tuple[str, str] | None, Line | None, Parts]] = field(default_factory=dict)

    @property
    def loaded(self) -> bool:
        """Whether `quote` can answer at once."""
        return self._calculate is not None

    def load(self) -> None:
        """Import the price data; once."""
        with self._lock:
            if self._calculate is None:
                import genai_prices  # noqa: PLC0415 - 0.2 s, and never on a caller's thread

                self._source = f"genai-prices@{version('genai-prices')}"
                self._usage = genai_prices.Usage
                # The data itself is imported with the first look-up, which would be the program's own thread's.
                with suppress(LookupError):
                    genai_prices.calc_price(genai_prices.Usage(), "gpt-4o-mini", provider_id="openai")
                self._calculate = genai_prices.calc_price

    def override(self, provider: str | None, model: str) -> Price | None:
        """The user's own price of this model, if there is one."""
        if not self.overrides:
            return None
        return self.overrides.get(f"{provider}/{model}") or self.overrides.get(model)

    def quote(
        self,
        provider: str | None,
        model: str,
        usage: Usage,
        *,
        conditions: Mapping[str, str] | None = None,
        at: int | None = None,
        wait: bool = True,
    ) -> Quote | None:
        """What this usage of this model cost at that time (nanoseconds since the epoch, now by default).

        `conditions` are what else the price depends on: `service_tier`, `processing`, `speed`.
        None where the price, or the usage, is not known; and with `wait=False` where the data is not loaded.
        """
        if usage.cost is not None:
            return Quote(usage.cost, "provider")
        override = self.override(provider, model) if self.overrides else None
        if override is not None:
            known = usage.input_tokens is not None or override.is_free
            return Quote(override.cost(usage), "override") if known else None
        used = used_of(usage)
        if (used[0] is None and not _is_priceable(used)) or (self._calculate is None and not wait):
            return None
        cost = self._listed(provider, model, used, _special(conditions) if conditions else (), at or time.time_ns())
        return None if cost is None else Quote(cost, self._source)

    def _listed(
        self, provider: str | None, model: str, used: Sequence[Any], special: _Conditions, at: int
    ) -> Decimal | None:
        """What this costs by the price data; None where it has no price for all of it."""
        key = (provider, model, special, at // _DAY, *map(bool, used), *map(is_, shared_of(used), _UNTOLD))
        try:
            seller, line, parts = self._lines[key]
        except KeyError:
            self.load()
            seller, line = self._looked_up(provider, model, used, special, _moment(at))
            parts = parts_in(used)
            if len(self._lines) >= _KEPT:
                self._lines.clear()
            self._lines[key] = seller, line, parts
        if seller is None:
            return None
        if fits(used, parts):
            if line is None:
                return None
            if line.rates:
                return line.cost(used)
        counts = {unit: count for unit, count in zip(UNITS.values(), used, strict=True) if count is not None}
        return self._calculated(*seller, counts, special, _moment(at))

    def _looked_up(
        self, provider: str | None, model: str, used: Sequence[Any], special: _Conditions, when: datetime
    ) -> tuple[tuple[str, str] | None, Line | None]:
        """(provider, model) as the data names them, and the price of what is used."""
        seller = next((found for found in candidates(provider, model) if self._knows(*found)), None)
        if seller is None:
            return None, None
        units = [unit for place, unit in enumerate(UNITS.values()) if used[place] or _is_told_shared(place, used)]
        return seller, self._line(*seller, units, special, when)

    def _knows(self, provider: str, model: str) -> bool:
        """Whether the price data has this model of this provider."""
        assert self._calculate is not None  # noqa: S101 - _listed() loads it
        assert self._usage is not None  # noqa: S101
        try:
            self._calculate(self._usage(), model, provider_id=provider or None)
        except LookupError:
            return False
        return True

    def _calculated(
        self, provider: str, model: str, counts: Mapping[str, Any], special: _Conditions, when: datetime
    ) -> Decimal | None:
        answer = self._answer(provider, model, counts, special, when)
        return None if answer is None else answer.total_price

    def _answer(
        self, provider: str, model: str, counts: Mapping[str, Any], special: _Conditions, when: datetime
    ) -> Any:
        assert self._calculate is not None  # noqa: S101 - quote() loads it
        assert self._usage is not None  # noqa: S101
        try:
            answer = self._calculate(
                self._usage(**counts),
                model,
                provider_id=provider or None,
                genai_request_timestamp=when,
                price_context=dict(special) or None,
            )
        except ValueError:  # counts that contradict each other
            return None
        if special and not _is_special(answer, dict(special), when):
            return None
        return answer if _is_whole(answer, counts) else None

    def _line(
        self, provider: str, model: str, units: Sequence[str], special: _Conditions, when: datetime
    ) -> Line | None:
        """The price as a line, found by asking for one more of each unit; None where it is unknown.

        Without rates where it is not linear: tiers, hours of the day, a fee for each request, least seconds.
        """
        within = {part for total, parts in PARTS.items() if total not in _TOTALS for part in parts}
        base: dict[str, int] = {unit: 10 if unit in within else 1000 for unit in units}
        base.update({total: 1000 * (len(units) + 1) for total in _TOTALS if total in base})
        start = self._answer(provider, model, base, special, when)
        if start is None:
            return None
        if "audio_seconds" in units or not _is_linear(start):
            return Line.of({})
        rates = {}
        for unit in units:
            more = self._calculated(provider, model, {**base, unit: base[unit] + 1}, special, when)
            if more is None:
                return Line.of({})
            rates[unit] = more - start.total_price
        line = Line.of(rates)
        return line if line.cost([base.get(unit) for unit in UNITS.values()]) == start.total_price else Line.of({})


def _is_told_shared(place: int, used: Sequence[Any]) -> bool:
    """Whether nothing was used of a unit that is counted within two others, both of which were used.

    The data has no price for these two before it knows how much they have in common.
    """
    return used[place] is not None and all(used[total] for total in SHARED.get(place, (place,)))


def _special(conditions: Mapping[str, str]) -> _Conditions:
    return tuple([(name, value) for name, value in conditions.items() if value not in _STANDARD])


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1e9, timezone.utc)


def _is_special(answer: Any, special: dict[str, str], when: datetime) -> bool:
    """Whether the price data has a price for just these conditions, and used it.

    Where it has none, or where one provider's models are priced by another's list, it falls back to the
    standard price: a wrong figure.
    """
    if not any(model is answer.model for model in answer.provider.models):
        return False
    return any(
        variant.when == special and (variant.constraint is None or variant.constraint.active(when))
        for variant in answer.model.price_variants or ()
    )


def _is_whole(answer: Any, counts: Mapping[str, Any]) -> bool:
    """Whether the price data has a price for all that was used.

    Where it has none, it counts audio as text, and searches, seconds and pages as nothing: a wrong figure.
    """
    prices = {name for name, price in vars(answer.model_price).items() if price is not None}
    if counts.get("input_tokens") and prices and "input_mtok" not in prices:
        return False  # priced by the hour or the page; a model without any price is free
    return all(price in prices for unit, price in _NEEDED_PRICES.items() if counts.get(unit))


def _is_linear(answer: Any) -> bool:
    """Whether this price has no tiers by volume and no hours of the day in it."""
    prices = answer.model.prices
    constraints = [price.constraint for price in prices] if isinstance(prices, list) else []
    if any(constraint is not None and not hasattr(constraint, "start_date") for constraint in constraints):
        return False
    return not any(hasattr(price, "tiers") for price in vars(answer.model_price).values())


def _is_priceable(used: Sequence[Any]) -> bool:
    """Whether what is known without an input is a whole bill: output is half of one, and so are parts of no total."""
    return [unit for unit, count in zip(UNITS.values(), used, strict=True) if count is not None] == ["audio_seconds"]
