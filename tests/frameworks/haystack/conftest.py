"""Haystack without the figures that it sends to its makers; the connections that it leaves open are its own."""

from __future__ import annotations

import os

from leftovers import pytest_configure, pytest_unconfigure  # noqa: F401 - hooks

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when it is imported
