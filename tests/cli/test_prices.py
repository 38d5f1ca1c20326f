"""`agentops-otel prices`: what it tells is what calls are counted with."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from agentops_otel.accounting import catalogue
from agentops_otel.accounting.catalogue import Rate
from agentops_otel.accounting.prices import Prices
from agentops_otel.cli import main
from agentops_otel.configuration import Configuration, ConfigurationError
from agentops_otel.conventions.model import Usage

NOW = datetime.now(timezone.utc)
OWN = json.dumps({"mine": {"input": 1.5, "output": "2"}, "gpt-4o": 0, "wrong": -1})


def prices(*arguments, code=0, **env):
    result = CliRunner().invoke(main, ["prices", *arguments], env=env)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.mark.parametrize(
    "model",
    ["gpt-4o-mini", "openai/gpt-4o-mini", "azure.ai.openai/gpt-4o", "claude-sonnet-4-6", "gemini-2.5-flash", "mistral-large-latest"],
)  # fmt: skip
def test_what_is_listed_is_what_is_billed(model):
    listed = catalogue.look_up(model, NOW)
    rates = {rate.what: rate.price for rate in listed.rates}
    bill = Prices().quote(None, model, Usage(input_tokens=1000, output_tokens=500))
    assert bill.cost == (1000 * rates["input"] + 500 * rates["output"]) / 1_000_000
    for name, other in listed.conditions.items():
        rates = {rate.what: rate.price for rate in other}
        for told in name.split(", "):
            context = {"processing" if told == "batch" else "service_tier": told}
            bill = Prices().quote(None, model, Usage(input_tokens=1000, output_tokens=500), conditions=context)
            assert bill is None or bill.cost == (1000 * rates["input"] + 500 * rates["output"]) / 1_000_000


def test_every_model_of_the_data_can_be_told():
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - it is slow to import

    known = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            listed = catalogue.look_up(f"{provider.id}/{model.id}", NOW)
            if listed is not None:
                known += 1
                assert all(rate.price is not None for rate in listed.rates)
    assert known > 0.9 * catalogue.size()[0]


def test_a_model():
    told = prices("o3")
    assert told.startswith("o3 at OpenAI\n")
    assert f"Source: genai-prices {version('genai-prices')}, this price since 2025-06-10\n" in told
    assert "The provider's list: https://" in told
    document = json.loads(prices("o3", "--json"))
    assert document["source"] == f"genai-prices@{version('genai-prices')}"
    assert document["since"] == "2025-06-10"
    assert {"what": "input", "per": "1M tokens", "usd": "2"} in document["rates"]
    assert document["conditions"]


def test_tiers_are_told():
    assert "$3.00, $6.00 over 200k" in prices("claude-sonnet-4-5")


def test_another_seller():
    assert prices("azure/gpt-4o").startswith("azure/gpt-4o at Microsoft Azure\n")
    assert catalogue.look_up("azure/gpt-4o", NOW).conditions == {}, "OpenAI's tiers are not known to hold there"


def test_a_model_of_unknown_price_says_what_to_do():
    told = prices("gpt-4o-min", code=3)
    assert "no price is known for 'gpt-4o-min': its calls are counted, and shown as unpriced" in told
    assert "Is it one of these? gpt-4o-mini, " in told
    assert """AGENTOPS_PRICES='{"gpt-4o-min": {"input": 1, "output": 2}}'""" in told
    assert Prices().quote(None, "gpt-4o-min", Usage(input_tokens=1, output_tokens=1)) is None


@pytest.mark.parametrize("model", ["zzzzzzz", "", "/", "\x1b[31mred", "\ud800", "x" * 10_000])
def test_names_that_are_none(model):
    told = prices(model, code=3)
    assert "no price is known" in told
    assert "\x1b" not in told


def test_near_names():
    assert catalogue.near("gpt-4o-min")[0] == "gpt-4o-mini"
    assert catalogue.near("claud-sonet-4-5")[0].startswith("claude-sonnet-4")
    assert catalogue.near("qqqqqqqq") == []


def test_prices_of_your_own_come_first():
    told = prices("mine", AGENTOPS_PRICES=OWN)
    assert "mine, at a price of your own" in told
    assert "$1.50" in told
    document = json.loads(prices("gpt-4o", "--json", AGENTOPS_PRICES=OWN))
    assert document["source"] == "override"
    assert {"what": "input", "per": "1M tokens", "usd": "0"} in document["rates"]


def test_all():
    told = prices(AGENTOPS_PRICES=OWN)
    models, providers = catalogue.size()
    assert f"{models:,} models of {providers} providers, by genai-prices {version('genai-prices')}" in told
    assert "  mine: input $1.50, output $2.00\n" in told
    document = json.loads(prices("--json"))
    assert "2025-01-01" < document["newest_change"] <= f"{NOW:%Y-%m-%d}"
    assert document["own"] == {}
    assert "No prices of your own" in prices()


def test_a_price_that_is_none_is_said():
    result = CliRunner().invoke(main, ["prices"], env={"AGENTOPS_PRICES": OWN})
    assert "The price of wrong is not used: -1 is no price" in result.stderr


def test_own_prices_out_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "prices.json").write_text(OWN)
    monkeypatch.setenv("AGENTOPS_PRICES", str(tmp_path / "prices.json"))
    assert Configuration.read().prices == json.loads(OWN)
    assert Configuration.read(prices={"a": 1}).prices == {"a": 1}, "an argument wins"


@pytest.mark.parametrize("told", ["{", "[1]", "3", "{]}", "no/such/file.json", "\x00"])
def test_own_prices_that_cannot_be_read(told, tmp_path, monkeypatch):
    if told in {"[1]", "3"}:
        (tmp_path / "told").write_text(told)
        told = str(tmp_path / "told")
    if told == "\x00":
        told = str(tmp_path)  # a directory
    monkeypatch.setenv("AGENTOPS_PRICES", told)
    with pytest.raises(ConfigurationError, match=r"prices are by model|AGENTOPS_PRICES is a JSON object"):
        Configuration.read()
    assert "Error: " in prices(code=1)


def test_rates_are_told_by_what_they_are_for():
    rates = catalogue.look_up("whisper-1", NOW).rates
    assert Rate("audio", "hour", Decimal("0.36")) in rates
