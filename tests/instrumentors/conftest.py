"""One stage for all tests of instrumentors: a provider, and scenarios that run beside it, plain and captured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Tests are modules, not a package: this is how they find what they share.
sys.path.append(str(Path(__file__).parent))
pytest.register_assert_rewrite("comparison")

from comparison import Comparison, Stage  # noqa: E402


@pytest.fixture(scope="session")
def stage():
    with Stage() as running:
        yield running


@pytest.fixture
def compare(stage, make_watched, caplog):
    return Comparison(stage, make_watched, caplog)
