"""What AG2 leaves open is AG2's, and so is what it imports that is deprecated."""

from __future__ import annotations

import warnings

from leftovers import pytest_configure, pytest_unconfigure  # noqa: F401 - hooks

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import autogen  # noqa: F401
