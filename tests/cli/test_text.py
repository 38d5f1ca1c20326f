"""Figures and foreign text as the command line prints them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agentops_otel.cli import text


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        ("0", "$0.00"),
        ("0.0000195", "$0.000020"),
        ("0.000195", "$0.00020"),
        ("0.00123", "$0.0012"),
        ("0.0099", "$0.0099"),
        ("0.01", "$0.01"),
        ("0.126", "$0.13"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money(cost, shown):
    assert text.money(Decimal(cost)) == shown
    assert text.money(Decimal(cost), unpriced=2) == f"{shown}+?"


def test_money_that_nobody_knows():
    assert text.money(None) == "?"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0, "0ms"),
        (0.0003, "<1ms"),
        (0.0121, "12ms"),
        (0.9994, "999ms"),
        (0.9996, "1.0s"),
        (59.9, "59.9s"),
        (59.96, "1m 0s"),
        (3725, "1h 2m"),
        (90_000, "1d 1h"),
    ],
)
def test_spans_of_time(seconds, shown):
    assert text.span_of_time(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "just now"), (59, "59s ago"), (60, "1m ago"), (7200, "2h ago"), (200_000, "2d ago")],
)
def test_how_long_ago(seconds, shown):
    assert text.ago(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0"), (999, "999"), (1000, "1k"), (12_400, "12.4k"), (3_100_000, "3.1M")]
)
def test_counts(number, shown):
    assert text.count(number) == shown


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("plain", "plain"),
        ("größe ✓ 👩\u200d🚀", "größe ✓ 👩\u200d🚀"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;never closed", ""),
        ("a\x1b", "a"),
        ("a\nb\tc", "a b c"),
        ("\u202eback\u2069", "back"),
        ("\x9b31mred", "red"),
        ("\ud800", ""),
    ],
)
def test_foreign_text_is_made_harmless(foreign, shown):
    assert text.clean(foreign) == shown


def test_wide_and_coloured_text_is_measured_as_it_is_shown():
    assert text.width("返金") == 4
    assert text.width("e\u0301") == 1
    assert text.width(text.paint("four", "red", on=True)) == 4
    assert text.cut("返金返金", 5) == "返金…"
    assert text.cut("abc", 3) == "abc"
