"""What AG2 leaves open is AG2's: the clients that it makes for each turn are never closed."""

from __future__ import annotations

from leftovers import pytest_configure, pytest_unconfigure  # noqa: F401 - hooks
