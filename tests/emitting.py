"""Sessions whose tracer provider is the process's own, for frameworks that make their spans themselves."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import pytest
from conftest import Watched
from opentelemetry import trace
from opentelemetry.util._once import Once


@contextmanager
def emitting(monkeypatch, *proxies, **settings):
    """A session; `proxies` are tracers that a framework has made before there was a provider, as it always does."""
    with monkeypatch.context() as patch:
        patch.setattr(trace, "_TRACER_PROVIDER", None)
        patch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
        for proxy in proxies:
            patch.setattr(proxy, "_real_tracer", None)
        made = Watched(isolated=False, **settings)
        yield made
        made.close()


def making(*proxies):
    """The fixture `make_watched` for the tests of a framework with these tracers: `make_watched(capture_content=False)`."""

    @pytest.fixture
    def make_watched(monkeypatch):
        with ExitStack() as opened:
            yield lambda **settings: opened.enter_context(emitting(monkeypatch, *proxies, **settings))

    return make_watched
