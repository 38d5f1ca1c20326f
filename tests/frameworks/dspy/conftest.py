"""What DSPy leaves open is DSPy's: the connections of the clients that it asks through."""

from __future__ import annotations


def pytest_configure(config):
    for line in (
        "ignore:unclosed:ResourceWarning",
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
        "ignore:Exception ignored in. <function _SelectorTransport:pytest.PytestUnraisableExceptionWarning",
    ):
        config.addinivalue_line("filterwarnings", line)
