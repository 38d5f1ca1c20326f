"""What tokens cost: genai-prices behind one function, the user's own prices before it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from agentops_otel.conventions.model import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
}
"""genai-prices' ids of the providers that the conventions name otherwise; the rest have one name in both."""

_UNITS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "audio_cache_read_tokens": "cache_audio_read_tokens",
    "image_input_tokens": "input_image_tokens",
    "image_output_tokens": "output_image_tokens",
    "image_cache_read_tokens": "cache_image_read_tokens",
    "web_searches": "web_searches",
    "audio_seconds": "audio_seconds",
}
_MILLION = Decimal(1_000_000)
_STANDARD = frozenset({"default", "standard", "auto", "on_demand", "global", "not_available"})
"""Conditions under which the standard price holds."""
_NEEDED_PRICES = {
    "input_audio_tokens": "input_audio_mtok",
    "output_audio_tokens": "output_audio_mtok",
    "web_searches": "web_searches_kcount",
}


@dataclass(frozen=True, slots=True)
class Price:
    """A user's own price of a model, in USD for a million tokens; `cache_read` and `cache_write` default to `input`."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any] | float | str | Price) -> Price:
        """A price from a dict of these fields, or one number for a model that always costs the same (0: free).

        Raises:
            ValueError: a field is unknown, negative or no number.
        """
        if isinstance(value, Price):
            return value
        fields = dict(value) if hasattr(value, "keys") else {"input": value, "output": value}
        unknown = set(fields) - {"input", "output", "cache_read", "cache_write"}
        if unknown:
            raise ValueError(f"a price has input, output, cache_read and cache_write, not {', '.join(sorted(unknown))}")
        try:
            rates = {name: Decimal(str(rate)) for name, rate in fields.items() if rate is not None}
        except ArithmeticError:
            raise ValueError(f"{value!r} is no price: give USD for a million tokens, as numbers") from None
        if any(not rate.is_finite() or rate < 0 for rate in rates.values()):
            raise ValueError(f"{value!r} is no price: USD for a million tokens, zero or more")
        return cls(**rates)

    def cost(self, usage: Usage) -> Decimal:
        """What this usage costs, in USD."""
        read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        fresh = max((usage.input_tokens or 0) - read - written, 0)
        read_rate = self.input if self.cache_read is None else self.cache_read
        write_rate = self.input if self.cache_write is None else self.cache_write
        total = fresh * self.input + read * read_rate + written * write_rate
        return (total + (usage.output_tokens or 0) * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Quote:
    """A cost in USD and where it comes from: `provider`, `override` or `genai-prices@VERSION`."""

    cost: Decimal
    source: str


_Conditions = tuple[tuple[str, str], ...]
_Key = tuple[str, str, _Conditions, tuple[str, ...], int]


@dataclass
class Prices:
    """The prices of one client: overrides by model name (`"openai/my-model"` or `"my-model"`), then genai-prices.

    Importing genai-prices takes a fifth of a second, so `load` is for a thread that may wait; until it
    ran, `quote` with `wait=False` answers None.
    """

    overrides: Mapping[str, Price] = field(default_factory=dict)
    _calculate: Callable[..., Any] | None = None
    _usage: Callable[..., Any] | None = None
    _source: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # Prices are linear in the counts unless tiered: the rate of each unit, exact, for one day.
    _rates: dict[_Key, tuple[Decimal, ...] | None] = field(default_factory=dict)

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
        override = self.overrides.get(f"{provider}/{model}") or self.overrides.get(model)
        if override is not None:
            return Quote(override.cost(usage), "override")
        counts = _counts(usage)
        if not counts:
            return None
        if self._calculate is None:
            if not wait:
                return None
            self.load()
        special = tuple((name, value) for name, value in (conditions or {}).items() if value not in _STANDARD)
        for candidate in _candidates(provider, model):
            cost = self._cost(*candidate, counts, special, at)
            if cost is not None:
                return Quote(cost, self._source)
        return None

    def _cost(
        self,
        provider: str,
        model: str,
        counts: Mapping[str, int | float],
        special: _Conditions,
        at: int | None,
    ) -> Decimal | None:
        when = datetime.fromtimestamp(at / 1e9, timezone.utc) if at else datetime.now(timezone.utc)
        key = (provider, model, special, tuple(counts), when.toordinal())
        if key not in self._rates:
            if len(self._rates) > 4096:
                self._rates.clear()
            self._rates[key] = self._linear_rates(provider, model, tuple(counts), special, when)
        rates = self._rates[key]
        if rates is None:
            return None
        if rates:
            return sum((rate * Decimal(str(count)) for rate, count in zip(rates, counts.values(), strict=True)), Decimal(0))
        return self._calculated(provider, model, counts, special, when)

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
        except (LookupError, ValueError):  # no such provider or model; counts that contradict each other
            return None
        return answer if _says(answer, special, counts) else None

    def _linear_rates(
        self, provider: str, model: str, units: tuple[str, ...], special: _Conditions, when: datetime
    ) -> tuple[Decimal, ...] | None:
        """USD for one of each unit; () where the price has tiers or hours of the day; None where it is unknown."""
        base: dict[str, int] = dict.fromkeys(units, 1000)
        for total in ("input_tokens", "output_tokens"):
            if total in base:
                base[total] = 1000 * (len(units) + 1)
        start = self._answer(provider, model, base, special, when)
        if start is None:
            return None
        if not _is_linear(start):
            return ()
        rates = []
        for unit in units:
            more = self._calculated(provider, model, {**base, unit: base[unit] + 1}, special, when)
            if more is None:
                return None
            rates.append(more - start.total_price)
        return tuple(rates)


def _says(answer: Any, special: _Conditions, counts: Mapping[str, Any]) -> bool:
    """Whether the price data really speaks of these conditions, of audio and of searches.

    Where it does not, it falls back to the standard price of text, or to nothing: a wrong figure.
    """
    variants = answer.model.price_variants or ()
    if any(not any(variant.when.get(name) == value for variant in variants) for name, value in special):
        return False
    prices = vars(answer.model_price)
    return all(prices.get(price) is not None for unit, price in _NEEDED_PRICES.items() if counts.get(unit))


def _is_linear(answer: Any) -> bool:
    """Whether this price has no tiers by volume and no hours of the day in it."""
    prices = answer.model.prices
    constraints = [price.constraint for price in prices] if isinstance(prices, list) else []
    if any(constraint is not None and not hasattr(constraint, "start_date") for constraint in constraints):
        return False
    return not any(hasattr(price, "tiers") for price in vars(answer.model_price).values())


def _counts(usage: Usage) -> dict[str, int | float]:
    """The usage in genai-prices' units; {} where nothing is known that could be priced.

    Output without input, or the reverse, is half a bill: it counts as unknown.
    """
    counts = {unit: count for name, unit in _UNITS.items() if (count := getattr(usage, name)) is not None}
    if not counts or ("output_tokens" in counts and "input_tokens" not in counts):
        return {}
    if usage.cache_write_1h_tokens:
        counts["cache_write_1h_tokens"] = usage.cache_write_1h_tokens
    return {unit: count for unit, count in counts.items() if count or unit in {"input_tokens", "output_tokens"}}


def _candidates(provider: str | None, model: str) -> list[tuple[str, str]]:
    """(provider, model) pairs to look up in turn: as told, then by the prefix in the model's own name."""
    known = _PROVIDERS.get(provider or "", provider or "")
    pairs = [(known, model)]  # without a provider, its own name tells whose model it is
    prefix, _, rest = model.partition("/")
    if rest and prefix != known:
        pairs.append((_PROVIDERS.get(prefix, prefix), rest))
    elif rest:
        pairs.append((known, rest))
    return pairs
