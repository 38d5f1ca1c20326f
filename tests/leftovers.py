"""Hooks for the tests of a framework that leaves the connections of its clients open: that is the framework's own."""

from __future__ import annotations

import warnings

import pytest

_LEFT = (
    "ignore:unclosed:ResourceWarning",
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
    "ignore:Exception ignored in. <function _SelectorTransport:pytest.PytestUnraisableExceptionWarning",
)


def pytest_configure(config):
    for line in _LEFT:
        config.addinivalue_line("filterwarnings", line)


def pytest_unconfigure():
    # What is kept to the very end is closed after the lines above have ceased to hold.
    warnings.simplefilter("ignore", ResourceWarning)
    warnings.simplefilter("ignore", pytest.PytestUnraisableExceptionWarning)
