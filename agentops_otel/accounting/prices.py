"""What tokens cost: genai-prices behind one function, the user's own prices before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from importlib.metadata import version
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from agentops_otel.accounting.sellers import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentops_otel.conventions.model import Usage

_UNITS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "audio_cache_read_tokens": "cache_audio_read_tokens",
    "image_input_tokens": "input_image_tokens",
    "image_output_tokens": "output_image_tokens",
    "image_cache_read_tokens": "cache_image_read_tokens",
    "web_searches": "web_searches",
    "audio_seconds": "audio_seconds",
}
_USED = attrgetter(*_UNITS)
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
_PARTS = {
    "input_tokens": ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens", "input_image_tokens"),
    "output_tokens": ("output_audio_tokens", "output_image_tokens", "output_reasoning_tokens"),
    "cache_read_tokens": ("cache_audio_read_tokens", "cache_image_read_tokens"),
    "cache_write_tokens": ("cache_write_1h_tokens",),
    "input_audio_tokens": ("cache_audio_read_tokens",),
    "input_image_tokens": ("cache_image_read_tokens",),
}
"""Units that are counted within another one."""
_DAY = 86_400 * 10**9
_KEPT = 4096
"""Rates and names that are remembered; with more of them than that, all are looked up again."""


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
_Key = tuple[str, str, _Conditions, tuple[str, ...], int]
_Rates = tuple[Decimal, ...] | None


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
    # Prices are linear in the counts unless tiered: the rate of each unit, exact, for one day.
    _rates: dict[_Key, _Rates] = field(default_factory=dict)
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

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
        override = self.override(provider, model)
        if override is not None:
            known = usage.input_tokens is not None or override.is_free
            return Quote(override.cost(usage), "override") if known else None
        counts = _counts(usage)
        if counts is None:
            return None
        if self._calculate is None:
            if not wait:
                return None
            self.load()
        special = _special(conditions) if conditions else ()
        for found in candidates(provider, model):
            if self._knows(found):
                cost = self._cost(*found, counts, special, at)
                return None if cost is None else Quote(cost, self._source)
        return None

    def _knows(self, pair: tuple[str, str]) -> bool:
        """Whether the price data has this model of this provider."""
        known = self._known.get(pair)
        if known is None:
            assert self._calculate is not None  # noqa: S101 - quote() loads it
            assert self._usage is not None  # noqa: S101
            try:
                self._calculate(self._usage(), pair[1], provider_id=pair[0] or None)
                known = True
            except LookupError:
                known = False
            _remember(self._known, pair, known)
        return known

    def _cost(
        self,
        provider: str,
        model: str,
        counts: Mapping[str, int | float],
        special: _Conditions,
        at: int | None,
    ) -> Decimal | None:
        at = at or time.time_ns()
        if not _adds_up(counts):
            return self._calculated(provider, model, counts, special, _moment(at))
        used = {unit: count for unit, count in counts.items() if count}
        key = (provider, model, special, tuple(used), at // _DAY)
        try:
            rates = self._rates[key]
        except KeyError:
            rates = self._linear_rates(provider, model, tuple(used), special, _moment(at))
            _remember(self._rates, key, rates)
        if rates:
            return _times(rates, used)
        return None if rates is None else self._calculated(provider, model, counts, special, _moment(at))

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

    def _linear_rates(
        self, provider: str, model: str, units: tuple[str, ...], special: _Conditions, when: datetime
    ) -> _Rates:
        """USD for one of each unit; None where the price is unknown.

        () where the price is not linear: tiers, hours of the day, a fee for each request, least seconds.
        """
        within = {part for total, parts in _PARTS.items() if total not in _TOTALS for part in parts}
        base: dict[str, int] = {unit: 10 if unit in within else 1000 for unit in units}
        base.update({total: 1000 * (len(units) + 1) for total in _TOTALS if total in base})
        start = self._answer(provider, model, base, special, when)
        if start is None:
            return None
        if "audio_seconds" in units or not _is_linear(start):
            return ()
        rates = []
        for unit in units:
            more = self._calculated(provider, model, {**base, unit: base[unit] + 1}, special, when)
            if more is None:
                return ()
            rates.append(more - start.total_price)
        return tuple(rates) if _times(rates, base) == start.total_price else ()


def newest_change(today: date) -> date | None:
    """When the newest price that holds by `today` began: the data itself bears no date. Reads all of it."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to import
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415

    begun = (
        price.constraint.start_date
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for price in model.prices
        if isinstance(price.constraint, StartDateConstraint)
    )
    return max((start for start in begun if start <= today), default=None)


def _special(conditions: Mapping[str, str]) -> _Conditions:
    return tuple((name, value) for name, value in conditions.items() if value not in _STANDARD)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1e9, timezone.utc)


def _remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memory) >= _KEPT:
        memory.clear()
    memory[key] = value


def _times(rates: Iterable[Decimal], counts: Mapping[str, int | float]) -> Decimal:
    total = Decimal(0)
    for rate, count in zip(rates, counts.values(), strict=True):
        total += rate * (count if type(count) is int else Decimal(str(count)))
    return total


def _adds_up(counts: Mapping[str, int | float]) -> bool:
    """Whether the parts fit beside each other into what they are parts of: there all prices are linear."""
    for total, parts in _PARTS.items():
        rest = counts.get(total, 0)
        for part in parts:
            rest -= counts.get(part, 0)
        if rest < 0:
            return False
    return True


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


def _counts(usage: Usage) -> dict[str, int | float] | None:
    """The usage in genai-prices' units; None where nothing is known that could be priced.

    Output without input is half a bill, and so are parts without their total: they count as unknown.
    """
    counts = {unit: count for unit, count in zip(_UNITS.values(), _USED(usage), strict=True) if count is not None}
    return counts if "input_tokens" in counts or counts.keys() == {"audio_seconds"} else None
