"""What the SDK leaves open is the SDK's: its queue of messages, where a client disconnects."""

from __future__ import annotations

from leftovers import pytest_unconfigure  # noqa: F401 - a hook


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore:Unclosed <MemoryObject:ResourceWarning")
    config.addinivalue_line(
        "filterwarnings",
        "ignore:Exception ignored in. <function MemoryObject:pytest.PytestUnraisableExceptionWarning",
    )
