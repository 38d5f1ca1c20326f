"""Prices: bills worked out by hand, the user's own prices, and the shortcut against the library it shortens."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timezone
from decimal import Decimal
from importlib.metadata import version

import genai_prices
import pytest
from accounting.bills import TABLE, Bill, nanoseconds, used
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st

from agentops_otel.accounting import prices as module
from agentops_otel.accounting.prices import Price, Prices, Quote
from agentops_otel.conventions.model import Usage

BILLS = [pytest.param(bill, id=f"{kind}-{bill.what}") for kind, bills in TABLE.items() for bill in bills]
PRICES = Prices()


def quote(bill: Bill, prices: Prices = PRICES) -> Quote | None:
    return prices.quote(bill.provider, bill.model, bill.usage, conditions=bill.conditions, at=bill.at)


@pytest.mark.parametrize("bill", BILLS)
def test_bills(bill):
    for _ in range(2):  # looked up, then remembered
        found = quote(bill)
        assert (None if found is None else found.cost) == bill.cost
        assert found is None or found.source == f"genai-prices@{version('genai-prices')}"


def test_a_price_without_a_day_is_todays():
    usage = used(1000, 500)
    now = int(datetime.now(timezone.utc).timestamp()) * 10**9
    assert PRICES.quote("openai", "o3", usage) == PRICES.quote("openai", "o3", usage, at=now)
    assert PRICES.quote("openai", "o3", usage) != PRICES.quote("openai", "o3", usage, at=nanoseconds("2025-06-09"))


# --- What comes before the price data --------------------------------------------------------------------

OWN = {
    "my-model": {"input": 1, "output": 2},
    "openai/gpt-4o": {"input": 5, "output": 7},
    "gpt-4o": {"input": 100, "output": 100},
    "local": 0,
    "flat": 3,
    "text": "0.25",
    "cached": {"input": 10, "output": 0, "cache_read": 1, "cache_write": "12.5"},
    "exact": {"input": 0.1, "output": Decimal("0.2")},
}
CACHED = used(100, 10, cache_read_tokens=40, cache_write_tokens=30)
OVERRIDDEN = [
    Bill("a dict", "my.own", "my-model", used(100, 10), "100 * 1 + 10 * 2"),
    Bill("with the provider, before without", "openai", "gpt-4o", used(100, 10), "100 * 5 + 10 * 7"),
    Bill("without the provider, for any", "azure.ai.openai", "gpt-4o", used(100, 10), "100 * 100 + 10 * 100"),
    Bill("no provider told", None, "gpt-4o", used(100, 10), "100 * 100 + 10 * 100"),
    Bill("a model with its prefix", "openrouter", "openai/gpt-4o", used(100, 10), "100 * 5 + 10 * 7"),
    Bill("one number for both", "my.own", "flat", used(100, 10), "100 * 3 + 10 * 3"),
    Bill("a number as text", "my.own", "text", used(100, 0), "100 * 0.25"),
    Bill("floats are what they are printed as", "my.own", "exact", used(3, 1), "3 * 0.1 + 1 * 0.2"),
    Bill("free", "ollama", "local", used(10**9, 10**9), "0 * 0"),
    Bill("free, whatever was told", "ollama", "local", Usage(), "0 * 0"),
    Bill("cache at its own rates", "my.own", "cached", CACHED, "30 * 10 + 40 * 1 + 30 * 12.5"),
    Bill("cache at the input's rate", "my.own", "flat", CACHED, "100 * 3 + 10 * 3"),
    Bill("embeddings", "my.own", "my-model", used(100), "100 * 1"),
    Bill("output only is half a bill", "my.own", "my-model", used(None, 10), None),
    Bill("under any condition", "my.own", "my-model", used(100, 10), "100 * 1 + 10 * 2", {"service_tier": "flex"}),
    Bill("more cached than read", "my.own", "flat", used(10, 0, cache_read_tokens=20), "20 * 3"),
]


@pytest.mark.parametrize("bill", [pytest.param(bill, id=bill.what) for bill in OVERRIDDEN])
def test_own_prices(bill):
    prices = Prices({model: Price.of(price) for model, price in OWN.items()})
    found = quote(bill, prices)
    assert found == (None if bill.cost is None else Quote(bill.cost, "override"))
    assert not prices.loaded


def test_what_the_provider_says_comes_first():
    prices = Prices({"gpt-4o": Price.of(5)})
    told = Usage(input_tokens=1, cost=Decimal("0.125"))
    for model in ("gpt-4o", "gpt-nobody-has-seen"):
        assert prices.quote("openai", model, told) == Quote(Decimal("0.125"), "provider")
    assert prices.quote("openai", "gpt-4o", Usage(cost=Decimal(0))) == Quote(Decimal(0), "provider")


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.001,
        "abc",
        "",
        "nan",
        float("nan"),
        float("inf"),
        True,
        None,
        b"1",
        [1],
        (),
        pytest.param(object(), id="object"),
        {},
        {"input": None},
        {"input": -1},
        {"input": "free"},
        {"input": float("nan"), "output": 1},
        {"input": 1, "cache_read": float("-inf")},
        {"prompt": 1},
        {"input": 1, 2: 3, "x": 4},
    ],
    ids=repr,
)
def test_no_price(value):
    with pytest.raises(ValueError, match="price"):
        Price.of(value)


def test_a_price_stays_a_price():
    price = Price(Decimal(1), Decimal(2), Decimal("0.5"))
    assert Price.of(price) is price
    assert Price.of({"input": 1, "output": 2, "cache_read": 0.5, "cache_write": None}) == price


# --- When the data is loaded -----------------------------------------------------------------------------

NEVER_IMPORTED = """
import sys
from decimal import Decimal
from agentops_otel.accounting.prices import Price, Prices
from agentops_otel.conventions.model import Usage

