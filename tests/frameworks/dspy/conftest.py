"""What DSPy leaves open is DSPy's: the connections of the clients that it asks through."""

from __future__ import annotations

from leftovers import pytest_configure, pytest_unconfigure  # noqa: F401 - hooks