prices = Prices({"mine": Price.of(1)})
assert prices.quote("openai", "gpt-4o", Usage(10, 1), wait=False) is None
assert prices.quote("openai", "mine", Usage(1_000_000, 0), wait=False).cost == 1
assert prices.quote("openai", "gpt-4o", Usage(10, 1, cost=Decimal(2)), wait=False).cost == 2
assert prices.quote("openai", "gpt-4o", Usage()) is None
assert not prices.loaded and "genai_prices" not in sys.modules

prices.load()
assert prices.loaded and "genai_prices" in sys.modules
assert prices.quote("openai", "gpt-4o", Usage(10, 1), wait=False) is not None
"""


def test_nobody_waits_who_does_not_want_to():
    done = subprocess.run(
        [sys.executable, "-c", NEVER_IMPORTED], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_many_threads_at_once(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 3)  # memories are emptied all the time
    prices = Prices()
    bills = [bill for bills in TABLE.values() for bill in bills]
    wrong: list[str] = []
    together = threading.Barrier(16)

    def ask(first: int) -> None:
        together.wait(30)
        for bill in bills[first:] + bills[:first]:
            try:
                found = quote(bill, prices)
            except Exception as error:
                wrong.append(f"{bill.what}: {error!r}")
                continue
            if (None if found is None else found.cost) != bill.cost:
                wrong.append(bill.what)

    threads = [threading.Thread(target=ask, args=(7 * number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []


def test_memories_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 8)
    prices = Prices()
    for number in range(40):
        prices.quote("openai", f"gpt-nobody-has-seen-{number}", used(1, 1))
        prices.quote("openai", "gpt-4o", used(1, 1), at=(number + 1) * 86_400 * 10**9)
    assert len(prices._lines) <= 8


# --- The shortcut ----------------------------------------------------------------------------------------

MODELS = [(provider.id, model.id) for provider in providers for model in provider.models]
MOMENTS = ["2024-06-01", "2025-06-09", "2026-03-12", "2026-11-20T03:00:00", "2026-11-20T20:00:00"]
UNITS = {
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
NEEDED = {
    "audio_input_tokens": "input_audio_mtok",
    "audio_output_tokens": "output_audio_mtok",
    "cache_write_1h_tokens": "cache_write_1h_mtok",
    "web_searches": "web_searches_kcount",
    "audio_seconds": "audio_hours",
}
TOTAL = st.one_of(st.integers(0, 2000), st.integers(150_000, 350_000))
PART = st.one_of(st.just(0), st.integers(1, 500), st.integers(0, 300_000))
USAGES = st.builds(
    Usage,
    input_tokens=TOTAL,
    output_tokens=st.one_of(st.none(), TOTAL),
    **{name: st.one_of(st.none(), PART) for name in UNITS if name not in {"input_tokens", "output_tokens"}},
)


def worked_out(provider: str, model: str, usage: Usage, at: int) -> Decimal | None:
    """The long way: by the library itself, and None where it would leave out, or guess, a part of the bill."""
    counts = {unit: count for name, unit in UNITS.items() if (count := getattr(usage, name)) is not None}
    try:
        answer = genai_prices.calc_price(
            genai_prices.Usage(**counts),
            model,
            provider_id=provider,
            genai_request_timestamp=datetime.fromtimestamp(at / 1e9, timezone.utc),
        )
    except (LookupError, ValueError):  # some models are listed under names that none finds
        return None
    told = {name for name, price in vars(answer.model_price).items() if price is not None}
    if any(getattr(usage, name) and price not in told for name, price in NEEDED.items()):
        return None
    if usage.input_tokens and told and "input_mtok" not in told:
        return None
    return answer.total_price


SHORT = [
    ("openai", "gpt-4o", lambda n: used(n, 1)),
    ("openai", "o3", lambda n: used(n, n, cache_read_tokens=n)),
    ("openai", "text-embedding-3-small", used),
    ("openai", "gpt-4.1", lambda n: used(n, 1, web_searches=n)),
    ("openai", "gpt-realtime", lambda n: used(2 * n, n, audio_input_tokens=n, cache_read_tokens=n, audio_cache_read_tokens=1)),
    ("openai", "gpt-realtime", lambda n: used(2 * n, n, audio_input_tokens=n, cache_read_tokens=n, audio_cache_read_tokens=0)),
    ("anthropic", "claude-haiku-4-5", lambda n: used(2 * n, n, cache_read_tokens=n, cache_write_tokens=n, cache_write_1h_tokens=n)),
    ("azure.ai.openai", "gpt-4o", lambda n: used(n, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "usage"), SHORT, ids=[model for _, model, _ in SHORT])
def test_the_library_is_asked_once_a_day(provider, model, usage):
    prices = Prices()
    prices.load()
    asked = []
    calculate = prices._calculate
    prices._calculate = lambda *told, **named: asked.append(told) or calculate(*told, **named)
    assert prices.quote(provider, model, usage(100), at=nanoseconds("2026-11-20")) is not None
    first = len(asked)
    for number in (7, 1000, 123_456):
        assert prices.quote(provider, model, usage(number), at=nanoseconds("2026-11-20T01:00:00")) is not None
    assert len(asked) == first
    prices.quote(provider, model, usage(100), at=nanoseconds("2026-11-21"))
    assert len(asked) > first


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(MODELS), USAGES, st.sampled_from(MOMENTS))
def test_the_shortcut_is_exact(place, usage, moment):
    at = nanoseconds(moment)
    found = PRICES.quote(*place, usage, at=at)
    assert (None if found is None else found.cost) == worked_out(*place, usage, at)


@pytest.mark.parametrize("shared", [None, 0, 5])
def test_what_two_totals_have_in_common_is_told_or_the_price_is_unknown(shared):
    usage = used(100, 10, audio_input_tokens=60, cache_read_tokens=20, audio_cache_read_tokens=shared)
    at = nanoseconds("2026-11-20")
    found = PRICES.quote("openai", "gpt-realtime", usage, at=at)
    assert (found is None) == (shared is None)
    assert (None if found is None else found.cost) == worked_out("openai", "gpt-realtime", usage, at)


@pytest.mark.parametrize("provider", sorted({provider for provider, _ in MODELS}))
def test_the_shortcut_is_exact_for_every_model(provider):
    usage = used(1200, 340, cache_read_tokens=500)
    at = nanoseconds("2026-11-20")
    for place in [place for place in MODELS if place[0] == provider]:
        found = PRICES.quote(*place, usage, at=at)
        assert (None if found is None else found.cost) == worked_out(*place, usage, at), place


LOADED = """
import sys
from agentops_otel.accounting.prices import Prices
from agentops_otel.conventions.model import Usage
prices = Prices()
prices.load()
before = set(sys.modules)
assert prices.quote("openai", "gpt-4o-mini", Usage(input_tokens=1, output_tokens=1)) is not None
print(sorted(set(sys.modules) - before))
"""


def test_who_asks_for_a_price_imports_nothing_any_more():
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
